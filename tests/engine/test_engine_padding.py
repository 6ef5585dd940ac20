"""Convolutions that pad more than their kernels reach: the same maps, fewer places convolved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from viseme.bench.full_size import write_full_size
from viseme.engine.map_sizes import map_sizes
from viseme.engine.onnx_outline import Model
from viseme.engine.rewriting import rewritten

CHANNELS = 4


@dataclass(frozen=True)
class Padded:
    """A convolution, and a nonlinearity after it."""

    size: tuple[int | str, int | str] = (16, 16)
    kernel: tuple[int, int] = (3, 3)
    strides: tuple[int, int] = (2, 2)
    pads: tuple[int, int, int, int] = (3, 3, 3, 3)
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: bool = True
    auto_pad: str = ""
    opset: int = 17
    domain: str = ""
    ends: bool = False
    """Whether nothing comes after it."""


def write(path: Path, padded: Padded) -> Path:
    rng = np.random.default_rng(5)
    shape = (6, CHANNELS // padded.groups, *padded.kernel)
    weights = {"w": rng.normal(0, 0.5, shape).astype(np.float32)}
    if padded.groups > 1:
        weights["w"] = weights["w"][: CHANNELS // padded.groups * padded.groups]
    if padded.bias:
        weights["b"] = rng.normal(0, 0.5, len(weights["w"])).astype(np.float32)
    way: dict[str, Any] = {"pads": padded.pads}
    if padded.auto_pad:
        way = {"auto_pad": padded.auto_pad}
    made = "out" if padded.ends else "made"
    conv = helper.make_node(
        "Conv",
        ["in", *weights],
        [made],
        kernel_shape=padded.kernel,
        strides=padded.strides,
        dilations=padded.dilations,
        group=padded.groups,
        **way,
    )
    nodes = [conv] if padded.ends else [conv, helper.make_node("Relu", [made], ["out"])]
    graph = helper.make_graph(
        nodes,
        "padded",
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["n", CHANNELS, *padded.size])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", "c", "h", "w"])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    opsets = [helper.make_opsetid(padded.domain, padded.opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def run(network: bytes, inputs: dict[str, Any]) -> Any:
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def sample_of(padded: Padded) -> dict[str, Any]:
    extents = [extent for extent in padded.size if isinstance(extent, int)]
    return {"in": np.random.default_rng(0).random((2, CHANNELS, *extents), np.float32)}


def places_in(network: bytes) -> tuple[int, int]:
    """Count the places of a network's only kernel, down and across."""
    inferred = onnx.shape_inference.infer_shapes(onnx.load_from_string(network)).graph
    (conv,) = (node.output[0] for node in inferred.node if node.op_type == "Conv")
    (value,) = (one for one in (*inferred.value_info, *inferred.output) if one.name == conv)
    _, _, height, width = (one.dim_value for one in value.type.tensor_type.shape.dim)
    return height, width


@pytest.mark.parametrize(
    ("padded", "places"),
    [
        (Padded(), (9, 9)),
        (Padded(bias=False), (9, 9)),
        (Padded(ends=True), (9, 9)),
        (Padded(domain="ai.onnx"), (9, 9)),
        (Padded(opset=11), (9, 9)),
        (Padded(groups=2), (9, 9)),
        (Padded(strides=(1, 1)), (18, 18)),
        (Padded(strides=(1, 1), pads=(4, 0, 2, 6)), (18, 16)),
        (Padded(kernel=(1, 3), pads=(2, 1, 1, 1), strides=(1, 1)), (16, 16)),
        (Padded(dilations=(2, 1), pads=(6, 1, 5, 1)), (10, 8)),
        (Padded(size=(1, 5), pads=(9, 9, 9, 9), strides=(3, 1)), (1, 7)),
    ],
)
def test_it_gives_the_same_of_fewer_places(
    padded: Padded, places: tuple[int, int], tmp_path: Path
) -> None:
    path = write(tmp_path / "m.onnx", padded)
    network = rewritten(path)
    assert network is not None
    onnx.checker.check_model(onnx.load_from_string(network), full_check=True)
    assert places_in(network) == places
    inputs = sample_of(padded)
    np.testing.assert_allclose(
        run(network, inputs), run(path.read_bytes(), inputs), rtol=0, atol=1e-5
    )
    (tmp_path / "again.onnx").write_bytes(network)
    assert rewritten(tmp_path / "again.onnx") is None


@pytest.mark.parametrize(
    "padded",
    [
        Padded(pads=(2, 2, 2, 2)),
        Padded(pads=(2, 2, 3, 3), size=(15, 15)),
        Padded(kernel=(1, 1), pads=(0, 0, 0, 0)),
        Padded(size=("height", "width")),
        Padded(auto_pad="SAME_UPPER"),
        Padded(opset=10),
        Padded(kernel=(1, 1), strides=(3, 3), pads=(1, 1, 0, 0)),
        Padded(size=(1, 1), kernel=(1, 2), pads=(0, 2, 0, 0)),  # nothing sees any of it
    ],
)
def test_what_is_otherwise_stays(padded: Padded, tmp_path: Path) -> None:
    assert rewritten(write(tmp_path / "m.onnx", padded)) is None


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    dilations=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.tuples(*4 * [st.integers(0, 9)]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
def test_it_never_gives_anything_else(tmp_path: Path, **numbers: Any) -> None:
    padded = replace(Padded(), **numbers)
    for axis, extent in enumerate(numbers["size"]):
        reach = padded.dilations[axis] * (padded.kernel[axis] - 1) + 1
        assume(extent + padded.pads[axis] + padded.pads[axis + 2] >= reach)
    path = write(tmp_path / "m.onnx", padded)
    network = rewritten(path)
    if network is None:
        reject()
    inputs = sample_of(padded)
    expected = run(path.read_bytes(), inputs)
    np.testing.assert_allclose(run(network, inputs), expected, rtol=0, atol=1e-5)


def test_the_family_has_one(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    write_full_size(path)
    network = rewritten(path, in_groups=False)
    assert network is not None
    graph = Model.FromString(network).graph
    sizes = map_sizes(graph)
    (pad,) = (node for node in graph.node if node.op_type == "Pad")
    assert sizes[pad.input[0]] == (9, 9)
    assert sizes[pad.output[0]] == (10, 10)
