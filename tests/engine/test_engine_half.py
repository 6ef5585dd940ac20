"""Networks in half precision: the same tensors, and nearly the same pictures."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from support.probes import AUDIO_SHAPES, identity_generator, noisy_generator, write_network
from viseme.bench.full_size import write_full_size
from viseme.engine import read_model
from viseme.engine.backend import Backend
from viseme.engine.bound import BoundBackend, BoundOptions
from viseme.engine.half import in_half_precision
from viseme.engine.model import ModelInfo
from viseme.engine.onnx_runtime import OnnxRuntimeBackend
from viseme.engine.samples import sample_inputs
from viseme.errors import BackendError, ModelError

STEP = 1 / 255


def half_backend(info: ModelInfo) -> Backend:
    return BoundBackend(
        info.path,
        shapes={
            info.visual_name: (1, *info.visual_shape),
            info.audio_name: (1, *info.audio_shape),
        },
        how=BoundOptions("onnxruntime", "float16", rows=1),
    )


def steps_apart(path: Path) -> float:
    """Tell how far halves stray, in steps of an 8-bit picture."""
    info = read_model(path)
    (sample,) = sample_inputs(info, 1)
    (exact,) = OnnxRuntimeBackend(path).run(sample)
    backend = half_backend(info)
    assert (backend.name, backend.precision) == ("onnxruntime-fp16", "float16")
    (rounded,) = backend.run(sample)
    assert rounded.dtype == np.float32
    assert exact.std() > 0.01
    return float(np.abs(rounded - exact).max()) / STEP


def test_a_network_computes_in_halves(tmp_path: Path) -> None:
    path = noisy_generator(tmp_path / "m.onnx")
    content = in_half_precision(path)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    assert 0 < steps_apart(path) < 1
    single = [
        tensor.name
        for tensor in onnx.load_from_string(content).graph.initializer
        if tensor.data_type == TensorProto.FLOAT
    ]
    assert single == ["scales"]
    (tmp_path / "half.onnx").write_bytes(content)
    assert read_model(tmp_path / "half.onnx").visual_name == "input"


def test_the_built_in_network_can_be_converted() -> None:
    with as_file(files("viseme") / "data" / "avatars" / "demo" / "generator.onnx") as path:
        content = in_half_precision(path)
        onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
        assert steps_apart(path) < 2


def test_a_network_of_full_size_can_be_converted(tmp_path: Path) -> None:
    path = tmp_path / "full.onnx"
    write_full_size(path)
    content = in_half_precision(path)
    assert len(content) < 0.51 * path.stat().st_size
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)


def write_with(path: Path, nodes: list[Any], **constants: NDArray[Any]) -> Path:
    return write_network(
        path,
        nodes,
        constants,
        inputs={"input": ("batch", 6, 160, 160), "audio": ("batch", *AUDIO_SHAPES[160])},
        outputs={"output": ("batch", 3, 160, 160)},
    )


BOUNDS = {"start": np.array([0]), "stop": np.array([3]), "axis": np.array([1])}


def test_constants_in_nodes_and_conversions_are_converted(tmp_path: Path) -> None:
    third = numpy_helper.from_array(np.array(1 / 3, np.float32))
    in_floats = helper.make_tensor("floats", TensorProto.FLOAT, [1], [0.25])
    assert not in_floats.raw_data
    nodes = [
        helper.make_node("Slice", ["input", "start", "stop", "axis"], ["face"]),
        helper.make_node("Constant", [], ["third"], value=third),
        helper.make_node("Constant", [], ["quarter"], value=in_floats),
        helper.make_node("Cast", ["face"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["cast", "third"], ["dark"]),
        helper.make_node("Add", ["dark", "quarter"], ["output"]),
    ]
    path = write_with(tmp_path / "m.onnx", nodes, **BOUNDS)
    onnx.checker.check_model(onnx.load_from_string(in_half_precision(path)), full_check=True)
    assert steps_apart(path) < 0.2


@pytest.mark.parametrize("kind", ["Erf", "QuantizeLinear"])
def test_an_operator_that_is_not_known_is_refused(tmp_path: Path, kind: str) -> None:
    path = identity_generator(tmp_path / "m.onnx", size=160)
    model = onnx.load(path)
    model.graph.node.add(op_type=kind, input=["input"], output=["more"])
    onnx.save(model, path)
    with pytest.raises(
        BackendError, match=f"has a node of type {kind}; choose the back end 'cuda'"
    ):
        in_half_precision(path)


def test_a_constant_that_is_no_tensor_is_refused(tmp_path: Path) -> None:
    path = identity_generator(tmp_path / "m.onnx", size=160)
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("Constant", [], ["more"], value_float=0.5))
    onnx.save(model, path)
    with pytest.raises(BackendError, match="constant of another kind than a tensor"):
        in_half_precision(path)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    path = noisy_generator(tmp_path / "m.onnx")
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(BackendError, match="its weights are in another file"):
        in_half_precision(path)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\xff" * 20)
    with pytest.raises(ModelError, match="cannot be read"):
        in_half_precision(path)
