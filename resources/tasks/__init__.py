"""The questions that models answer: one file each, with the method, its inputs and the table that it answers with.

An analyzer names a task, a row of the catalogue names the task that its model answers. So a model can be exchanged
without touching an analyzer. Nothing here imports dagster or a model library.
"""

from resources.tasks.inputs import AudioLike, FramesLike
from resources.tasks.task import Field, Task

__all__ = ["AudioLike", "Field", "FramesLike", "Task"]
