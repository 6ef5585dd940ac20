"""Wide layers whose channels are shared out: the same pictures, of smaller maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from viseme.bench.full_size import write_full_size
from viseme.engine import read_model
from viseme.engine.backends import BACKEND_NAMES, target_of
from viseme.engine.choice import DEVIATION_MAX
from viseme.engine.map_sizes import map_sizes
from viseme.engine.onnx_outline import Model
from viseme.engine.rewriting import rewritten
from viseme.engine.samples import sample_inputs
from viseme.engine.split import Target

RNG = np.random.default_rng(3)
LARGE = (256, 257)
"""At this size a map of 32 channels takes over 8 MiB."""


@dataclass(frozen=True)
class Wide:
    """An inverted residual, and what is around it."""

    channels: int = 128
    size: tuple[int, int] | tuple[str, str] = LARGE
    activations: tuple[str, str] = ("Relu", "Clip")
    bias: bool = True
    stride: int = 1
    kernels: tuple[int, int] = (1, 1)
    """Of the first layer and the last."""
    groups: int = 0
    """Of the one between; as many as channels where none are told."""
    outputs: tuple[str, ...] = ("out",)
    before: str = ""
    """A node of this kind that comes first."""


def write(path: Path, wide: Wide) -> Path:
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, Any] = {}

    def conv(x: str, y: str, shape: tuple[int, ...], *, groups: int = 1, stride: int = 1) -> None:
        weights[f"{y}.w"] = RNG.normal(0, 0.3, shape).astype(np.float32)
        names = [x, f"{y}.w"]
        if wide.bias:
            weights[f"{y}.b"] = RNG.normal(0, 0.3, shape[0]).astype(np.float32)
            names.append(f"{y}.b")
        node = helper.make_node(
            "Conv",
            names,
            [y],
            name=f"layer {y}",
            kernel_shape=shape[2:],
            pads=[shape[2] // 2] * 4,
            strides=[stride] * 2,
            group=groups,
        )
        nodes.append(node)

    def active(x: str, kind: str) -> str:
        if kind == "Clip":
            weights["low"], weights["high"] = np.float32(0), np.float32(6)
            nodes.append(helper.make_node("Clip", [x, "low", "high"], [f"{x}.active"]))
        elif kind:
            nodes.append(helper.make_node(kind, [x], [f"{x}.active"]))
        return f"{x}.active" if kind else x

    source = "in"
    if wide.before:
        nodes.append(helper.make_node(wide.before, ["in"], ["before"]))
        source = "before"
    first, last = wide.kernels
    groups = wide.groups or wide.channels
    conv(source, "many", (wide.channels, 8, first, first))
    deep = (wide.channels, wide.channels // groups, 3, 3)
    conv(active("many", wide.activations[0]), "each", deep, groups=groups, stride=wide.stride)
    conv(active("each", wide.activations[1]), "out", (5, wide.channels, last, last))
    graph = helper.make_graph(
        nodes,
        "wide",
        [_value("in", ["batch", 8, *wide.size])],
        [_value(name, ["batch", "channels", "height", "width"]) for name in wide.outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def _value(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def run(network: bytes, inputs: dict[str, Any]) -> Any:
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def widths(network: bytes) -> list[int]:
    """Count the channels that each convolution makes, one after the other."""
    graph = onnx.load_from_string(network).graph
    lengths = {tensor.name: tensor.dims[0] for tensor in graph.initializer if tensor.dims}
    return [lengths[node.input[1]] for node in graph.node if node.op_type == "Conv"]


@pytest.mark.parametrize(
    ("wide", "parts"),
    [
        (Wide(), 4),
        (Wide(bias=False), 4),
        (Wide(stride=2), 4),
        (Wide(activations=("", "HardSwish")), 4),
        (Wide(size=(160, 160)), 2),
        (Wide(channels=64), 2),
        (Wide(channels=192), 2),  # 96 cannot be halved into groups of 32
        (Wide(before="Sigmoid"), 4),
    ],
)
def test_it_gives_the_same_by_parts(wide: Wide, parts: int, tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", wide)
    network = rewritten(path)
    assert network is not None
    model = onnx.load_from_string(network)
    onnx.checker.check_model(model, full_check=True)
    assert widths(network) == parts * [wide.channels // parts, wide.channels // parts, 5]
    names = [node.name for node in model.graph.node if node.name]
    assert len(names) == len(set(names))
    inputs = {"in": RNG.random((2, 8, *wide.size), np.float32)}
    expected = run(path.read_bytes(), inputs)
    np.testing.assert_allclose(run(network, inputs), expected, atol=1e-5 * np.abs(expected).max())
    (tmp_path / "again.onnx").write_bytes(network)
    assert rewritten(tmp_path / "again.onnx") is None


@pytest.mark.parametrize(
    "wide",
    [
        Wide(size=(64, 64)),
        Wide(size=("height", "width")),
        Wide(channels=32),
        Wide(channels=96),
        Wide(kernels=(3, 1)),
        Wide(kernels=(1, 3)),
        Wide(groups=64),
        Wide(activations=("Softmax", "")),
        Wide(outputs=("out", "each")),
        Wide(before="Softmax"),
    ],
)
def test_what_is_otherwise_stays(wide: Wide, tmp_path: Path) -> None:
    assert rewritten(write(tmp_path / "m.onnx", wide)) is None


def test_the_family_has_both(tmp_path: Path) -> None:
    """A layer less by folding, and the widest in parts."""
    path = tmp_path / "m.onnx"
    write_full_size(path)
    network = rewritten(path)
    assert network is not None
    shared = {"128 at 320": 4, "64 at 320": 2, "128 at 160": 2}
    more = sum(3 * (parts - 1) for parts in shared.values())
    assert len(widths(network)) == len(widths(path.read_bytes())) - 1 + more
    sample = dict(sample_inputs(read_model(path), 1)[0])
    deviation = np.abs(run(network, sample) - run(path.read_bytes(), sample)).max()
    assert float(deviation) < DEVIATION_MAX / 100
    folded = rewritten(path, in_groups=False)
    assert folded is not None
    assert len(widths(folded)) == len(widths(path.read_bytes())) - 1


@pytest.mark.parametrize("name", BACKEND_NAMES[1:])
def test_wide_layers_stay_in_one_piece_for_matrix_units(name: str) -> None:
    in_one = {"cuda", "cuda-fp16", "tensorrt", "openvino-bf16"}
    assert (target_of(name) is Target.MATRIX_UNITS) == (name in in_one)


def test_sizes_are_those_of_the_maps(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    write_full_size(path)
    inferred = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    sizes = map_sizes(Model.FromString(path.read_bytes()).graph)
    assert len(sizes) > 100
    for value in inferred.value_info:
        shape = [extent.dim_value for extent in value.type.tensor_type.shape.dim]
        if len(shape) == 4:
            assert sizes[value.name] == tuple(shape[2:])


def test_sizes_of_other_operators(tmp_path: Path) -> None:
    node = helper.make_node
    nodes = [
        node(
            "MaxPool",
            ["in"],
            ["pooled"],
            kernel_shape=[3, 3],
            strides=[2, 2],
            pads=[1] * 4,
            auto_pad="NOTSET",
        ),
        node("SpaceToDepth", ["pooled"], ["deep"], blocksize=2),
        node("DepthToSpace", ["deep"], ["flat"], blocksize=2),
        node("Add", ["one", "flat"], ["added"]),
        node("Resize", ["added", "", "scales"], ["resized"]),
        node("Conv", ["resized", "w"], ["slid"], dilations=[2, 1], strides=[3, 1]),
        node("Concat", ["unknown", "slid"], ["joined"], axis=1),
        node("Concat", ["slid", "slid"], ["below"], axis=2),
        node("Softmax", ["slid"], ["unknown"]),
        node("Conv", ["slid", "w"], ["same"], auto_pad="SAME_UPPER"),
        node("MaxPool", ["in"], ["up"], kernel_shape=[2, 2], ceil_mode=1),
    ]
    weights = [
        numpy_helper.from_array(np.zeros((1, 4, 1, 1), np.float32), "one"),
        numpy_helper.from_array(np.zeros((4, 4, 3, 2), np.float32), "w"),
        numpy_helper.from_array(np.array([1, 1, 1.5, 2], np.float32), "scales"),
    ]
    graph = helper.make_graph(nodes, "g", [_value("in", [1, 4, 40, 20])], [], weights)
    sizes = map_sizes(Model.FromString(helper.make_model(graph).SerializeToString()).graph)
    assert sizes == {
        "in": (40, 20),
        "pooled": (20, 10),
        "deep": (10, 5),
        "flat": (20, 10),
        "added": (20, 10),
        "resized": (30, 20),
        "slid": (9, 19),
        "joined": (9, 19),
    }
