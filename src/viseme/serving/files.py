"""Reading the small files that a server is configured with."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path

from viseme.errors import ConfigError, VisemeWarning

__all__ = ["read_bounded", "read_secret"]


def read_bounded(path: Path, what: str, max_bytes: int = 2**20) -> bytes:
    """Read a file of at most `max_bytes`.

    Args:
        path: the file.
        what: what the file is, for the error, such as "token file".
        max_bytes: more than this is refused.

    Raises:
        ConfigError: it is missing, unreadable, not a file or too large.
    """
    return _read(path, what, max_bytes)[0]


def read_secret(path: Path, what: str, max_bytes: int = 2**20) -> bytes:
    """Read a file that is nobody else's business, as `read_bounded` does.

    Every user of the machine being able to read it earns a VisemeWarning and no refusal: where
    secrets are mounted into a container, its rights are often not for the container to choose.
    """
    data, mode = _read(path, what, max_bytes)
    if mode & stat.S_IROTH:
        warnings.warn(
            f"Every user of this machine can read the {what} {path}; "
            f"close it with `chmod o-rwx {path}`.",
            VisemeWarning,
            stacklevel=3,
        )
    return data


def _read(path: Path, what: str, max_bytes: int) -> tuple[bytes, int]:
    """Give the bytes and the mode of the very file that they are from."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        fault = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(
            f"The {what} {path} cannot be read: {fault}; check the path and the file's rights."
        ) from error
    if len(data) > max_bytes:
        raise ConfigError(
            f"The {what} {path} is larger than {max_bytes} bytes; is it the right one?"
        )
    return data, mode
