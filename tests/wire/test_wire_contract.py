"""The contracts: what old clients are compiled against, and what the calls are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from viseme.wire import services
from viseme.wire.messages import lipsync, v1

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "proto"
GENERATED = "src/viseme/wire/generated"
TYPES = {
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
}
REQUEST = [
    "repeated float visual_frames = 1",
    "repeated float audio_features = 2",
    "int32 batch_size = 3",
    "int32 start_frame_idx = 4",
]
LIPSYNC = {
    "BatchRequest": REQUEST,
    "BatchResponse": [
        "repeated float output_frames = 1",
        "double inference_time_ms = 2",
        "bool success = 3",
        "string error = 4",
    ],
    "HealthRequest": [],
    "HealthResponse": [
        "bool healthy = 1",
        "string model_path = 2",
        "bool cuda_available = 3",
    ],
    "CompositeBatchRequest": REQUEST,
    "CompositeBatchResponse": [
        "repeated bytes composited_frames = 1",
        "double inference_time_ms = 2",
        "double composite_time_ms = 3",
        "double total_time_ms = 4",
        "bool success = 5",
        "string error = 6",
    ],
}
MESSAGES, ENUMS, SERVICES, MEMBERS = 4, 5, 6, 2  # the numbers of these in descriptor.proto
CALLS = [call for call in vars(services).values() if isinstance(call, services.Call)]


def fields_of(message: Descriptor) -> list[str]:
    return [
        f"{'repeated ' * field.is_repeated}{TYPES[field.type]} {field.name} = {field.number}"
        for field in message.fields
    ]


def places_of(proto: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """Fields, calls, enumerations and their values, by their paths in the descriptor."""
    places: dict[tuple[int, ...], str] = {}
    for i, message in enumerate(proto.message_type):
        for j, field in enumerate(message.field):
            places[MESSAGES, i, MEMBERS, j] = f"{message.name}.{field.name}"
    for i, service in enumerate(proto.service):
        for j, method in enumerate(service.method):
            places[SERVICES, i, MEMBERS, j] = f"{service.name}.{method.name}"
    for i, enum in enumerate(proto.enum_type):
        places[ENUMS, i] = enum.name
        for j, value in enumerate(enum.value):
            places[ENUMS, i, MEMBERS, j] = f"{enum.name}.{value.name}"
    return places


def test_the_messages_of_old_clients_are_theirs_to_the_letter() -> None:
    messages = lipsync.DESCRIPTOR.message_types_by_name
    assert lipsync.DESCRIPTOR.package == "lipsync"
    assert {name: fields_of(message) for name, message in messages.items()} == LIPSYNC


def test_floats_are_packed() -> None:
    assert lipsync.BatchRequest(audio_features=[0.0, 0.0]).SerializeToString()[:2] == b"\x12\x08"


def test_each_call_is_the_proto_s() -> None:
    declared = {
        f"/{service.full_name}/{method.name}": (method.input_type, method.output_type)
        for proto in (lipsync.DESCRIPTOR, v1.DESCRIPTOR)
        for service in proto.services_by_name.values()
        for method in service.methods
    }
    assert declared == {
        call.path: (call.request.DESCRIPTOR, call.response.DESCRIPTOR) for call in CALLS
    }
    assert {
        "/lipsync.LipSync/InferBatch",
        "/lipsync.LipSync/Health",
        "/lipsync.LipSyncComposite/InferBatchComposite",
        "/lipsync.LipSyncComposite/Health",
    } <= set(declared)


def test_only_render_and_live_are_streams_and_in_both_directions() -> None:
    for method in v1.DESCRIPTOR.services_by_name["Viseme"].methods:
        is_stream = method.name in {"Render", "Live"}
        assert (method.client_streaming, method.server_streaming) == (is_stream, is_stream)


def test_zero_is_not_said_in_each_enumeration() -> None:
    kinds = v1.DESCRIPTOR.enum_types_by_name
    assert kinds
    for kind in kinds.values():
        assert kind.values_by_number[0].name.endswith("_UNSPECIFIED")


@pytest.mark.parametrize("name", ["lipsync.proto", "viseme/v1/viseme.proto"])
def test_all_that_a_proto_declares_is_documented(name: str, tmp_path: Path) -> None:
    described = tmp_path / "descriptors"
    command = ["grpc_tools.protoc", f"-I{PROTOS}", "--include_source_info", name]
    subprocess.run(
        [sys.executable, "-m", *command, f"--descriptor_set_out={described}"], check=True
    )
    (proto,) = FileDescriptorSet.FromString(described.read_bytes()).file
    documented = {
        tuple(place.path)
        for place in proto.source_code_info.location
        if place.leading_comments.strip()
    }
    places = places_of(proto)
    assert len(places) > 20
    assert [what for place, what in places.items() if place not in documented] == []


def check_generated(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / "scripts" / "generate-protos", "--check"],
        env={**os.environ, "VENV": sys.prefix},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_generated_classes_are_current(tmp_path: Path) -> None:
    done = check_generated(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr

    for name in ("scripts", "proto", GENERATED):
        shutil.copytree(ROOT / name, tmp_path / name)
    proto = tmp_path / "proto" / "lipsync.proto"
    proto.write_text(proto.read_text("utf-8").replace("batch_size", "batch_length"), "utf-8")
    done = check_generated(tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"{GENERATED} is not current: run scripts/generate-protos.\n"


@pytest.mark.parametrize("module", ["viseme", "viseme.wire"])
def test_tensors_need_neither_protobuf_nor_grpc(module: str) -> None:
    code = f"import sys, {module}; print([n for n in sys.modules if n.split('.')[0] in NAMES])"
    done = subprocess.run(
        [sys.executable, "-c", "NAMES = {'grpc', 'google'}; " + code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_without_protobuf_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['google.protobuf'] = None; import viseme.wire.messages"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "viseme.errors.MissingExtraError: google.protobuf is not installed; "
        "install it with `pip install viseme[serve]`."
    )
