"""A seeded generator of malformed and hostile files. Case `n` of a seed is the same on every machine and in every run.

Each kind is a function of this module with the decorator `kind`. It gets a `Plan` and puts one entry into the folder of
the case: a file, mostly, but also links, pipes, sockets and folders.
"""

import contextlib
import gzip
import os
import random
import socket
import struct
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.boxes import Box, parsed, written
from harness.clips import Recipe, encode

# Must reach no page, table or program as anything but text.
MARK = "xQz7"
_ISO = ("mp4", "mov", "m4a")
_KINDS: "dict[str, tuple[Callable[[Plan], None], int]]" = {}


@dataclass(frozen=True, slots=True)
class Traps:
    """What nothing may touch.

    Attributes:
        secret: A sound media file outside the archive.
        folder: Its folder.
        address: ``host:port`` of a listener that counts.
    """

    secret: Path
    folder: Path
    address: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One case to make.

    Attributes:
        folder: An empty folder.
        chance: Source of every choice.
        clips: Sound clips, by suffix.
        traps: What nothing may touch.
    """

    folder: Path
    chance: random.Random
    clips: Mapping[str, bytes]
    traps: Traps

    def clip(self, *suffixes: str) -> tuple[str, bytes]:
        """Return a clip, of one of these suffixes if any are given."""
        suffix = self.chance.choice([name for name in suffixes or sorted(self.clips) if name in self.clips])
        return suffix, self.clips[suffix]

    def put(self, data: bytes, suffix: str = "mp4") -> None:
        """Write the file of the case."""
        (self.folder / f"case.{suffix}").write_bytes(data)


def kind(weight: int = 1) -> Callable[[Callable[[Plan], None]], Callable[[Plan], None]]:
    """Register a kind of file, with its share of the cases."""

    def register(make: Callable[[Plan], None]) -> Callable[[Plan], None]:
        _KINDS[make.__name__] = make, weight
        return make

    return register


def kind_of(seed: int, number: int) -> str:
    """Return the kind of a case."""
    names = [name for name, (_, weight) in _KINDS.items() for _ in range(weight)]
    return random.Random(f"{seed} kinds {number // len(names)}").sample(names, len(names))[number % len(names)]


def make(seed: int, number: int, folder: Path, clips: Mapping[str, bytes], traps: Traps) -> None:
    """Put a case into an empty folder."""
    plan = Plan(folder, random.Random(f"{seed} case {number}"), clips, traps)
    _KINDS[kind_of(seed, number)][0](plan)


# --- damage ---


@kind(8)
def bit_flips(plan: Plan) -> None:
    """Flip bits, few or many, anywhere or in the header."""
    suffix, data = plan.clip()
    damaged = bytearray(data)
    within = plan.chance.choice([len(data), len(data), 2048, 256])
    for _ in range(plan.chance.choice([1, 4, 32, 300, 3000])):
        damaged[plan.chance.randrange(min(within, len(data)))] ^= 1 << plan.chance.randrange(8)
    plan.put(bytes(damaged), suffix)


@kind(3)
def byte_runs(plan: Plan) -> None:
    """Overwrite stretches with zeros, ones or noise."""
    suffix, data = plan.clip()
    damaged = bytearray(data)
    for _ in range(plan.chance.randint(1, 5)):
        start, length = plan.chance.randrange(len(data)), plan.chance.choice([1, 4, 8, 64, 1000])
        run = plan.chance.choice([bytes(length), b"\xff" * length, b"\x7f" * length, plan.chance.randbytes(length)])
        damaged[start : start + length] = run[: len(data) - start]
    plan.put(bytes(damaged), suffix)


@kind(4)
def truncated(plan: Plan) -> None:
    """Cut off the end, or the beginning."""
    suffix, data = plan.clip()
    at = plan.chance.choice([plan.chance.randrange(len(data)), plan.chance.randrange(64), len(data) - 1])
    plan.put(data[:at] if plan.chance.random() < 0.8 else data[at:], suffix)


@kind(2)
def spliced(plan: Plan) -> None:
    """Begin as one format and go on as another, or repeat a piece."""
    (suffix, first), (_, second) = plan.clip(), plan.clip()
    head, tail = plan.chance.randrange(len(first)), plan.chance.randrange(len(second))
    piece = second[tail : tail + plan.chance.choice([188, 4096])] * plan.chance.choice([1, 200])
    plan.put(first[:head] + (piece if plan.chance.random() < 0.5 else second[tail:]), suffix)


@kind()
def tiny(plan: Plan) -> None:
    """Write nothing, one byte, or a bare signature."""
    signatures = [
        b"",
        b"\0",
        b"\x1aE\xdf\xa3",
        b"\0\0\0\x08moov",
        b"RIFF\xff\xff\xff\xffAVI ",
        b"OggS",
        b"GIF89a",
        b"fLaC",
    ]
    plan.put(plan.chance.choice(signatures), plan.chance.choice(["mp4", "mkv", "avi", "gif"]))


@kind()
def noise(plan: Plan) -> None:
    """Write noise, or a signature followed by noise."""
    suffix, data = plan.clip()
    plan.put(
        data[: plan.chance.choice([0, 8, 64, 512])] + plan.chance.randbytes(plan.chance.choice([100, 50_000])), suffix
    )


@kind(2)
def wrong_extension(plan: Plan) -> None:
    """Give a sound clip the extension of another format."""
    _, data = plan.clip("mp4", "mkv", "avi", "ts", "webm", "flv", "wav", "mp3")
    plan.put(data, plan.chance.choice(["mp4", "avi", "mp3", "gif", "wav", "ts", "txt", "exe", "m3u8"]))


@kind()
def other_files(plan: Plan) -> None:
    """Name programs, archives, documents and pages like a video; some begin or end as one."""
    page = f"<html><script>{MARK}()</script><img src='http://{plan.traps.address}/'></html>".encode()
    others = [page, b"%PDF-1.7\n" + page, b"PK\x03\x04" + bytes(200), gzip.compress(page), b"\x7fELF" + bytes(500),
              b"#!/bin/sh\ntouch /tmp/" + MARK.encode(), b"\x80\x04\x95" + bytes(20) + b"cos\nsystem\n"]  # fmt: skip
    other, (suffix, data) = plan.chance.choice(others), plan.clip()
    plan.put(plan.chance.choice([other, other + data, data + other]), suffix)


# --- lies about structure and size ---


@kind(6)
def swapped_boxes(plan: Plan) -> None:
    """Swap, nest, repeat, drop and resize the boxes of MP4."""
    suffix, data = plan.clip(*_ISO)
    boxes = parsed(data)
    for _ in range(plan.chance.randint(1, 3)):
        inner = [box for top in boxes for box in top.all()]
        one, other = plan.chance.choice(inner), plan.chance.choice(inner)
        match plan.chance.randrange(6):
            case 0:
                one.kind, other.kind = other.kind, one.kind
            case 1 if not (_holds(one, other) or _holds(other, one)):
                one.body, other.body, one.inner, other.inner = other.body, one.body, other.inner, one.inner
            case 2:
                boxes.insert(plan.chance.randrange(len(boxes) + 1), Box(one.kind, one.data()))
            case 3:
                one.inner, one.body = [], b""
            case 4:
                one.size = plan.chance.choice([0, 1, 7, 8, 0x7FFF_FFFF, 0xFFFF_FFFF])
            case _:
                boxes += [Box(one.kind, one.body)] * plan.chance.choice([1, 50, 1000])
    plan.put(written(boxes), suffix)


def _holds(one: Box, other: Box) -> bool:
    return any(box is other for box in one.all())


@kind()
def deep_boxes(plan: Plan) -> None:
    """Nest boxes, or the elements of Matroska, thousands deep."""
    depth = plan.chance.choice([100, 3_000, 20_000])
    if plan.chance.random() < 0.5:
        name = plan.chance.choice([b"moov", b"udta", b"meta", b"trak"])
        sizes = (struct.pack(">I", 8 * (depth - level)) + name for level in range(depth))
        return plan.put(struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + b"".join(sizes))
    head = plan.clips["mkv"][:300]
    return plan.put(head + b"\x67\xc8\x01\xff\xff\xff\xff\xff\xff\xff" * depth, "mkv")


@kind(4)
def absurd_fields(plan: Plan) -> None:
    """Put extreme numbers into the fields of MP4 that tell sizes, times and counts."""
    suffix, data = plan.clip(*_ISO)
    boxes = parsed(data)
    fields = {b"tkhd": (20, 76, 80), b"mvhd": (12, 16), b"mdhd": (12, 16), b"stts": (4, 8, 12), b"stsz": (4, 8, 12),
              b"stco": (4, 8), b"stsc": (4, 8, 12, 16), b"ctts": (4, 8, 12), b"elst": (4, 8, 12), b"stss": (4, 8),
              b"stsd": (4, 8, 40, 42), b"hdlr": (8,)}  # fmt: skip
    known = [box for top in boxes for box in top.all() if box.kind in fields]
    for box in plan.chance.sample(known, min(len(known), plan.chance.randint(1, 4))):
        at = plan.chance.choice(fields[box.kind])
        value = plan.chance.choice(
            [0, 1, 2, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF, plan.chance.randrange(1 << 32)]
        )
        box.body = box.body[:at] + struct.pack(">I", value) + box.body[at + 4 :]
    plan.put(written(boxes), suffix)


@kind(2)
def absurd_sizes(plan: Plan) -> None:
    """Announce pictures of absurd width and height."""
    width, height = (plan.chance.choice([0, 1, 32_767, 65_535, 16_384, 4_096]) for _ in "wh")
    suffix, data = plan.clip("gif", "avi", "mp4", "mov", "flv")
    small = struct.pack("<HH", width, height)
    if suffix == "gif":
        data = data[:6] + small + data[10:]
    elif suffix == "avi":
        at = data.find(b"vids")
        at = data.find(b"strf", at) + 8
        data = data[: at + 4] + struct.pack("<ii", width * 7, height * 7) + data[at + 12 :]
    elif suffix == "flv":
        data = data.replace(struct.pack(">d", 96.0), struct.pack(">d", float(width)))
    else:
        at = next((data.find(code) for code in (b"avc1", b"jpeg") if code in data), 0) + 28
        data = data[:at] + struct.pack(">HH", width, height) + data[at + 4 :]
    plan.put(data, suffix)


@kind(2)
def absurd_rates(plan: Plan) -> None:
    """Announce sound of absurd sample rates, channels and lengths."""
    rate = plan.chance.choice([1, 2, 100, 0x7FFF_FFFF, 0xFFFF_FFFF, 0])
    channels, bits = plan.chance.choice([1, 2, 255, 65_535]), plan.chance.choice([8, 16, 32, 64])
    body = plan.chance.randbytes(plan.chance.choice([1000, 400_000]))
    form = struct.pack("<HHIIHH", 1, channels, rate, rate & 0xFFFF, channels * bits // 8 & 0xFFFF, bits)
    size = plan.chance.choice([len(body), 0xFFFF_FFFF, 0])
    plan.put(
        b"RIFF\xff\xff\xff\xffWAVEfmt "
        + struct.pack("<I", len(form))
        + form
        + b"data"
        + struct.pack("<I", size)
        + body,
        "wav",
    )


# --- bombs ---


@kind(2)
def picture_bomb(plan: Plan) -> None:
    """Pack very many, or very large, pictures into a small file."""
    match plan.chance.randrange(3):
        case 0:
            plan.put(_gif_bomb(plan), "gif")
        case 1:
            plan.put(_apng_bomb(plan), "png.mp4")
        case _:
            size = plan.chance.choice([(3840, 2160), (4096, 64), (16, 4096)])
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "bomb.mp4"
                encode(path, Recipe("mp4", "mpeg4"), size=size, pictures=plan.chance.choice([10, 40]), still=True)
                plan.put(path.read_bytes())


def _gif_bomb(plan: Plan) -> bytes:
    side, count = plan.chance.choice([(200, 20_000), (4_000, 300), (12_000, 30)])
    head = b"GIF89a" + struct.pack("<HH", side, side) + b"\x80\0\0" + bytes(3) + b"\xff" * 3
    # one pixel each, drawn on the whole canvas
    picture = b"!\xf9\x04\x08\0\0\0\0" + b"," + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02\x44\x01\0"
    return head + picture * count + b";"


def _apng_bomb(plan: Plan) -> bytes:
    side = plan.chance.choice([2_000, 5_000])

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    pixels = zlib.compress(bytes((side * 3 + 1) * side), 9)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    data += chunk(b"acTL", struct.pack(">II", 50, 0))
    for index in range(plan.chance.choice([2, 20])):
        data += chunk(b"fcTL", struct.pack(">IIIIIHHBB", 2 * index, side, side, 0, 0, 1, 100, 0, 0))
        data += chunk(b"fdAT", struct.pack(">I", 2 * index + 1) + pixels) if index else chunk(b"IDAT", pixels)
    return data + chunk(b"IEND", b"")


@kind(2)
def endless(plan: Plan) -> None:
    """Repeat a stream without end, as far as a few megabytes go: the clock starts again each time."""
    suffix, data = plan.clip("ts", "mpg", "mp3", "ogg", "flv", "h264", "flac")
    plan.put(data * plan.chance.choice([20, 100, min(800, 4_000_000 // len(data) + 1)]), suffix)


@kind()
def sample_table_bomb(plan: Plan) -> None:
    """Let the tables of MP4 play one picture again and again."""
    boxes = parsed(plan.clips["mp4"])
    for box in (box for top in boxes for box in top.all()):
        count = plan.chance.choice([10_000, 400_000])
        if box.kind == b"stts":
            box.body = struct.pack(">IIII", 0, 1, count, plan.chance.choice([1, 0, 512]))
        elif box.kind == b"stsz":
            box.body = struct.pack(">III", 0, plan.chance.choice([1, 100, 700]), count)
        elif box.kind == b"stsc":
            box.body = struct.pack(">IIIII", 0, 1, 1, 1, 1)
        elif box.kind == b"stco":
            box.body = struct.pack(">II", 0, 20_000) + box.body[8:12] * 20_000
    plan.put(written(boxes))


# --- references to other files and addresses ---


@kind(6)
def references(plan: Plan) -> None:
    """Playlists, manifests and scripts that point at a local file and at an address, named like a video."""
    secret, address = plan.traps.secret, plan.traps.address
    places = [
        str(secret),
        f"file://{secret}",
        os.path.relpath(secret, plan.folder),
        f"subfile,,start,0,end,0,,:{secret}",
    ]
    target = plan.chance.choice([*places, f"http://{address}/x.mp4", f"tcp://{address}"])
    texts = [
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
        f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:9,\n{target}\n',
        f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nconcat:{target}|{secret}\n#EXT-X-ENDLIST\n",
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'"
        " mediaPresentationDuration='PT9S'><Period><AdaptationSet mimeType='video/mp4'>"
        "<Representation id='1' bandwidth='1'>"
        f"<BaseURL>{target}</BaseURL>"
        "</Representation></AdaptationSet></Period></MPD>",
        f"ffconcat version 1.0\nfile '{target}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=video {address.split(':')[1]} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "<?xml version='1.0'?><playlist xmlns='http://xspf.org/ns/0/'><trackList><track>"
        f"<location>{target}</location></track></trackList></playlist>",
        f"[playlist]\nFile1={target}\nNumberOfEntries=1\nVersion=2\n",
        f"<asx version='3.0'><entry><ref href='{target}'/></entry></asx>",
        f"[Reference]\nRef1={target}\n",
        f"<smil><body><video src='{target}'/></body></smil>",
        f'AviSource("{target}")\n',
        f"RTSPtext\nrtsp://{address}/x\n",
        f"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM '{target}'>]><MPD>&e;</MPD>",
    ]
    text = plan.chance.choice(texts).encode()
    disguises = [b"", b"", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", b"\x1aE\xdf\xa3", b"ID3\x03\0\0\0\0\0\0", b"\n\0"]
    plan.put(plan.chance.choice(disguises) + text, plan.chance.choice(["mp4", "mkv", "ts", "m4v", "mp3", "avi", "mov"]))


@kind(2)
def outside_data(plan: Plan) -> None:
    """An MP4 whose data reference names another file."""
    suffix, data = plan.clip(*_ISO)
    boxes = parsed(data)
    place = str(plan.traps.secret)
    forms = {
        b"url ": bytes(4) + f"file://{place}\0".encode(),
        b"urn ": bytes(4) + b"x\0" + f"file://{place}\0".encode(),
        b"alis": bytes(4) + bytes(150) + struct.pack(">hH", 2, len(place)) + place.encode() + b"\xff\xff\0\0",
    }
    name = plan.chance.choice(sorted(forms))
    reference = struct.pack(">I", 8 + len(forms[name])) + name + forms[name]
    for box in (box for top in boxes for box in top.all()):
        if box.kind == b"dref":
            box.body = struct.pack(">II", 0, 1) + reference
    plan.put(written(boxes), suffix)


# --- what is no file ---


@kind(3)
def link_out(plan: Plan) -> None:
    """A link to a file or folder outside the archive."""
    traps, name = plan.traps, plan.folder / "case.mp4"
    target = plan.chance.choice([traps.secret, traps.folder, Path(os.path.relpath(traps.secret, plan.folder))])
    name.symlink_to(target)


@kind()
def link_loop(plan: Plan) -> None:
    """A link to itself, to its folder, or to nothing."""
    (plan.folder / "case.mp4").symlink_to(plan.chance.choice(["case.mp4", ".", "..", "nothing.mp4"]))


@kind(2)
def special(plan: Plan) -> None:
    """A pipe, a socket, a folder or a device named like a video."""
    path = plan.folder / "case.mp4"
    match plan.chance.randrange(4):
        case 0:
            os.mkfifo(path)
        case 1:
            # the path of a socket has room for 107 bytes
            with socket.socket(socket.AF_UNIX) as door, contextlib.chdir(plan.folder):
                door.bind(path.name)
        case 2:
            path.mkdir()
            (path / "inner.mp4").write_bytes(plan.clip("mp4")[1])
        case _:
            try:
                os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
            except PermissionError:
                os.mkfifo(path)


@kind()
def locked(plan: Plan) -> None:
    """A file that nobody may read; root still may."""
    plan.put(plan.clip()[1])
    (plan.folder / "case.mp4").chmod(0)


# --- names and texts ---

_NAMES = (
    b"\x01\x02\x1b[31m.mp4", b"a\nb.mp4", b"tab\t.mp4", b"'; DROP TABLE sources; --.mp4", b'" OR 1=1 --.mp4',
    b"$(touch xQz7).mp4", b"`touch xQz7`.mp4", b"|touch xQz7.mp4", b"-rf.mp4", b"--help.mp4", b"-.mp4",
    b"<script>xQz7()<&>.mp4", b"<img src=x onerror=xQz7()>.mp4", b"'\"><svg onload=xQz7()>.mp4", b"{{xQz7}}.mp4",
    b"{% raw %}xQz7.mp4", b"%s%n%d.mp4", b"%2e%2e%2fx.mp4", b"..\\..\\x.mp4", "\u202e4pm.exe.mp4".encode(),
    "a\u2028b\u2029.mp4".encode(), "\u200b.mp4".encode(), "e\u0301\ufb03.mp4".encode(), "😀🇩🇪.mp4".encode(),
    b"caf\xe9.mp4", b"\xff\xfe.mp4", b"\xed\xa0\x80.mp4", b"\xc0\xaf.mp4", b"x" * 250 + b".mp4",
    b" .mp4", b"a .mp4 .mp4",
    b"file:x.mp4", b"concat:a|b.mp4", b"http:--x.mp4", b"pipe:0.mp4", b"s3::x.mp4", b"a#b?c.mp4", b"[a-z]*.mp4",
    b"~root.mp4", b"NUL.mp4", b"=cmd|' xQz7'!A0.mp4", b"@SUM(1).mp4", b"a,b;c.mp4", b"__proto__.mp4",
    b"javascript:xQz7().mp4",
)  # fmt: skip


@kind(6)
def hostile_name(plan: Plan) -> None:
    """Give a sound clip a name that programs stumble over."""
    _, data = plan.clip("mp4", "mkv", "wav", "webm")
    # different contents, so that each name gets an identity of its own
    mark = b"\0\0\0\x10free" + plan.chance.randbytes(8)
    name = plan.chance.choice(_NAMES)
    with open(os.path.join(os.fsencode(plan.folder), name), "wb") as file:  # noqa: PTH118, PTH123 - the name is bytes
        file.write(plan.clips["mp4"] + mark if plan.chance.random() < 0.8 else data)


@kind(3)
def hostile_text(plan: Plan) -> None:
    """Put markup, code and direction marks into titles, chapters and subtitles."""
    from harness.texts import with_texts

    with_texts(plan.folder / "case.mkv", plan.chance, MARK)
