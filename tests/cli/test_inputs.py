"""Which files a command line means."""

import pytest

from vid_assets.cli.inputs import files_of


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in (
        "a.mp4",
        "b.MKV",
        "notes.txt",
        ".hidden.mp4",
        "sub/c.mov",
        "sub/.deep/d.mp4",
        "sub/e[1].mp4",
        "empty/x.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        text = name.endswith(".txt")
        (tmp_path / name).write_bytes(b"some notes\n" if text else b"\0\0\0\x18ftypisom" + bytes(12))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a.mp4"], ["a.mp4"]),
        (["notes.txt"], ["notes.txt"]),
        (["sub"], ["sub/c.mov", "sub/e[1].mp4"]),
        (["*.m*"], ["a.mp4"]),
        (["**/*.mov"], ["sub/c.mov"]),
        (["s?b"], ["sub/c.mov", "sub/e[1].mp4"]),
        (["sub/e[1].mp4"], ["sub/e[1].mp4"]),
        (["b.MKV", "a.mp4", "b.MKV", "*.mp4"], ["b.MKV", "a.mp4"]),
        (["missing.mp4"], ["missing.mp4"]),
    ],
)
def test_files_folders_and_patterns(tree, paths, expected):
    files, problems = files_of(paths)
    assert [str(file) for file in files] == expected
    assert problems == []


def test_the_working_directory(tree):
    assert [str(file) for file in files_of(["."])[0]] == ["a.mp4", "b.MKV", "sub/c.mov", "sub/e[1].mp4"]


def test_paths_that_mean_nothing_are_told_and_the_others_go_on(tree):
    files, problems = files_of(["empty", "a.mp4", "*.avi"])
    assert [str(file) for file in files] == ["a.mp4"]
    assert [str(problem).partition(";")[0] for problem in problems] == [
        "empty: holds no video",
        "*.avi: no file matches",
    ]


@pytest.mark.parametrize("path", ["x" * 5000, "a/" * 3000, "~nobody-has-this-home/x.mp4", "nul\0.mp4", "\udcff" * 300])
def test_what_can_be_no_path_is_an_input_that_matches_nothing_or_cannot_be_opened(path):
    files, problems = files_of([path])
    assert len(files) + len(problems) == 1
