from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.probes import passthrough_encoder, passthrough_features
from viseme.engine import AudioEncoder, FakeBackend, Tensor
from viseme.errors import BackendError, InputError, ModelError


def patches(count: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    return rng.uniform(-4, 4, (count, 1, 80, 16)).astype(np.float32)


@pytest.fixture(scope="module", params=[None, 1, 5])
def encoder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AudioEncoder:
    path = passthrough_encoder(tmp_path_factory.mktemp("encoder") / "a.onnx", request.param)
    return AudioEncoder(path)


@settings(max_examples=15)
@given(count=st.integers(0, 70), seed=st.integers(0, 9))
def test_any_number_of_patches_is_encoded(encoder: AudioEncoder, count: int, seed: int) -> None:
    mel = patches(count, seed)

    features = encoder(mel)

    assert features.dtype == np.float32
    assert features.shape == (count, 512)
    np.testing.assert_allclose(features, passthrough_features(mel), rtol=0, atol=1e-4)


def test_calls_from_many_threads_equal_the_same_calls_one_by_one(encoder: AudioEncoder) -> None:
    inputs = [patches(3, seed) for seed in range(32)]
    serial = [encoder(mel) for mel in inputs]

    with ThreadPoolExecutor(16) as executor:
        parallel = list(executor.map(encoder, inputs))

    for got, expected in zip(parallel, serial, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_bad_patches_are_refused_in_a_sentence(encoder: AudioEncoder) -> None:
    with pytest.raises(
        InputError, match=r"mel patch has shape \[2, 80, 16\]; expected \[B, 1, 80, 16\]"
    ):
        encoder(patches(2)[:, 0])
    with pytest.raises(InputError, match="mel patch has values that are NaN or infinite"):
        encoder(np.full((1, 1, 80, 16), np.inf, np.float32))
    with pytest.raises(InputError, match="mel patch has values of type int64"):
        encoder(np.zeros((1, 1, 80, 16), np.int64))


def test_it_closes(tmp_path: Path) -> None:
    fake = FakeBackend(lambda inputs: [np.zeros((len(inputs["mel"]), 512), np.float32)])
    with AudioEncoder(passthrough_encoder(tmp_path / "a.onnx"), backend=fake) as encoder:
        assert encoder(patches(2)).shape == (2, 512)

    assert fake.closed
    with pytest.raises(BackendError, match="This AudioEncoder is closed"):
        encoder(patches(1))


def test_an_encoder_that_breaks_its_promise_is_told(tmp_path: Path) -> None:
    liar = FakeBackend(lambda inputs: [np.zeros((1, 256), np.float32)])
    encoder = AudioEncoder(passthrough_encoder(tmp_path / "a.onnx"), backend=liar)

    with pytest.raises(BackendError, match=r"gave \[1, 256\] where \[2, 512\] was promised"):
        encoder(patches(2))


def test_back_ends_it_does_not_run_in_are_refused(tmp_path: Path) -> None:
    path = passthrough_encoder(tmp_path / "a.onnx")
    with pytest.raises(BackendError, match="There is no back end 'tpu'"):
        AudioEncoder(path, backend="tpu")
    with pytest.raises(BackendError, match="does not run in 'cuda'; choose 'auto' or"):
        AudioEncoder(path, backend="cuda")


def test_a_missing_encoder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no network at"):
        AudioEncoder(tmp_path / "none.onnx")
