"""Near-duplicate pairs over an archive: none is missed, and the shares are those of each video's time."""

import json

import numpy as np
import polars as pl
import pytest

from tests.cli.conftest import SILENT, SPEECH
from vid_assets.cli import main
from vid_assets.errors import SettingsError
from vid_assets.search import pairs
from vid_assets.search.pairs import COMMON, near_hashes, pairs_of, similar_pairs

ALL = 2**64 - 1


def flipped(value, bits, generator):
    for bit in generator.choice(64, bits, replace=False):
        value ^= 1 << int(bit)
    return value


def archive_of(*shots):
    """Shots of one second or of the given length: video, hash, length."""
    rows = [
        (video, length[0] if length else 1.0, int(np.uint64(value).view(np.int64))) for video, value, *length in shots
    ]
    return pl.DataFrame(rows, {"video_id": pl.String, "length_s": pl.Float64, "phash": pl.Int64}, orient="row")


@pytest.mark.parametrize("bits", [0, 1, 5, 8, 11])
def test_all_near_hashes_are_found_and_no_others(bits, monkeypatch):
    monkeypatch.setattr(pairs, "AT_ONCE", 50)  # ranges are looked at in pieces
    generator = np.random.default_rng(bits)
    seeds = [int(value) for value in generator.integers(0, ALL, 40, np.uint64, endpoint=True)]
    near = [flipped(value, int(generator.integers(1, 14)), generator) for value in seeds for _ in range(4)]
    hashes = np.unique(np.array(seeds + near, np.uint64))
    shown = pl.DataFrame({"hash": np.arange(len(hashes)), "video": np.arange(len(hashes))}).cast(pl.UInt32)
    one, other = np.triu_indices(len(hashes), 1)
    fine = np.bitwise_count(hashes[one] ^ hashes[other]) <= bits
    assert near_hashes(hashes, shown, bits).sort("hash", "near").rows() == [
        (int(a), int(b)) for a, b in zip(one[fine], other[fine], strict=True)
    ]


def test_shares_are_of_the_time_of_each_video():
    shots = archive_of(
        ("film", 0, 30.0), ("film", 0xFFFF, 60.0), ("film", 0xFFFF << 40, 10.0),
        ("copy", 0b1010, 15.0), ("copy", 0xFFFF, 15.0),
        ("other", 0xF0F0F0F0F0F0F0F0, 9.0),
    )  # fmt: skip
    found = pairs_of(shots, 8, 0.5)
    assert found.columns == ["video_id", "other_id", "share", "other_share"]
    assert found.rows() == [("copy", "film", 1.0, 0.9)]
    assert pairs_of(shots, 1, 0.5).rows() == [("copy", "film", 0.5, 0.6)]
    assert pairs_of(shots, 1, 0.7).is_empty()


def test_one_video_that_is_like_itself_is_no_pair():
    assert pairs_of(archive_of(("film", 1), ("film", 3), ("film", 1)), 8, 0.0).is_empty()
    assert pairs_of(archive_of(), 8, 0.0).is_empty()


def test_what_many_videos_show_says_nothing():
    logos = [(f"video{number:03}", 0b11) for number in range(COMMON + 1)]
    others = [(name, number << 40) for number, (name, _) in enumerate(logos)]
    assert pairs_of(archive_of(*logos), 8, 0.5).is_empty()
    assert pairs_of(archive_of(*logos[:COMMON]), 0, 0.5).height == COMMON * (COMMON - 1) // 2
    assert pairs_of(archive_of(*logos, *others), 0, 0.1).is_empty()


def test_more_pairs_than_fit_are_told(monkeypatch):
    monkeypatch.setattr(pairs, "MOST_PAIRS", 10)
    with pytest.raises(SettingsError, match="bits 8: more than 10 pairs of shots are alike; use fewer bits"):
        pairs_of(archive_of(*((f"video{number}", number) for number in range(8))), 8, 0.5)


def test_the_pairs_of_an_archive_agree_with_those_of_a_video(archive, capsys):
    assert similar_pairs(archive, least=0.0).rows() == [(SILENT, SPEECH, pytest.approx(1 / 6), pytest.approx(1 / 3))]
    assert main(["similar", "--all", "--least", "0.3"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"{SILENT}\t{SPEECH}\t17%\t33%"
    assert main(["similar", "--all", "--least", "0.3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["other_share"] == pytest.approx(1 / 3)
    assert main(["similar", "--all"]) == 1
    assert capsys.readouterr().out == "nothing similar\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no video to compare"),
        (["--all", "talk"], "compares all videos"),
        (["--all", "--at", "3"], "compares all videos"),
        (["--all", "--bits", "12"], "bits 12: too many to compare all videos; use 0 to 11"),
    ],
)
def test_what_does_not_fit_is_one_line(archive, capsys, arguments, told):
    assert main(["similar", *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
