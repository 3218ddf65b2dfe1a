"""The errors of models and of what keeps them: each names the culprit, the problem, and the mend."""


class ResourceError(Exception):
    """Base of all errors that `resources` raises on purpose; the same shape as the project's own family.

    Attributes:
        culprit: What the error is about: a model, a weights file, a host.
        problem: What is wrong with it, with the value seen.
        fix: What the reader can do about it.
    """

    def __init__(self, culprit: str, problem: str, fix: str) -> None:
        super().__init__(f"{culprit}: {problem}; {fix}")
        self.culprit = culprit
        self.problem = problem
        self.fix = fix

    def __reduce__(self) -> tuple[type["ResourceError"], tuple[str, str, str]]:
        return type(self), (self.culprit, self.problem, self.fix)


class ModelUnavailable(ResourceError):
    """The model cannot be had here: weights missing or altered, a package missing, or no such model in the profile.

    An analyzer that needs it answers ``undefined``; the others go on.
    """


class ModelError(ResourceError):
    """The model was there and failed: its load, the call, or its host. The host's log has the traceback."""


class ModelDeadline(ModelError):
    """A call or a load took longer than it may."""


class ModelCancelled(ModelError):
    """The call was given up because the run was cancelled."""


class HostsFolderError(ResourceError):
    """The folder of the hosts' sockets is not safely ours: another owner, a link, or open to others."""


class WarehouseError(ResourceError):
    """A table, a partition's key or a frame cannot stand in the warehouse as it is."""
