from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.backends import CPU_BACKENDS, skip_unless_available
from support.probes import (
    identity_generator,
    noisy_generator,
    painted_window,
    window_painter,
)
from viseme.engine import BACKEND_NAMES, FakeBackend, Inferencer, Tensor
from viseme.engine.onnx_runtime import available_targets
from viseme.errors import BackendError, InputError, ModelError, VisemeWarning


def inputs_for(inferencer: Inferencer, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    return (
        rng.random((count, *inferencer.visual_shape), dtype=np.float32),
        rng.random((count, *inferencer.audio_shape), dtype=np.float32),
    )


def reference_channels(inputs: Mapping[str, Tensor]) -> list[Tensor]:
    """Stand in for the network of identity_generator."""
    return [inputs["input"][:, :3].copy()]


@pytest.fixture
def small_identity(tmp_path: Path) -> Path:
    return identity_generator(tmp_path / "identity.onnx", size=160)


@pytest.mark.parametrize("backend", CPU_BACKENDS)
@pytest.mark.parametrize("batch", [None, 1, 4])
@pytest.mark.parametrize("size", [160, 320])
def test_an_identity_gives_the_reference_back(
    tmp_path: Path, backend: str, batch: int | None, size: int
) -> None:
    path = identity_generator(tmp_path / "m.onnx", size, batch)
    skip_unless_available(backend, path)
    with Inferencer(path, backend=backend) as inferencer:
        visual, audio = inputs_for(inferencer, 6)

        batch_result = inferencer.infer_batch(visual, audio)

        # Bfloat16 keeps eight bits of a number's mantissa.
        exact = 0.0 if inferencer.backend.precision == "float32" else 2**-8
        np.testing.assert_allclose(batch_result, visual[:, :3], rtol=0, atol=exact)
        assert batch_result.dtype == np.float32
        single = inferencer.infer(visual[2], audio[2])
        assert single.shape == (3, size, size)
        np.testing.assert_array_equal(single, batch_result[2])


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("batch", [None, 4])
def test_each_frame_hears_its_own_window(tmp_path: Path, backend: str, batch: int | None) -> None:
    path = window_painter(tmp_path / "m.onnx", batch=batch)
    skip_unless_available(backend, path)
    with Inferencer(path, backend=backend) as inferencer:
        visual, audio = inputs_for(inferencer, 5)

        pictures = inferencer.infer_batch(visual, audio)

        for picture, window in zip(pictures, audio, strict=True):
            np.testing.assert_array_equal(painted_window(picture), window)


def test_one_window_serves_a_whole_batch(tmp_path: Path) -> None:
    with Inferencer(window_painter(tmp_path / "m.onnx"), backend="onnxruntime") as inferencer:
        visual, audio = inputs_for(inferencer, 3)

        pictures = inferencer.infer_batch(visual, audio[1])

        for picture in pictures:
            np.testing.assert_array_equal(painted_window(picture), audio[1])


@pytest.fixture(scope="module", params=[None, 1, 3, 4])
def noisy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inferencer]:
    path = noisy_generator(tmp_path_factory.mktemp("noisy") / "m.onnx", batch=request.param)
    with Inferencer(path, backend="onnxruntime", workers=2) as inferencer:
        yield inferencer


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(count=st.integers(0, 9), seed=st.integers(0, 100), shared=st.booleans())
def test_a_batch_is_its_frames_however_the_network_takes_them(
    noisy: Inferencer, count: int, seed: int, shared: bool
) -> None:
    visual, audio = inputs_for(noisy, count, seed)
    window = np.full(noisy.audio_shape, 0.25, np.float32)

    pictures = noisy.infer_batch(visual, window if shared else audio)

    assert pictures.shape == (count, 3, 160, 160)
    for index, picture in enumerate(pictures):
        alone = noisy.infer(visual[index], window if shared else audio[index])
        np.testing.assert_array_equal(picture, alone)


def test_a_fixed_batch_is_filled_up_and_no_more(tmp_path: Path) -> None:
    path = identity_generator(tmp_path / "m.onnx", size=160, batch=4)
    rows: list[int] = []

    def record(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        rows.append(len(inputs["input"]))
        assert len(inputs["audio"]) == len(inputs["input"])
        return reference_channels(inputs)

    with Inferencer(path, backend=FakeBackend(record)) as inferencer:
        inferencer.warm_up()
        rows.clear()
        inferencer.infer_batch(*inputs_for(inferencer, 9))

    assert rows == [4, 4, 4]


def test_a_gpu_takes_several_frames_of_a_dynamic_network_at_once(small_identity: Path) -> None:
    rows: list[int] = []

    def record(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        rows.append(len(inputs["input"]))
        return reference_channels(inputs)

    fake = FakeBackend(record, device="gpu")
    with Inferencer(small_identity, backend=fake, rows=8) as inferencer:
        assert inferencer.workers == 5
        rows.clear()
        visual, audio = inputs_for(inferencer, 10)
        np.testing.assert_array_equal(inferencer.infer_batch(visual, audio), visual[:, :3])

    assert sorted(rows) == [2, 8]


def test_a_stream_on_a_gpu_runs_together_what_came_while_it_was_busy(small_identity: Path) -> None:
    rows: list[int] = []
    asked = threading.Semaphore(0)

    def record(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        rows.append(len(inputs["input"]))
        if armed and len(rows) == 1:
            for _ in range(5):
                assert asked.acquire(timeout=30)
        return reference_channels(inputs)

    armed = False
    fake = FakeBackend(record, device="gpu")
    with Inferencer(small_identity, backend=fake, workers=1, rows=3) as inferencer:
        inferencer.warm_up()
        rows.clear()
        armed = True
        visual, audio = inputs_for(inferencer, 5)

        def source() -> Iterator[tuple[Tensor, Tensor]]:
            for pair in zip(visual, audio, strict=True):
                yield pair
                asked.release()  # once it has been taken over

        pictures = np.stack(list(inferencer.map(source())))

    np.testing.assert_array_equal(pictures, visual[:, :3])
    assert sum(rows) == 5
    assert max(rows[1:]) > 1
    assert max(rows) <= 3


def test_floats_of_other_widths_are_converted(small_identity: Path) -> None:
    with Inferencer(small_identity, backend="onnxruntime") as inferencer:
        visual, audio = inputs_for(inferencer, 1)

        doubled = inferencer.infer(visual[0].astype(np.float64), audio[0].astype(np.float16))

        np.testing.assert_array_equal(doubled, visual[0, :3])


def test_arrays_that_are_not_contiguous_or_writable_do(small_identity: Path) -> None:
    with Inferencer(small_identity, backend="onnxruntime") as inferencer:
        visual, audio = inputs_for(inferencer, 1)
        turned = np.asfortranarray(visual[0])
        turned.flags.writeable = False

        np.testing.assert_array_equal(inferencer.infer(turned, audio[0]), visual[0, :3])


@pytest.mark.parametrize(
    ("visual", "audio", "says"),
    [
        (
            np.zeros((6, 320, 320), np.float32),
            np.zeros((16, 32, 32), np.float32),
            r"visual input has shape \[6, 320, 320\]; expected \[6, 160, 160\]",
        ),
        (
            np.zeros((6, 160, 160), np.float32),
            np.zeros((16, 512), np.float32),
            r"audio window has shape \[16, 512\]; expected \[16, 32, 32\]",
        ),
        (
            np.zeros((6, 160, 160), np.uint8),
            np.zeros((16, 32, 32), np.float32),
            "visual input has values of type uint8; give floating-point numbers",
        ),
        (
            np.zeros((6, 160, 160), np.float32),
            np.full((16, 32, 32), np.nan, np.float32),
            "audio window has values that are NaN or infinite",
        ),
        (
            np.full((6, 160, 160), 1e300, np.float64),
            np.zeros((16, 32, 32), np.float32),
            "visual input has values that are NaN or infinite",
        ),
    ],
)
def test_bad_arrays_are_refused_in_a_sentence(
    small_identity: Path, visual: NDArray[Any], audio: NDArray[Any], says: str
) -> None:
    with Inferencer(small_identity, backend="onnxruntime") as inferencer:
        with pytest.raises(InputError, match=says):
            inferencer.infer(visual, audio)
        with pytest.raises(InputError, match=says):
            list(inferencer.map([(visual, audio)]))


def test_a_batch_of_windows_must_be_as_long_as_the_frames(small_identity: Path) -> None:
    with Inferencer(small_identity, backend="onnxruntime") as inferencer:
        visual, audio = inputs_for(inferencer, 3)
        with pytest.raises(
            InputError,
            match=r"has shape \[2, 16, 32, 32\]; expected \[16, 32, 32\] or \[3, 16, 32, 32\]",
        ):
            inferencer.infer_batch(visual, audio[:2])
        with pytest.raises(InputError, match=r"visual batch has shape .* expected \[B, 6, 160"):
            inferencer.infer_batch(visual[0], audio[0])


def test_the_first_use_opens_and_runs_no_more_than_it_is_asked_to(small_identity: Path) -> None:
    runs: list[int] = []

    def count(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        runs.append(1)
        return reference_channels(inputs)

    inferencer = Inferencer(small_identity, backend=FakeBackend(count))
    assert not runs
    inferencer.infer(*(array[0] for array in inputs_for(inferencer, 1)))
    assert len(runs) == 1
    report = inferencer.warm_up()
    warm = len(runs)

    assert warm > 2
    assert report is inferencer.warm_up()
    assert len(runs) == warm
    assert report.backend == "fake"
    assert report.seconds > 0
    assert report.candidates == ()
    inferencer.close()


def test_many_first_users_open_the_back_end_once(small_identity: Path) -> None:
    with Inferencer(small_identity, backend="onnxruntime") as inferencer:
        found: list[object] = []
        threads = [
            threading.Thread(target=lambda: found.append(inferencer.backend)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(found) == 8
        assert len({id(backend) for backend in found}) == 1


@pytest.mark.parametrize("used", [True, False])
def test_closing_ends_the_back_end_and_later_calls(small_identity: Path, used: bool) -> None:
    fake = FakeBackend(reference_channels)
    inferencer = Inferencer(small_identity, backend=fake)
    if used:
        inferencer.warm_up()
    inferencer.close()
    inferencer.close()

    assert fake.closed
    with pytest.raises(BackendError, match="This Inferencer is closed; open another"):
        inferencer.warm_up()
    with pytest.raises(BackendError, match="is closed"):
        inferencer.infer(np.zeros((6, 160, 160), np.float32), np.zeros((16, 32, 32), np.float32))


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_back_ends_say_what_they_are_and_refuse_after_closing(
    small_identity: Path, backend: str
) -> None:
    skip_unless_available(backend, small_identity)
    inferencer = Inferencer(small_identity, backend=backend)
    opened = inferencer.backend
    inferencer.close()

    assert opened.name == backend
    assert opened.device == "cpu"
    assert opened.precision == ("bfloat16" if backend == "openvino-bf16" else "float32")
    with pytest.raises(BackendError, match="back end is closed; open another"):
        opened.run({})


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_errors_of_the_libraries_are_translated(small_identity: Path, backend: str) -> None:
    skip_unless_available(backend, small_identity)
    with (
        Inferencer(small_identity, backend=backend) as inferencer,
        pytest.raises(BackendError, match="failed to run the network") as raised,
    ):
        inferencer.backend.run({"input": np.zeros((1, 5, 7, 7), np.float32)})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("backend", ["cuda", "cuda-fp16", "tensorrt"])
def test_a_gpu_that_is_not_there_falls_back_and_says_so(small_identity: Path, backend: str) -> None:
    if backend.removesuffix("-fp16") in available_targets():
        pytest.skip("This machine may have what the test wants missing")
    with Inferencer(small_identity, backend=backend) as inferencer:
        with pytest.warns(VisemeWarning, match=f"'{backend}' is not to be had here; '.*' is used"):
            report = inferencer.warm_up()

        assert report.backend == inferencer.backend.name
        assert report.backend != backend


def test_unknown_back_ends_are_refused_with_the_choices(small_identity: Path) -> None:
    with pytest.raises(BackendError) as raised:
        Inferencer(small_identity, backend="tpu")

    assert "'tpu'" in str(raised.value)
    assert all(name in str(raised.value) for name in BACKEND_NAMES)


def test_fewer_than_one_thread_or_worker_is_refused(small_identity: Path) -> None:
    with pytest.raises(BackendError, match="threads is 0; give at least 1"):
        Inferencer(small_identity, threads=0)
    with pytest.raises(BackendError, match="workers is -1; give at least 1"):
        Inferencer(small_identity, workers=-1)
    with pytest.raises(BackendError, match="rows is 0; give at least 1"):
        Inferencer(small_identity, rows=0)


def test_a_network_that_breaks_its_promise_is_told(small_identity: Path) -> None:
    liar = FakeBackend(lambda inputs: [inputs["input"][:, :1]])
    with (
        Inferencer(small_identity, backend=liar) as inferencer,
        pytest.raises(
            BackendError,
            match=r"gave \[1, 1, 160, 160\] where \[1, 3, 160, 160\] was promised",
        ),
    ):
        inferencer.warm_up()


def test_a_missing_network_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no network at"):
        Inferencer(tmp_path / "none.onnx")


MISSING_OPENVINO = """
import sys
sys.modules["openvino"] = None  # What Python itself takes for a package that is not there.
from viseme.engine import Inferencer
from viseme.engine.onnx_runtime import available_targets
from viseme.errors import MissingExtraError
try:
    Inferencer(sys.argv[1], backend="openvino-bf16")
except MissingExtraError as error:
    print(error)
with Inferencer(sys.argv[1]) as inferencer:
    print([candidate.name for candidate in inferencer.warm_up().candidates])
"""


def test_without_openvino_it_is_asked_for_or_left_out(small_identity: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MISSING_OPENVINO, str(small_identity)],
        check=True,
        capture_output=True,
        text=True,
    )

    sentence, names = done.stdout.splitlines()
    assert sentence == (
        "OpenVINO is not installed; install it with `pip install viseme[openvino]`."
    )
    assert "'onnxruntime'" in names
    assert "openvino" not in names
