"""The five tasks on one video, by the libraries and models that everybody has, in this process.

Objects, faces and texts are the project's own hosts, so that all sides compute with the same code and files. Cuts are
PySceneDetect's and words are faster-whisper's, as they come, the latter with the project's weights.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.baseline_worker import OwnEngine
from resources.hosting.handle import handle_of
from resources.hosting.host import Host, Request
from resources.tasks.faces import FACES
from resources.tasks.objects import OBJECTS
from resources.tasks.speech import SPEECH
from resources.tasks.task import Task
from resources.tasks.text import TEXT

SAMPLES_PER_S = 2
LONG_SIDE = 640  # px
EACH_READ = 2  # of the samples, which makes one picture a second
# method of the host, by task
PICTURE_TASKS = {OBJECTS.name: (OBJECTS, "detect"), FACES.name: (FACES, "faces"), TEXT.name: (TEXT, "read_text")}


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of a video.

    Attributes:
        number: Its place among the samples, from 0.
        picture: RGB, [height, width, 3].
    """

    number: int
    picture: np.ndarray


def samples(path: str) -> Iterator[Sample]:
    """Decode a video once and yield two pictures a second, 640 px on the longer side."""
    import av
    import cv2

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        number = 0
        for frame in container.decode(stream):
            if frame.time is None or frame.time * SAMPLES_PER_S < number:
                continue
            picture = frame.to_ndarray(format="rgb24")
            scale = LONG_SIDE / max(picture.shape[:2])
            if scale < 1:
                picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            yield Sample(number, picture)
            number += 1


def look(task: str, batch: list[Sample]) -> int:
    """Ask one of `PICTURE_TASKS` about pictures of one size.

    Returns:
        How much it found.
    """
    what, method = PICTURE_TASKS[task]
    asked = [sample for sample in batch if task != TEXT.name or sample.number % EACH_READ == 0]
    if not asked:
        return 0
    pictures = np.stack([sample.picture for sample in asked])
    (table,) = host(what).method(method)([Request("peer", {"frames": pictures}, {}, {})])
    return table.height


def cuts(path: str) -> int:
    """Return how many boundaries PySceneDetect's adaptive detector finds; it decodes the video itself."""
    from scenedetect import AdaptiveDetector, detect  # pyright: ignore[reportMissingImports]

    return max(len(detect(path, AdaptiveDetector())) - 1, 0)


def words(path: str) -> int:
    """Return how many words faster-whisper hears; 0 without sound."""
    from faster_whisper.audio import decode_audio

    speech: Any = host(SPEECH)
    segments, _ = speech.english.transcribe(decode_audio(path), language="en", word_timestamps=True)
    return sum(len(segment.words or ()) for segment in segments)


@functools.cache
def host(task: Task) -> Host:
    """Return the loaded model of a task. A process loads each once."""
    handle = handle_of(task)(hosts=OwnEngine(), profile="offline")
    return OwnEngine().engine().host(handle.deployment())  # pyright: ignore[reportAttributeAccessIssue]
