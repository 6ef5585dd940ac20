"""A small avatar over probe networks, whose every answer is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from support.probes import identity_generator, passthrough_encoder
from viseme.avatar import FAMILY_328, About, Box, FrameFormat, Geometry, save_bundle

FRAME_COUNT = 7
SIZE = (400, 360)
BOX_SIDE = 328  # that of the crop, so that nothing is resized on the way in or out


def picture(index: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Return frame `index`: noise of its own, so that no two are alike anywhere."""
    width, height = size
    rng = np.random.default_rng(1000 + index)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def box(index: int, side: int = BOX_SIDE) -> Box:
    """Return the box of frame `index`; it moves, and the last ones pass the frame's right edge."""
    left, top = 12 * index + 20, 2 * index + 5
    return Box(left, top, left + side, top + side)


def make_avatar(
    folder: Path,
    *,
    generator: Callable[[Path], Path] = identity_generator,
    geometry: Geometry = FAMILY_328,
    size: tuple[int, int] = SIZE,
    side: int = BOX_SIDE,
) -> Path:
    """Write the bundle to a new folder, frames without loss, and return the folder."""
    work = folder.parent / f"{folder.name}-networks"
    work.mkdir(parents=True)
    return save_bundle(
        folder,
        frames=(picture(index, size) for index in range(FRAME_COUNT)),
        boxes=[box(index, side) for index in range(FRAME_COUNT)],
        generator=generator(work / "generator.onnx"),
        audio_encoder=passthrough_encoder(work / "encoder.onnx"),
        about=About(name=folder.name, title="Tiny"),
        geometry=geometry,
        frame_format=FrameFormat("png"),
    )
