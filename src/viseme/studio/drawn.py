"""The drawn avatar as a training source: any speech, any pose, the true picture for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
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
from viseme.studio.records import Records, make_records
from viseme.studio.speech import (
    SHORTEST,
    Corpus,
    another_manner,
    another_throat,
    phones_at,
    pose_track,
    training_clip,
)
from viseme.studio.speech.utterance import shifted

__all__ = ["Drawing", "DrawnSource"]

CONTEXT_FRAMES = 30
"""Frames of sound beside those trained on, so that most windows lie wholly within it."""
REST_WEIGHT = 0.15
"""How often a mouth at rest is drawn, where one that is wide open counts 1."""
CLOSURE_WEIGHT = 4.0
PRESS = POSE_CHANNELS.index("press")
EDGE_FRAMES = 6
"""How far past the ends a run may be drawn; it is moved back to begin or end with the sound."""
BEFOREHAND = 2**31 - 1
"""A step that no training reaches."""

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
        side = geometry.inner
        self._kind = np.dtype(
            [
                ("frame", "<i4"),
                ("pose", "<f4", len(POSE_CHANNELS)),
                ("picture", "u1", (3, side, side)),
            ]
        )
        self._beforehand: Records | None = None

    def batch(self, step: int, shape: BatchShape) -> Batch:
        """Make the batch of one step."""
        rng = np.random.default_rng([self._seed, step])
        if self._beforehand is not None and not shape.heard:
            count = shape.clips * shape.pictures
            numbers = rng.choice(len(self._beforehand), count, replace=False)
            return self._batch_of(np.stack([self._beforehand[int(number)] for number in numbers]))
        clip = self._clip if shape.heard else self._silent_clip
        clips = [clip(rng, shape) for _ in range(shape.clips)]
        patches, valid, phones, poses = (np.stack(part) for part in zip(*clips, strict=True))
        picks, rows = self._draw_some(rng, poses, shape)
        return replace(
            self._batch_of(rows),
            patches=patches,
            valid=valid,
            phones=phones,
            poses=poses,
            picks=picks,
        )

    def draw_beforehand(
        self,
        folder: Path,
        count: int,
        shape: BatchShape,
        on_progress: Callable[[int], None] = lambda drawn: None,
        workers: int = 0,
    ) -> None:
        """Draw the pictures that batches without sound are made of from then on.

        Drawing takes longer than learning from it, and a picture is not learned at one sight.

        Args:
            folder: where they are kept, or were before; 300 KB each.
            count: how many.
            shape: that of the batches they would have been in, without sound.
            on_progress: told how many there are by now.
            workers: processes that draw them; 0 draws them in this one.

        Raises:
            OutputError: the folder cannot be written.
        """

        def make(number: int, size: int) -> NDArray[Any]:
            rng = np.random.default_rng([self._seed, BEFOREHAND, number])
            made: list[NDArray[Any]] = []
            while sum(map(len, made)) < size:
                clips = [self._silent_clip(rng, shape)[-1] for _ in range(shape.clips)]
                made.append(self._draw_some(rng, np.stack(clips), shape)[1])
            return np.concatenate(made)[:size]

        self._beforehand = make_records(folder, "pictures", count, make, on_progress, workers)

    def _draw_some(
        self, rng: np.random.Generator, poses: NDArray[np.float32], shape: BatchShape
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Draw some of the poses of clips, ``[N, F, 8]``, into frames of the avatar.

        Returns which they are, ``[N, P]``, and ``[N * P]`` of `self._kind`.
        """
        picks = np.stack([_picks(rng, pose, shape.pictures) for pose in poses])
        shown = np.take_along_axis(poses, picks[:, :, None], axis=1).reshape(-1, len(POSE_CHANNELS))
        shown = _some_between(rng, shown, shape.between)
        rows = np.empty(len(shown), self._kind)
        for row, pose in zip(rows, shown, strict=True):
            index = int(rng.integers(len(self._references)))
            crop = self._drawing.crop(index, MouthPose.of(pose))
            row["frame"], row["pose"], row["picture"] = index, pose, planes(crop, self._geometry)
        return picks, rows

    def _batch_of(self, rows: NDArray[Any]) -> Batch:
        """Return a batch of pictures alone."""
        size = self._geometry.inner
        visual = np.empty((len(rows), 6, size, size), np.uint8)
        mouth = np.empty((len(rows), 1, size, size), np.float32)
        for number, index in enumerate(rows["frame"]):
            reference = self._references[index]
            visual[number] = visual_planes(reference, reference, self._geometry)
            mouth[number, 0] = self._mouth_weight(int(index))
        nothing, none = np.empty(0, np.float32), np.empty(0, np.int64)
        return Batch(
            patches=nothing,
            valid=nothing,
            phones=none,
            poses=nothing,
            picks=none,
            visual=visual,
            target=np.ascontiguousarray(rows["picture"]),
            shown=np.ascontiguousarray(rows["pose"]),
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
        poses = pose_track(shifted(spoken, -first / FRAME_RATE_HZ), frames)
        return patches, valid, phones, poses

    def _silent_clip(self, rng: np.random.Generator, shape: BatchShape) -> _Clip:
        """Return the same without what is heard."""
        utterance = self._corpus[int(rng.integers(len(self._corpus)))]
        count = max(shape.frames, round(utterance.duration_s * FRAME_RATE_HZ))
        first = int(rng.integers(count - shape.frames + 1))
        poses = pose_track(shifted(utterance.phones, -first / FRAME_RATE_HZ), shape.frames)
        nothing = np.empty(0, np.float32)
        return nothing, nothing, nothing.astype(np.int64), poses

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
