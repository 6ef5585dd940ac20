from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from support.backends import CPU_BACKENDS, skip_unless_available
from support.probes import noisy_generator, painted_window, window_painter
from viseme.engine import FakeBackend, Inferencer, Tensor

THREADS = 16
CALLS = 4


@pytest.fixture(params=[*itertools.product(CPU_BACKENDS, (1, 3))], ids=str)
def inferencer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Inferencer]:
    path = noisy_generator(tmp_path / "m.onnx")
    backend, threads = request.param
    skip_unless_available(backend, path)
    with Inferencer(path, backend=backend, threads=threads, workers=4) as inferencer:
        yield inferencer


def unique_pairs(inferencer: Inferencer, count: int) -> list[tuple[Tensor, Tensor]]:
    rng = np.random.default_rng(5)
    return [
        (
            rng.random(inferencer.visual_shape, dtype=np.float32),
            rng.standard_normal(inferencer.audio_shape, dtype=np.float32),
        )
        for _ in range(count)
    ]


def test_calls_from_many_threads_equal_the_same_calls_one_by_one(inferencer: Inferencer) -> None:
    pairs = unique_pairs(inferencer, THREADS * CALLS)
    serial = [inferencer.infer(*pair) for pair in pairs]
    together = threading.Barrier(THREADS, timeout=60)

    def calls(thread: int) -> list[Tensor]:
        together.wait()
        return [inferencer.infer(*pair) for pair in pairs[thread::THREADS]]

    with ThreadPoolExecutor(THREADS) as executor:
        parallel = list(executor.map(calls, range(THREADS)))

    for index, expected in enumerate(serial):
        got = parallel[index % THREADS][index // THREADS]
        np.testing.assert_array_equal(got, expected)
    # The answers must differ for a mix-up among them to show.
    assert len({picture.tobytes() for picture in serial}) == len(serial)


def test_streams_and_batches_side_by_side_stay_exact(inferencer: Inferencer) -> None:
    pairs = unique_pairs(inferencer, 12)
    serial = np.stack([inferencer.infer(*pair) for pair in pairs])

    def stream() -> Tensor:
        return np.stack(list(inferencer.map(pairs)))

    def batch() -> Tensor:
        visual, audio = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
        return inferencer.infer_batch(visual, audio)

    with ThreadPoolExecutor(4) as executor:
        results = [executor.submit(work) for work in (stream, batch, stream, batch)]
        for result in results:
            np.testing.assert_array_equal(result.result(), serial)


def test_results_are_the_callers_own(inferencer: Inferencer) -> None:
    first, second = unique_pairs(inferencer, 2)
    kept = inferencer.infer(*first)
    before = kept.copy()
    for _ in range(2 * inferencer.workers):  # Enough to come round to the same tensors again.
        inferencer.infer(*second)

    np.testing.assert_array_equal(kept, before)


def test_a_source_may_use_its_arrays_again(tmp_path: Path) -> None:
    with Inferencer(
        window_painter(tmp_path / "m.onnx"), backend="onnxruntime", workers=3
    ) as inferencer:
        visual = np.zeros(inferencer.visual_shape, np.float32)
        window = np.empty(inferencer.audio_shape, np.float32)

        def source() -> Iterator[tuple[Tensor, Tensor]]:
            for index in range(20):
                window[:] = index / 20
                yield visual, window

        heard = [painted_window(picture)[0, 0, 0] for picture in inferencer.map(source())]

    np.testing.assert_array_equal(heard, np.arange(20, dtype=np.float32) / np.float32(20))


def test_no_more_run_at_once_than_there_are_workers(tmp_path: Path) -> None:
    lock = threading.Lock()
    running = 0
    most = 0

    def watched(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)  # Long enough for every waiting thread to come in, if it could.
        with lock:
            running -= 1
        return [inputs["input"][:, :3].copy()]

    path = noisy_generator(tmp_path / "m.onnx")
    with Inferencer(path, backend=FakeBackend(watched), workers=2) as inferencer:
        pair = unique_pairs(inferencer, 1)[0]
        with ThreadPoolExecutor(8) as executor:
            for result in [executor.submit(inferencer.infer, *pair) for _ in range(16)]:
                result.result()

    assert most == 2


def test_closing_a_stream_ends_its_workers(tmp_path: Path) -> None:
    with Inferencer(
        noisy_generator(tmp_path / "m.onnx"), backend="onnxruntime", workers=3
    ) as inferencer:
        endless = inferencer.map(iter(lambda: unique_pairs(inferencer, 1)[0], None))
        next(endless)
        endless.close()

        assert not [
            thread for thread in threading.enumerate() if thread.name.startswith("viseme-engine")
        ]


def test_closing_the_inferencer_lets_calls_under_way_finish(tmp_path: Path) -> None:
    inside = threading.Event()
    may_end = threading.Event()

    def slow(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        if armed:
            inside.set()
            assert may_end.wait(10)
        return [inputs["input"][:, :3].copy()]

    armed = False
    inferencer = Inferencer(noisy_generator(tmp_path / "m.onnx"), backend=FakeBackend(slow))
    inferencer.warm_up()
    armed = True
    visual, audio = unique_pairs(inferencer, 1)[0]
    with ThreadPoolExecutor(1) as executor:
        result = executor.submit(inferencer.infer, visual, audio)
        assert inside.wait(10)
        inferencer.close()
        may_end.set()

        np.testing.assert_array_equal(result.result(), visual[:3])
