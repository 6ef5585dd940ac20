"""The arithmetic of small networks, counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from viseme.bench.floor import Floor, count_operations


def network(
    path: Path, nodes: list[Any], taken: list[str | int], **weights: tuple[int, ...]
) -> Path:
    graph = helper.make_graph(
        nodes,
        "it",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, taken)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(shape, np.float32), n) for n, shape in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


@pytest.mark.parametrize(
    ("node", "taken", "weights", "operations"),
    [
        (("Conv", {"strides": [2, 2]}), ["batch", 3, 8, 8], (4, 3, 2, 2), 2 * 4 * 4 * 4 * 12),
        (("Conv", {"group": 4}), ["batch", 4, 5, 5], (4, 1, 3, 3), 2 * 4 * 3 * 3 * 9),
        (("MatMul", {}), ["batch", 6], (6, 10), 2 * 10 * 6),
        (("Gemm", {"transB": 1}), ["batch", 6], (10, 6), 2 * 10 * 6),
        (("Gemm", {"transA": 1}), [6, 3], (6, 10), 2 * 3 * 10 * 6),
        (("Add", {}), ["batch", 6], (6,), 0),
    ],
)
def test_products_are_counted(
    tmp_path: Path,
    node: tuple[str, dict[str, Any]],
    taken: list[str | int],
    weights: tuple[int, ...],
    operations: int,
) -> None:
    kind, attributes = node
    nodes = [helper.make_node(kind, ["x", "w"], ["y"], **attributes)]
    path = network(tmp_path / "it.onnx", nodes, taken, w=weights)
    assert count_operations(path) == operations


def test_where_a_shape_cannot_be_known_nothing_is_said(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    path = network(tmp_path / "it.onnx", nodes, ["batch", "any", 6], w=(6, 10))
    assert count_operations(path) is None


def test_it_is_told() -> None:
    floor = Floor(9_770_000_000, 200e9)
    assert floor.ms == pytest.approx(48.85)
    assert floor.figures() == {
        "gflop_per_frame": 9.77,
        "gflop_per_s": 200.0,
        "floor_ms": 48.85,
    }
