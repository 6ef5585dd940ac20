"""A recorded speaker as a training source: the data-set folders of the SyncTalk_2D family.

``full_body_img/0.jpg …`` are the frames, ``landmarks/0.lms …`` 110 lines "x y" each, ``aud.wav``
the speech. The box is derived from the landmarks as `viseme` does everywhere.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from viseme import audio
from viseme.avatar import FAMILY_328, Box, Geometry, crop_face
from viseme.errors import InputError
from viseme.studio.batches import (
    Batch,
    BatchShape,
    clip_patches,
    frame_count,
    planes,
    visual_planes,
)

__all__ = ["RecordedSource", "landmark_box", "read_landmarks"]

LANDMARKS = 110


class RecordedSource:
    """Random clips of a recording; poses are not known, so the picture alone teaches.

    Frames are read from disk as they are drawn, so memory does not grow with the recording.
    """

    def __init__(self, folder: Path, *, seed: int = 0, geometry: Geometry = FAMILY_328) -> None:
        self._frames = _numbered(folder / "full_body_img", ".jpg")
        boxes = _numbered(folder / "landmarks", ".lms")
        speech = folder / "aud.wav"
        if not speech.is_file():
            raise InputError(f"{speech} is missing: a data set needs its speech as aud.wav.")
        self._boxes = [landmark_box(read_landmarks(path)) for path in boxes]
        self._mel = audio.mel_spectrogram(audio.read(speech))
        self.frame_count = min(len(self._frames), len(self._boxes), frame_count(len(self._mel)))
        self._seed = seed
        self._geometry = geometry

    def batch(self, step: int, shape: BatchShape) -> Batch:
        """Make the batch of one step."""
        if self.frame_count <= shape.frames:
            raise InputError(
                f"The data set has {self.frame_count} frames; training needs more than "
                f"{shape.frames}."
            )
        rng = np.random.default_rng([self._seed, step])
        firsts = rng.integers(0, self.frame_count - shape.frames, shape.clips)
        clips = [clip_patches(self._mel, int(first), shape.frames) for first in firsts]
        picks = np.stack(
            [rng.choice(shape.frames, shape.pictures, replace=False) for _ in firsts]
        ).astype(np.int64)
        size = self._geometry.inner
        visual = np.empty((picks.size, 6, size, size), np.uint8)
        target = np.empty((picks.size, 3, size, size), np.uint8)
        for row, index in enumerate((firsts[:, None] + picks).ravel()):
            true = self._crop(int(index))
            reference = self._crop(int(rng.integers(self.frame_count)))
            visual[row] = visual_planes(reference, true, self._geometry)
            target[row] = planes(true, self._geometry)
        return Batch(
            patches=np.stack([patches for patches, _ in clips]),
            valid=np.stack([valid for _, valid in clips]),
            phones=np.empty(0, np.int64),
            poses=np.empty(0, np.float32),
            picks=picks,
            visual=visual,
            target=target,
            shown=np.empty(0, np.float32),
            mouth=np.broadcast_to(_lower_half(size), (picks.size, 1, size, size)).copy(),
        )

    def _crop(self, index: int) -> NDArray[np.uint8]:
        path = self._frames[index]
        frame = cv2.imread(str(path))
        if frame is None:
            raise InputError(f"{path} is not a picture that can be read; export it again.")
        return crop_face(frame.astype(np.uint8, copy=False), self._boxes[index], self._geometry)


def read_landmarks(path: Path) -> NDArray[np.float64]:
    """Read 110 landmarks as float64 ``[110, 2]``, x and y in pixels of the frame."""
    try:
        points = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as landmarks: {error}.") from error
    if points.shape != (LANDMARKS, 2) or not np.isfinite(points).all():
        raise InputError(
            f"{path} holds numbers of shape {list(points.shape)}; {LANDMARKS} lines 'x y' are "
            "expected."
        )
    return points


def landmark_box(points: NDArray[np.float64]) -> Box:
    """Return the face box of 110 landmarks: jaw to jaw, from the bridge of the nose down."""
    x1, x2, y1 = int(points[1, 0]), int(points[31, 0]), int(points[52, 1])
    return Box(x1, y1, x2, y1 + x2 - x1)


def _numbered(folder: Path, suffix: str) -> list[Path]:
    files = [path for path in folder.glob(f"*{suffix}") if path.stem.isdigit()]
    if not files:
        raise InputError(f"{folder} has no files 0{suffix}, 1{suffix} and so on.")
    return sorted(files, key=lambda path: int(path.stem))


def _lower_half(size: int) -> NDArray[np.float32]:
    """Weight of a mouth whose place is not known: the middle of the lower half, faded."""
    weight = np.zeros((size, size), np.float32)
    weight[int(size * 0.35) : int(size * 0.9), int(size * 0.2) : int(size * 0.8)] = 1
    return cv2.GaussianBlur(weight, (0, 0), size / 20).astype(np.float32)
