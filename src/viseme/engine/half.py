"""A network in half precision, made of one in single: its inputs and outputs stay what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from google.protobuf.message import DecodeError

from viseme.engine.onnx_outline import (
    ELEMENT_FLOAT,
    ELEMENT_HALF,
    LOCATION_EXTERNAL,
    Model,
    add_cast,
)
from viseme.errors import BackendError, ModelError

__all__ = ["in_half_precision"]

_SAME_TYPE: Final = frozenset(
    (
        *("Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv"),
        *("ConvTranspose", "DepthToSpace", "Div", "Expand", "Flatten", "Gather", "Gemm"),
        *("GlobalAveragePool", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization"),
        *("LeakyRelu", "MatMul", "Max", "MaxPool", "Min", "Mul", "Neg", "PRelu", "Pad"),
        *("ReduceMean", "Relu", "Reshape", "Resize", "Shape", "Sigmoid", "Slice", "Softmax"),
        *("SpaceToDepth", "Split", "Squeeze", "Sub", "Tanh", "Tile", "Transpose", "Unsqueeze"),
        "Upsample",
    )
)
"""Operators that take and give numbers of one type, whichever it is. What else there may be says
its types in ways of its own, and a network with that is refused rather than broken."""

_SINGLE_INPUTS: Final = {"Resize": (1, 2), "Upsample": (1,)}
"""Inputs that are in single precision whatever the others are: regions and scales."""


def in_half_precision(path: Path) -> bytes:
    """Give the content of a network's file, with all that it computes in half precision.

    Inputs and outputs keep their names, shapes and types: nodes at the ends convert them.

    Raises:
        ModelError: if the file cannot be read.
        BackendError: if it is of a kind that this cannot convert; says which.
    """
    model = _read(path)
    graph = model.graph
    for node in graph.node:
        if node.op_type not in _SAME_TYPE:
            raise _refusal(path, f"it has a node of type {node.op_type}")
        if node.op_type == "Constant" and not any(one.HasField("t") for one in node.attribute):
            raise _refusal(path, "it has a constant of another kind than a tensor")
    if any(tensor.data_location == LOCATION_EXTERNAL for tensor in graph.initializer):
        raise _refusal(path, "its weights are in another file")
    single = {
        node.input[place]
        for node in graph.node
        for place in _SINGLE_INPUTS.get(node.op_type, ())
        if place < len(node.input)
    }
    constant = {tensor.name for tensor in graph.initializer}
    _convert_tensors(graph, single)
    inputs = [one for one in graph.input if one.name not in constant]
    ends = [
        one.name
        for one in (*inputs, *graph.output)
        if one.type.tensor_type.elem_type == ELEMENT_FLOAT
    ]
    _rename(graph, {name: _half(name) for name in ends})
    nodes = [_copy(node) for node in graph.node]
    del graph.node[:], graph.value_info[:]  # what it says of types in between is no longer true
    for one in inputs:
        if one.name in ends:
            add_cast(graph, one.name, _half(one.name), ELEMENT_HALF)
    graph.node.extend(nodes)
    for one in graph.output:
        if one.name in ends:
            add_cast(graph, _half(one.name), one.name, ELEMENT_FLOAT)
    return bytes(model.SerializeToString())


def _read(path: Path) -> Any:
    try:
        return Model.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise ModelError(f"{path} cannot be read ({error}); export it again.") from error


def _refusal(path: Path, why: str) -> BackendError:
    return BackendError(
        f"{path} cannot be run in half precision, for {why}; choose the back end 'cuda'."
    )


def _convert_tensors(graph: Any, single: set[str]) -> None:
    """Make every constant a half, and every conversion to single one to half."""
    for tensor in graph.initializer:
        if tensor.name not in single:
            _halve(tensor)
    # Before version 4, ONNX lists what is in the file as an input, too.
    halves = {one.name for one in graph.initializer if one.data_type == ELEMENT_HALF}
    for value in graph.input:
        if value.name in halves:
            value.type.tensor_type.elem_type = ELEMENT_HALF
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == ELEMENT_FLOAT:
                attribute.i = ELEMENT_HALF
            if node.op_type == "Constant" and node.output[0] not in single:
                _halve(attribute.t)


def _halve(tensor: Any) -> None:
    if tensor.data_type != ELEMENT_FLOAT:
        return
    values = np.frombuffer(tensor.raw_data, "<f4") if tensor.raw_data else tensor.float_data
    # What a half cannot hold becomes infinite, and the picture then no number: it is refused by
    # whoever compares it.
    with np.errstate(over="ignore"):
        tensor.raw_data = np.asarray(values, np.float32).astype("<f2").tobytes()
    del tensor.float_data[:]
    tensor.data_type = ELEMENT_HALF


def _rename(graph: Any, names: dict[str, str]) -> None:
    for node in graph.node:
        for ends in (node.input, node.output):
            for place, name in enumerate(ends):
                ends[place] = names.get(name, name)


def _copy(node: Any) -> Any:
    copy = type(node)()
    copy.CopyFrom(node)
    return copy


def _half(name: str) -> str:
    return f"{name}.half"
