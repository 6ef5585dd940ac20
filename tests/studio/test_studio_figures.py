"""The figures of quality say what they claim to say."""

from dataclasses import replace

import numpy as np
import pytest

from viseme.studio.figures import Figures, correlations, psnr_db, seen_closed

GOOD = Figures(
    correlation=0.95,
    best_offset=0,
    correlation_by_offset={-1: 0.8, 0: 0.95, 1: 0.8},
    closures_seen=95,
    closures=100,
    mouth_psnr_db=33.0,
    untouched_psnr_db=22.0,
    at_rest=999,
    silent=1000,
    frames=5000,
    seconds=200.0,
)


def series(seed: int, count: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).random(count).astype(np.float32)


@pytest.mark.parametrize("lag", [-2, 0, 3])
def test_the_best_offset_is_the_lag_of_the_drawn_mouth(lag: int) -> None:
    true = [series(1), series(2, 90)]
    drawn = [np.roll(clip, lag) for clip in true]
    found = correlations(drawn, true)
    assert max(found, key=lambda offset: found[offset]) == lag
    assert found[lag] == pytest.approx(1, abs=0.05)
    assert abs(found[lag + 1]) < 0.3


def test_clips_are_not_shifted_into_each_other() -> None:
    true = [np.zeros(50, np.float32), np.ones(50, np.float32)]
    assert correlations(true, true)[3] == pytest.approx(1)


def test_a_closure_counts_within_one_frame() -> None:
    opening = np.full(20, 0.5, np.float32)
    opening[10] = 0.01
    assert [seen_closed(opening, frame) for frame in (8, 9, 10, 11, 12)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_a_closure_beyond_the_end_is_not_seen() -> None:
    assert not seen_closed(np.zeros(5, np.float32), 7)


def test_psnr_of_one_grey_level() -> None:
    assert psnr_db(np.ones(1, np.float32)) == pytest.approx(48.13, abs=0.01)


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ({"correlation": 0.89}, 0),
        ({"best_offset": -2}, 1),
        ({"closures_seen": 89}, 2),
        ({"mouth_psnr_db": 29.9}, 3),
        ({"untouched_psnr_db": 27.5}, 4),
        ({"at_rest": 989}, 5),
    ],
)
def test_a_missed_goal_is_told_in_its_row_alone(change: dict[str, float], row: int) -> None:
    assert [met for *_, met in GOOD.rows()] == [True] * 6
    bad = replace(GOOD, **change)  # type: ignore[arg-type]
    assert [index for index, (*_, met) in enumerate(bad.rows()) if not met] == [row]
