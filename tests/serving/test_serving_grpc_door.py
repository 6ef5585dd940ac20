"""The gRPC door itself: its addresses, TLS, health and reflection, and services that are added."""

from __future__ import annotations

import queue
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2  # type: ignore[import-untyped]
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (  # type: ignore[import-untyped]
    ProtoReflectionDescriptorDatabase,
)

from support.certificates import Authority
from support.grpc_client import (
    OpenDoor,
    bound,
    channel,
    details,
    health,
    infer,
    open_door,
    raw,
    refusal,
    trailers,
    until,
)
from support.house import TOKENS, OpenHouse, played_house, serving
from support.played_network import PATIENCE_S, PlayedNetwork, faces, windows
from viseme.client import Client
from viseme.errors import ConfigError
from viseme.serving.config import TlsConfig
from viseme.serving.doors.grpc_calls import Arrival, Calls, typed
from viseme.serving.doors.grpc_door import GrpcDoor
from viseme.serving.doors.grpc_standard import MAX_WATCHES
from viseme.serving.limits import Guest
from viseme.serving.tls import load_tls
from viseme.wire.messages import lipsync, v1
from viseme.wire.services import HEALTH, HEALTH_COMPOSITE, LIST_AVATARS, Call
from viseme.wire.tensors import (
    encode_batch_request,
    encode_batch_response,
    parse_batch_request,
    parse_batch_response,
)

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
STATUS = health_pb2.HealthCheckResponse
HEALTH_NAME, REFLECTION_NAME = "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"
REFLECTION = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    f"/{REFLECTION_NAME}/ServerReflectionInfo",
]


def v1_handlers(calls: Calls) -> grpc.GenericRpcHandler:
    """Stand in for the services that are added to the first address."""

    def list_avatars(arrival: Arrival, _: v1.ListAvatarsRequest) -> v1.ListAvatarsResponse:
        arrival.visit.fields["avatars"] = 1
        return v1.ListAvatarsResponse(avatars=[v1.Avatar(name="anna")])

    return calls.service(calls.unary(LIST_AVATARS, typed(LIST_AVATARS, list_avatars)))


@pytest.fixture
def house(network: PlayedNetwork, tmp_path: Path) -> Iterator[OpenHouse]:
    with played_house(network, tmp_path) as house:
        yield house


@pytest.fixture
def door(house: OpenHouse) -> Iterator[OpenDoor]:
    with open_door(house, services=[v1_handlers]) as door:
        yield door


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("key", ["grpc", "composite"])
@pytest.mark.parametrize("taken_by", ["another server", "this one"])
def test_an_address_that_is_taken_is_named(key: str, taken_by: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, bound(GrpcDoor(serving(), None)) as first:
        port = other.getsockname()[1] if taken_by == "another server" else first["grpc"].port
        free = dict.fromkeys(("grpc", "composite", "http"), "127.0.0.1:0")
        door = GrpcDoor(serving(listen={**free, key: f"127.0.0.1:{port}"}), None)
        with pytest.raises(ConfigError) as caught:
            door.bind()
        assert str(caught.value) == (
            f"listen.{key} is 127.0.0.1:{port}, and another program listens there; end it, or "
            "give another address."
        )


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "that is no address of this machine; give one of its own"),
        ("nobody.invalid", "that name is not known; give an address"),
    ],
)
def test_an_address_that_is_not_ours_is_named(host: str, why: str) -> None:
    listen = {"grpc": f"{host}:50051", "composite": "127.0.0.1:0", "http": "127.0.0.1:0"}
    with pytest.raises(ConfigError) as caught:
        GrpcDoor(serving(listen=listen), None).bind()
    assert str(caught.value) == f"listen.grpc is {host}:50051, and {why}."


def test_an_address_is_free_again_when_the_other_cannot_be_had_or_the_door_is_closed() -> None:
    with bound(GrpcDoor(serving(), None)) as addresses:
        port, taken = addresses["grpc"].port, addresses["composite"].port
        assert (addresses["grpc"].host, port > 0, port != taken) == ("127.0.0.1", True, True)
        assert not is_free(port)
    assert is_free(port)
    listen = {"grpc": f"127.0.0.1:{port}", "http": "127.0.0.1:0"}
    with socket.create_server(("127.0.0.1", 0)) as other:
        composite = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ConfigError, match=r"listen\.composite"):
            GrpcDoor(serving(listen={**listen, "composite": composite}), None).bind()
    with bound(GrpcDoor(serving(listen={**listen, "composite": "127.0.0.1:0"}), None)) as addresses:
        assert addresses["grpc"].port == port


def test_who_connects_before_the_door_is_open_is_answered_then(house: OpenHouse) -> None:
    door = GrpcDoor(house.config, None)
    addresses = door.bind()
    try:
        with channel(addresses["grpc"]) as early:
            ask = raw(early, HEALTH)
            call = ask.future(b"", timeout=PATIENCE_S, wait_for_ready=True)
            door.open(house)
            assert HEALTH.response.FromString(call.result(PATIENCE_S)).healthy
    finally:
        door.close(PATIENCE_S)


@pytest.mark.parametrize("mutual", [False, True])
def test_tls_and_mutual_tls(house: OpenHouse, tmp_path: Path, mutual: bool) -> None:
    authority = Authority(tmp_path)
    server, client = authority.issue("server"), authority.issue("client")
    config = TlsConfig(
        certificate=server.certificate,
        key=server.key,
        client_ca=authority.file if mutual else None,
    )
    door = GrpcDoor(house.config, load_tls(config))
    addresses = door.bind()
    try:
        door.open(house)
        known = authority.file.read_bytes()
        anonymous = grpc.ssl_channel_credentials(known)
        certified = grpc.ssl_channel_credentials(
            known, client.key.read_bytes(), client.certificate.read_bytes()
        )
        for address in addresses.values():
            with grpc.secure_channel(str(address), certified) as to:
                assert health(to, HEALTH_COMPOSITE).healthy
            with grpc.secure_channel(str(address), anonymous) as to:
                if mutual:
                    error = refusal(partial(health, to, HEALTH_COMPOSITE))
                    assert error.code() == grpc.StatusCode.UNAVAILABLE
                else:
                    assert health(to, HEALTH_COMPOSITE).healthy
            with channel(address) as to:
                error = refusal(partial(health, to, HEALTH_COMPOSITE))
                assert error.code() == grpc.StatusCode.UNAVAILABLE
    finally:
        door.close(PATIENCE_S)


def test_a_service_that_is_added_is_on_the_first_address_alone(door: OpenDoor) -> None:
    answer = v1.ListAvatarsResponse.FromString(raw(door.main, LIST_AVATARS)(b""))
    assert [avatar.name for avatar in answer.avatars] == ["anna"]
    error = refusal(partial(raw(door.main, LIST_AVATARS), b"\xff"))
    assert (error.code(), details(error)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "The message is no viseme.v1.ListAvatarsRequest, or damaged; encode it by the server's "
        "proto.",
    )
    error = refusal(partial(raw(door.composite, LIST_AVATARS), b""))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_the_arrays_of_our_own_client_are_not_copied(house: OpenHouse) -> None:
    """As those of `np.require(array, requirements="A")` would be if they were not aligned."""
    probe = Call("tests.Probe", "Ask", lipsync.BatchRequest, lipsync.BatchResponse)
    aligned: list[bool] = []

    def answer(_: Arrival, __: Guest, data: bytes) -> bytes:
        tensors = parse_batch_request(data)
        aligned.extend(array.flags.aligned for array in (tensors.visual, tensors.audio))
        return encode_batch_response(tensors.visual[: len(tensors.visual) // 2], 1.5, success=True)

    with open_door(house, services=[lambda calls: calls.service(calls.unary(probe, answer))]) as to:
        for count in (1, 5, 25):
            data = encode_batch_request(faces(*range(count)), windows(0)[0], count, 16)
            output = parse_batch_response(raw(to.main, probe)(data, timeout=PATIENCE_S)).output
            aligned.append(output.flags.aligned)
    assert aligned == [True] * 9


def check(to: grpc.Channel, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    status: int = STATUS.FromString(raw(to, CHECK)(request, timeout=PATIENCE_S)).status
    return status


def test_the_health_of_all_and_of_each_service(door: OpenDoor) -> None:
    everywhere = ["", "lipsync.LipSyncComposite", HEALTH_NAME]
    for name in (*everywhere, "lipsync.LipSync", "viseme.v1.Viseme"):
        assert check(door.main, name) == STATUS.SERVING
    for name in everywhere:
        assert check(door.composite, name) == STATUS.SERVING
    for to, name in ((door.main, "nobody"), (door.composite, "lipsync.LipSync")):
        error = refusal(partial(check, to, name))
        assert (error.code(), details(error)) == (
            grpc.StatusCode.NOT_FOUND,
            "There is no service of that name here; list them.",
        )
    damaged = refusal(partial(raw(door.main, CHECK), b"\xff"))
    assert damaged.code() == grpc.StatusCode.INVALID_ARGUMENT
    door.door.drain()
    for to in (door.main, door.composite):
        for name in everywhere:
            assert check(to, name) == STATUS.NOT_SERVING


def watch(to: grpc.Channel, service: str = "") -> Iterator[int]:
    call: grpc.UnaryStreamMultiCallable[bytes, bytes] = to.unary_stream(WATCH)
    request = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    return (STATUS.FromString(data).status for data in call(request))


def test_who_watches_the_health_is_told_of_the_end(door: OpenDoor) -> None:
    watches = [watch(door.main), watch(door.composite), watch(door.main, "lipsync.LipSync")]
    unknown = watch(door.main, "nobody")
    assert [next(statuses) for statuses in watches] == [STATUS.SERVING] * 3
    assert next(unknown) == STATUS.SERVICE_UNKNOWN
    door.door.drain()
    assert [list(statuses) for statuses in watches] == [[STATUS.NOT_SERVING]] * 3
    assert list(unknown) == [STATUS.SERVICE_UNKNOWN]


def test_who_watches_takes_no_place_from_requests(network: PlayedNetwork, tmp_path: Path) -> None:
    config = serving(limits={"requests": 1})
    with played_house(network, tmp_path, config=config) as house, open_door(house) as door:
        watches = [watch(door.main) for _ in range(MAX_WATCHES)]
        assert [next(statuses) for statuses in watches] == [STATUS.SERVING] * MAX_WATCHES
        error = refusal(partial(next, watch(door.main)))
        assert (error.code(), details(error)) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "16 clients watch already; ask with Check instead.",
        )
        assert trailers(error)["retry-after"] == "60"
        assert next(watch(door.composite)) == STATUS.SERVING
        assert infer(door.main, faces(1), windows(0)[0]).success


def test_who_has_stopped_watching_leaves_his_place(door: OpenDoor) -> None:
    with channel(door.addresses["grpc"]) as own:
        watches = [watch(own) for _ in range(MAX_WATCHES)]
        assert [next(statuses) for statuses in watches] == [STATUS.SERVING] * MAX_WATCHES
        assert not may_watch(door)
    until(partial(may_watch, door))


def may_watch(door: OpenDoor) -> bool:
    try:
        return bool(next(watch(door.main)) == STATUS.SERVING)
    except grpc.RpcError:
        return False


def test_a_connection_without_a_call_is_closed_and_its_client_opens_another(
    network: PlayedNetwork, tmp_path: Path
) -> None:
    config = serving(limits={"connection_idle_s": 0.2})
    states: queue.SimpleQueue[grpc.ChannelConnectivity] = queue.SimpleQueue()
    with (
        played_house(network, tmp_path, config=config) as house,
        open_door(house) as door,
        Client(str(door.addresses["grpc"])) as client,
        channel(door.addresses["grpc"]) as watching,
    ):
        watches = watch(watching)  # a call, though nothing is said in it for a long time
        assert next(watches) == STATUS.SERVING
        assert client.health().healthy
        door.main.subscribe(states.put)
        # Of connections that have been idle as long, one may be kept for twice the time.
        for _ in range(2):
            assert health(door.main, HEALTH).healthy
            while states.get(timeout=PATIENCE_S) is not grpc.ChannelConnectivity.READY:
                pass
            assert states.get(timeout=PATIENCE_S) is grpc.ChannelConnectivity.IDLE
        assert client.health().healthy
        assert infer(door.main, faces(1), windows(0)[0]).success
        door.door.drain()
        assert list(watches) == [STATUS.NOT_SERVING]


def reflected(
    to: grpc.Channel, path: str, *requests: reflection_pb2.ServerReflectionRequest
) -> list[reflection_pb2.ServerReflectionResponse]:
    call: grpc.StreamStreamMultiCallable[bytes, bytes] = to.stream_stream(path)
    answers = call((request.SerializeToString() for request in requests), timeout=PATIENCE_S)
    return [reflection_pb2.ServerReflectionResponse.FromString(answer) for answer in answers]


@pytest.mark.parametrize("path", REFLECTION)
def test_reflection_names_services_and_their_messages(door: OpenDoor, path: str) -> None:
    names = ["lipsync.LipSync", "lipsync.LipSyncComposite", "viseme.v1.Viseme"]
    ask = reflection_pb2.ServerReflectionRequest
    listed, *files = reflected(
        door.main,
        path,
        ask(list_services=""),
        *(ask(file_containing_symbol=name) for name in names),
    )
    services = [service.name for service in listed.list_services_response.service]
    assert services == sorted([*names, HEALTH_NAME, REFLECTION_NAME])
    for name, answer in zip(names, files, strict=True):
        found = [
            FileDescriptorProto.FromString(data)
            for data in answer.file_descriptor_response.file_descriptor_proto
        ]
        assert name in {
            f"{file.package}.{service.name}" for file in found for service in file.service
        }
    (composite,) = reflected(door.composite, path, ask(list_services=""))
    assert [service.name for service in composite.list_services_response.service] == sorted(
        ["lipsync.LipSyncComposite", HEALTH_NAME, REFLECTION_NAME]
    )


@pytest.mark.parametrize("path", REFLECTION)
def test_reflection_needs_the_token(network: PlayedNetwork, tmp_path: Path, path: str) -> None:
    ask = reflection_pb2.ServerReflectionRequest
    with played_house(network, tmp_path, tokens=TOKENS) as house, open_door(house) as door:
        error = refusal(partial(reflected, door.main, path, ask(list_services="")))
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED
        assert check(door.main, "") == STATUS.SERVING
        assert next(watch(door.main)) == STATUS.SERVING


def test_the_librarys_own_client_finds_its_way_by_reflection(door: OpenDoor) -> None:
    database = ProtoReflectionDescriptorDatabase(door.main)
    names = ["lipsync.LipSync", "lipsync.LipSyncComposite", "viseme.v1.Viseme"]
    assert set(names) < set(database.get_services())
    pool = DescriptorPool(database)
    infer_batch = pool.FindServiceByName("lipsync.LipSync").methods_by_name["InferBatch"]
    numbers = {field.name: field.number for field in infer_batch.input_type.fields}
    assert numbers == {
        "visual_frames": 1,
        "audio_features": 2,
        "batch_size": 3,
        "start_frame_idx": 4,
    }
