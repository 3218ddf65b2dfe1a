"""The harness of hostile files: a short run, that it can be repeated, and that it notices what it is for."""

import collections
import html
import os
import socket
from pathlib import Path

import pytest

from harness import fuzz
from harness.clips import clips
from harness.fuzz import LIMITS, Tally, Trap, inconsistency, tried
from harness.hostile import MARK, Traps, kind_of, make
from harness.texts import hostile_texts
from harness.whole import injected, whole
from vid_assets.media import streams

KINDS = {kind_of(1, number) for number in range(200)}


@pytest.fixture(scope="module")
def sound():
    return clips()


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    for name, value in LIMITS.items():
        monkeypatch.setenv(name, value)


def made(folder: Path, number: int, sound) -> dict[bytes, object]:
    """Make a case; return what is in its folder."""
    folder.mkdir(parents=True)
    traps = Traps(Path("/nowhere/secret.mp4"), Path("/nowhere"), "127.0.0.1:9")
    make(3, number, folder, sound, traps)
    found = {}
    for entry in os.scandir(os.fsencode(folder)):
        plain = entry.is_file(follow_symlinks=False)
        found[entry.name] = (
            Path(os.fsdecode(entry.path)).read_bytes() if plain else entry.stat(follow_symlinks=False).st_mode
        )
    return found


def test_a_seed_makes_the_same_cases_again(tmp_path, sound):
    assert clips() == sound
    kinds = collections.Counter()
    for number in range(72):
        kinds[kind_of(3, number)] += 1
        if kind_of(3, number) not in ("picture_bomb", "locked"):
            first, again = (made(tmp_path / name / str(number), number, sound) for name in "ab")
            assert first, kind_of(3, number)
            assert first.keys() == again.keys()
            assert first == again or kind_of(3, number) in ("references", "link_out", "hostile_text")
    assert set(kinds) == KINDS
    assert [kind_of(4, number) for number in range(72)] != [kind_of(3, number) for number in range(72)]


# One case of most kinds, of a seed of its own; what takes long is in the slow test.
QUICK = ("bit_flips", "truncated", "swapped_boxes", "absurd_fields", "absurd_rates", "references", "outside_data",
         "special", "link_loop", "hostile_name", "hostile_text", "wrong_extension")  # fmt: skip


def test_some_hostile_files_end_in_an_answer_or_a_reason(tmp_path, sound):
    numbers = [next(n for n in range(300) if kind_of(5, n) == kind) for kind in QUICK]
    tally = tried(5, numbers, tmp_path, sound)
    assert tally.findings == []
    assert tally.counts["answered"] + tally.counts["refused"] == tally.counts["tried"] == len(QUICK)
    assert tally.counts["answered"] >= 3


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [11, 12])
def test_many_hostile_files_end_in_an_answer_or_a_reason(seed):
    tally = fuzz.fuzz(seed, 120, jobs=2)
    assert tally.findings == []
    assert tally.counts["tried"] == 120


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_hostile_names_and_texts_stay_text_through_the_whole_pipeline():
    tally = whole(13, 100)
    assert tally.findings == []
    assert tally.counts["whole"] > 10


def test_it_notices_a_crash_a_wrong_result_and_a_hang(tmp_path, sound, monkeypatch):
    number = next(n for n in range(300) if kind_of(5, n) == "hostile_name")

    def harmed(name: str, harm) -> Tally:
        real = streams.open_media
        with monkeypatch.context() as patch:
            patch.setattr("vid_assets.media.open_media", lambda *given: harm(real, given))
            return tried(5, [number], tmp_path / name, sound)

    def broken(_real, _given):
        raise KeyError("x")

    def hanging(_real, _given):
        raise TimeoutError("longer than 600 s")

    for name, harm, word in (("a", broken, "crashed"), ("b", hanging, "hung")):
        (tmp_path / name).mkdir()
        tally = harmed(name, harm)
        assert (tally.counts[word], len(tally.findings)) == (1, 1)
        assert f"CASE={number}" in tally.findings[0]
        assert fuzz.report(tally, 5) == 1
    monkeypatch.setattr(fuzz, "inconsistency", lambda _media: "times of thumbs that do not ascend")
    (tmp_path / "c").mkdir()
    assert tried(5, [number], tmp_path / "c", sound).counts["crashed"] == 1


def test_it_notices_what_is_reached(tmp_path, sound):
    trap = Trap(tmp_path / "outside", sound["mp4"])
    assert trap.sprung() == ""
    if trap.tells:
        trap.secret.read_bytes()
        assert "was read" in trap.sprung()
        assert trap.sprung() == ""
    host, _, port = trap.traps.address.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        assert connection.recv(1) == b""
    assert "1 connections" in trap.sprung()


@pytest.mark.parametrize("text", hostile_texts(MARK)[:3])
def test_it_notices_a_text_that_became_more(tmp_path, text):
    page = tmp_path / "page.html"
    page.write_text(f"<p title='{html.escape(text)}'>{html.escape(text)}</p><script>var x = \"{MARK}\"</script>")
    assert injected(page) == []
    page.write_text(f"<p>{text}</p>")
    assert injected(page)


def test_streams_that_contradict_each_other_are_noticed(tmp_path, sound):
    from vid_assets.media import identify, open_media

    path = tmp_path / "clip.mp4"
    path.write_bytes(sound["mp4"])
    media = open_media(path, identify(path).video_id, tmp_path / "scratch")
    assert inconsistency(media) == ""
    object.__setattr__(media.video, "frame_count", 99)
    assert inconsistency(media) == "another number of pictures than thumbs"
