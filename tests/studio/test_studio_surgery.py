"""Graphs that were changed compute what they did."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from viseme.studio.surgery import convolve_apart, merge_slices

SEEN, HEARD = (2, 6, 8, 8), (2, 3)


def network(kernel: int = 1, stride: int = 1, columns: str = "3") -> onnx.ModelProto:
    """A convolution over what is seen, what is heard all over it, and what is seen again."""
    rng = np.random.default_rng(1)
    weights = {
        "kernel": rng.standard_normal((5, 15, kernel, kernel)).astype(np.float32),
        "bias": rng.standard_normal(5).astype(np.float32),
        "last": np.array([2, 3]),
        "size": np.array([1, 1, 8, 8]),
        **{
            name: np.array([value])
            for name, value in (("1", 1), ("2", 2), ("3", 3), ("7", 7), ("-2", -2))
        },
    }
    pads = [kernel // 2] * 4
    nodes = [
        helper.make_node("Unsqueeze", ["heard", "last"], ["dot"]),
        helper.make_node("Expand", ["dot", "size"], ["all_over"]),
        helper.make_node("Concat", ["seen", "all_over", "seen"], ["joined"], axis=1),
        helper.make_node(
            "Conv", ["joined", "kernel", "bias"], ["mixed"], pads=pads, strides=[stride, stride]
        ),
        helper.make_node("Slice", ["seen", "1", "7", "2", "1"], ["rows"]),
        helper.make_node("Slice", ["rows", "2", "7", columns, "2"], ["columns"]),
        helper.make_node("Slice", ["columns", "1", "3", "3", "1"], ["fewer"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape[1:]])
            for name, shape in (("seen", SEEN), ("heard", HEARD))
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, 4 * [None])
            for name in ("mixed", "rows", "fewer")
        ],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model: onnx.ModelProto) -> list[NDArray[np.float32]]:
    onnx.checker.check_model(model, full_check=True)
    rng = np.random.default_rng(2)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    inputs = {"seen": rng.random(SEEN, np.float32), "heard": rng.random(HEARD, np.float32)}
    outputs: list[NDArray[np.float32]] = session.run(None, inputs)
    return outputs


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_what_is_seen_is_convolved_without_what_is_heard() -> None:
    expected, model = run(network()), network()
    convolve_apart(model)
    for got, before in zip(run(model), expected, strict=True):
        np.testing.assert_allclose(got, before, rtol=1e-5, atol=1e-5)
    assert kinds(model) == ["Unsqueeze", "Conv", "Conv", "Conv", "Add", "Add", *3 * ["Slice"]]
    assert [n.input[0] for n in model.graph.node if n.op_type == "Conv"] == ["seen", "dot", "seen"]
    assert "kernel" not in {each.name for each in model.graph.initializer}


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (1, 2)])
def test_other_convolutions_stay(kernel: int, stride: int) -> None:
    model = network(kernel, stride)
    convolve_apart(model)
    assert kinds(model) == kinds(network(kernel, stride))


def test_large_maps_stay_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viseme.studio.surgery.LARGEST_APART", 7)
    model = network()
    convolve_apart(model)
    assert kinds(model) == kinds(network())


def test_slices_along_different_axes_are_one() -> None:
    expected, model = run(network()), network()
    merge_slices(model)
    for got, before in zip(run(model), expected, strict=True):
        np.testing.assert_array_equal(got, before)
    slices = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type == "Slice"}
    # The one that cuts columns a second time follows the one that cuts rows and columns.
    assert slices == {"rows": "seen", "columns": "seen", "fewer": "columns"}


def test_a_slice_along_the_same_axis_in_other_words_stays() -> None:
    expected, model = run(network(columns="-2")), network(columns="-2")
    merge_slices(model)
    for got, before in zip(run(model), expected, strict=True):
        np.testing.assert_array_equal(got, before)


def test_what_is_not_joined_channel_by_channel_stays() -> None:
    def other() -> onnx.ModelProto:
        model = network()
        (joined,) = (node for node in model.graph.node if node.op_type == "Concat")
        joined.input[:] = ["mixed_before", "mixed_before"]
        joined.attribute[0].i = 2
        before = helper.make_node("Concat", ["seen", "all_over", "seen"], ["mixed_before"], axis=1)
        model.graph.node.insert(2, before)
        return model

    expected, model = run(other()), other()
    convolve_apart(model)
    np.testing.assert_array_equal(run(model)[0], expected[0])
    assert kinds(model) == kinds(other())
