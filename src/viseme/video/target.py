"""Where the result goes, and how it appears there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import av

from viseme.errors import OutputError

__all__ = ["OutputKind", "Target", "output_errors"]

_REASONS = {
    errno.ENOSPC: "the disk is full; make room or choose another place",
    errno.EDQUOT: "your disk quota is used up; make room or choose another place",
    errno.EFBIG: "the file would be larger than this system allows; choose another place",
    errno.EACCES: "this folder cannot be written; choose another place or change its rights",
    errno.EPERM: "this folder cannot be written; choose another place or change its rights",
    errno.EROFS: "this disk cannot be written; choose another place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


class OutputKind(Enum):
    """What is written; the value is the ending of its name."""

    MP4 = ".mp4"
    WEBM = ".webm"
    PNG_FOLDER = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A place for the result, checked before any work is done for it."""

    path: Path
    kind: OutputKind

    @classmethod
    def parse(cls, out: str | os.PathLike[str]) -> Target:
        """Tell the kind of output from its name and check that it can be written.

        `.mp4` and `.webm` are videos. A name without an ending, one that ends in a slash and
        that of an existing folder are folders of PNGs; such a folder must be empty, since
        nothing in it would be spared.

        Raises:
            OutputError: the ending is unknown, or the place cannot be written.
        """
        path = Path(out)
        with output_errors(path):
            slash = os.fspath(out).endswith(("/", os.sep))
            folder = slash or path.suffix == "" or path.is_dir()
            target = cls(path, OutputKind.PNG_FOLDER if folder else _kind_of_suffix(path))
            target._check()
        return target

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """Give a temporary name beside the target, and put it in place when all went well.

        After an error or an interrupt the temporary file or folder is removed, and whatever
        stood at the target before stands there still.
        """
        # The same folder is the same file system, so that the final step is one rename.
        temporary = self.path.absolute().parent / f".viseme-{secrets.token_hex(6)}.part"
        try:
            yield temporary
            with output_errors(self.path):
                _flush_to_disk(temporary)
                os.replace(temporary, self.path)  # noqa: PTH105 - says plainly that it overwrites
        finally:
            _remove(temporary)

    def _check(self) -> None:
        parent = self.path.absolute().parent
        if not parent.is_dir():
            raise OutputError(
                f"Cannot write '{self.path}': there is no folder '{parent}'; make it first."
            )
        if not os.access(parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if self.kind is not OutputKind.PNG_FOLDER or not self.path.exists():
            return
        if not self.path.is_dir():
            raise OutputError(
                f"Cannot write the folder '{self.path}': a file has that name; "
                "remove it or choose another name."
            )
        if any(self.path.iterdir()):
            raise OutputError(
                f"The folder '{self.path}' is not empty; empty it or choose another name."
            )


@contextmanager
def output_errors(path: str | Path) -> Iterator[None]:
    """Translate what the operating system says about `path`, the one place where that is done.

    PyAV's errors of the operating system are OSError too, with the same numbers.
    """
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        reason = _REASONS.get(error.errno or 0)
        if reason is None:
            said = (error.strerror or str(error)).rstrip(".").lower()
            reason = f"{said}; choose another place, or another kind of file"
        raise OutputError(f"Cannot write '{path}': {reason}.") from error


def _kind_of_suffix(path: Path) -> OutputKind:
    try:
        return OutputKind(path.suffix.lower())
    except ValueError:
        raise OutputError(
            f"Cannot write '{path}': viseme knows no '{path.suffix}' files; use .mp4, .webm, "
            "or a name without an ending for a folder of PNGs."
        ) from None


def _flush_to_disk(path: Path) -> None:
    """Make sure that the content is on the disk before its name is: some disks fill up late."""
    if path.is_dir():
        return
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
