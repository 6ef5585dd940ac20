"""What only HTTP can be asked wrongly; all else is in the errors of the house."""

from __future__ import annotations

from viseme.errors import InputError

__all__ = [
    "MethodError",
    "NotThereError",
    "TooLargeError",
    "TooSlowError",
    "WrongTypeError",
]


class NotThereError(InputError):
    """A path that leads nowhere."""

    http_status = 404
    grpc_status = "NOT_FOUND"


class MethodError(InputError):
    """A method that a path does not know."""

    http_status = 405
    grpc_status = "UNIMPLEMENTED"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow
        """The methods that it knows, for the header of that name."""


class TooSlowError(InputError):
    """A body that does not come."""

    http_status = 408
    grpc_status = "DEADLINE_EXCEEDED"


class TooLargeError(InputError):
    """A body that is too large."""

    http_status = 413
    grpc_status = "RESOURCE_EXHAUSTED"


class WrongTypeError(InputError):
    """A body that says it is something else."""

    http_status = 415
