"""The drawn avatar as a training source: any speech, any pose, the true picture for each."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from viseme.audio import FRAME_RATE_HZ, mel_spectrogram
from viseme.avatar import FAMILY_328, Geometry
from viseme.studio.batches import (
    Batch,
    BatchShape,
    clip_patches,
    frame_count,
    patch_times_s,
    planes,
    visual_planes,
)
from viseme.studio.mouth import POSE_CHANNELS, MouthPose
from viseme.studio.speech import (
    SHORTEST,
    Corpus,
    another_manner,
    another_throat,
    phones_at,
    pose_track,
    training_clip,
)

__all__ = ["Drawing", "DrawnSource"]

CONTEXT_FRAMES = 30
"""Frames of sound beside those trained on, so that most windows lie wholly within it."""
REST_WEIGHT = 0.15
"""How often a mouth at rest is drawn, where one that is wide open counts 1."""
CLOSURE_WEIGHT = 4.0
PRESS = POSE_CHANNELS.index("press")
EDGE_FRAMES = 6
"""How far past the ends a run may be drawn; it is moved back to begin or end with the sound."""


_Clip: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


class Drawing(Protocol):
    """What the studio can draw: the presenter is one."""

    def crop(self, index: int, pose: MouthPose) -> NDArray[np.uint8]:
        """Draw the face crop of a frame: uint8 ``[328, 328, 3]``."""
        ...

    def mouth_box(self, index: int) -> tuple[int, int, int, int]:
        """Return the region of the lips in the crop."""
        ...


class DrawnSource:
    """Random clips of synthetic speech, with the drawing's crops as the avatar will show them.

    Args:
        drawing: draws the true crop of any frame and pose.
        references: ``[frames, 328, 328, 3]`` uint8, the crops of the avatar's own frames as they
            come back from its video, so that training sees what rendering will see.
        corpus: the speech.
        seed: with the step's number, decides everything about a batch.
    """

    def __init__(
        self,
        drawing: Drawing,
        references: NDArray[np.uint8],
        corpus: Corpus,
        *,
        seed: int = 0,
        geometry: Geometry = FAMILY_328,
    ) -> None:
        self._drawing = drawing
        self._references = references
        self._corpus = corpus
        self._seed = seed
        self._geometry = geometry

    def batch(self, step: int, shape: BatchShape) -> Batch:
        """Make the batch of one step."""
        rng = np.random.default_rng([self._seed, step])
        clip = self._clip if shape.heard else self._silent_clip
        clips = [clip(rng, shape) for _ in range(shape.clips)]
        patches, valid, phones, poses = (np.stack(part) for part in zip(*clips, strict=True))
        picks = np.stack([_picks(rng, pose, shape.pictures) for pose in poses])
        size = self._geometry.inner
        visual = np.empty((picks.size, 6, size, size), np.uint8)
        target = np.empty((picks.size, 3, size, size), np.uint8)
        mouth = np.empty((picks.size, 1, size, size), np.float32)
        shown = np.take_along_axis(poses, picks[:, :, None], axis=1).reshape(-1, len(POSE_CHANNELS))
        shown = _some_between(rng, shown, shape.between)
        for row, pose in enumerate(shown):
            index = int(rng.integers(len(self._references)))
            reference = self._references[index]
            visual[row] = visual_planes(reference, reference, self._geometry)
            target[row] = planes(self._drawing.crop(index, MouthPose.of(pose)), self._geometry)
            mouth[row, 0] = self._mouth_weight(index)
        return Batch(
            patches=patches,
            valid=valid,
            phones=phones,
            poses=poses,
            picks=picks,
            visual=visual,
            target=target,
            shown=shown,
            mouth=mouth,
        )

    def _clip(self, rng: np.random.Generator, shape: BatchShape) -> _Clip:
        """Return patches, their validity and phones, and poses of a run of frames in the speech."""
        frames = shape.frames
        clip = training_clip(self._corpus, rng, round(frames / SHORTEST) + CONTEXT_FRAMES)
        mel, spoken = another_manner(mel_spectrogram(clip.samples), clip.phones, rng, shape.accent)
        mel = another_throat(mel, rng)
        last = frame_count(len(mel)) - frames
        first = int(np.clip(rng.integers(-EDGE_FRAMES, last + EDGE_FRAMES + 1), 0, last))
        patches, valid = clip_patches(mel, first, frames)
        phones = phones_at(spoken, patch_times_s(len(mel), first, frames))
        poses = pose_track(spoken, first + frames)
        return patches, valid, phones, poses[first:]

    def _silent_clip(self, rng: np.random.Generator, shape: BatchShape) -> _Clip:
        """Return the same without what is heard."""
        utterance = self._corpus[int(rng.integers(len(self._corpus)))]
        count = max(shape.frames, round(utterance.duration_s * FRAME_RATE_HZ))
        first = int(rng.integers(count - shape.frames + 1))
        poses = pose_track(utterance.phones, first + shape.frames)
        nothing = np.empty(0, np.float32)
        return nothing, nothing, nothing.astype(np.int64), poses[first:]

    def _mouth_weight(self, index: int) -> NDArray[np.float32]:
        """Return 1 in the region of the lips, fading out around it: float32 ``[S, S]``."""
        margin, size = self._geometry.margin, self._geometry.inner
        x1, y1, x2, y2 = (v - margin for v in self._drawing.mouth_box(index))
        weight = np.zeros((size, size), np.float32)
        weight[max(0, y1) : y2, max(0, x1) : x2] = 1
        return cv2.blur(weight, (17, 17)).astype(np.float32)


def _picks(rng: np.random.Generator, poses: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return frames of a clip to draw: closures more often than others, rest less often.

    A closure lasts a frame or two, and one that is missed is what viewers notice first; a mouth at
    rest has little to teach.
    """
    weight = REST_WEIGHT + np.abs(poses.astype(np.float64)).max(axis=1)
    weight += CLOSURE_WEIGHT * poses[:, PRESS]
    picks = rng.choice(len(poses), count, replace=False, p=weight / weight.sum())
    return picks.astype(np.int64)


def _some_between(
    rng: np.random.Generator, poses: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    """Move a share of the poses ``[B, 8]`` towards others of them, each by some part of the way."""
    if not share or not len(poses):
        return poses
    others = poses[rng.permutation(len(poses))]
    part = rng.uniform(0, 1, (len(poses), 1)) * (rng.random((len(poses), 1)) < share)
    return (poses + part * (others - poses)).astype(np.float32)
