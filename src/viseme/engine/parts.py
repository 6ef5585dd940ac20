"""The files of a generator's two halves, written once for each network."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from viseme.cache import cache_folder, keep_latest
from viseme.engine.blocked import prepare_halves
from viseme.engine.features import FeatureOptions
from viseme.engine.machine import cpu_model
from viseme.engine.model import ModelInfo
from viseme.engine.onnx_runtime import TensorSpec, read_signature, runtime_version
from viseme.engine.split import Target, split_at_sound

__all__ = ["FORMAT", "Parts", "parts_of"]

FORMAT: Final = 9
"""Of the files: to be counted on where a network would be taken apart in another way."""
_NETWORKS_MAX: Final = 8
"""Whose halves are kept: those that were used last."""
_SEEING, _SPEAKING, _FEATURES = "seeing.onnx", "speaking.onnx", "features.json"


@dataclass(frozen=True, slots=True)
class Parts:
    """Both halves as files."""

    seeing: Path
    speaking: Path
    features: tuple[TensorSpec, ...]
    """What lies between them."""
    sees_again: bool
    """Whether the second takes the visual input, too."""
    again: tuple[str, ...]
    """The features that the second makes again, since there is no room to keep them."""

    @property
    def numbers(self) -> int:
        """Count those of one face; an extent that is open counts as one, and is seen later."""
        return sum(_numbers_in(spec) for spec in self.features)

    def shapes_of_one(self) -> dict[str, tuple[int, ...]] | None:
        """Give the shapes of one face's features by name; None where one of them is open."""
        shapes = {}
        for spec in self.features:
            known = [extent for extent in spec.shape[1:] if extent is not None]
            if len(known) < len(spec.shape) - 1:
                return None
            shapes[spec.name] = (1, *known)
        return shapes


def parts_of(
    info: ModelInfo, digest: str, options: FeatureOptions, target: Target = Target.PROCESSOR
) -> Parts | None:
    """Take a generator apart so that there is room for what lies between.

    What is largest is made again rather than kept: that is what is near the picture, where maps
    are large and little has been done to them.

    Args:
        info: the whole network.
        digest: tells its content from any other.
        options: what may be kept of faces.
        target: what the halves are for.

    Returns:
        None where it cannot be taken apart, or there is no room even for the least of it.
    """
    if not options.has_room_for(1):
        return None
    networks = (options.folder or cache_folder()) / "halves"
    taking = _TakingApart(info, networks / f"{digest}-{FORMAT}{_written_for(target)}", target)
    parts = taking.parts([])
    if parts is None:
        return None
    largest = sorted(parts.features, key=lambda spec: (-_numbers_in(spec), spec.name))
    for again in range(len(largest)):
        if options.has_room_for(sum(map(_numbers_in, largest[again:]))):
            break
    else:
        return None
    if again:
        parts = taking.parts([spec.name for spec in largest[:again]])
        # What is made again may be made of what had not been kept.
        if parts is None or not options.has_room_for(parts.numbers):
            return None
    with contextlib.suppress(OSError):
        os.utime(taking.folder)
        keep_latest(networks, _NETWORKS_MAX)
    return parts


@dataclass(frozen=True, slots=True)
class _TakingApart:
    """One network's halves, of which there are others if more is made again."""

    info: ModelInfo
    folder: Path
    target: Target

    def parts(self, again: Sequence[str]) -> Parts | None:
        """Give the halves, written where they are not yet.

        Args:
            again: the features that the second half makes again.

        Returns:
            None where the network cannot be taken apart, or halves not be written or read.
        """
        folder = self.folder / str(len(again))
        if not (folder.is_dir() or self._write(folder, frozenset(again))):
            return None
        try:
            entry = json.loads((folder / _FEATURES).read_bytes())
            features = tuple(
                TensorSpec(one["name"], tuple(one["shape"]), one["dtype"])
                for one in entry["features"]
            )
            sees_again = bool(entry["sees_again"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        speaking = folder / _SPEAKING
        return Parts(folder / _SEEING, speaking, features, sees_again, tuple(again))

    def _write(self, folder: Path, again: frozenset[str]) -> bool:
        """Write both halves, whole or not at all; tell whether they are there."""
        with contextlib.suppress(OSError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as name:
                part = Path(name)
                halves = split_at_sound(self.info, again, self.target)
                if halves is None:
                    return False
                seeing, speaking = part / _SEEING, part / _SPEAKING
                seeing.write_bytes(halves.seeing)
                _, features = read_signature(seeing)
                if any(spec.shape[:1] not in ((None,), (1,)) for spec in features):
                    return False
                speaking.write_bytes(halves.typed({spec.name: spec.shape for spec in features}))
                entry = {
                    "features": [asdict(spec) for spec in features],
                    "sees_again": halves.sees_again,
                }
                (part / _FEATURES).write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")
                if self.target is Target.PREPARED:
                    prepare_halves(seeing, speaking)
                part.rename(folder)
        return folder.is_dir()  # for another process may have been faster


def _written_for(target: Target) -> str:
    """Tell in a part of a name what halves are for, a processor's from those of any other."""
    if target is not Target.PREPARED:
        return "" if target is Target.PROCESSOR else f"-{target.value}"
    words = f"{runtime_version()} on {cpu_model()}"
    return f"-{hashlib.sha256(words.encode()).hexdigest()[:16]}"


def _numbers_in(spec: TensorSpec) -> int:
    """Count the numbers of one face's feature."""
    return math.prod(extent or 1 for extent in spec.shape)
