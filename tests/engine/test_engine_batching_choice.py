"""How many frames to run at once, by a clock that the network moves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from support.probes import identity_generator, noisy_generator
from viseme.engine import FakeBackend, Inferencer, Tensor, measure_batching
from viseme.errors import BackendError


class TimedNetwork:
    """Gives back the reference crop, in the time that ``cost_s`` says for that many frames."""

    def __init__(self, cost_s: Callable[[int], float]) -> None:
        self.now_s = 0.0
        self._cost_s = cost_s
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now_s

    def __call__(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        pictures = inputs["input"][:, :3].copy()
        with self._lock:
            self.now_s += self._cost_s(len(pictures))
        return [pictures]


def measured(
    folder: Path,
    cost_s: Callable[[int], float],
    network: type[TimedNetwork] = TimedNetwork,
    batch: int | None = None,
) -> tuple[int, float]:
    played = network(cost_s)
    path = identity_generator(folder / "m.onnx", size=160, batch=batch)
    with Inferencer(path, backend=FakeBackend(played), workers=1) as inferencer:
        batching = measure_batching(inferencer, clock=played.clock)
    return batching.rows, round(batching.frames_per_s, 6)


@pytest.mark.parametrize(
    ("cost_s", "rows", "rate"),
    [
        (lambda rows: 0.010 * rows, 1, 100),  # nothing to gain
        (lambda rows: 0.010 + 0.0002 * rows, 8, 8 / 0.0116),  # all to gain
        (lambda rows: 0.010 * rows**0.97, 1, 100),  # too little each time to be sure of it
        (lambda rows: 0.020 + 0.006 * rows, 2, 2 / 0.032),  # four would take over 40 ms
        (lambda rows: 0.060 + 0.010 * rows, 1, 1 / 0.070),  # one takes more than that already
    ],
)
def test_frames_run_together_where_that_is_faster_and_short(
    tmp_path: Path, cost_s: Callable[[int], float], rows: int, rate: float
) -> None:
    assert measured(tmp_path, cost_s) == (rows, round(rate, 6))


def test_a_fixed_batch_that_costs_the_same_anyway_is_filled(tmp_path: Path) -> None:
    assert measured(tmp_path, lambda rows: 0.2, batch=5) == (5, 25)


class Swayed(TimedNetwork):
    """Rounds otherwise when there are several frames in a run."""

    def __call__(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        (pictures,) = super().__call__(inputs)
        if len(pictures) > 2:
            pictures[0, 0, 0, 0] = np.nextafter(pictures[0, 0, 0, 0], np.float32(2))
        return [pictures]


def test_company_that_changes_a_single_bit_is_not_kept(tmp_path: Path) -> None:
    assert measured(tmp_path, lambda rows: 0.010, Swayed)[0] == 2


class Single(TimedNetwork):
    """Takes one frame in a run, as a back end that was compiled for one does."""

    def __call__(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        if len(inputs["input"]) > 1:
            raise BackendError("One at a time.")
        return super().__call__(inputs)


def test_a_back_end_that_takes_one_frame_gets_one(tmp_path: Path) -> None:
    assert measured(tmp_path, lambda rows: 0.010, Single) == (1, 100)


@pytest.mark.parametrize("batch", [None, 1, 3])
def test_a_real_network_is_measured(tmp_path: Path, batch: int | None) -> None:
    path = noisy_generator(tmp_path / "m.onnx", batch=batch)
    with Inferencer(path, backend="onnxruntime", threads=1, workers=2) as inferencer:
        batching = measure_batching(inferencer)
    assert batching.rows in ({1, 2, 4, 8} if batch is None else {1, batch})
    assert batching.frames_per_s > 0


def test_a_run_takes_no_more_than_a_fixed_batch(tmp_path: Path) -> None:
    path = identity_generator(tmp_path / "m.onnx", size=160, batch=2)
    with Inferencer(path, backend="onnxruntime") as inferencer:
        visual = np.random.default_rng(0).random((3, 6, 160, 160), dtype=np.float32)
        audio = np.zeros((3, 16, 32, 32), np.float32)
        np.testing.assert_array_equal(inferencer.run(visual[:1], audio[:1]), visual[:1, :3])
        with pytest.raises(BackendError) as caught:
            inferencer.run(visual, audio)
    assert str(caught.value) == (
        f"{path} takes 2 frames in a run; 3 were given to it: share them out."
    )
