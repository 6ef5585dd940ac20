"""The part of ONNX's format that it needs to take networks apart, fold layers and halve precision.

Names, numbers and types of the fields are those of ONNX (onnx.proto, IR version 3 and later). All
else stays in a message unread, as what protobuf calls unknown fields, and is written again with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

__all__ = [
    "ATTRIBUTE_STRING",
    "ELEMENT_FLOAT",
    "ELEMENT_HALF",
    "ELEMENT_INT64",
    "LOCATION_EXTERNAL",
    "Model",
    "add_cast",
    "add_concat",
]

ELEMENT_FLOAT: Final = 1
"""A tensor of float32."""
ELEMENT_HALF: Final = 10
"""One of float16."""
ELEMENT_INT64: Final = 7
"""One of int64."""
ATTRIBUTE_STRING: Final = 3
"""An attribute of a node that is a string."""
_ATTRIBUTE_INT: Final = 2
LOCATION_EXTERNAL: Final = 1
"""The numbers of a tensor are in another file."""

_FIELDS: Final = {
    "Model": "7 graph Graph, 8 opset_import Opset*",
    "Opset": "1 domain string, 2 version int64",
    "Graph": "1 node Node*, 5 initializer Tensor*, 11 input Value*, 12 output Value*, "
    "13 value_info Value*",
    "Node": "1 input string*, 2 output string*, 3 name string, 4 op_type string, "
    "5 attribute Attribute*, 7 domain string",
    "Attribute": "1 name string, 2 f float, 3 i int64, 4 s bytes, 5 t Tensor, 6 g Graph, "
    "8 ints int64*, 11 graphs Graph*, 20 type int32",
    "Tensor": "1 dims int64*, 2 data_type int32, 4 float_data float*, 8 name string, "
    "9 raw_data bytes, 14 data_location int32",
    "Value": "1 name string, 2 type Type",
    "Type": "1 tensor_type TensorType",
    "TensorType": "1 elem_type int32, 2 shape Shape",
    "Shape": "1 dim Dimension*",
    "Dimension": "1 dim_value int64, 2 dim_param string",
}
"""Each message's fields: number, name, type, and a star where there may be many."""


def _message_class(wanted: str) -> Any:
    file = FileDescriptorProto(name="viseme/onnx_outline.proto", package="viseme", syntax="proto2")
    kinds = FieldDescriptorProto
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, field, written in (one.split() for one in fields.split(", ")):
            kind = written.rstrip("*")
            described = message.field.add(name=field, number=int(number))
            described.label = kinds.LABEL_OPTIONAL if kind == written else kinds.LABEL_REPEATED
            if kind in _FIELDS:
                described.type, described.type_name = kinds.TYPE_MESSAGE, f".viseme.{kind}"
            else:
                described.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
                described.options.packed = kind == "float"
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"viseme.{wanted}"))


Model: Final = _message_class("Model")
"""A whole file."""


def add_cast(graph: Any, source: str, target: str, element: int) -> None:
    """Append a node that makes a tensor of another type, under another name."""
    node = graph.node.add(input=[source], output=[target], op_type="Cast")
    node.attribute.add(name="to", i=element, type=_ATTRIBUTE_INT)


def add_concat(graph: Any, sources: Sequence[str], target: str, axis: int) -> None:
    """Append a node that puts tensors one behind the other."""
    node = graph.node.add(input=sources, output=[target], op_type="Concat")
    node.attribute.add(name="axis", i=axis, type=_ATTRIBUTE_INT)
