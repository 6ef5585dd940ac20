"""Bound tensors and runs of one size, on the CPU, where they work as they do on a GPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.probes import identity_generator, noisy_generator
from viseme.engine import Inferencer, Tensor, read_model
from viseme.engine.bound import LANES_MAX, BoundBackend, BoundOptions
from viseme.engine.onnx_runtime import OnnxRuntimeBackend, available_targets
from viseme.errors import BackendError, VisemeWarning

ROWS = 3
HERE = BoundOptions("onnxruntime", rows=ROWS)
Inputs = dict[str, Tensor]


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    info = read_model(path)
    return {"input": (1, *info.visual_shape), "audio": (1, *info.audio_shape)}


def some_inputs(count: int, seed: int = 0) -> Inputs:
    rng = np.random.default_rng(seed)
    return {
        "input": rng.random((count, 6, 160, 160), dtype=np.float32),
        "audio": rng.standard_normal((count, 16, 32, 32), dtype=np.float32),
    }


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisy_generator(tmp_path_factory.mktemp("bound") / "m.onnx")


@pytest.fixture
def bound(path: Path) -> Iterator[BoundBackend]:
    backend = BoundBackend(path, shapes=shapes_of(path), how=HERE)
    yield backend
    backend.close()


@pytest.mark.parametrize("count", [1, 2, ROWS, ROWS + 1, 2 * ROWS])
def test_a_frame_has_the_same_bits_in_any_company(
    bound: BoundBackend, path: Path, count: int
) -> None:
    inputs = some_inputs(count)
    (pictures,) = bound.run(inputs)
    assert pictures.shape == (count, 3, 160, 160)
    for row in range(count):
        (alone,) = bound.run({name: one[row : row + 1] for name, one in inputs.items()})
        np.testing.assert_array_equal(pictures[row], alone[0])
    (plain,) = OnnxRuntimeBackend(path).run(inputs)
    np.testing.assert_allclose(pictures, plain, rtol=0, atol=1e-5)


def test_many_threads_get_what_each_asked_for(bound: BoundBackend) -> None:
    threads, calls = LANES_MAX + 4, 3
    asked = [some_inputs(1 + seed % ROWS, seed) for seed in range(threads * calls)]
    serial = [bound.run(inputs)[0] for inputs in asked]
    together = threading.Barrier(threads, timeout=60)

    def ask(thread: int) -> list[Tensor]:
        together.wait()
        return [bound.run(inputs)[0] for inputs in asked[thread::threads]]

    with ThreadPoolExecutor(threads) as executor:
        parallel = list(executor.map(ask, range(threads)))
    for number, expected in enumerate(serial):
        np.testing.assert_array_equal(parallel[number % threads][number // threads], expected)


def test_what_it_gave_stays_as_it_was(bound: BoundBackend) -> None:
    (first,) = bound.run(some_inputs(ROWS))
    kept = first.copy()
    bound.run(some_inputs(ROWS, seed=1))
    np.testing.assert_array_equal(first, kept)


def test_it_leaves_what_it_is_given(bound: BoundBackend) -> None:
    for count in (1, ROWS):
        inputs = some_inputs(count)
        bound.run(inputs)
        for name, one in some_inputs(count).items():
            np.testing.assert_array_equal(inputs[name], one)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({}, "given nothing"),
        ({"input": some_inputs(1)["input"]}, r"given input \[1, 6, 160, 160\], and takes"),
        ({**some_inputs(2), "audio": some_inputs(1)["audio"]}, r"audio \[2, 16, 32, 32\]"),
        ({**some_inputs(1), "input": np.zeros((1, 5, 7, 7), np.float32)}, r"input \[1, 5, 7, 7\]"),
    ],
)
def test_what_it_cannot_run_is_refused(bound: BoundBackend, inputs: Inputs, says: str) -> None:
    with pytest.raises(BackendError, match=says):
        bound.run(inputs)
    bound.run(some_inputs(1))


def test_where_a_device_gives_no_memory_inputs_are_bound_anew(
    bound: BoundBackend, path: Path
) -> None:
    if "cuda" in available_targets():
        pytest.skip("This machine may have what the test wants missing")
    other = BoundBackend(path, shapes=shapes_of(path), how=HERE)
    other.device = "gpu"  # so it asks for memory that is not there
    for count in (1, ROWS, 2):
        inputs = some_inputs(count, seed=count)
        np.testing.assert_array_equal(other.run(inputs)[0], bound.run(inputs)[0])


def test_closed_it_refuses(bound: BoundBackend) -> None:
    bound.run(some_inputs(1))
    bound.close()
    bound.close()
    with pytest.raises(BackendError, match="is closed; open another"):
        bound.run(some_inputs(1))


def test_it_says_what_it_runs_in(path: Path) -> None:
    if "cuda" in available_targets():
        pytest.skip("This machine may have what the test wants missing")
    backend = BoundBackend(path, shapes=shapes_of(path))
    assert (backend.name, backend.device, backend.precision) == ("onnxruntime", "cpu", "float32")


@pytest.mark.parametrize(
    ("name", "target"), [("cuda", "cuda"), ("cuda-fp16", "cuda"), ("tensorrt", "tensorrt")]
)
def test_every_back_end_of_a_gpu_has_bound_tensors(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, target: str
) -> None:
    asked: list[str] = []

    class Noted(BoundBackend):
        def __init__(self, model: Path, **options: Any) -> None:
            asked.append(options["how"].target)
            super().__init__(model, **options)
            self.device = "gpu"  # as if there were one

    monkeypatch.setattr("viseme.engine.backends.BoundBackend", Noted)
    monkeypatch.setattr(
        "viseme.engine.backends.available_targets", lambda: ("tensorrt", "cuda", "onnxruntime")
    )
    inputs = some_inputs(2)
    (expected,) = OnnxRuntimeBackend(path).run(inputs)
    with pytest.warns(VisemeWarning), Inferencer(path, backend=name) as inferencer:
        pictures = inferencer.infer_batch(inputs["input"], inputs["audio"])
    assert asked == [target]
    np.testing.assert_allclose(pictures, expected, rtol=0, atol=2e-3)


def test_an_inferencer_runs_in_it(path: Path, bound: BoundBackend) -> None:
    inputs = some_inputs(5)
    (expected,) = bound.run(inputs)
    with Inferencer(path, backend=bound, workers=2) as inferencer:
        pictures = list(inferencer.map(zip(inputs["input"], inputs["audio"], strict=True)))
        np.testing.assert_array_equal(np.stack(pictures), expected)


def test_a_fixed_batch_is_its_number_of_rows(tmp_path: Path) -> None:
    path = identity_generator(tmp_path / "m.onnx", size=160, batch=2)
    backend = BoundBackend(path, shapes=shapes_of(path), how=BoundOptions("onnxruntime", rows=2))
    inputs = some_inputs(3)
    (pictures,) = backend.run(inputs)
    np.testing.assert_array_equal(pictures, inputs["input"][:, :3])
