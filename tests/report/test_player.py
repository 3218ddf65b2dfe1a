"""What the player of a page gets: captions, boxes, and where the video is."""

import json
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from resources.warehouse.records import CUES, SOURCES
from resources.warehouse.resource import Warehouse
from tests.kit.long_video import long_facts, long_frames
from tests.kit.makers import make_analyzer
from tests.kit.report_archive import HOSTILE, SPEECH, THINGS
from vid_assets.contract import Column
from vid_assets.defs.report import MAX_BYTES
from vid_assets.report.facts import Facts
from vid_assets.report.media import media
from vid_assets.report.page import moment, video_page
from vid_assets.report.player import MOST_BOXES, captions, layers, playback

VIDEO = {
    "duration_s": 10.0, "width": 320, "height": 180, "fps": 25.0, "has_picture": True, "has_audio": True,
    "container": "mov,mp4,m4a,3gp,3g2,mj2", "video_codec": "h264", "audio_codec": "aac", "pixel_format": "yuv420p",
    "size_bytes": 1, "warnings": [],
}  # fmt: skip


def facts_of(*tables, **values) -> Facts:
    """Facts about a video with these analyzers and their tables."""
    found = {analyzer.name: table for analyzer, table in tables}
    return Facts("clip-0123456789ab", VIDEO, [analyzer for analyzer, _ in tables], {}, found, **values)


def things(*rows: tuple[float, int, str, float, float, float, float]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), list(THINGS.table), orient="row")


def placed(layer):
    """Start, length, label, track and corners of every box of a layer, in seconds and shares."""
    at, found = 0, []
    for row in range(0, len(layer["boxes"]), 8):
        after, length, label, track, left, top, width, height = layer["boxes"][row : row + 8]
        at += after
        corners = (left / 1000, top / 1000, (left + width) / 1000, (top + height) / 1000)
        found.append((at / 100, length / 100, layer["labels"][label], track, *corners))
    return found


def test_boxes_at_moments():
    rows = [(0.5, 1, "dog", 0.1, 0.2, 0.3, 0.4), (1.0, 1, "dog", 0.2, 0.2, 0.4, 0.4), (1.0, 2, HOSTILE, 0, 0, 1, 1)]
    (layer,) = layers(facts_of((THINGS, things(*rows))))
    assert (layer["name"], layer["step"], layer["every"]) == ("things", 50, 1)
    assert placed(layer) == [(time_s, 0.5, label, track, *corners) for time_s, track, label, *corners in rows]


def test_boxes_in_spans():
    table = {
        "text": Column(pl.String, "text", "Text"),
        **{name: Column(pl.Float64, "1", name) for name in ("start_s", "end_s", "x0", "y0", "x1", "y1")},
    }
    rows = pl.DataFrame([("b", 3.0, 9.0, 0, 0, 0.5, 0.5), ("a", 1.0, 2.5, 0.25, 0, 1, 1)], list(table), orient="row")
    (layer,) = layers(facts_of((make_analyzer("texts", table=table), rows)))
    assert layer["step"] == 0
    assert placed(layer) == [(1.0, 1.5, "a", -1, 0.25, 0, 1, 1), (3.0, 6.0, "b", -1, 0, 0, 0.5, 0.5)]


@pytest.mark.parametrize(("a_picture", "excess"), [(1, 1), (1, 3), (3, 2), (4, 4)])
def test_of_too_many_boxes_whole_pictures_are_left_out(a_picture, excess):
    count = excess * MOST_BOXES // a_picture // 2
    rows = pl.DataFrame({"time_s": pl.int_range(count, eager=True) / 2}).select(
        "time_s", track=0, label=pl.lit("x"), x0=0.0, y0=0.0, x1=0.5, y1=0.5
    )
    (layer,) = layers(facts_of((THINGS, pl.concat([rows] * a_picture))))
    found = placed(layer)
    assert len(found) <= MOST_BOXES
    assert len(found) >= min(rows.height * a_picture, MOST_BOXES / 2) - a_picture
    times = {time_s for time_s, *_ in found}
    assert len(found) == a_picture * len(times)
    assert layer["step"] == 50 * layer["every"]


def test_a_box_without_neighbours_does_not_stay():
    seen = [(1.0, 0, "dog", 0, 0, 1, 1), (9.0, 1, "cat", 0, 0, 1, 1)]
    (layer,) = layers(facts_of((THINGS, things(*seen))))
    assert layer["step"] == 100
    assert layer["boxes"][1] == 100


def test_an_empty_table_of_boxes_is_an_empty_layer():
    assert layers(facts_of((THINGS, things())))[0]["boxes"] == []


def test_speech_becomes_captions():
    words = ["Good", "evening", "<i>all</i>", "& sundry"]
    rows = pl.DataFrame(
        {"segment": [0, 0, 1, 1], "word": words, "start_s": [0.0, 0.5, 4.0, 4.5], "end_s": [0.4, 1.0, 4.4, 5.0]}
    ).with_columns(language=pl.lit("en"))
    (track,) = captions(facts_of((SPEECH, rows)))
    assert track == {
        "name": "speech",
        "cues": [(0, 1000, "Good evening"), (4000, 5000, "&lt;i&gt;all&lt;/i&gt; &amp; sundry")],
    }


def test_the_subtitles_of_the_file_come_first():
    spec = {"video_id": "clip", "track": 2, "start_s": 1.0, "end_s": 2.0}
    own = CUES.frame(
        [
            spec | {"kind": "subtitle", "text": "Guten Abend", "language": "ger"},
            spec | {"kind": "subtitle", "text": "Bonsoir", "language": None, "track": 3},
            spec | {"kind": "chapter", "text": "One", "language": None},
            spec | {"kind": "subtitle", "text": None, "language": "ger"},
        ]
    )
    tracks = captions(facts_of(cues=own))
    assert [(track["name"], [text for *_, text in track["cues"]]) for track in tracks] == [
        ("in the file: ger", ["Guten Abend"]),
        ("in the file: track 3", ["Bonsoir"]),
    ]


def test_where_the_video_is(tmp_path):
    reports = tmp_path / "reports"
    (reports / "proxies").mkdir(parents=True)
    facts = facts_of()
    plays = playback(facts, reports, str(tmp_path / "films" / "a #1?.mp4"))
    assert plays.sources == ("../films/a%20%231%3F.mp4",)
    assert plays.help.endswith("a #1?.mp4. The file may have been moved or removed.")
    odd = replace(facts, video=VIDEO | {"video_codec": "hevc"})
    plays = playback(odd, reports, (tmp_path / "films" / "caf").as_uri() + "%E9.mp4")
    assert plays.sources == ("../films/caf%E9.mp4",)
    assert "the codec of its picture, hevc" in plays.help
    assert "VID_PROXY=on vid-assets analyze " in plays.help
    (reports / "proxies" / f"{facts.video_id}.mp4").touch()
    proxy = f"proxies/{facts.video_id}.mp4"
    assert playback(odd, reports, "/films/a.mp4").sources[0] == proxy
    assert playback(facts, reports, "/films/a.mp4").sources[1] == proxy
    assert playback(facts, reports, "s3://films/a.mp4").sources == (proxy,)


@pytest.mark.slow
def test_a_page_of_two_hours_is_small():
    hours = [0.1, 1, 2]
    plays = playback(long_facts(1.0), Path("reports"), "long.mp4")
    pages = [video_page(long_facts(3600 * hour), long_frames(3600 * hour), {}, plays) for hour in hours]
    small, middle, large = (len(page.encode()) for page in pages)
    assert large < MAX_BYTES
    assert large - middle < middle - small, "it grows more slowly than the video"


def test_nothing_in_the_data_of_the_player_is_markup():
    rows = things((0.0, 1, f"</script>{HOSTILE}<!--", 0, 0, 1, 1))
    facts = facts_of((THINGS, rows), path="x.mp4")
    page = video_page(facts, None, {}, playback(facts, Path("reports"), "</style><x.mp4"))
    (data,) = re.findall(r'<script type="application/json" id="watched">(.*?)</script>', page, re.DOTALL)
    assert not set("<>&'") & set(data)
    assert json.loads(data)["layers"][0]["labels"] == [f"</script>{HOSTILE}<!--"]
    assert "<x.mp4" not in page


@pytest.mark.parametrize(
    ("seconds", "address"), [(0, "#t=0"), (2.5, "#t=2.5"), (12.346, "#t=12.35"), (7199.999, "#t=7200.00")]
)
def test_addresses_of_moments(seconds, address):
    assert moment(seconds) == address


def test_a_server_hands_out_registered_files_and_nothing_else(tmp_path):
    film, other = tmp_path / "film.html", tmp_path / "other"
    film.write_bytes(bytes(range(256)))
    other.write_text("secret")
    warehouse = Warehouse(path=str(tmp_path / "warehouse"))
    row = {"video_id": "film-0123456789ab", "path": str(film), "content_hash": "0" * 64, "size_bytes": 256}
    warehouse.commit({SOURCES.name: {row["video_id"]: SOURCES.frame([row])}})
    app = Starlette(routes=[Route("/media/{video_id:path}", lambda request: media(request, warehouse=warehouse))])
    with TestClient(app) as client:
        part = client.get("/media/film-0123456789ab", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
        assert part.headers["content-type"] == "application/octet-stream", "a file is never shown as a page"
        for address in ("other", "../other", "%2e%2e%2fother", "film-0123456789ac", ""):
            assert client.get(f"/media/{address}").status_code == 404
        film.unlink()
        assert client.get("/media/film-0123456789ab").status_code == 404


def test_a_page_without_pictures_has_a_player():
    facts = facts_of()
    assert 'id="watched"' in video_page(facts, None, {}, playback(facts, Path("reports"), "a.mp4"))
    assert 'id="watched"' not in video_page(facts, None)
