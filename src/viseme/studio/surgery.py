"""What is changed in an exported graph so that it runs faster; what it computes stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

__all__ = ["convolve_apart", "merge_slices"]

Node = onnx.NodeProto
LARGEST_APART = 80
"""Side of a map. Of larger ones two sums take longer to be written and read than what is saved."""


def convolve_apart(model: onnx.ModelProto) -> None:
    """Make of a 1x1 convolution over a concatenation the sum of one over each of its inputs.

    It is as much work. But what a face alone decides is convolved without what is heard then, so
    that the engine does it once for each face (`viseme.engine.split`); and what is the same all
    over a picture, an Expand, is convolved in one place. Maps larger than `LARGEST_APART` stay as
    they are.
    """
    graph = model.graph
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.input)
    }

    def one_place_of(name: str) -> str:
        """Name what has all in one place, where this is the same all over a picture."""
        maker = makers.get(name)
        if maker is None or maker.op_type != "Expand" or shapes[maker.input[0]][2:] != [1, 1]:
            return name
        return maker.input[0]

    def parts(conv: Node, joined: Node) -> Iterator[Node]:
        """Yield the convolutions over each input; the last one has the bias."""
        start = 0
        for number, name in enumerate(joined.input):
            end = start + shapes[name][1]
            part = f"{conv.output[0]}.{number}"
            kernel = np.ascontiguousarray(weights[conv.input[1]][:, start:end])
            graph.initializer.append(numpy_helper.from_array(kernel, f"{part}.weight"))
            bias = conv.input[2:] if end == weights[conv.input[1]].shape[1] else ()
            yield helper.make_node("Conv", [one_place_of(name), f"{part}.weight", *bias], [part])
            start = end

    nodes: list[Node] = []
    for node in graph.node:
        is_taken_apart = (
            _is_of_one_pixel(node, weights) and max(shapes[node.input[0]][2:]) <= LARGEST_APART
        )
        joined = makers.get(node.input[0]) if is_taken_apart else None
        if joined is None or joined.op_type != "Concat" or _attributes(joined)["axis"] != 1:
            nodes.append(node)
            continue
        convolutions = list(parts(node, joined))
        summands = [each.output[0] for each in convolutions]
        nodes += convolutions
        for number, summand in enumerate(summands[1:], 2):
            total = node.output[0] if number == len(summands) else f"{summand}.sum"
            nodes.append(helper.make_node("Add", [summands[0], summand], [total]))
            summands[0] = total
    _put(model, nodes)


def merge_slices(model: onnx.ModelProto) -> None:
    """Make one Slice of those that follow each other along different axes: each is a copy."""
    graph = model.graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    merged: dict[str, tuple[str, NDArray[np.int64]]] = {}
    nodes = []
    for node in graph.node:
        bounds = [constants.get(name) for name in node.input[1:]]
        if node.op_type != "Slice" or len(bounds) != 4 or any(each is None for each in bounds):
            nodes.append(node)
            continue
        source, table = node.input[0], np.stack([np.asarray(each) for each in bounds])
        if source in merged:
            first, before = merged[source]
            both = np.concatenate([before, table], axis=1)
            # Axes that are counted from the last one may be the same in other words.
            if both[2].min() >= 0 and len(set(both[2])) == both.shape[1]:
                source, table = first, both
        output = node.output[0]
        merged[output] = source, table
        names = [f"{output}.{name}" for name in ("starts", "ends", "axes", "steps")]
        for name, values in zip(names, table, strict=True):
            graph.initializer.append(numpy_helper.from_array(values, name))
        nodes.append(helper.make_node("Slice", [source, *names], [output]))
    _put(model, nodes)


def _attributes(node: Node) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _is_of_one_pixel(node: Node, weights: dict[str, NDArray[np.float32]]) -> bool:
    """Tell whether it is a convolution that mixes all channels of a pixel, and nothing else."""
    if node.op_type != "Conv":
        return False
    attributes, kernel = _attributes(node), weights.get(node.input[1])
    plain = attributes.get("group", 1) == 1 and not any(attributes.get("pads", []))
    stays = set(attributes.get("strides", [1])) == {1}
    return kernel is not None and kernel.shape[2:] == (1, 1) and plain and stays


def _put(model: onnx.ModelProto, nodes: list[Node]) -> None:
    """Give a graph these nodes, less those whose output nobody takes, and their weights."""
    graph: Any = model.graph
    taken = {output.name for output in graph.output}
    kept: list[Node] = []
    for node in reversed(nodes):
        if taken & set(node.output):
            kept.append(node)
            taken.update(node.input)
    weights = [each for each in graph.initializer if each.name in taken]
    known = [each for each in graph.value_info if each.name in taken]
    for field, values in (
        (graph.node, kept[::-1]),
        (graph.initializer, weights),
        (graph.value_info, known),
    ):
        del field[:]
        field.extend(values)
