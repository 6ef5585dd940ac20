"""What the works are given: faces of an avatar and windows of a speech, made before any clock."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from viseme.audio import WindowStream
from viseme.avatar import Avatar, Box, Geometry, crop_inputs
from viseme.engine import AudioEncoder
from viseme.rendering.speech import open_speech

__all__ = ["Face", "Material", "make_material"]

FACES_MAX = 25
"""As many as the largest batch; works go round among them. A visual input takes 2.5 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A frame of the avatar, and what the network sees of it."""

    frame: NDArray[np.uint8]
    """uint8 ``[H, W, 3]``, B, G, R."""
    box: Box
    crop: NDArray[np.uint8]
    """uint8 ``[crop, crop, 3]``."""
    visual: NDArray[np.float32]
    """float32 ``[6, S, S]``."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Faces and windows, to go round among."""

    geometry: Geometry
    faces: list[Face]
    windows: NDArray[np.float32]
    """float32 ``[T, 32, 16, 16]``."""

    def face(self, index: int) -> Face:
        """Give the face of a frame."""
        return self.faces[index % len(self.faces)]

    def window(self, index: int) -> NDArray[np.float32]:
        """Give the window of a frame."""
        return np.asarray(self.windows[index % len(self.windows)])

    def batch(self, start: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give ``[size, 6, S, S]`` and ``[size, 32, 16, 16]`` from a frame on."""
        indices = range(start, start + size)
        visual = np.stack([self.face(index).visual for index in indices])
        return visual, np.stack([self.window(index) for index in indices])


def make_material(avatar: Avatar, speech: Path, geometry: Geometry) -> Material:
    """Cut the avatar's first faces as a network of that geometry sees them, and hear the speech.

    Raises:
        VisemeError: one of them cannot be read.
    """
    faces = []
    for index in islice(avatar.ping_pong(), FACES_MAX):
        frame, box = avatar.frame(index), avatar.box(index)
        crop, visual = crop_inputs(frame, box, geometry)
        faces.append(Face(frame.copy(), box, crop, visual))
    with open_speech(speech) as source, AudioEncoder(avatar.audio_encoder) as encode:
        stream = WindowStream(encode)
        pieces = [np.array(stream.push(block)) for block in source.samples()]
        pieces.append(np.array(stream.flush()))
    return Material(geometry, faces, np.concatenate(pieces))
