"""What one step of training eats, whatever it comes from.

A clip is a run of frames of one piece of speech. Its mel patches are cut exactly as the audio
room cuts them: frame ``i`` hears the padded features ``[i - 8, i + 8)``, so ``n`` frames need
``n + 15`` patches; where the window passes an end of the sound the features are zero, and
``valid`` says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from viseme.audio import MEL_RATE_HZ
from viseme.audio.features import PATCH_FRAMES, feature_count, patch_start
from viseme.avatar import Geometry

__all__ = [
    "Batch",
    "BatchShape",
    "Source",
    "clip_patches",
    "frame_count",
    "patch_times_s",
    "planes",
    "visual_of",
    "visual_planes",
]


@dataclass(frozen=True, slots=True)
class BatchShape:
    """How much of everything a step takes."""

    clips: int
    """Pieces of speech."""
    frames: int
    """Frames in a row of each piece: each has a window and a pose."""
    pictures: int
    """Frames of each piece that are also drawn; 0 trains the hearing alone."""
    accent: float = 1.0
    """How far the speakers' ways stray from those of the voices that there are; a source that
    cannot change them ignores it."""
    heard: bool = True
    """Whether the speech is to be heard. Without, there are poses and pictures alone, from speech
    in the way in which it was spoken."""
    between: float = 0.0
    """Share of the pictures whose pose lies between two of the speech's: what is heard in a voice
    that is not known may be a pose that no speech takes. 0 where poses are not known."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's data: N clips of F frames, P of them drawn; K is F + 15."""

    patches: NDArray[np.float32]
    """``[N, K, 1, 80, 16]``, log-mel, or nothing where nothing is to be heard."""
    valid: NDArray[np.float32]
    """``[N, K]``, 1 where the feature exists and 0 outside the sound, or nothing."""
    phones: NDArray[np.int64]
    """``[N, K]``, the phone in the middle of each patch, or nothing where it is not known."""
    poses: NDArray[np.float32]
    """``[N, F, 8]``, or nothing where poses are not known (recorded data) or not heard."""
    picks: NDArray[np.int64]
    """``[N, P]``, which of the clip's frames are drawn, or nothing where there are no clips."""
    visual: NDArray[np.uint8]
    """``[N * P, 6, S, S]``, reference and masked crop in B, G, R."""
    target: NDArray[np.uint8]
    """``[N * P, 3, S, S]``, the true crop."""
    shown: NDArray[np.float32]
    """``[N * P, 8]``, the poses of these, or nothing where they are not known."""
    mouth: NDArray[np.float32]
    """``[N * P, 1, S, S]``, 1 in the mouth's region, fading to 0 around it."""
    windows: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    """``[N * P, 32, 16, 16]``, what these hear, or nothing where that is made of the patches or of
    the poses."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of them by name."""
        return {part.name: getattr(self, part.name) for part in fields(self)}


class Source(Protocol):
    """Where batches come from; the same seed and step give the same batch."""

    def batch(self, step: int, shape: BatchShape) -> Batch:
        """Make the batch of one step."""
        ...


def frame_count(mel_frames: int) -> int:
    """Return how many frames a sound of that many mel frames has."""
    return feature_count(mel_frames) + 2


def clip_patches(
    mel: NDArray[np.float32], first: int, frames: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cut the patches that frames ``[first, first + frames)`` hear.

    Returns patches ``[frames + 15, 1, 80, 16]`` and their validity ``[frames + 15]`` for a mel
    spectrogram ``[M, 80]`` of at least 16 frames.
    """
    starts = _patch_starts(len(mel), first, frames)
    patches = mel[starts[:, None] + np.arange(PATCH_FRAMES)].transpose(0, 2, 1)[:, None]
    padded = np.arange(first - 8, first + frames + 7)
    valid = ((padded >= 0) & (padded < frame_count(len(mel)))).astype(np.float32)
    return np.ascontiguousarray(patches, np.float32), valid


def patch_times_s(mel_frames: int, first: int, frames: int) -> NDArray[np.float64]:
    """Return the middle of each patch that `clip_patches` cuts, in seconds: float64 [frames + 15].

    Outside the sound it is the middle of the patch at its end.
    """
    starts = _patch_starts(mel_frames, first, frames)
    return np.asarray((starts + PATCH_FRAMES / 2) / MEL_RATE_HZ, np.float64)


def _patch_starts(mel_frames: int, first: int, frames: int) -> NDArray[np.int_]:
    """Return the first mel frame of each feature that the frames hear."""
    padded = np.arange(first - 8, first + frames + 7)
    features = np.clip(padded - 1, 0, frame_count(mel_frames) - 3)
    starts = np.asarray([patch_start(int(feature)) for feature in features], np.int_)
    return np.minimum(starts, mel_frames - PATCH_FRAMES)


def planes(crop: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """Return the inner square of a crop as uint8 ``[3, S, S]``."""
    inner = crop[geometry.inner_slice, geometry.inner_slice]
    return np.ascontiguousarray(inner.transpose(2, 0, 1))


def visual_planes(
    reference: NDArray[np.uint8], masked: NDArray[np.uint8], geometry: Geometry
) -> NDArray[np.uint8]:
    """Return uint8 ``[6, S, S]``: planes of one crop, and planes of another with its mouth black.

    A renderer passes the same crop twice. Recorded data must not: its crop shows the very mouth
    that is to be drawn, so there the reference is another frame's.
    """
    return visual_of(planes(reference, geometry), planes(masked, geometry), geometry)


def visual_of(
    reference: NDArray[np.uint8], masked: NDArray[np.uint8], geometry: Geometry
) -> NDArray[np.uint8]:
    """Return the same of planes ``[..., 3, S, S]``: ``[..., 6, S, S]``."""
    visual = np.concatenate([reference, masked], axis=-3)
    visual[..., 3:, slice(*geometry.mask_rows), slice(*geometry.mask_cols)] = 0
    return visual
