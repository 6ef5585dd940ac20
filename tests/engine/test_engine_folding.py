"""Layers that are folded into others: the same pictures, and fewer layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from viseme.engine.rewriting import rewritten

Node = onnx.NodeProto


@dataclass(frozen=True)
class Layers:
    """A stem, a layer that mixes its channels, and what stands after that."""

    hidden: int = 12
    mixed: int = 32
    order: tuple[str, ...] = ("other", "mixed")
    """Of what is concatenated; one alone is not."""
    bias: bool = True
    activation: str = "Relu"
    kernel: int = 1
    """Of the last layer."""
    further: tuple[Node, ...] = ()
    made_bias: str = ""
    """Whose bias is no constant."""
    outputs: tuple[str, ...] = ("out",)


def write(path: Path, layers: Layers) -> Path:
    rng = np.random.default_rng(3)
    weights: dict[str, np.ndarray[Any, Any]] = {}
    nodes: list[Node] = []

    def conv(x: str, y: str, inputs: int, outputs: int, kernel: int = 1, groups: int = 1) -> None:
        shape = (outputs, inputs // groups, kernel, kernel)
        weights[f"{y}.w"] = rng.normal(0, 0.3, shape).astype(np.float32)
        names = [x, f"{y}.w"]
        if layers.bias:
            weights[f"{y}.b"] = rng.normal(0, 0.3, outputs).astype(np.float32)
            names.append(f"{y}.b")
        if layers.made_bias == y:
            nodes.append(helper.make_node("Neg", [names.pop()], ["made"]))
            names.append("made")
        pads = [kernel // 2] * 4
        attributes: dict[str, Any] = {"pads": pads, "group": groups, "kernel_shape": [kernel] * 2}
        nodes.append(helper.make_node("Conv", names, [y], **attributes))

    conv("in", "wide", 6, layers.hidden)
    nodes.append(helper.make_node(layers.activation, ["wide"], ["active"]))
    conv("active", "deep", layers.hidden, layers.hidden, kernel=3, groups=layers.hidden)
    nodes.append(helper.make_node(layers.activation, ["deep"], ["seen"]))
    conv("seen", "mixed", layers.hidden, layers.mixed)
    conv("in", "other", 6, 20, kernel=3)
    if len(layers.order) > 1:
        nodes.append(helper.make_node("Concat", list(layers.order), ["joined"], axis=1))
    channels = sum({"other": 20, "mixed": layers.mixed}[name] for name in layers.order)
    conv("joined" if len(layers.order) > 1 else "mixed", "out", channels, 3, layers.kernel)
    nodes.extend(layers.further)
    graph = helper.make_graph(
        nodes,
        "layers",
        [_value("in", 6)],
        [_value(name, "channels") for name in layers.outputs],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
        # An exporter writes how many channels there are, which is not true any more then.
        value_info=[_value("seen", layers.hidden)],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def _value(name: str, channels: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", channels, 9, 7])


def run(network: bytes, inputs: dict[str, Any]) -> list[Any]:
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    return list(session.run(None, inputs))


def convolutions(network: bytes) -> int:
    return sum(node.op_type == "Conv" for node in onnx.load_from_string(network).graph.node)


@pytest.mark.parametrize(
    "layers",
    [
        Layers(),
        Layers(order=("mixed", "other")),
        Layers(order=("mixed",)),
        Layers(bias=False),
        Layers(hidden=16),
        Layers(activation="HardSwish"),
        Layers(hidden=20, mixed=48),
    ],
)
def test_a_layer_less_gives_the_same(tmp_path: Path, layers: Layers) -> None:
    path = write(tmp_path / "m.onnx", layers)
    network = rewritten(path)
    assert network is not None
    onnx.checker.check_model(onnx.load_from_string(network), full_check=True)
    assert convolutions(network) == convolutions(path.read_bytes()) - 1
    inputs = {"in": np.random.default_rng(0).random((2, 6, 9, 7), np.float32)}
    (expected,) = run(path.read_bytes(), inputs)
    (given,) = run(network, inputs)
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


def test_a_layer_is_folded_into_and_widened(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shapes = {"z": (16, 6), "a": (32, 16), "b": (12, 32), "c": (32, 12), "d": (3, 32)}
    nodes, x = [], "in"
    for name in shapes:
        nodes.append(helper.make_node("Conv", [x, f"{name}.w"], [name]))
        x = name
        if name in "zb":
            x = f"{name}.active"
            nodes.append(helper.make_node("Relu", [name], [x]))
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.3, (*shape, 1, 1)).astype(np.float32), f"{name}.w")
        for name, shape in shapes.items()
    ]
    graph = helper.make_graph(nodes, "chain", [_value("in", 6)], [_value("d", 3)], weights)
    opsets = [helper.make_opsetid("", 17)]
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    network = rewritten(path)
    assert network is not None
    onnx.checker.check_model(onnx.load_from_string(network), full_check=True)
    assert convolutions(network) == 3
    inputs = {"in": rng.random((1, 6, 9, 7), np.float32)}
    np.testing.assert_allclose(run(network, inputs)[0], run(path.read_bytes(), inputs)[0], 1e-4)


def write_normed(path: Path, *, taken_twice: bool = False, outputs: int = 1) -> Path:
    rng = np.random.default_rng(9)
    weights = {
        "w": rng.normal(0, 0.3, (16, 6, 3, 3)),
        "scale": rng.normal(1, 0.3, 16),
        "moved": rng.normal(0, 0.3, 16),
        "mean": rng.normal(0, 0.3, 16),
        "variance": rng.uniform(0.1, 2, 16),
    }
    made = ["normed", "next mean", "next variance"][:outputs]
    norm = helper.make_node(
        "BatchNormalization",
        ["wide", "scale", "moved", "mean", "variance"],
        made,
        epsilon=0.25,
        training_mode=int(outputs > 1),
    )
    nodes = [
        helper.make_node("Conv", ["in", "w"], ["wide"], pads=[1] * 4),
        norm,
        helper.make_node("Add", ["normed", "wide" if taken_twice else "normed"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "normed",
        [_value("in", 6)],
        [_value("out", 16)],
        [
            numpy_helper.from_array(values.astype(np.float32), name)
            for name, values in weights.items()
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def test_a_norm_is_within_the_convolution_before_it(tmp_path: Path) -> None:
    path = write_normed(tmp_path / "m.onnx")
    network = rewritten(path)
    assert network is not None
    model = onnx.load_from_string(network)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Conv", "Add"]
    inputs = {"in": np.random.default_rng(0).random((2, 6, 9, 7), np.float32)}
    expected = run(path.read_bytes(), inputs)[0]
    np.testing.assert_allclose(run(network, inputs)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", [{"taken_twice": True}, {"outputs": 3}])
def test_a_norm_that_is_more_stays(tmp_path: Path, way: dict[str, Any]) -> None:
    assert rewritten(write_normed(tmp_path / "m.onnx", **way)) is None


def other(kind: str, inputs: Sequence[str]) -> Node:
    return helper.make_node(kind, list(inputs), ["further"])


def with_a_graph() -> Node:
    def branch(name: str) -> Any:
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node("Relu", ["mixed"], [name])], name, [], [value])

    branches = {"then_branch": branch("yes"), "else_branch": branch("no")}
    return helper.make_node("If", ["is_so"], ["further"], **branches)


@pytest.mark.parametrize(
    "layers",
    [
        Layers(hidden=32),
        Layers(hidden=24),
        Layers(kernel=3),
        Layers(order=("other", "mixed", "other")),
        Layers(order=("mixed", "other", "mixed")),
        Layers(further=(other("Relu", ["mixed"]),)),
        Layers(further=(other("Relu", ["joined"]),)),
        Layers(further=(other("Add", ["seen", "seen"]),)),
        Layers(further=(other("Add", ["active", "active"]),)),
        Layers(outputs=("out", "mixed")),
        Layers(outputs=("out", "joined")),
        Layers(further=(with_a_graph(),)),
        Layers(made_bias="wide"),
        Layers(made_bias="mixed"),
        Layers(made_bias="out"),
    ],
)
def test_what_is_taken_in_another_way_stays(tmp_path: Path, layers: Layers) -> None:
    assert rewritten(write(tmp_path / "m.onnx", layers)) is None


def without_weights(path: Path) -> None:
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)


def junk(path: Path) -> None:
    path.write_bytes(b"\xff" * 100)


@pytest.mark.parametrize("spoil", [without_weights, junk, Path.unlink])
def test_what_cannot_be_read_is_left_to_others(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = write(tmp_path / "m.onnx", Layers())
    spoil(path)
    assert rewritten(path) is None
