"""Every error that viseme raises on purpose.

The tree, with the exit code of the command line in brackets::

    VisemeError [1]
    ├── InputError [3]             the speech: missing, unreadable, soundless, damaged samples
    │   └── WireError [3]          a message that is damaged
    ├── AvatarError [4]            the avatar: unknown, damaged, of another format version
    ├── ModelError [5]             the network: missing, not ONNX, other shapes than ours
    ├── BackendError [6]           the back end: not installed, or failing on this machine
    ├── OutputError [7]            the result: folder not writable, disk full, unknown format
    ├── MissingExtraError [8]      a part of viseme that is not installed
    ├── OverloadedError [9]        a server's limit is reached; try again a little later
    ├── UnavailableError [10]      the server is stopping, or not yet ready
    ├── DeadlineError [11]         the answer was not ready in time
    ├── ConfigError [12]           the server's configuration: unknown keys, values that do not fit
    ├── AuthError [13]             no token, or one that the server does not know
    └── VoiceError [14]            the speech program: not there, or failing

Exit code 2 is a wrong command line, 130 an interrupt from the keyboard.

Each message is one sentence (or two) that says what is wrong and what to do. Errors of the
libraries underneath (PyAV, ONNX Runtime, OpenVINO, OpenCV, pydantic, the operating system) are
translated at one boundary each and never reach a caller as they are.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AuthError",
    "AvatarError",
    "BackendError",
    "ConfigError",
    "DeadlineError",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "OutputError",
    "OverloadedError",
    "UnavailableError",
    "VisemeError",
    "VisemeWarning",
    "VoiceError",
    "WireError",
]


class VisemeError(Exception):
    """Base of all errors of viseme; its text is a sentence meant for the user."""

    exit_code: ClassVar[int] = 1
    """What the command line exits with."""
    http_status: ClassVar[int] = 500
    """The HTTP status that a server answers with."""
    grpc_status: ClassVar[str] = "INTERNAL"
    """The name of the gRPC status code that a server answers with."""


class InputError(VisemeError):
    """The speech cannot be used."""

    exit_code = 3
    http_status = 400
    grpc_status = "INVALID_ARGUMENT"


class WireError(InputError):
    """A message is damaged, or cannot be encoded."""


class AvatarError(VisemeError):
    """The avatar is unknown, or its bundle cannot be used."""

    exit_code = 4
    http_status = 404
    grpc_status = "NOT_FOUND"


class ModelError(VisemeError):
    """The network is missing or does not fit."""

    exit_code = 5
    http_status = 500
    grpc_status = "FAILED_PRECONDITION"


class BackendError(VisemeError):
    """The back end is not installed or fails on this machine."""

    exit_code = 6
    http_status = 503
    grpc_status = "UNAVAILABLE"


class OutputError(VisemeError):
    """The result cannot be written."""

    exit_code = 7
    http_status = 500
    grpc_status = "INTERNAL"


class MissingExtraError(VisemeError):
    """An optional part of viseme is not installed."""

    exit_code = 8
    http_status = 501
    grpc_status = "UNIMPLEMENTED"


class OverloadedError(VisemeError):
    """A limit of the server is reached, and what was asked for was not begun."""

    exit_code = 9
    http_status = 429
    grpc_status = "RESOURCE_EXHAUSTED"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """After how many seconds it is worth trying again, as far as one can tell."""


class UnavailableError(VisemeError):
    """The server is stopping, or not yet ready; another may take the request."""

    exit_code = 10
    http_status = 503
    grpc_status = "UNAVAILABLE"


class DeadlineError(VisemeError):
    """The answer was not ready by the time until which its caller would wait."""

    exit_code = 11
    http_status = 504
    grpc_status = "DEADLINE_EXCEEDED"


class ConfigError(VisemeError):
    """The server's configuration cannot be used, or a file that it names."""

    exit_code = 12
    http_status = 500
    grpc_status = "FAILED_PRECONDITION"


class AuthError(VisemeError):
    """The token is missing or wrong; which of both is not told."""

    exit_code = 13
    http_status = 401
    grpc_status = "UNAUTHENTICATED"


class VoiceError(VisemeError):
    """Text cannot be turned into speech: the program for it is not there, or fails."""

    exit_code = 14
    http_status = 503
    grpc_status = "UNAVAILABLE"


class VisemeWarning(UserWarning):
    """Something was wrong with the input, and viseme went on with what could be used."""
