"""The files of a generator's two halves, written once for each network."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from viseme.cache import cache_folder, keep_latest
from viseme.engine.features import FeatureOptions
from viseme.engine.model import ModelInfo
from viseme.engine.onnx_runtime import TensorSpec, read_signature
from viseme.engine.split import split_at_sound

__all__ = ["FORMAT", "Parts", "parts_of"]

FORMAT: Final = 6
"""Of the files: to be counted on where a network would be taken apart in another way."""
_NETWORKS_MAX: Final = 8
"""Whose halves are kept: those that were used last."""
_SEEING, _SPEAKING = "seeing.onnx", "speaking.onnx"


@dataclass(frozen=True, slots=True)
class Parts:
    """Both halves as files."""

    seeing: Path
    speaking: Path
    features: tuple[str, ...]
    """What lies between them, by name."""
    sees_again: bool
    """Whether the second takes the visual input, too."""
    again: int
    """How many features the second makes again, since there is no room to keep them."""


def parts_of(info: ModelInfo, digest: str, options: FeatureOptions) -> Parts | None:
    """Take a generator apart so that there is room for what lies between.

    What is largest is made again rather than kept: that is what is near the picture, where maps
    are large and little has been done to them.

    Args:
        info: the whole network.
        digest: tells its content from any other.
        options: what may be kept of faces.

    Returns:
        None where it cannot be taken apart, or there is no room even for the least of it.
    """
    if not options.has_room_for(1):
        return None
    networks = (options.folder or cache_folder()) / "halves"
    mine = networks / f"{digest}-{FORMAT}"
    found = _parts_in(mine, info, [])
    if found is None:
        return None
    parts, sizes = found
    largest = sorted(sizes, key=lambda name: (-sizes[name], name))
    for again in range(len(largest)):
        if options.has_room_for(sum(sizes[name] for name in largest[again:])):
            break
    else:
        return None
    if again:
        found = _parts_in(mine, info, largest[:again])
        # What is made again may be made of what had not been kept.
        if found is None or not options.has_room_for(sum(found[1].values())):
            return None
        parts, _ = found
    with contextlib.suppress(OSError):
        os.utime(mine)
        keep_latest(networks, _NETWORKS_MAX)
    return parts


def _parts_in(
    network: Path, info: ModelInfo, again: Sequence[str]
) -> tuple[Parts, dict[str, int]] | None:
    """Give a network's halves, and how many numbers each feature has; written where they are not.

    Returns:
        None where it cannot be taken apart, or written.
    """
    folder = network / str(len(again))
    if not (folder.is_dir() or _write(info, folder, frozenset(again))):
        return None
    inputs, _ = read_signature(folder / _SPEAKING)
    between = [spec for spec in inputs if spec.name not in (info.visual_name, info.audio_name)]
    parts = Parts(
        folder / _SEEING,
        folder / _SPEAKING,
        tuple(spec.name for spec in between),
        any(spec.name == info.visual_name for spec in inputs),
        len(again),
    )
    return parts, {spec.name: _numbers_in(spec) for spec in between}


def _write(info: ModelInfo, folder: Path, again: frozenset[str]) -> bool:
    """Write both halves, whole or not at all; tell whether they are there."""
    with contextlib.suppress(OSError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            part = Path(name)
            halves = split_at_sound(info, again)
            if halves is None:
                return False
            (part / _SEEING).write_bytes(halves.seeing)
            _, outputs = read_signature(part / _SEEING)
            if any(spec.shape[:1] not in ((None,), (1,)) for spec in outputs):
                return False
            shapes = {spec.name: spec.shape for spec in outputs}
            (part / _SPEAKING).write_bytes(halves.typed(shapes))
            part.rename(folder)
    return folder.is_dir()  # for another process may have been faster


def _numbers_in(spec: TensorSpec) -> int:
    """Count the numbers of one face's feature; what is open counts as one, and is seen later."""
    return math.prod(extent or 1 for extent in spec.shape)
