"""An archive's configuration: what it changes, and one line for what it cannot say."""

from pathlib import Path

import pytest

from resources.errors import ModelError
from vid_assets import configuration as module
from vid_assets.analyzers import color_analysis, cut_analysis, object_detection
from vid_assets.analyzers.blip2 import ANALYZER as BLIP2
from vid_assets.configuration import configuration
from vid_assets.errors import SettingsError
from vid_assets.pipeline.provenance import archive_version, earlier_versions
from vid_assets.registry import discover

CUTS, OBJECTS, COLOURS = cut_analysis.ANALYZER, object_detection.ANALYZER, color_analysis.ANALYZER


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a text into force as the archive's configuration; None for no file."""

    def put(text: str | None) -> Path:
        file = tmp_path / "archive.toml"
        if text is None:
            monkeypatch.delenv("VID_CONFIG", raising=False)
        else:
            file.write_text(text)
            monkeypatch.setenv("VID_CONFIG", str(file))
        module._configuration.cache_clear()
        return file

    put(None)
    yield put
    module._configuration.cache_clear()


def refusal(text: str | None = None) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        configuration()
    assert "\n" not in str(caught.value)
    assert all((caught.value.culprit, caught.value.problem, caught.value.fix))
    return caught.value


def test_without_a_file_everything_has_its_default(configured) -> None:
    for analyzer in discover():
        settings = configuration().settings_of(analyzer)
        assert settings == (analyzer.config() if analyzer.config else None), analyzer.name
        handle = configuration().handle_for(analyzer)
        assert (handle is None) == (analyzer.task is None)
        if handle is not None:
            assert handle.task is analyzer.task
            assert (handle.model, handle.repo, handle.options, handle.profile) == ("", "", {}, "")


def test_the_file_changes_settings_and_models_and_nothing_else(configured) -> None:
    versions = {analyzer.name: archive_version(analyzer, "offline") for analyzer in discover()}
    configured(
        "[analyzers.object_detection]\nmin_score = 0.5\nlabels = ['person', 'dog']\n"
        "[models.blip2]\noptions = { batch = 2 }\ndeadline_s = 60\n"
    )
    settings = configuration().settings_of(OBJECTS)
    assert isinstance(settings, object_detection.Settings)
    assert (settings.min_score, settings.labels) == (0.5, ["person", "dog"])
    assert configuration().settings_of(CUTS) == cut_analysis.Settings()
    handle = configuration().handle_for(BLIP2)
    assert handle is not None
    assert (handle.options, handle.deadline_s) == ({"batch": 2}, 60.0)
    other = {a.name for a in discover() if archive_version(a, "offline") != versions[a.name]}
    assert other == {"object_detection", "blip2"}
    assert earlier_versions(OBJECTS, settings) == frozenset()


def test_a_file_that_says_the_defaults_changes_nothing(configured) -> None:
    versions = {analyzer.name: archive_version(analyzer, "offline") for analyzer in discover()}
    default = object_detection.Settings().min_score
    configured(f"[analyzers.object_detection]\nmin_score = {default}\n[models.blip2]\nrepo = ''\n")
    assert {analyzer.name: archive_version(analyzer, "offline") for analyzer in discover()} == versions


def test_an_empty_file_is_a_configuration(configured) -> None:
    configured("")
    assert configuration().settings_of(OBJECTS) == object_detection.Settings()


@pytest.mark.parametrize(
    ("text", "place", "problem", "fix"),
    [
        ("[analyzers.nobody]\n", ", [analyzers]", "unknown names nobody", "use some of age_estimation, "),
        ("[analyzers]\nblip2 = 3\n", ", [analyzers.blip2]", "3 is not a table", "its settings as [analyzers.blip2]"),
        ("analyzers = 3\n", "", "analyzers = 3 is not a table", "write it as [analyzers]"),
        ("[models.nobody]\n", ", [models]", "unknown names nobody", "use some of ages, blip2, depth, "),
        ("[models.captions]\n", ", [models]", "unknown names captions", "use some of ages, blip2, "),
        ("[models]\nblip2 = 'big'\n", ", [models.blip2]", "'big' is not a table", "its settings as [models.blip2]"),
        ("models = [1]\n", "", "models = [1] is not a table", "write it as [models]"),
        ("[analyser.blip2]\n", "", "unknown names analyser", "use some of analyzers, media, models"),
        ("[analyzers.color_analysis]\n", ", [analyzers.color_analysis]", "this analyzer has no settings", "remove"),
        (
            "[analyzers.object_detection]\nmin_skore = 0.5\n", ", [analyzers.object_detection]", "min_skore = 0.5: ",
            "use some of min_score, labels",
        ),
        (
            "[analyzers.object_detection]\nmin_score = 1.5\n", ", [analyzers.object_detection]",
            "min_score = 1.5: Input should be less than or equal to 1", "correct min_score",
        ),
        (
            "[analyzers.object_detection]\nmin_score = nan\n", ", [analyzers.object_detection]", "min_score = nan: ",
            "correct min_score",
        ),
        (
            "[analyzers.object_detection]\nlabels = [3]\n", ", [analyzers.object_detection]", "labels.0 = 3: ",
            "correct labels.0",
        ),
        (
            "[analyzers.object_detection]\nmin_score = 'high'\n", ", [analyzers.object_detection]",
            "min_score = 'high': ", "correct min_score",
        ),
        ("[models.blip2]\ncolour = 'red'\n", ", [models.blip2]", "unknown names colour", "use some of deadline_s, "),
        ("[models.blip2]\nhosts = 'x'\n", ", [models.blip2]", "unknown names hosts", "use some of deadline_s, "),
        ("[models.blip2]\ndeadline_s = 0\n", ", [models.blip2]", "deadline_s = 0: ", "correct deadline_s"),
        ("[models.blip2]\noptions = 3\n", ", [models.blip2]", "options = 3: ", "correct options"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_with_its_place_and_the_fix(configured, text, place, problem, fix) -> None:
    file = configured(text)
    error = refusal()
    assert error.culprit == f"{file}{place}"
    assert error.problem.startswith(problem)
    assert fix in error.fix


@pytest.mark.parametrize("content", [b"[analyzers", b"\xff\xfe", b"a = \n"])
def test_what_is_no_toml_is_one_line(configured, tmp_path: Path, content: bytes) -> None:
    file = configured("")
    file.write_bytes(content)
    module._configuration.cache_clear()
    error = refusal()
    assert error.culprit == f"VID_CONFIG {file}"
    assert error.problem.startswith("cannot be read: ")
    assert error.fix == "correct the path or the file"


def test_a_file_that_is_not_there_is_one_line(configured) -> None:
    file = configured("")
    file.unlink()
    module._configuration.cache_clear()
    assert refusal().culprit == f"VID_CONFIG {file}"


def test_unknown_options_of_a_model_are_told_when_it_is_asked_for(configured) -> None:
    configured("[models.blip2]\noptions = { beams = 5 }\n")
    handle = configuration().handle_for(BLIP2)
    assert handle is not None
    with pytest.raises(ModelError, match=r"options \['beams'\] are unknown; it has batch, "):
        handle.spec("offline")
