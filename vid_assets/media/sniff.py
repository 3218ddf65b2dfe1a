"""Decide from a file's first bytes whether it holds moving pictures or sound, and if not, what it is.

Content decides. The file extension is only a hint, used if the content is inconclusive, as in a damaged film. An
extension that other kinds of files share is not enough even then.
"""

from collections.abc import Callable
from pathlib import PurePath

HEAD_BYTES = 64 << 10
# A GIF does not state how many pictures it has; you have to count them.
GIF_BYTES = 8 << 20
SUFFIXES = frozenset({
    ".3g2", ".3gp", ".3gpp", ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".asf", ".au", ".avi", ".caf", ".divx",
    ".dv", ".eac3", ".f4v", ".flac", ".flv", ".gif", ".h264", ".h265", ".hevc", ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v",
    ".m4a", ".m4b", ".m4v", ".mka", ".mkv", ".mod", ".mov", ".mp2", ".mp3", ".mp4", ".mpa", ".mpe", ".mpeg", ".mpg",
    ".mpv", ".mts", ".mxf", ".oga", ".ogg", ".ogv", ".opus", ".qt", ".snd", ".tod", ".ts", ".vob", ".w64", ".wav",
    ".webm", ".wma", ".wmv",
})  # fmt: skip
# TypeScript, tracker music and others use these too.
_SHARED = frozenset({".au", ".caf", ".dv", ".gif", ".mod", ".mts", ".qt", ".snd", ".tod", ".ts"})
_UNFINISHED = frozenset({
    ".!qb", ".!ut", ".aria2", ".bc!", ".crdownload", ".download", ".dtapart", ".filepart", ".opdownload", ".part",
    ".partial", ".temp", ".tmp", ".ytdl",
})  # fmt: skip

_MEDIA = (
    (0, b"\x1aE\xdf\xa3"), (0, b"OggS\0"), (0, b"fLaC\0"), (0, b"fLaC\x80"), (0, b"FLV\x01"), (0, b"DKIF\0\0"),
    (0, b"0&\xb2u\x8ef\xcf\x11"), (0, b"#!AMR\n"), (0, b"#!AMR-WB\n"), (0, b".snd\0\0"), (0, b"caff\0\x01"),
    (0, b"riff.\x91\xcf\x11"), (8, b"AVI "), (8, b"AVIX"), (8, b"WAVE"), (8, b"AIFF"), (8, b"AIFC"),
    (0, b"\0\0\x01\xba"), (0, b"\0\0\x01\xb3"), (0, b"\0\0\x01\xb0"), (0, b"\x0b\x77"),
    (0, b"\x1f\x07\0"), (0, b"ID3\x02"), (0, b"ID3\x03"), (0, b"ID3\x04"),
)  # fmt: skip
_FORMS = {8: (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM")}
_START_CODES = (b"\0\0\0\x01", b"\0\0\x01")
# H.264: parameter sets and delimiter; HEVC: the same.
_NAL_TYPES = (0x67, 0x27, 0x47, 0x09, 0x40, 0x42, 0x46)
_ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid", b"styp", b"moof", b"sidx")
_STILL_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif", b"crx ", b"miaf", b"jxl ")
_MXF_KEY = b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02"

_STILL = "a still picture"
_OTHERS = (
    (0, b"\xff\xd8\xff", _STILL), (0, b"\x89PNG\r\n", _STILL), (0, b"II*\0", _STILL), (0, b"MM\0*", _STILL),
    (0, b"8BPS", _STILL), (8, b"WEBP", _STILL), (0, b"\0\0\0\x0cjP  ", _STILL), (0, b"\0\0\0\x0cJXL ", _STILL),
    (0, b"\xff\x0a", _STILL), (0, b"v/1\x01", _STILL), (0, b"SDPX", _STILL), (0, b"XPDS", _STILL), (0, b"BM", _STILL),
    (0, b"\0\0\x01\0\x01\0", _STILL), (0, b"FUJIFILMCCD-RAW", _STILL), (0, b"IIRO", _STILL), (0, b"IIU\0", _STILL),
    (0, b"%PDF-", "a document (PDF)"), (0, b"\xd0\xcf\x11\xe0", "an office document"),
    (0, b"PK\x03\x04", "a ZIP archive"), (0, b"PK\x05\x06", "a ZIP archive"), (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf", "a 7z archive"), (0, b"\x1f\x8b", "a gzip archive"), (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ", "an xz archive"), (0, b"\x28\xb5\x2f\xfd", "a zstd archive"), (257, b"ustar", "a tar archive"),
    (0, b"\x7fELF", "a program"), (0, b"MZ", "a program"), (0, b"\xca\xfe\xba\xbe", "a program"),
    (0, b"\xcf\xfa\xed\xfe", "a program"), (0, b"SQLite format 3", "a database"), (0, b"PAR1", "a table (Parquet)"),
    (0, b"\x93NUMPY", "an array"), (0, b"\x89HDF\r\n", "an array"), (0, b"MThd", "a score (MIDI)"),
    (0, b"RMFF", "RealMedia, which the decoder cannot read"), (0, b".RMF", "RealMedia, which the decoder cannot read"),
    (0, b"nut/multimedia", "NUT, which the decoder cannot read"),
    (0, b"YUV4MPEG2", "raw pictures (Y4M), which the decoder cannot read"),
    (0, b"FWS", "a Flash program"), (0, b"CWS", "a Flash program"), (0, b"ZWS", "a Flash program"),
    (0, b"DVDVIDEO-V", "a menu of a DVD"), (0, b"INDX0", "an index of a disc"), (0, b"MPLS0", "a playlist of a disc"),
    (0, b"HDMV0", "a clip list of a disc"), (0, b"MOBJ0", "a menu of a disc"),
)  # fmt: skip

_BITRATES = {  # kbit/s by MPEG version (1, or 2 and 2.5) and layer
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)


def why_not(name: str, first: Callable[[int], bytes]) -> str | None:
    """Return why a file is left out of the archive.

    Args:
        name: Name of the file; only its extension counts.
        first: Reads at most the given number of first bytes. It gets `HEAD_BYTES`, and for a GIF `GIF_BYTES`.

    Returns:
        What the file is instead of video or sound; None if it is media, or may be damaged media.
    """
    head = first(HEAD_BYTES)
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return None if _is_animated(head) or _is_animated(first(GIF_BYTES)) else _STILL
    what = _what(head)
    suffix = PurePath(name).suffix.lower()
    if what is None and suffix in SUFFIXES - _SHARED:
        return None
    return "nothing that the decoder knows" if what is None else what or None


def unfinished(name: str) -> bool:
    """Whether the name is one that programs give to an unfinished file."""
    return PurePath(name).suffix.lower() in _UNFINISHED


def is_named_like_media(name: str) -> bool:
    """Whether the name has an extension of video or sound."""
    return PurePath(name).suffix.lower() in SUFFIXES


def _what(head: bytes) -> str | None:
    """Return an empty string for media, a description for anything else that is known, None for the unknown."""
    if _is_text(head):
        return "text"
    if not head.strip(b"\0"):
        return "nothing but zero bytes"
    known = next((what for at, magic, what in _OTHERS if head.startswith(magic, at)), None)
    if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
        known = _STILL
    if known is not None:
        return known
    return "" if _is_media(head) else None


def _is_media(head: bytes) -> bool:
    magics = (magic for at, magic in _MEDIA if head.startswith(magic, at) and (at == 0 or head[:4] in _FORMS[at]))
    return any(magics) or _is_mp4(head) or _is_stream(head) or _MXF_KEY in head


def _is_mp4(head: bytes) -> bool:
    size = int.from_bytes(head[:4], "big")
    return head[4:8] == b"ftyp" or (head[4:8] in _ATOMS and (size == 1 or size >= 8))


def _is_stream(head: bytes) -> bool:
    """Whether it is one of the formats without a header, which repeat a marker."""
    nal = next((head[len(code)] for code in _START_CODES if head.startswith(code) and len(head) > len(code)), None)
    return nal in _NAL_TYPES or _is_transport_stream(head) or _is_chain(head, _mpeg_frame) or _is_chain(head, _adts)


def _is_transport_stream(head: bytes) -> bool:
    """Whether five sync bytes follow at the distance of MPEG-TS packets: plain, timestamped, or with parity."""
    starts = ((start, period) for period in (188, 192, 204) for start in range(period))
    return any(b"GGGGG" in head[start::period] for start, period in starts)


def _is_chain(head: bytes, frame_bytes: Callable[[bytes], int]) -> bool:
    """Whether three sound frames follow each other, or as many as a short file has."""
    at = 0
    for _ in range(3):
        size = frame_bytes(head[at : at + 7])
        if size == 0:
            return False
        at += size
        if at == len(head):
            return True
        if at > len(head):
            return False
    return True


def _mpeg_frame(header: bytes) -> int:
    """Return the bytes of an MPEG audio frame (ISO/IEC 11172-3) from its header; 0 if it is not one."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = (header[1] >> 3) & 3, 4 - ((header[1] >> 1) & 3)
    bitrate, rate = header[2] >> 4, (header[2] >> 2) & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return 0
    kbits = _BITRATES[1 if version == 3 else 2, layer][bitrate - 1]
    hertz = _RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    padding = (header[2] >> 1) & 1
    if layer == 1:
        return (12_000 * kbits // hertz + padding) * 4
    return (72_000 if layer == 3 and version != 3 else 144_000) * kbits // hertz + padding


def _adts(header: bytes) -> int:
    """Return the bytes of an AAC frame in ADTS (ISO/IEC 13818-7) from its header; 0 if it is not one."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size > 7 else 0


def _is_text(head: bytes) -> bool:
    """Whether it is text: UTF-8 or an 8-bit encoding without control characters, or any with a byte order mark."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        codec = "utf-16-le" if head[0] == 0xFF else "utf-16-be"
        text = head[2 : 2 + (len(head) - 2 & ~1)].decode(codec, "ignore")
        return bool(text) and sum(c.isprintable() or c.isspace() for c in text) > 0.95 * len(text)
    controls = bytes(code for code in range(32) if code not in b"\t\n\r\f\x1b") + b"\x7f"
    return bool(head) and len(head.translate(None, controls)) == len(head) and _is_mostly_letters(head)


def _is_mostly_letters(head: bytes) -> bool:
    """Whether bytes above ASCII form UTF-8, or are as few as in 8-bit encodings."""
    try:
        head[:-4].decode()
    except UnicodeDecodeError:
        return sum(byte >= 0x80 for byte in head) < 0.3 * len(head)
    return True


def _is_animated(data: bytes) -> bool:
    """Whether a GIF has a second picture; if that lies beyond `data`, whether the GIF says that it repeats."""
    at = 13 + _colours(data[10:11])
    pictures = 0
    while at < len(data):
        kind = data[at]
        if kind == 0x2C:
            pictures += 1
            if pictures == 2:
                return True
            at += 11 + _colours(data[at + 9 : at + 10])
        elif kind == 0x21:
            at += 2
        else:
            return False
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return len(data) >= GIF_BYTES and b"NETSCAPE2.0" in data[:2048]


def _colours(flags: bytes) -> int:
    """Return the bytes of the colour table that these flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0
