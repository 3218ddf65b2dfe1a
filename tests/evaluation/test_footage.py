"""Labels of real clips, and how answers are counted against them. No test fetches a package."""

from pathlib import Path

from evaluation._boundaries import counted
from evaluation._footage import Clip, labels
from resources.models.detectors import COCO
from vid_assets.analyzers.product_detection import GOODS

LABELS = {"boundaries", "sound", "objects", "faces", "brands", "texts", "words", "words_file", "camera"}


def clip(*boundaries, unsure=()):
    return Clip(path=Path("clip.mp4"), boundaries=list(boundaries), unsure=list(unsure))


def test_labels_name_package_licence_and_truth():
    known = labels()
    members = [(row["package"], row["member"]) for row in known["clip"]]
    assert len(set(members)) == len(members) > 60
    for row in known["clip"]:
        assert row["package"] in known["packages"]
        assert row["licence"]
        assert LABELS & row.keys()
        assert row.keys() <= LABELS | {
            "package",
            "member",
            "licence",
            "unsure",
            "perhaps",
            "maybe_faces",
            "maybe_texts",
        }
        pairs = row.get("boundaries", [])
        assert pairs == sorted(pairs)
        assert all(0 <= last < first for last, first in pairs)
        for kind in ("sound", "camera", "texts", "objects", "faces", "maybe_faces"):
            assert all(0 <= part[0] < part[1] for part in row.get(kind, [])), (row["member"], kind)
        for area in (*row.get("faces", []), *row.get("maybe_faces", [])):
            assert 0 <= area[2] < area[4] <= 1
            assert 0 <= area[3] < area[5] <= 1
        named = {name for *_, names in row.get("objects", []) for name in names} | set(row.get("perhaps", []))
        assert named <= set(COCO)
        assert {label for label, _ in row.get("brands", [])} <= set(GOODS)


def test_one_answer_finds_one_boundary():
    assert counted([(10, 11), (11, 12)], clip((10, 11)), slack=5) == (1, 1, 0)
    assert counted([(10, 11)], clip((10, 11), (13, 14)), slack=5) == (1, 0, 1)
    assert counted([(40, 41)], clip((10, 30)), slack=5) == (0, 1, 1)
    assert counted([(33, 34)], clip((10, 30)), slack=5) == (1, 0, 0)


def test_what_is_unsure_counts_neither_way():
    assert counted([(10, 11), (60, 61)], clip((60, 61), unsure=[(0, 20)]), slack=5) == (1, 0, 0)
