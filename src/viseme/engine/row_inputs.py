"""A network that takes some of its inputs row by row.

What lies in a device's memory for each row by itself is put together by the network, on the device.
"""

from __future__ import annotations

from collections.abc import Collection

from viseme.engine.onnx_outline import Model, add_concat
from viseme.engine.onnx_wiring import copy_of

__all__ = ["of_row", "taken_by_rows"]


def of_row(name: str, row: int) -> str:
    """Name the input that takes a row of another one."""
    return f"{name}.{row}"


def taken_by_rows(network: bytes, names: Collection[str], rows: int) -> bytes:
    """Give a network in ONNX that takes some inputs as so many, each a row of it.

    Args:
        network: that takes them whole.
        names: of the inputs, whose first extent is the batch.
        rows: how many there are in a batch.
    """
    model = Model.FromString(network)
    graph = model.graph
    nodes = [copy_of(node) for node in graph.node]
    whole = [value for value in graph.input if value.name in names]
    others = [value for value in graph.input if value.name not in names]
    del graph.node[:], graph.input[:]
    graph.input.extend(others)
    for value in whole:
        parts = [of_row(value.name, row) for row in range(rows)]
        for part in parts:
            taken = graph.input.add()
            taken.CopyFrom(value)
            taken.name = part
            extent = taken.type.tensor_type.shape.dim[0]
            extent.Clear()
            extent.dim_value = 1
        add_concat(graph, parts, value.name, axis=0)
    graph.node.extend(nodes)
    return bytes(model.SerializeToString())
