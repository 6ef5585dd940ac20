"""The arithmetic of small networks, counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from support.backends import skip_unless_available
from support.probes import noisy_generator
from viseme.bench import floor as module
from viseme.bench.floor import (
    Floor,
    Layer,
    Speeds,
    floor_words,
    measure_speeds,
    precision_of,
    read_layers,
    speaking,
)
from viseme.bench.full_size import write_full_size
from viseme.errors import BackendError


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
    layers = read_layers(path)
    assert layers is not None
    assert sum(layer.operations for layer in layers) == operations


def test_where_a_shape_cannot_be_known_nothing_is_said(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    path = network(tmp_path / "it.onnx", nodes, ["batch", "any", 6], w=(6, 10))
    assert read_layers(path) is None


def test_only_maps_that_a_cache_does_not_hold_are_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = tmp_path / "size"
    size.write_text("2K\n")
    monkeypatch.setattr(module, "_CACHE", size)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["narrow"]),  # 4 * 10 * 10 numbers become 100
        helper.make_node("Conv", ["narrow", "v"], ["wide"]),  # and 700
        helper.make_node("Relu", ["wide"], ["y"]),
    ]
    weights = {"w": (1, 4, 1, 1), "v": (7, 1, 1, 1)}
    path = network(tmp_path / "it.onnx", nodes, ["batch", 4, 10, 10], **weights)
    assert read_layers(path) == [Layer(2 * 100 * 4, 0), Layer(2 * 700, 2800)]
    size.write_text("odd")
    assert read_layers(path) == [Layer(2 * 100 * 4, 0), Layer(2 * 700, 0)]


def test_it_is_told() -> None:
    floor = Floor([Layer(9_000_000_000, 10**8), Layer(770_000_000, 10**9)], Speeds(200e9, 25e9))
    assert floor.ms == pytest.approx(48.85)
    assert floor.layered_ms == pytest.approx(45 + 40)
    assert floor.figures() == {
        "precision": "float32",
        "gflop_per_frame": 9.77,
        "gflop_per_s": 200.0,
        "floor_ms": 48.85,
        "map_mb_per_frame": 1100.0,
        "memory_gb_per_s": 25.0,
        "layered_ms": 85.0,
    }


def test_what_is_held_is_not_told_of() -> None:
    speeds = Speeds(200e9, 25e9)
    words = floor_words(Floor([Layer(10**9, 10**8)], speeds).figures())
    assert (
        "at that speed 5.0 ms on all of them. Its maps that no core's cache holds are 100" in words
    )
    assert words.endswith(" 5.0 ms.")
    words = floor_words(Floor([Layer(10**9, 0)], speeds).figures(), "It")
    assert words.startswith("It is 1.00 GFLOP, ")
    assert words.endswith(" 5.0 ms on all of them.")


def test_in_bfloat16_maps_are_half_as_large(tmp_path: Path) -> None:
    path = tmp_path / "full.onnx"
    write_full_size(path)
    exact, rounded = read_layers(path), read_layers(path, "bfloat16")
    assert exact is not None
    assert rounded is not None
    assert max(layer.map_bytes for layer in exact) == 2 * max(one.map_bytes for one in rounded)
    assert sum(layer.operations for layer in exact) == sum(one.operations for one in rounded)
    words = floor_words(Floor(rounded, Speeds(700e9, 25e9), "bfloat16").figures())
    assert "700 a second in products of matrices in bfloat16" in words


@pytest.mark.parametrize("backend", ["openvino", "openvino-bf16"])
def test_speeds_are_some(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "full.onnx"
    write_full_size(path)
    skip_unless_available(backend, path)
    speeds = measure_speeds(precision_of(backend))
    assert speeds is not None
    assert min(speeds) > 1e8


def test_speeds_in_what_a_processor_does_not_compute_in_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise BackendError("This processor does not compute in bfloat16.")

    monkeypatch.setattr(module, "OpenVINOBackend", refuse)
    assert measure_speeds("bfloat16") is None


def test_a_face_seen_before_needs_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISEME_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "full.onnx"
    write_full_size(path)
    whole, part = read_layers(path), read_layers(speaking(path, 2))
    assert whole is not None
    assert part is not None
    assert 0.5 < Floor(part, Speeds(1, 1)).operations / Floor(whole, Speeds(1, 1)).operations < 0.8


def test_what_is_not_taken_apart_runs_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISEME_CACHE_DIR", str(tmp_path / "cache"))
    path = noisy_generator(tmp_path / "m.onnx")
    assert speaking(path, 10**9) == path  # as there is no room for so many
