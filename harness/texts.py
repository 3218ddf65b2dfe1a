"""A clip whose titles and subtitles are hostile texts."""

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

from harness.clips import Recipe, encode

PICTURES = 30
_HEADER = b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name\nStyle: Default\n\n[Events]\nFormat: Text\n"


def hostile_texts(token: str) -> tuple[str, ...]:
    """Return texts that a page, a table or a terminal could take for more than text."""
    return (
        f"<script>{token}()</script>",
        f"<img src=x onerror={token}()>",
        f"'\"></textarea><svg/onload={token}()>",
        f"]]>--><!--{token}",
        f"{{{{{token}}}}}{{% {token} %}}",
        f"'; DROP TABLE cues; -- {token}",
        f'=HYPERLINK("http://{token}")',
        f"\x1b]0;{token}\x07\x1b[2J",
        f"\u202e{token}\u2066\u200f",
        f"00:00:00,000 --> 99:99:99,999\n{token}\n\n",
        f"WEBVTT\n\nNOTE {token}\n",
        "\ufffe\ufeff\0" + token,
        f"{{\\an8}}{{\\p1}}m 0 0 {token}",
        token * 5_000,
    )


def with_texts(path: Path, chance: random.Random, token: str) -> None:
    """Write a Matroska file with pictures, and hostile titles and subtitles."""
    import av
    from av.subtitles.subtitle import SubtitleSet

    texts = hostile_texts(token)
    plain = path.with_suffix(".plain.mkv")
    encode(plain, Recipe("mkv", "mpeg4"), pictures=PICTURES)
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        for name in ("title", "comment", "timecode", "encoder", "artist"):
            target.metadata[name] = chance.choice(texts).replace("\0", "")
        film: Any = target.add_stream_from_template(source.streams.video[0])
        film.metadata["title"] = chance.choice(texts).replace("\0", "")
        lines: Any = target.add_stream("srt")
        lines.codec_context.subtitle_header = _HEADER
        lines.codec_context.time_base = Fraction(1, 1000)
        lines.metadata["language"] = chance.choice(["eng", "<b>", "'\""])
        packets = list(source.demux(source.streams.video[0]))
        for packet in packets:
            if packet.dts is not None:
                packet.stream = film
                target.mux(packet)
        for index in range(4):
            text = chance.choice(texts).replace("\0", "")
            line = f"{index},0,Default,,0,0,0,,{text[:900]}".encode("utf-8", "replace")
            packet = lines.codec_context.encode_subtitle(SubtitleSet.create(line, 0, 400, 500_000 * index))
            packet.stream, packet.time_base = lines, Fraction(1, 1000)
            packet.pts = packet.dts = 500 * index
            packet.duration = 400
            target.mux(packet)
    plain.unlink()
