"""Measures a drawn avatar on a voice and sentences that it was never trained on.

The video is made by the same pipeline that users run, at the exact geometry, and the mouth is
read back from its pixels: nothing here looks inside the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from viseme.audio import FRAME_RATE_HZ, Latency
from viseme.avatar import Avatar, crop_face
from viseme.errors import AvatarError
from viseme.rendering import RenderOptions, render
from viseme.studio.figures import CLOSED, REST_PSNR_DB, Figures, correlations, psnr_db, seen_closed
from viseme.studio.mouth import POSE_CHANNELS, REST, MouthPose
from viseme.studio.presenter import FRAME_COUNT, HEIGHT, WIDTH, Presenter
from viseme.studio.presenter.measure import opening
from viseme.studio.speech import (
    BILABIALS,
    FLITE_HELD_OUT_VOICE,
    SILENCE,
    Utterance,
    held_out_corpus,
    pose_track,
)

__all__ = ["Evaluation", "Measured", "evaluate"]

OPEN = POSE_CHANNELS.index("open")
REST_MARGIN_S = 0.2
"""A frame counts as silent when no phone is nearer than this."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One utterance as the avatar spoke it."""

    utterance: Utterance
    drawn: NDArray[np.float32]
    """``[T]``, the opening read from the video's pixels."""
    true: NDArray[np.float32]
    """``[T]``, the opening that the drawing was given."""
    squared_error: NDArray[np.float32]
    """``[T]``, mean over the mouth's region, against the true drawing."""
    untouched_error: NDArray[np.float32]
    """``[T]``, the same for the avatar's own frame."""
    rest_error: NDArray[np.float32]
    """``[T]``, the same against the drawing at rest."""


@dataclass(slots=True)
class Evaluation:
    """The figures of one latency, and the utterances that they come from."""

    latency: Latency
    figures: Figures
    voice: str
    """Of the first utterance: who speaks."""
    measured: list[Measured] = field(repr=False)


class _Truth(NamedTuple):
    """What a frame is compared with, in the region of its mouth."""

    region: tuple[slice, slice]
    true: NDArray[np.uint8]
    """The drawing with the true mouth."""
    resting: NDArray[np.uint8]
    """The drawing at rest."""
    untouched_error: float


def evaluate(
    avatar: Avatar,
    speech: Sequence[Utterance] | None = None,
    *,
    voice: str = FLITE_HELD_OUT_VOICE,
    latencies: Sequence[Latency] = tuple(Latency),
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Evaluation]:
    """Render speech with the avatar and compare it with the true drawing.

    Args:
        avatar: the one to measure.
        speech: what it says, with known phones; the held-out sentences by default.
        voice: of flite's, who speaks those.
        latencies: what its frames wait for, one or more; each is measured.
        on_progress: called with the number of utterances measured, and of all.

    Returns:
        What was found, in the order of the latencies.

    Raises:
        InputError: flite has no such voice.
        AvatarError: the avatar is not one that the studio draws, so there is no truth to compare.
        MissingExtraError: flite is not installed.
    """
    if avatar.frame_count != FRAME_COUNT or avatar.size != (WIDTH, HEIGHT):
        raise AvatarError(
            f"The avatar '{avatar.name}' was not drawn by the studio, so there is no true drawing "
            "to compare with; evaluate 'demo'."
        )
    if speech is None:
        with TemporaryDirectory(prefix="viseme-") as folder:
            speech = list(held_out_corpus(Path(folder), voice))
    presenter = Presenter()
    measured: list[list[Measured]] = [[] for _ in latencies]
    for index, utterance in enumerate(speech):
        truths: list[_Truth] = []  # drawn once, which takes longer than to render
        for latency, so_far in zip(latencies, measured, strict=True):
            so_far.append(_measure(avatar, presenter, utterance, latency, truths))
        if on_progress:
            on_progress(index + 1, len(speech))
    return [
        Evaluation(latency, _figures(found), speech[0].voice, found)
        for latency, found in zip(latencies, measured, strict=True)
    ]


def _measure(
    avatar: Avatar,
    presenter: Presenter,
    utterance: Utterance,
    latency: Latency,
    truths: list[_Truth],
) -> Measured:
    """Measure an utterance; `truths` has those of its first frames, and gets the others."""
    rows: list[tuple[float, float, float, float]] = []
    # Poses are asked for once the number of frames is known: as many as the pipeline gives.
    count = round(utterance.duration_s * FRAME_RATE_HZ) + 8
    track = pose_track(utterance.phones, count)
    for frame in render(utterance.samples, avatar, RenderOptions(latency=latency)):
        index = frame.avatar_frame
        if frame.index == len(truths):
            truths.append(_truth(avatar, presenter, index, MouthPose.of(track[frame.index])))
        truth = truths[frame.index]
        crop = crop_face(frame.image, avatar.box(index), avatar.geometry)
        rows.append(
            (
                opening(crop, index),
                _squared_error(crop[truth.region], truth.true),
                truth.untouched_error,
                _squared_error(crop[truth.region], truth.resting),
            )
        )
    columns = np.asarray(rows, np.float32).T
    return Measured(utterance, columns[0], track[: len(rows), OPEN], *columns[1:])


def _truth(avatar: Avatar, presenter: Presenter, index: int, pose: MouthPose) -> _Truth:
    x1, y1, x2, y2 = presenter.mouth_box(index)
    region = (slice(y1, y2), slice(x1, x2))
    own = crop_face(avatar.frame(index), avatar.box(index), avatar.geometry)
    true = presenter.crop(index, pose)[region].copy()
    resting = presenter.crop(index, REST)[region].copy()
    return _Truth(region, true, resting, _squared_error(own[region], true))


def _figures(measured: list[Measured]) -> Figures:
    by_offset = correlations([m.drawn for m in measured], [m.true for m in measured])
    closures = [
        seen_closed(m.drawn, round(phone.centre_s * FRAME_RATE_HZ))
        for m in measured
        for phone in m.utterance.phones
        if phone.symbol in BILABIALS
    ]
    spoken = np.concatenate([~_silent(m) for m in measured])
    resting = np.concatenate([_resting(m)[_silent(m)] for m in measured])
    error = np.concatenate([m.squared_error for m in measured])[spoken]
    untouched = np.concatenate([m.untouched_error for m in measured])[spoken]
    return Figures(
        correlation=by_offset[0],
        best_offset=max(by_offset, key=lambda offset: by_offset[offset]),
        correlation_by_offset=by_offset,
        closures_seen=sum(closures),
        closures=len(closures),
        mouth_psnr_db=float(psnr_db(error).mean()),
        untouched_psnr_db=float(psnr_db(untouched).mean()),
        at_rest=int(resting.sum()),
        silent=len(resting),
        frames=len(spoken),
        seconds=len(spoken) / FRAME_RATE_HZ,
    )


def _silent(measured: Measured) -> NDArray[np.bool_]:
    """Mark the frames that are farther than `REST_MARGIN_S` from any phone."""
    times = np.arange(len(measured.drawn)) / FRAME_RATE_HZ
    silent = np.ones(len(times), np.bool_)
    for phone in measured.utterance.phones:
        if phone.symbol != SILENCE:
            near = times > phone.start_s - REST_MARGIN_S
            silent &= ~(near & (times < phone.end_s + REST_MARGIN_S))
    return silent


def _resting(measured: Measured) -> NDArray[np.bool_]:
    still = psnr_db(measured.rest_error) >= REST_PSNR_DB
    return np.asarray((measured.drawn < CLOSED) & still, np.bool_)


def _squared_error(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    difference = a.astype(np.float32) - b
    return float(np.mean(difference * difference))
