"""One family of errors: each names the culprit, says what is wrong with it, and how to mend it."""


class VidAssetsError(Exception):
    """Base of all errors that this package raises on purpose.

    Attributes:
        culprit: What the error is about: a file, a video, an analyzer, a column.
        problem: What is wrong with it, with the value seen.
        fix: What the reader can do about it.
    """

    def __init__(self, culprit: str, problem: str, fix: str) -> None:
        super().__init__(f"{culprit}: {problem}; {fix}")
        self.culprit = culprit
        self.problem = problem
        self.fix = fix

    def __reduce__(self) -> tuple[type["VidAssetsError"], tuple[str, str, str]]:
        return type(self), (self.culprit, self.problem, self.fix)


class AnalyzerDefinitionError(VidAssetsError):
    """An analyzer's description contradicts itself, or its file does not hold what discovery expects."""


class MediaError(VidAssetsError):
    """A media file is missing, empty, broken, hostile, or larger than the limits."""


class ContractError(VidAssetsError):
    """An analyzer's answer breaks its own table: schema, range, nulls or times."""


class UpstreamError(VidAssetsError):
    """What an analyzer rests on failed for this video."""


class SettingsError(VidAssetsError):
    """A setting, a run's config or a run's tag names something that does not exist."""


class RunCancelledError(VidAssetsError):
    """The run is being cancelled; what was computed is dropped."""
