"""Keys and identities of media files."""

import hashlib
import os
import re
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vid_assets.errors import MediaError
from vid_assets.media import identify
from vid_assets.media.paths import shown
from vid_assets.media.source import VIDEO_ID, slug

HOSTILE = [
    "a b.mp4", "'; DROP TABLE videos; --.mp4", '"quoted".mp4', "...", "....mp4", "-rf.mp4", ".hidden", "a\nb.mp4",
    "über straße.mp4", "日本語.mp4", "a,b|c[d].mp4", "%2e%2e%2f.mp4", "x" * 251 + ".mp4", "con:cat.mp4", "tab\t.mp4",
    "é" * 120,
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_give_safe_keys(tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_bytes(b"content")
    source = identify(path)
    assert VIDEO_ID.fullmatch(source.video_id)
    assert source.content_hash == hashlib.sha256(b"content").hexdigest()
    assert source.video_id.endswith("-" + source.content_hash[:12])
    assert (source.path, source.size) == (path, 7)


def test_a_name_that_is_no_text_gives_a_safe_key(tmp_path: Path):
    path = os.fsencode(tmp_path) + b"/\xff\xfe.mp4"
    Path(os.fsdecode(path)).write_bytes(b"content")
    assert identify(Path(os.fsdecode(path))).video_id.startswith("video-")


@given(st.text(max_size=300))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_text_gives_a_slug_that_stands_anywhere(text: str):
    key = f"{slug(text)}-{'0' * 12}"
    assert VIDEO_ID.fullmatch(key)
    assert re.fullmatch(r"[a-z0-9_-]+", key)
    assert Path(key).name == key
    assert slug(slug(text)) == slug(text)


def test_dagster_takes_the_keys():
    keys = [f"{slug(name)}{index}-{'0' * 12}" for index, name in enumerate(HOSTILE)]
    assert dg.StaticPartitionsDefinition(keys).get_partition_keys() == keys


def test_the_name_is_readable():
    assert slug("Ünïted Flight #93 (final)") == "united_flight_93_final"
    assert len(slug("ab " * 100)) <= 40


def test_the_key_follows_the_content_not_the_place(tmp_path: Path):
    for folder, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "clip.mp4").write_bytes(content)
    first, copy, other = (identify(tmp_path / folder / "clip.mp4").video_id for folder in "abc")
    assert first == copy != other


def test_what_is_no_media_file_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    cases = {
        tmp_path / "missing\n.mp4": "there is no such file",
        tmp_path: "is a folder",
        tmp_path / "empty.mp4": "is empty",
        tmp_path / "pipe.mp4": "is not a regular file",
        tmp_path / "nul\0.mp4": "cannot be opened",
        tmp_path / ("x" * 300): "cannot be opened",
    }
    for path, problem in cases.items():
        with pytest.raises(MediaError, match=problem) as caught:
            identify(path)
        assert "\n" not in str(caught.value)
        assert caught.value.culprit == shown(path)
