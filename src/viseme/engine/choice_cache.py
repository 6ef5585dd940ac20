"""Remembering which back end was chosen, for as long as the reasons for it hold."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from viseme.cache import cache_folder
from viseme.engine.machine import available_cores, cpu_model
from viseme.engine.model import ModelInfo
from viseme.errors import ModelError

__all__ = ["ChoiceCache", "choice_key", "file_digest"]

_FORMAT = 3
_ENTRIES_MAX = 256
"""Choices kept; the oldest go first. Each is some hundred bytes."""
_ENTRY_BYTES_MAX = 65_536

Key = Mapping[str, str | int | None]


def choice_key(
    info: ModelInfo, *, threads: int | None, workers: int | None, runtime: str
) -> dict[str, str | int | None]:
    """Gather all that the choice of a back end rests on.

    Args:
        info: the network; its file's content counts, not its name.
        threads: what the caller asked for, if anything.
        workers: what the caller asked for, if anything.
        runtime: ONNX Runtime's version and providers.
    """
    return {
        "format": _FORMAT,
        "model": file_digest(info.path),
        "cpu": cpu_model(),
        "cores": available_cores(),
        "threads": threads,
        "workers": workers,
        "onnxruntime": runtime,
        "openvino": _version("openvino"),
    }


class ChoiceCache:
    """Choices in a folder, one small file each.

    It only saves time: a folder that cannot be read or written, or a file that is damaged, is as
    good as none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = (folder or cache_folder()) / "choices"

    def recall(self, key: Key) -> str | None:
        """Give the name that was remembered for exactly this key."""
        try:
            with self._path(key).open("rb") as file:
                entry = json.loads(file.read(_ENTRY_BYTES_MAX))
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(entry, dict) or entry.get("key") != dict(key):
            return None
        name = entry.get("backend")
        return name if isinstance(name, str) else None

    def remember(self, key: Key, backend: str) -> None:
        """Write a choice down, whole or not at all."""
        entry = json.dumps({"key": dict(key), "backend": backend}, indent=2)
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._prune()
            # Written beside and moved into place: another process sees the old file or the new.
            handle, name = tempfile.mkstemp(dir=self._folder, suffix=".part")
            temporary = Path(name)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(entry + "\n")
                temporary.replace(self._path(key))
            finally:
                temporary.unlink(missing_ok=True)

    def _path(self, key: Key) -> Path:
        digest = hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()
        return self._folder / f"{digest[:32]}.json"

    def _prune(self) -> None:
        """Make room for one more; also sweeps away what an interrupted write left."""
        by_age = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in by_age[: max(0, len(by_age) - _ENTRIES_MAX + 1)]:
            path.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """Give what tells a file's content from any other's, in hexadecimal.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check its rights.") from error


def _version(package: str) -> str | None:
    """Give a package's version without loading it; ``None`` if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
