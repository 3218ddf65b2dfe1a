"""Which track is looked at, which is listened to, which channel, and what the file says about the others."""

from pathlib import Path

import numpy as np
import pytest

from tests.kit.media_files import SoundTrack, VideoTrack, murmur, mux, noise_pictures, opened, tone
from vid_assets.media import Media, MediaSettings
from vid_assets.media.tracks import short_language

FILM = VideoTrack(pictures=noise_pictures(25))
SILENCE = np.zeros((1, 48_000), np.float32)


def taken(media: Media, kind: str) -> int:
    """The index of the one track of a kind that was taken; what is taken is the only one of its kind."""
    (index,) = (track["index"] for track in media.tracks if track["kind"] == kind and track["taken"])
    return index


def reasons(media: Media) -> dict[int, str]:
    return {track["index"]: track["reason"] for track in media.tracks}


def pitch(media: Media) -> float:
    """The strongest frequency of the sound, in Hz."""
    assert media.audio is not None
    spectrum = np.abs(np.fft.rfft(media.audio.samples))
    return float(np.argmax(spectrum)) * 16_000 / len(media.audio.samples)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("still_first", [True, False])
def test_a_still_never_wins_over_a_film(tmp_path: Path, name: str, still_first: bool):
    still = VideoTrack(pictures=noise_pictures(1, 1, (640, 360)))
    small = VideoTrack(pictures=noise_pictures(25), flags=())
    tracks = (still, small) if still_first else (small, still)
    media = opened(mux(tmp_path / name, *tracks))
    assert (media.video.frame_count, media.video.width) == (25, 160)
    assert taken(media, "video") == int(still_first)
    assert reasons(media) == {
        int(still_first): "it has more than one picture",
        int(not still_first): f"track {int(still_first)} has more than one picture",
    }
    assert media.warnings == ()


def test_a_longer_film_wins_over_a_larger_one(tmp_path: Path):
    short, long = VideoTrack(pictures=noise_pictures(5, 1, (320, 180))), VideoTrack(pictures=noise_pictures(50))
    media = opened(mux(tmp_path / "a.mp4", short, long))
    assert media.video.frame_count == 50
    assert reasons(media)[0] == "track 1 is longer"
    assert "0 could be, set picture_track to choose" in media.warnings[0]


def test_a_smoother_film_wins_over_a_larger_one(tmp_path: Path):
    slow = VideoTrack(pictures=noise_pictures(5, 1, (320, 180)), rate=5)
    media = opened(mux(tmp_path / "a.mp4", slow, FILM))
    assert media.video.frame_count == 25
    assert reasons(media)[0] == "track 1 has more pictures"


def test_the_picture_track_can_be_chosen(tmp_path: Path):
    other = VideoTrack(pictures=noise_pictures(10, 1))
    path = mux(tmp_path / "a.mkv", FILM, other)
    assert opened(path).video.frame_count == 25
    media = opened(path, picture_track=1)
    assert media.video.frame_count == 10
    assert reasons(media)[1] == "it is asked for by picture_track"
    missing = opened(path, picture_track=7)
    assert missing.video.frame_count == 25
    assert missing.warnings[-1] == "picture_track asks for track 7, which is not there or cannot be taken"


def sounds(tmp_path: Path, first: SoundTrack, second: SoundTrack) -> Path:
    return mux(tmp_path / "a.mkv", FILM, first, second)


LOW, HIGH = tone(1, 300), tone(1, 900)
BETTER = {
    "is not silent": (SoundTrack(samples=SILENCE), SoundTrack(samples=HIGH, flags=())),
    "is no commentary": (
        SoundTrack(samples=LOW, flags=("default", "comment")), SoundTrack(samples=HIGH, flags=()),
    ),
    "is flagged as default": (SoundTrack(samples=LOW, flags=()), SoundTrack(samples=HIGH)),
    "has more channels": (SoundTrack(samples=LOW), SoundTrack(samples=HIGH.repeat(2, 0), layout="stereo")),
    "has a higher sample rate": (
        SoundTrack(samples=tone(1, 300, rate=24_000), rate=24_000), SoundTrack(samples=HIGH),
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", BETTER)
def test_the_better_sound_wins_although_it_comes_second(tmp_path: Path, why: str):
    media = opened(sounds(tmp_path, *BETTER[why]))
    assert pitch(media) == pytest.approx(900, abs=5)
    assert taken(media, "audio") == 2
    assert reasons(media)[1] == f"track 2 {why}"
    assert reasons(media)[2] == f"it {why}"
    another = [warning for warning in media.warnings if "could be" in warning]
    assert bool(another) == (why not in ("is not silent", "is no commentary"))


@pytest.mark.parametrize("title", ["Director's Commentary", "Audio description", "Kommentar des Regisseurs"])
def test_a_title_tells_a_commentary(tmp_path: Path, title: str):
    first = SoundTrack(samples=LOW, metadata={"title": title})
    media = opened(sounds(tmp_path, first, SoundTrack(samples=HIGH, flags=())))
    assert pitch(media) == pytest.approx(900, abs=5)
    assert media.tracks[1]["title"] == title


def test_sound_that_comes_late_is_not_silent(tmp_path: Path):
    late = np.concatenate([np.zeros((1, 3 * 48_000), np.float32), LOW], axis=1)
    media = opened(sounds(tmp_path, SoundTrack(samples=late), SoundTrack(samples=tone(4, 900))))
    assert pitch(media) == pytest.approx(300, abs=5)
    assert sorted(path.name for path in (tmp_path / "scratch").glob("a-*/audio*")) == ["audio.npy"]


def test_of_equal_sounds_the_first_is_taken_and_the_other_named(tmp_path: Path):
    path = sounds(
        tmp_path, SoundTrack(samples=LOW, metadata={"language": "ger"}),
        SoundTrack(samples=HIGH, metadata={"language": "eng"}),
    )  # fmt: skip
    media = opened(path)
    assert pitch(media) == pytest.approx(300, abs=5)
    assert media.warnings == (
        "of several sound tracks, 1 (ger) was taken because it comes first; 2 (eng) could be, "
        "set sound_language or sound_track to choose",
    )
    for wish in ({"sound_language": "en"}, {"sound_language": "fr, eng"}, {"sound_track": 2}):
        assert pitch(opened(path, **wish)) == pytest.approx(900, abs=5), wish
    assert [track["language"] for track in media.tracks] == [None, "ger", "eng"]


def test_a_silent_track_is_taken_where_it_is_asked_for(tmp_path: Path):
    path = sounds(tmp_path, SoundTrack(samples=SILENCE), SoundTrack(samples=HIGH))
    media = opened(path, sound_track=1)
    assert media.audio is not None
    assert np.abs(media.audio.samples).max() < 1e-3


@pytest.mark.parametrize(
    ("written", "short"), [("ger", "de"), ("deu", "de"), ("DE-at", "de"), ("tlh", "tlh"), (None, "")]
)
def test_languages_are_the_same_however_they_are_written(written: str | None, short: str):
    assert short_language(written) == short


def listened(tmp_path: Path, samples: np.ndarray, layout: str = "stereo") -> Media:
    return opened(mux(tmp_path / "a.mkv", SoundTrack(samples=samples, layout=layout, codec="flac")))


def likeness(media: Media, expected: np.ndarray) -> float:
    """Correlation of the sound with what is expected, at 48 kHz."""
    assert media.audio is not None
    return float(np.corrcoef(media.audio.samples[: len(expected[0]) // 3], expected[0, ::3])[0, 1])


def test_channels_of_opposite_phase_are_not_mixed(tmp_path: Path):
    speech = murmur(4, 1)
    media = listened(tmp_path, np.vstack([speech, -speech]))
    assert likeness(media, speech) > 0.95
    assert media.facts["audio_channel"] == "FL"
    assert media.warnings == (
        "the channels cancel each other when they are mixed (opposite phase); only FL was taken",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("layout", "signs", "taken"),
    [
        ("5.1", (1, -1, 0, 0, 0, 0), "FL"), ("5.1", (0.7, 0.7, -1, 0, 0, 0), "FC"),
        ("7.1", (1, -1, 0, 0, 0, 0, 0, 0), "FL"), ("3.0", (1, -1, 0), "FL"),
        ("quad", (1, -1, 1, -1), "FL"), ("quad", (0.5, -1, 0.5, 0), "FR"),
    ],
)  # fmt: skip
def test_opposite_phase_in_surround_sound_is_not_mixed(
    tmp_path: Path, layout: str, signs: tuple[float, ...], taken: str
):
    speech = murmur(4, 1)
    media = listened(tmp_path, np.array(signs, np.float32)[:, None] * speech, layout)
    assert abs(likeness(media, speech)) > 0.95
    assert media.facts["audio_channel"] == taken
    assert media.warnings == (
        f"the channels cancel each other when they are mixed (opposite phase); only {taken} was taken",
    )  # fmt: skip


def test_a_stretch_of_opposite_phase_is_enough(tmp_path: Path):
    speech = murmur(8, 1)
    other = speech.copy()
    other[:, len(speech[0]) // 2 :] *= -1
    media = listened(tmp_path, np.vstack([other, speech]))
    assert abs(likeness(media, other)) > 0.95


def test_two_programmes_are_not_mixed(tmp_path: Path):
    first, second = murmur(6, 1), murmur(6, 2)
    media = listened(tmp_path, np.vstack([0.4 * first, second]))
    assert likeness(media, second) > 0.95
    assert media.warnings == ("the channels hold different programmes; only FR was taken",)


def test_what_belongs_together_is_mixed(tmp_path: Path):
    speech, room = murmur(6, 1), murmur(6, 2)
    takes_turns = np.vstack([speech, room])
    half = len(speech[0]) // 2
    takes_turns[0, half:] = takes_turns[1, :half] = 0
    delayed = np.vstack([speech, 0.6 * np.roll(speech, 12, 1) + 0.1 * room])
    for samples in (speech.repeat(2, 0), delayed, takes_turns):
        media = listened(tmp_path, samples)
        assert likeness(media, samples.mean(0, keepdims=True)) > 0.95
        assert (media.facts["audio_channel"], media.warnings) == ("mix", ())
        (tmp_path / "a.mkv").unlink()


@pytest.mark.parametrize("only", range(6))
def test_surround_sound_is_mixed_whichever_channel_sounds(tmp_path: Path, only: int):
    samples = np.zeros((6, 48_000), np.float32)
    samples[only] = tone(1, 300)
    media = listened(tmp_path, samples, "5.1")
    assert media.warnings == ()
    assert media.audio is not None
    low_frequency_effects = only == 3
    assert (np.abs(media.audio.samples).max() > 0.05) != low_frequency_effects


@pytest.mark.parametrize("channels", [3, 4, 8, 16])
def test_channels_without_names_count_alike(tmp_path: Path, channels: int):
    samples = tone(1, 300).repeat(channels, 0)
    path = mux(tmp_path / "a.mov", SoundTrack(samples=samples, layout=f"{channels} channels", codec="pcm_s16le"))
    media = opened(path)
    assert media.audio is not None
    assert np.abs(media.audio.samples).max() == pytest.approx(0.5, abs=0.01)
    assert media.facts["audio_channels"] == channels


def test_the_settings_make_their_own_streams(tmp_path: Path):
    path = mux(tmp_path / "a.mkv", VideoTrack(pictures=noise_pictures(50)), SoundTrack(samples=LOW))
    plain, dense = opened(path), opened(path, frames_per_s=5, long_side=80)
    assert plain.frames is not None
    assert dense.frames is not None
    assert (plain.frames.array.shape, dense.frames.array.shape) == ((4, 90, 160, 3), (10, 45, 80, 3))
    assert dense.frames.times_s == pytest.approx(np.arange(10) / 5)
    assert (plain.decode_passes, dense.decode_passes, opened(path).reused) == (1, 1, True)
    assert (dense.facts["frames_per_s"], dense.facts["long_side"]) == (5, 80)
    assert plain.frames.path != dense.frames.path


def test_the_digest_follows_what_changes_the_streams():
    plain = MediaSettings()
    changed = [
        MediaSettings(frames_per_s=1), MediaSettings(long_side=320), MediaSettings(sound_language="de"),
        MediaSettings(sound_track=1), MediaSettings(picture_track=1),
    ]  # fmt: skip
    assert len({settings.digest for settings in (plain, *changed)}) == 6
    assert plain.is_default
    assert not any(settings.is_default for settings in changed)
