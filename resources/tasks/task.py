"""A task: a question with a typed answer."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl


@dataclass(frozen=True, slots=True)
class Field:
    """One column of an answer.

    Attributes:
        dtype: Polars data type, exact.
        unit: ``s``, ``px``, ``1`` (a share, a ratio or an index), ``text``, ...
        description: What the value means, in one sentence.
    """

    dtype: Any
    unit: str
    description: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A question that a model answers about pictures, sound or texts.

    Attributes:
        name: An identifier; catalogue rows name it.
        question: The question, in one sentence.
        model: The Protocol that every model of the task follows. Its only public method is the one that hosts serve.
            The parameters are ``frames`` with ``rows``, or ``audio``, or neither, and further arguments of JSON types.
        answer: The columns of the answer, in order.
        each: The parameter with one entry per thing asked about. If it is empty, the answer is empty, without a call.
            Each thing is answered by itself: a question about many is asked in several calls. The first column of the
            answer is ``row``, or the index of the thing.
        beside: Other parameters with one entry per entry of `each`.
        slowest_s: Seconds that a call may take per entry of `each`, or per second of sound.
        resource: Key of the Dagster resource. The default is the task's name; set it if the model has its own resource.
    """

    name: str
    question: str
    model: type
    answer: Mapping[str, Field]
    each: str | None = None
    beside: tuple[str, ...] = ()
    slowest_s: float = 5.0
    resource: str = ""

    @cached_property
    def key(self) -> str:
        """Return the key of the Dagster resource."""
        return self.resource or self.name

    @cached_property
    def function(self) -> Callable[..., Any]:
        """Return the method that a model of this task has."""
        (found,) = (value for name, value in vars(self.model).items() if not name.startswith("_") and callable(value))
        return found

    @property
    def method(self) -> str:
        """Return the name of that method."""
        return self.function.__name__

    @cached_property
    def signature(self) -> inspect.Signature:
        """Return its parameters, without ``self``."""
        whole = inspect.signature(self.function)
        return whole.replace(parameters=list(whole.parameters.values())[1:])

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Return the polars data type of each column, in order."""
        return {name: field.dtype for name, field in self.answer.items()}

    def empty(self) -> pl.DataFrame:
        """Return an answer without rows."""
        return pl.DataFrame(schema=self.schema)


# Shared by answers that are compared by their direction.
VECTOR = Field(pl.List(pl.Float32), "1", "Vector of length 1; the model decides how many numbers it has.")
# Shared by answers about pictures.
ROW = Field(pl.Int64, "1", "Index of the picture in `frames`.")
BOX = {
    "x0": Field(pl.Float64, "1", "Left edge, share of the picture's width."),
    "y0": Field(pl.Float64, "1", "Upper edge, share of the picture's height."),
    "x1": Field(pl.Float64, "1", "Right edge, share of the picture's width."),
    "y1": Field(pl.Float64, "1", "Lower edge, share of the picture's height."),
}
