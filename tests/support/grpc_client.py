"""The gRPC door over a house, and channels to it as clients in the field have them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import numpy as np
from numpy.typing import NDArray

from support.played_network import PATIENCE_S
from viseme.serving.config import Address
from viseme.serving.doors.grpc_calls import HandlerFactory
from viseme.serving.doors.grpc_door import GrpcDoor
from viseme.serving.house import House
from viseme.wire.services import INFER_BATCH, Call, Request, Response
from viseme.wire.tensors import BatchAnswer, encode_batch_request, parse_batch_response

Metadata = tuple[tuple[str, str], ...]
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # else channels of a process share connections
]

SMALL_WINDOW = (("grpc.http2.lookahead_bytes", 2**16), ("grpc.http2.bdp_probe", 0))
"""How little a client takes in before it reads: 64 KiB, and no more as it learns of the line."""


@dataclass(frozen=True)
class OpenDoor:
    """A door that is open, and a channel to each of its addresses."""

    door: GrpcDoor
    addresses: dict[str, Address]
    main: grpc.Channel
    """To the address of all services."""
    composite: grpc.Channel


@contextmanager
def open_door(
    house: House, *, services: Sequence[HandlerFactory] = (), grace_s: float = PATIENCE_S
) -> Iterator[OpenDoor]:
    """Open the gRPC door of a house, without TLS."""
    door = GrpcDoor(house.config, None, services)
    addresses = dict(door.bind())
    try:
        door.open(house)
        with channel(addresses["grpc"]) as main, channel(addresses["composite"]) as composite:
            yield OpenDoor(door, addresses, main, composite)
    finally:
        door.close(grace_s)


def channel(address: Address, *options: tuple[str, int]) -> grpc.Channel:
    """Connect to an address; `*SMALL_WINDOW` makes a client that does not read be felt soon."""
    return grpc.insecure_channel(str(address), options=[*_OPTIONS, *options])


@contextmanager
def bound(door: GrpcDoor) -> Iterator[dict[str, Address]]:
    """Bind a door that is not to be opened, and close it in the end."""
    addresses = dict(door.bind())
    try:
        yield addresses
    finally:
        door.close(0.0)


def generated(
    to: grpc.Channel, call: Call[Request, Response]
) -> grpc.UnaryUnaryMultiCallable[Request, Response]:
    """Give a call as the generated stubs make it."""
    return to.unary_unary(
        call.path,
        request_serializer=call.request.SerializeToString,
        response_deserializer=call.response.FromString,
    )


def raw(
    to: grpc.Channel, call: Call[Request, Response] | str
) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
    """Give a call, or a path, for messages that are bytes."""
    return to.unary_unary(call if isinstance(call, str) else call.path)


def infer(
    to: grpc.Channel,
    visual: NDArray[np.float32],
    audio: NDArray[np.float32],
    *,
    batch_size: int | None = None,
    start_frame_idx: int = 0,
    metadata: Metadata = (),
) -> BatchAnswer:
    """Ask for a batch as our own client does, arrays to bytes and back."""
    data = encode_batch_request(
        visual, audio, len(visual) if batch_size is None else batch_size, start_frame_idx
    )
    return parse_batch_response(raw(to, INFER_BATCH)(data, timeout=PATIENCE_S, metadata=metadata))


def health(to: grpc.Channel, call: Call[Request, Response]) -> Response:
    """Ask one of the contract's two health calls, without a token."""
    return generated(to, call)(call.request(), timeout=PATIENCE_S)


def refusal(ask: Callable[[], object]) -> grpc.RpcError:
    """Give the error that a call ends with."""
    try:
        ask()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call was answered")


def details(error: grpc.RpcError) -> str:
    """Give the sentence of an error."""
    return error.details() or ""


def trailers(error: grpc.RpcError) -> dict[str, str | bytes]:
    """Give an error's trailing metadata."""
    return {item.key: item.value for item in error.trailing_metadata()}


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the server does by itself, which has no event to wait for."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.005)
