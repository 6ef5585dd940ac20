"""From timed phones to the movement of a mouth.

The model follows Cohen and Massaro, "Modeling coarticulation in synthetic visual speech" (1993).
Every phone has, for each channel of the pose, a target and a dominance: how firm it is, flat over
the phone's core and falling off exponentially before and after it. The pose is the mean of all
targets, weighted by their dominance at that instant, so firm phones spread into their neighbours:
the lips of "two" are round before the t is over.

What a weighted mean cannot promise is put around it, in this order:

1. quick vowels are small: one that lasts less than `FULL_VOWEL_S` opens less;
2. the whole is smoothed over about 50 ms, the inertia of lips and jaw;
3. f and v reach the teeth, and p, b and m close the lips whatever their neighbours; the closure is
   held for longer than the time between two frames, so that some frame always shows it;
4. pauses are at rest: further than 100 ms ahead of a phone and 115 ms behind one, every channel is
   exactly 0.

What a frame stands for: frame i of a track is the instant i / rate_hz. By the reference definition
of the features, feature k covers mel frames 3.2 k .. 3.2 k + 15, its middle lies at 40 k + 94 ms,
and frame i takes the features i - 9 .. i + 6 of the list before its ends are doubled. Their middles
run from 40 i - 266 to 40 i + 334 ms: the window is centred 34 ms after the frame's own instant,
less than a frame, and with the patches' width it hears from 385 ms before it to 452 ms after it.
The longest anticipation here (rounding, about 200 ms) fits into that with room to spare, so the
network can learn the pose at i / 25 s as it is, without an offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from viseme.studio.mouth import POSE_CHANNELS, MouthPose
from viseme.studio.speech.phones import BILABIALS, LABIODENTALS, SILENCE, TARGETS, VOWELS
from viseme.studio.speech.utterance import Phone

__all__ = ["pose_track"]

Track = NDArray[np.float32]
Times = NDArray[np.float64]

JAW, OPEN, WIDE, ROUND, PRESS, TUCK, TEETH, TONGUE = range(len(POSE_CHANNELS))

# How fast dominance falls off outside a phone's core, in seconds: the jaw is slow, closing lips and
# the tongue's tip are quick, and rounding begins well ahead of its vowel.
FALL_BEFORE_S = MouthPose(0.055, 0.042, 0.060, 0.090, 0.030, 0.035, 0.040, 0.035).array()
FALL_AFTER_S = MouthPose(0.055, 0.042, 0.060, 0.055, 0.030, 0.035, 0.040, 0.035).array()
EDGE_SHARE, LONGEST_EDGE_S = 0.25, 0.04
"""Dominance is full over a phone's core: all but this at either end."""

FULL_VOWEL_S = 0.130
SMALLEST_VOWEL = 0.60
"""What is left of the opening of a vowel without any length."""

SMOOTHING_S = 0.050
CLOSING_S = 0.050
"""Time of the lips' last approach to a closure, and of their release."""
SHORTEST_HOLD_S = 0.042
"""A little more than a frame at 25 a second; higher rates show the same movement, only finer."""
STOP_CLOSED_SHARE = 0.7
"""A p or b is closed for this much of its time, then bursts."""
TUCKED_GAP = 0.06
TUCKED_STRENGTH = 0.92

OPENING_S = 0.100
SETTLING_S = 0.115


def pose_track(
    phones: Sequence[Phone], frame_count: int, rate_hz: float = 25.0, oversample: int = 8
) -> Track:
    """Return the mouth's poses, float32 [frame_count, 8] in the order of `POSE_CHANNELS`.

    Frame i is the pose at i / `rate_hz` seconds; before the first and after the last phone there is
    silence. The movement is worked out at `oversample` times the rate.
    """
    step_s = 1.0 / (rate_hz * oversample)
    reach = max(1, round(SMOOTHING_S / step_s))  # margin, so that smoothing meets no edge
    times = np.arange(-reach, frame_count * oversample + reach, dtype=np.float64) * step_s
    spoken = [phone for phone in phones if phone.symbol != SILENCE]
    if not spoken or frame_count <= 0:
        return np.zeros((max(frame_count, 0), len(POSE_CHANNELS)), np.float32)
    track = _smoothed(_blend(_with_outer_silence(phones, times), times), reach)
    _tuck_lips(track, times, spoken, rate_hz)
    _close_lips(track, times, spoken, rate_hz)
    track *= _speaking(times, spoken)[:, None]
    frames = track[reach : reach + frame_count * oversample : oversample]
    return np.ascontiguousarray(_clipped(frames), np.float32)


def _with_outer_silence(phones: Sequence[Phone], times: Times) -> list[Phone]:
    """Put silence before the first and after the last phone, as far as `times` goes."""
    first_s, last_s = phones[0].start_s, phones[-1].end_s
    before = Phone(SILENCE, min(times[0], first_s) - 1.0, first_s)
    after = Phone(SILENCE, last_s, max(times[-1], last_s) + 1.0)
    return [before, *phones, after]


def _blend(phones: Sequence[Phone], times: Times) -> NDArray[np.float64]:
    """Return the targets' mean, weighted by dominance, float64 [len(times), 8]."""
    weighted = np.zeros((len(times), len(POSE_CHANNELS)))
    weights = np.full((len(times), len(POSE_CHANNELS)), 1e-9)
    furthest_s = 8 * float(max(FALL_BEFORE_S.max(), FALL_AFTER_S.max()))
    for phone in phones:
        begin, end = np.searchsorted(times, (phone.start_s - furthest_s, phone.end_s + furthest_s))
        near = times[begin:end]
        if not len(near):
            continue
        dominance = _dominance(phone, near)
        weighted[begin:end] += dominance * _target(phone, near)
        weights[begin:end] += dominance
    return np.asarray(weighted / weights)


def _dominance(phone: Phone, times: Times) -> NDArray[np.float64]:
    """Return how much the phone has to say at each time, float64 [len(times), 8]."""
    length_s = phone.end_s - phone.start_s
    half_core_s = length_s / 2 - min(EDGE_SHARE * length_s, LONGEST_EDGE_S)
    offset_s = times[:, None] - phone.centre_s
    outside_s = np.maximum(np.abs(offset_s) - half_core_s, 0.0)
    fall_s = np.where(offset_s < 0, FALL_BEFORE_S, FALL_AFTER_S)
    _, _, firmness = _wanted(phone.symbol)
    return np.asarray(firmness * np.exp(-outside_s / fall_s), np.float64)


def _target(phone: Phone, times: Times) -> NDArray[np.float64]:
    """Return where the phone wants the mouth, float64 [len(times), 8]; diphthongs glide."""
    start, end, _ = _wanted(phone.symbol)
    length_s = phone.end_s - phone.start_s
    share = _eased((times - (phone.start_s + 0.25 * length_s)) / (0.6 * length_s))[:, None]
    poses = start + share * (end - start)
    if phone.symbol in VOWELS:
        size = SMALLEST_VOWEL + (1 - SMALLEST_VOWEL) * min(1.0, length_s / FULL_VOWEL_S)
        poses[:, (JAW, OPEN)] *= size
    return np.asarray(poses, np.float64)


@cache
def _wanted(symbol: str) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return a phone's poses at its start and end, and how firm it is, float32 [8] each."""
    target = TARGETS[symbol]
    return target.start.array(), target.end.array(), target.firmness.array()


def _smoothed(track: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Convolve every channel with a Hann window of 2 `reach` - 1 samples; the ends repeat."""
    window = np.hanning(2 * reach // 2 + 2)[1:-1]
    window /= window.sum()
    left = len(window) // 2
    padded = np.pad(track, ((left, len(window) - 1 - left), (0, 0)), mode="edge")
    return np.stack([np.convolve(channel, window, "valid") for channel in padded.T], axis=1)


def _tuck_lips(
    track: NDArray[np.float64], times: Times, phones: Sequence[Phone], rate_hz: float
) -> None:
    """Bring the lower lip under the teeth at every f and v, in place."""
    for phone in phones:
        if phone.symbol in LABIODENTALS:
            near, hold = _hold(times, phone.start_s, phone.end_s, rate_hz)
            part = track[near]
            part[:, TUCK] = np.maximum(part[:, TUCK], TUCKED_STRENGTH * hold)
            part[:, OPEN] += hold * (TUCKED_GAP - part[:, OPEN])
            part[:, PRESS] *= 1 - hold


def _close_lips(
    track: NDArray[np.float64], times: Times, phones: Sequence[Phone], rate_hz: float
) -> None:
    """Close the lips at every p, b and m, in place."""
    for phone in phones:
        if phone.symbol in BILABIALS:
            share = 1.0 if phone.symbol == "m" else STOP_CLOSED_SHARE
            closed_end_s = phone.start_s + share * (phone.end_s - phone.start_s)
            near, hold = _hold(times, phone.start_s, closed_end_s, rate_hz)
            part = track[near]
            press = TARGETS[phone.symbol].start.press
            part[:, PRESS] = np.maximum(part[:, PRESS], press * hold)
            part[:, (OPEN, TUCK, TEETH)] *= 1 - hold[:, None]
            part[:, (JAW, TONGUE)] *= 1 - 0.5 * hold[:, None]


def _hold(
    times: Times, start_s: float, end_s: float, rate_hz: float
) -> tuple[slice, NDArray[np.float64]]:
    """Return where in `times` a gesture is felt, and how far it is carried out there, 0..1.

    It is complete from shortly after its start to shortly before its end, but always for a
    little longer than the time between two frames.
    """
    centre_s = (start_s + end_s) / 2
    half_s = max(0.525 / rate_hz, SHORTEST_HOLD_S / 2, (end_s - start_s) / 2 - 0.25 * CLOSING_S)
    begin, end = np.searchsorted(
        times, (centre_s - half_s - CLOSING_S, centre_s + half_s + CLOSING_S)
    )
    distance_s = np.abs(times[begin:end] - centre_s) - half_s
    return slice(begin, end), _eased(1 - distance_s / CLOSING_S)


def _speaking(times: Times, phones: Sequence[Phone]) -> NDArray[np.float64]:
    """Return 1 within speech, falling to 0 `OPENING_S` before and `SETTLING_S` after it."""
    to_next_s = np.full(len(times), np.inf)
    since_last_s = np.full(len(times), np.inf)
    for phone in phones:
        begin, start, end, settled = np.searchsorted(
            times, (phone.start_s - OPENING_S, phone.start_s, phone.end_s, phone.end_s + SETTLING_S)
        )
        to_next_s[begin:start] = np.minimum(
            to_next_s[begin:start], phone.start_s - times[begin:start]
        )
        to_next_s[start:end] = 0.0
        since_last_s[end:settled] = np.minimum(
            since_last_s[end:settled], times[end:settled] - phone.end_s
        )
    return np.maximum(_eased(1 - to_next_s / OPENING_S), _eased(1 - since_last_s / SETTLING_S))


def _eased(share: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return a smooth step from 0 (at 0 and below) to 1 (at 1 and above)."""
    share = np.clip(share, 0.0, 1.0)
    return np.asarray(share * share * (3 - 2 * share), np.float64)


def _clipped(track: NDArray[np.float64]) -> NDArray[np.float64]:
    low = np.zeros(len(POSE_CHANNELS))
    low[WIDE] = -1.0
    return np.clip(track, low, 1.0)
