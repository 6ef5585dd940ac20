"""What can be made again, kept in files so that it need not be.

A file's content stays in the memory that the operating system has to spare, so that nothing of it
counts against a process, and several of them share it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import platformdirs
from numpy.typing import NDArray

__all__ = [
    "CACHE_DIR_VARIABLE",
    "Shelf",
    "bytes_of",
    "cache_folder",
    "keep_latest",
    "read_whole",
    "write_whole",
]

CACHE_DIR_VARIABLE = "VISEME_CACHE_DIR"
"""The environment variable that puts the cache elsewhere."""

_OWNERS_MAX: Final = 4
"""Whose things of one kind are kept: of those that were used last."""
_CHECK: Final = np.dtype("<u8")


def cache_folder() -> Path:
    """Say where viseme keeps what it can make again: ``$VISEME_CACHE_DIR`` or the user's cache.

    Of a user without a home, such as a service may have, it is a place where nothing can be kept.
    """
    named = os.environ.get(CACHE_DIR_VARIABLE)
    if named:
        return Path(named)
    with contextlib.suppress(RuntimeError):
        folder = platformdirs.user_cache_path("viseme")
        if folder.is_absolute():
            return folder
    return Path(os.devnull, "viseme")  # a temporary folder would be anyone's to fill


def keep_latest(folder: Path, count: int) -> None:
    """Let go of all but the folders in a folder that were touched last.

    Raises:
        OSError: it cannot be looked into.
    """
    by_use = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime)
    for old in by_use[:-count]:
        shutil.rmtree(old, ignore_errors=True)


def bytes_of(count: int, item_bytes: int) -> int:
    """Say how much of the disk so many things of one size take on a `Shelf`."""
    return count * (item_bytes + _CHECK.itemsize)


class Shelf:
    """Things of one size in a folder, a file each; for any number of threads and processes.

    It only saves time: what cannot be written is made again, and what is damaged is as good as
    none. Two who write the same write the same bytes.

    Args:
        kind: a folder in the cache.
        owner: tells whose things these are from all others of the kind.
        count: how many there can be. Where there is no room for all of them nothing is kept,
            since things that are taken in turn would push each other out.
        item_bytes: how large each is.
        budget_bytes: of the disk, for one owner; 0 keeps nothing. Nor is anything begun that would
            take more than half of what is free there.
        folder: the cache, in place of the user's own.
    """

    def __init__(
        self,
        kind: str,
        owner: str,
        *,
        count: int,
        item_bytes: int,
        budget_bytes: int,
        folder: Path | None = None,
    ) -> None:
        self._item_bytes = item_bytes
        self._needed_bytes = bytes_of(count, item_bytes)
        self._budget_bytes = budget_bytes
        self._all = (folder or cache_folder()) / kind
        self._folder = self._all / _short(owner)
        self._checked: set[str] = set()

    def open(self) -> bool:
        """Make room; tell whether there is any for all things, and it can be written to."""
        if not 0 < self._needed_bytes <= self._budget_bytes:
            return False
        try:
            self._all.mkdir(parents=True, exist_ok=True)
            is_new = not self._folder.is_dir()
            if is_new and 2 * self._needed_bytes > shutil.disk_usage(self._all).free:
                return False
            self._folder.mkdir(exist_ok=True)
            os.utime(self._folder)
            keep_latest(self._all, _OWNERS_MAX)
        except OSError:
            return False
        return os.access(self._folder, os.W_OK | os.X_OK)

    def get(self, name: str) -> NDArray[np.uint8] | None:
        """Give what was put there by a name, uint8 [item_bytes], new; None if nothing was."""
        file_name = _short(name)
        content = np.empty(self._item_bytes + _CHECK.itemsize, np.uint8)
        try:
            with (self._folder / file_name).open("rb", buffering=0) as file:
                if file.readinto(content.data) != content.size or file.read(1):
                    return None
        except OSError:
            return None
        item, check = content[: self._item_bytes], content[self._item_bytes :]
        if file_name not in self._checked:  # once read, it is in memory
            if check.tobytes() != _sum_of(item):
                return None
            self._checked.add(file_name)
        return item

    def put(self, name: str, parts: Sequence[NDArray[Any]]) -> None:
        """Keep what is made of parts by a name, whole or not at all."""
        content = np.concatenate(
            [np.ascontiguousarray(part).reshape(-1).view(np.uint8) for part in parts]
        )
        write_whole(self._folder / _short(name), content)


def write_whole(path: Path, content: NDArray[np.uint8]) -> bool:
    """Keep bytes in a file, all of them or none, and what tells if they are damaged.

    Returns:
        Whether they are there now.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content.data)
                file.write(_sum_of(content))
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError:
        return False
    return True


def read_whole(path: Path) -> NDArray[np.uint8] | None:
    """Give what `write_whole` has put into a file, uint8; None where it did not or is damaged."""
    try:
        content = np.fromfile(path, np.uint8)
    except OSError:
        return None
    item, check = content[: -_CHECK.itemsize], content[-_CHECK.itemsize :]
    return item if check.tobytes() == _sum_of(item) else None


def _sum_of(content: NDArray[np.uint8]) -> bytes:
    """Add up all words of 64 bits, the last one filled with zeros.

    What disks do is lose blocks, or give back zeros; it takes a tenth of the time of a CRC, which
    for things that are read once is as long as reading them.
    """
    whole = content.size // _CHECK.itemsize * _CHECK.itemsize
    rest = content[whole:].tobytes().ljust(_CHECK.itemsize, b"\0")
    total = int(np.add.reduce(content[:whole].view(_CHECK))) + int.from_bytes(rest, "little")
    return (total % 2**64).to_bytes(_CHECK.itemsize, "little")


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]
