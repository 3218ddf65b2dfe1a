"""The questions that models answer, one file each, with the method, its inputs and the columns of the answer.

An analyzer names a task, and a catalogue row names the task that its model answers. So you can replace a model without
changing an analyzer. Nothing here imports dagster or a model library.
"""

from resources.tasks.inputs import AudioLike, FramesLike
from resources.tasks.task import Field, Task

__all__ = ["AudioLike", "Field", "FramesLike", "Task"]
