"""The mouth's movement: what a weighted mean of targets would not promise by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viseme.errors import VisemeError
from viseme.studio.mouth import POSE_CHANNELS
from viseme.studio.speech.coarticulation import pose_track
from viseme.studio.speech.phones import (
    BILABIALS,
    LABIODENTALS,
    PHONES,
    SILENCE,
    TARGETS,
    VOWELS,
    from_espeak,
    from_flite,
)
from viseme.studio.speech.utterance import Phone, scaled, shifted

CHANNEL = {name: i for i, name in enumerate(POSE_CHANNELS)}
FRAME_S = 0.04

phone_rows = st.lists(
    st.tuples(st.sampled_from(PHONES), st.floats(0.02, 0.4)), min_size=1, max_size=25
)


def say(row: Sequence[tuple[str, float]], start_s: float = 0.2) -> tuple[Phone, ...]:
    """Put phones with the given lengths one after the other, from `start_s` on."""
    phones = []
    for symbol, length_s in row:
        phones.append(Phone(symbol, start_s, start_s + length_s))
        start_s += length_s
    return tuple(phones)


def frames_for(phones: Sequence[Phone]) -> int:
    return int(phones[-1].end_s / FRAME_S) + 15


@settings(max_examples=60)
@given(phone_rows, st.floats(0.0, 0.04))
def test_every_closure_is_seen_on_a_frame(row: list[tuple[str, float]], offset_s: float) -> None:
    phones = say(row, 0.2 + offset_s)
    track = pose_track(phones, frames_for(phones))
    for phone in phones:
        if phone.symbol in BILABIALS:
            nearest = round(phone.centre_s / FRAME_S)
            near = track[nearest - 1 : nearest + 2]
            closed = near[near[:, CHANNEL["open"]] <= 0.03]
            assert len(closed)
            assert closed[:, CHANNEL["press"]].max() >= 0.7


@settings(max_examples=60)
@given(phone_rows)
def test_poses_keep_to_their_ranges_and_pauses_to_rest(row: list[tuple[str, float]]) -> None:
    phones = say(row)
    track = pose_track(phones, frames_for(phones))
    assert track.dtype == np.float32
    low = np.array([-1.0 if name == "wide" else 0.0 for name in POSE_CHANNELS])
    assert (track >= low).all()
    assert (track <= 1).all()
    times = np.arange(len(track)) * FRAME_S
    spoken = [phone for phone in phones if phone.symbol != SILENCE]
    far = np.ones(len(track), bool)
    for phone in spoken:
        far &= (times < phone.start_s - 0.12) | (times > phone.end_s + 0.12)
    assert not track[far].any()


@settings(max_examples=30)
@given(phone_rows)
def test_nothing_jumps(row: list[tuple[str, float]]) -> None:
    phones = say(row)
    track = pose_track(phones, frames_for(phones) * 8, rate_hz=200.0, oversample=1)
    assert np.abs(np.diff(track, axis=0)).max() < 0.3


@settings(max_examples=30)
@given(phone_rows, st.integers(1, 20))
def test_later_speech_is_the_same_movement_later(row: list[tuple[str, float]], by: int) -> None:
    phones = say(row)
    count = frames_for(phones)
    track = pose_track(phones, count)
    late = pose_track(shifted(phones, by * FRAME_S), count + by)
    np.testing.assert_allclose(late[by:], track, atol=0.02)
    assert not late[:by].any()


@pytest.mark.parametrize("phone", sorted(LABIODENTALS))
@pytest.mark.parametrize("offset_s", [0.0, 0.01, 0.02, 0.03])
def test_lip_reaches_the_teeth(phone: str, offset_s: float) -> None:
    phones = say([("aa", 0.15), (phone, 0.05), ("aa", 0.15)], 0.2 + offset_s)
    nearest = round(phones[1].centre_s / FRAME_S)
    near = pose_track(phones, 30)[nearest - 1 : nearest + 2]
    assert near[:, CHANNEL["tuck"]].max() >= 0.9
    assert near[near[:, CHANNEL["tuck"]].argmax(), CHANNEL["open"]] <= 0.1


def test_rounding_begins_before_its_vowel() -> None:
    t_of_two, t_of_tea = (
        pose_track(say([("t", 0.12), (vowel, 0.2)]), 30)[round(0.26 / FRAME_S)]
        for vowel in ("uw", "iy")
    )
    assert t_of_two[CHANNEL["round"]] > 0.3
    assert t_of_tea[CHANNEL["round"]] < 0.05
    assert t_of_two[CHANNEL["wide"]] < 0 < t_of_tea[CHANNEL["wide"]]


def test_long_vowels_open_further_than_short_ones() -> None:
    short, long = (
        pose_track(say([("t", 0.08), ("aa", length_s), ("t", 0.08)]), 40)[:, CHANNEL["open"]].max()
        for length_s in (0.05, 0.25)
    )
    assert 0.2 < short < 0.75 * long
    assert long > 0.7


def test_diphthong_moves() -> None:
    track = pose_track(say([("ay", 0.4)], 0.4), 30)
    early, late = track[round(0.5 / FRAME_S)], track[round(0.72 / FRAME_S)]
    assert early[CHANNEL["open"]] > late[CHANNEL["open"]] + 0.2
    assert late[CHANNEL["wide"]] > early[CHANNEL["wide"]] + 0.2


def test_finer_rates_show_the_same_movement() -> None:
    phones = say([("m", 0.06), ("aa", 0.15), ("p", 0.09), ("iy", 0.1)])
    coarse = pose_track(phones, 30, 25.0, 8)
    fine = pose_track(phones, 60, 50.0, 4)
    np.testing.assert_allclose(fine[::2], coarse, atol=1e-6)


def test_phones_outside_the_track_show_at_its_edges() -> None:
    phones = shifted(say([("aa", 0.3), ("uw", 0.3)]), -0.3)
    whole = pose_track(shifted(phones, 0.4), 60)
    np.testing.assert_allclose(pose_track(phones, 10), whole[10:20], atol=1e-5)


@pytest.mark.parametrize("phones", [(), (Phone(SILENCE, 0.0, 1.0),)])
def test_silence_is_rest(phones: tuple[Phone, ...]) -> None:
    track = pose_track(phones, 25)
    assert track.shape == (25, 8)
    assert not track.any()


def test_no_frames() -> None:
    assert pose_track(say([("aa", 0.1)]), 0).shape == (0, 8)


def test_targets_are_poses_that_the_mouth_can_take() -> None:
    assert VOWELS | BILABIALS | LABIODENTALS | {SILENCE} <= set(PHONES)
    for target in TARGETS.values():
        for pose in (target.start.array(), target.end.array()):
            assert np.abs(pose).max() <= 1
            assert np.delete(pose, CHANNEL["wide"]).min() >= 0
        assert target.firmness.array().min() > 0


@pytest.mark.parametrize(
    ("mnemonic", "phones"),
    [
        ("p", ("p",)),
        ("3:", ("er",)),
        ("t#", ("t",)),
        ("O2", ("ao",)),
        ("@L", ("ax", "l")),
        ("tS", ("ch",)),
        ("aI@", ("ay", "ax")),
        ("_:", (SILENCE,)),
        (";", ()),
        ("'3:", ("er",)),
        (",a#", ("ax",)),
    ],
)
def test_mnemonics_of_espeak(mnemonic: str, phones: tuple[str, ...]) -> None:
    assert from_espeak(mnemonic) == phones


def test_unknown_phones_are_named() -> None:
    with pytest.raises(VisemeError, match="flite spoke a phone 'qq'"):
        from_flite("qq")
    with pytest.raises(VisemeError, match="espeak-ng spoke a phone 'q#'"):
        from_espeak("q#")


def test_times_scale() -> None:
    assert scaled((Phone("aa", 1.0, 2.0),), 1.5) == (Phone("aa", 1.5, 3.0),)
