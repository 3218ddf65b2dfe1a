"""Labels of real clips, and how answers are counted against them. No test fetches a package."""

from pathlib import Path

from evaluation._boundaries import counted
from evaluation._footage import Clip, labels


def clip(*boundaries, unsure=()):
    return Clip(Path("clip.mp4"), list(boundaries), list(unsure), [])


def test_labels_name_package_licence_and_truth():
    known = labels()
    members = [(row["package"], row["member"]) for row in known["clip"]]
    assert len(set(members)) == len(members) > 20
    for row in known["clip"]:
        assert row["package"] in known["packages"]
        assert row["licence"]
        assert "boundaries" in row or "sound" in row
        pairs = row.get("boundaries", [])
        assert pairs == sorted(pairs)
        assert all(0 <= last < first for last, first in pairs)
        assert all(start < end for start, end, _ in row.get("sound", []))


def test_one_answer_finds_one_boundary():
    assert counted([(10, 11), (11, 12)], clip((10, 11)), slack=5) == (1, 1, 0)
    assert counted([(10, 11)], clip((10, 11), (13, 14)), slack=5) == (1, 0, 1)
    assert counted([(40, 41)], clip((10, 30)), slack=5) == (0, 1, 1)
    assert counted([(33, 34)], clip((10, 30)), slack=5) == (1, 0, 0)


def test_what_is_unsure_counts_neither_way():
    assert counted([(10, 11), (60, 61)], clip((60, 61), unsure=[(0, 20)]), slack=5) == (1, 0, 0)
