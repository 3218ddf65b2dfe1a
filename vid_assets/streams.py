"""How the streams of videos are made, as a Dagster resource. A change gives another stream and another code version."""

from collections.abc import Collection

import dagster as dg
from pydantic import Field

from vid_assets.media import MediaSettings

# The settings that each stream depends on.
READS = {
    "video": ("picture_track", "sound_language", "sound_track"),
    "thumbs": ("picture_track",),
    "frames": ("picture_track", "frames_per_s", "long_side"),
    "audio": ("sound_language", "sound_track"),
}


class MediaResource(dg.ConfigurableResource):
    """How the streams of a video are made."""

    frames_per_s: float = Field(default=2.0, description="Pictures per second in the stream frames [1/s]")
    long_side: int = Field(default=640, description="Longest side of these pictures; smaller ones stay [px]")
    sound_language: str = Field(
        default="", description="Languages of the sound track to prefer, best first, with commas, such as en,de"
    )
    sound_track: int = Field(default=-1, description="Index of the sound track to take, as in tracks; -1: by the rule")
    picture_track: int = Field(default=-1, description="Index of the picture to take, as in tracks; -1: by the rule")

    def settings(self) -> MediaSettings:
        """Return the settings in the decoder's form.

        Raises:
            SettingsError: A value is out of range.
        """
        return MediaSettings(
            frames_per_s=self.frames_per_s,
            long_side=self.long_side,
            sound_language=self.sound_language,
            sound_track=None if self.sound_track < 0 else self.sound_track,
            picture_track=None if self.picture_track < 0 else self.picture_track,
        )


def changed_streams(settings: MediaSettings, streams: Collection[str]) -> dict[str, object]:
    """Return by name the non-default settings that at least one of these streams depends on."""
    default = MediaSettings(limits=settings.limits)
    names = sorted({name for stream in streams for name in READS.get(stream, ())})
    return {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(default, name)}
