"""Cut lists, read back by OpenTimelineIO and its adapters."""

import json
import xml.etree.ElementTree as ET
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest

from resources.warehouse.records import SOURCES, VIDEOS
from tests.export.conftest import put
from tests.export.otio_process import ask
from vid_assets.errors import MediaError
from vid_assets.export.formats import Format
from vid_assets.export.subject import Subject
from vid_assets.export.timeline import Cuts, cuts_of, edl, fcpxml, otio, timeline
from vid_assets.pipeline.records import put_record

NTSC = Fraction(30000, 1001)
# The cut is at frame 35, the middle of the dissolve at 2.62 s is 65.5.
FRAMES = [(0, 35), (35, 66), (66, 100)]


def changed(subject: Subject, **facts: object) -> Subject:
    """The same film with other facts."""
    rows = subject.warehouse.read_partition(VIDEOS.name, subject.video_id)
    assert rows is not None
    rows = VIDEOS.frame([rows.row(0, named=True) | facts])
    subject.warehouse.replace_partition(VIDEOS.name, subject.video_id, rows)
    return Subject(subject.video_id, subject.warehouse, subject.scratch, subject.media)


def cuts(**changes: object) -> Cuts:
    values = {
        "name": "film.mp4", "url": "file:///films/film.mp4", "rate": NTSC, "drop": True, "start": 107892,
        "size": (1920, 1080), "has_audio": True, "edges": [0, 1800, 17982],
    }  # fmt: skip
    return Cuts(**(values | changes))  # pyright: ignore[reportArgumentType]


def read(text: str, adapter: str, **options: object) -> dict[str, Any]:
    return ask(text=text, adapter=adapter, **options)


def spans(found: dict[str, Any], start: int = 0) -> list[tuple[float, float]]:
    return [(first - start, end - start) for first, end in (clip["frames"] for clip in found["clips"])]


def test_otio_reads_back(subject, films):
    text, notes = timeline(subject, Format.OTIO)
    found = read(text, "otio_json")
    assert notes == []
    assert found["name"] == "My film.mp4"
    assert spans(found) == FRAMES
    assert [clip["name"] for clip in found["clips"]] == ["shot 1", "shot 2", "shot 3"]
    assert found["kinds"] == ["Video", "Audio"]
    assert Path(unquote(urlparse(found["clips"][0]["url"]).path)) == films / "My film.mp4"


def test_edl_reads_back(subject):
    text, notes = timeline(subject, Format.EDL)
    found = read(text, "cmx_3600", rate=25)
    assert notes == []
    assert spans(found) == FRAMES
    assert found["name"] == "My film.mp4"
    assert [clip["name"] for clip in found["clips"]] == ["My film.mp4"] * 3
    assert sorted(found["kinds"]) == ["Audio", "Audio", "Video"]
    assert "00:00:01:10 00:00:02:16 01:00:01:10 01:00:02:16" in text
    assert text.splitlines()[:5] == [
        "TITLE: My film.mp4",
        "FCM: NON-DROP FRAME",
        "",
        "001  AX       AA/V  C        00:00:00:00 00:00:01:10 01:00:00:00 01:00:01:10",
        "* FROM CLIP NAME: My film.mp4",
    ]


def test_fcpxml_reads_back(subject):
    text, notes = timeline(subject, Format.FCPXML)
    assert notes == []
    found = read(text, "fcpx_xml")
    assert [clip["name"] for clip in found["clips"]] == ["shot 1", "shot 2", "shot 3"]
    edges = [second for clip in found["clips"] for second in clip["seconds"]]
    assert edges == pytest.approx([0, 1.4, 1.4, 2.64, 2.64, 4.0])
    root = ET.fromstring(text)
    (form,) = root.iter("format")
    assert form.attrib == {"id": "r1", "frameDuration": "1/25s", "width": "128", "height": "72"}


def test_every_time_of_fcpxml_is_a_whole_number_of_frames():
    for rate in (NTSC, Fraction(25), Fraction(25, 2)):
        root = ET.fromstring(fcpxml(cuts(rate=rate)))
        times = [
            value
            for node in root.iter()
            for value in node.attrib.values()
            if value.endswith("s") and value[0].isdigit()
        ]
        assert len(times) > 5
        assert all((Fraction(value[:-1]) * rate).denominator == 1 for value in times)
        spine = [
            (Fraction(clip.attrib["offset"][:-1]), Fraction(clip.attrib["duration"][:-1]))
            for clip in root.iter("asset-clip")
        ]
        assert all(offset + length == after for (offset, length), (after, _) in pairwise(spine))


def test_drop_frame_timecode_of_29_97():
    text = edl(cuts())
    assert "FCM: DROP FRAME" in text
    # Frame 1800 after the start is one minute, whose first two numbers are left out.
    assert "01:00:00;00 01:01:00;02 01:00:00;00 01:01:00;02" in text
    assert "01:01:00;02 01:10:00;00 01:01:00;02 01:10:00;00" in text
    assert spans(read(text, "cmx_3600", rate=float(NTSC)), 107892) == [(0, 1800), (1800, 17982)]
    assert 'tcFormat="DF"' in fcpxml(cuts())


def test_the_files_own_timecode_counts(subject):
    own = changed(subject, start_timecode="10:00:00:05", picture_start_s=0.04, duration_s=4.04)
    put(own.warehouse, "cut_analysis", [{"kind": "cut", "start_s": 1.4, "end_s": 1.44}], own.video_id)
    text, _ = timeline(own, Format.EDL)
    assert "10:00:00:06 10:00:01:16 01:00:00:00 01:00:01:10" in text
    assert spans(read(timeline(own, Format.OTIO)[0], "otio_json"), 36000 * 25 + 6) == [(0, 35), (35, 100)]


def test_drop_or_not_is_as_the_file_says(subject):
    assert cuts_of(changed(subject, fps=29.97, start_timecode="01:00:00:00")).drop is False
    assert cuts_of(changed(subject, fps=29.97, start_timecode="01:00:00;00")).start == 107892
    assert cuts_of(changed(subject, fps=29.97, start_timecode=None)).drop is True


def test_a_rate_that_has_no_timecode_is_told(subject):
    text, (note,) = timeline(changed(subject, fps=12.5, frame_count=50), Format.EDL)
    assert "12.500 frames per second; written at 12" in note
    assert [line for line in text.splitlines() if line.startswith("003")] == [
        "003  AX       AA/V  C        00:00:02:08 00:00:04:00 01:00:02:08 01:00:04:00"
    ]
    assert timeline(changed(subject, fps=12.5, frame_count=50), Format.FCPXML)[1] == []


def test_a_varying_rate_is_told_and_cuts_lie_by_time(subject):
    text, (note,) = timeline(changed(subject, fps=20.0, frame_count=80, variable_frame_rate=True), Format.OTIO)
    assert "varies" in note
    assert spans(read(text, "otio_json")) == [(0, 28), (28, 52), (52, 80)]


def test_scenes_in_place_of_shots(subject):
    found = cuts_of(subject, "scene_segmentation")
    assert found.edges == [0, 35, 100]
    assert found.pieces[1] == ("scene 2", 35, 65)


def test_no_cut_is_one_piece(subject):
    put(subject.warehouse, "cut_analysis", [], subject.video_id)
    answered = {"video_id": subject.video_id, "analyzer": "cut_analysis", "status": "value", "rows": 0}
    put_record(answered, subject.warehouse)
    assert cuts_of(subject).edges == [0, 100]


def test_hostile_names_are_data(subject):
    name = 'a & <b> "c"\n001  AX V C --> x.mp4'
    source = {"video_id": subject.video_id, "path": f"/films/{name}", "content_hash": "0" * 64}
    subject.warehouse.replace_partition(SOURCES.name, subject.video_id, SOURCES.frame([source]))
    own = changed(subject, file_name=name)
    for format, adapter, options in (
        (Format.EDL, "cmx_3600", {"rate": 25}), (Format.OTIO, "otio_json", {}), (Format.FCPXML, "fcpx_xml", {}),
    ):  # fmt: skip
        found = read(timeline(own, format)[0], adapter, **options)
        assert len(found["clips"]) == 3
    text, _ = timeline(own, Format.EDL)
    assert text.splitlines()[0] == 'TITLE: a & <b> "c"\\n001  AX V C --> x.mp4'
    assert json.loads(timeline(own, Format.OTIO)[0])["tracks"]["children"][0]["children"][0]["media_reference"][
        "target_url"
    ].startswith("file:///films/a%20%26%20%3Cb%3E")


def test_without_sound_there_are_no_tracks_of_sound(warehouse, subject):
    (other,) = (key for key in warehouse.partitions(VIDEOS.name) if key.startswith("other"))
    silent = Subject(other, warehouse, subject.scratch, subject.media)
    found = read(timeline(silent, Format.OTIO)[0], "otio_json")
    assert found["kinds"] == ["Video"]
    assert "  V     C  " in timeline(silent, Format.EDL)[0]
    assert "hasAudio" not in timeline(silent, Format.FCPXML)[0]


def test_no_answer_is_told_with_the_reason(warehouse, subject):
    with pytest.raises(MediaError, match="there are no cuts to write; cut_analysis: failed, the disk"):
        timeline(Subject("silent-0123456789ab", warehouse, subject.scratch, subject.media), Format.EDL)


def test_a_thousand_shots_are_a_thousand_events():
    many = cuts(edges=list(range(0, 30_030, 30)))
    assert len(spans(read(edl(many), "cmx_3600", rate=float(NTSC)))) == 1000
    assert len(spans(read(otio(many), "otio_json"))) == 1000
