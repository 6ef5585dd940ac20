"""The full-size network: the family's size and shapes, from a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from viseme.bench.floor import read_layers
from viseme.bench.full_size import write_full_size
from viseme.engine import Inferencer, read_model
from viseme.engine.samples import sample_inputs


def test_it_is_a_generator_of_full_size(tmp_path: Path) -> None:
    path = tmp_path / "full.onnx"
    write_full_size(path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    parameters = sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
    assert 12.0e6 < parameters < 12.3e6
    layers = read_layers(path)
    assert layers is not None
    assert sum(layer.operations for layer in layers) == pytest.approx(9.77e9, rel=0.001)
    info = read_model(path)
    assert (info.size, info.audio_shape, info.batch) == (320, (32, 16, 16), None)
    with Inferencer(path, backend="onnxruntime") as inferencer:
        (one, other) = (
            inferencer.infer(inputs["input"][0], inputs["audio"][0])
            for inputs in sample_inputs(info, 2)
        )
    assert one.std() > 0.05  # neither faded nor saturated
    assert not np.array_equal(one, other)


def test_a_seed_decides(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.onnx", "b.onnx", "c.onnx")]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        write_full_size(path, seed=seed)
    one, same, other = (path.read_bytes() for path in files)
    assert one == same
    assert one != other
