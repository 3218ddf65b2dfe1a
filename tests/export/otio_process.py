"""OpenTimelineIO in a process of its own: beside DuckDB and polars it can crash when the interpreter ends."""

import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest


def ask(**question: Any) -> Any:
    """Let OpenTimelineIO read a timeline, or format timecodes; without it, the test is skipped."""
    if importlib.util.find_spec("opentimelineio") is None:
        pytest.skip("needs the extra `interchange`")
    done = subprocess.run([sys.executable, __file__], input=json.dumps(question), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _read(text: str, adapter: str, **options: Any) -> dict[str, Any]:
    import opentimelineio as otio

    root = otio.adapters.read_from_string(text, adapter, **options)
    found = root if isinstance(root, otio.schema.Timeline) else next(iter(root))
    video = found.video_tracks()[0]
    clips = [
        {
            "name": clip.name,
            "frames": [clip.source_range.start_time.value, clip.source_range.end_time_exclusive().value],
            "seconds": [clip.source_range.start_time.to_seconds(), clip.source_range.end_time_exclusive().to_seconds()],
            "url": getattr(clip.media_reference, "target_url", None),
        }
        for clip in video.find_clips()
    ]
    return {"name": found.name, "kinds": [track.kind for track in found.tracks], "clips": clips}


def _timecodes(frames: list[int], rate: float, drop: bool) -> list[str]:
    from opentimelineio.opentime import RationalTime, to_timecode

    return [to_timecode(RationalTime(frame, rate), rate, drop) for frame in frames]


if __name__ == "__main__":
    given = json.load(sys.stdin)
    json.dump(_read(**given) if "adapter" in given else _timecodes(**given), sys.stdout)
