"""A gRPC server that answers as a test has written down, over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, NoReturn, Self

import grpc
import numpy as np

from viseme.wire import encode_batch_response, parse_batch_request

Unary = Callable[[bytes, grpc.ServicerContext], bytes]
Stream = Callable[[Iterator[bytes], grpc.ServicerContext], Iterator[bytes]]
MESSAGE_BYTES = 200 * 2**20


class ScriptedServer:
    """Serves bytes in, bytes out, on a free port of loopback; `address` is there once entered.

    Args:
        unary: what answers each path with one message.
        streams: what answers each path with many.
        credentials: of the server, where it is to encrypt.
    """

    def __init__(
        self,
        unary: Mapping[str, Unary] | None = None,
        streams: Mapping[str, Stream] | None = None,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self._unary = dict(unary or {})
        self._streams = dict(streams or {})
        self._pool = ThreadPoolExecutor(8, "scripted")
        limits = [
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.max_send_message_length", MESSAGE_BYTES),
        ]
        self._server = grpc.server(self._pool, handlers=[_Paths(self._handler)], options=limits)
        host = "127.0.0.1:0"
        port = (
            self._server.add_insecure_port(host)
            if credentials is None
            else self._server.add_secure_port(host, credentials)
        )
        self.address = f"127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop(None).wait()
        self._pool.shutdown()

    def _handler(self, path: str) -> Any:
        if path in self._unary:
            return grpc.unary_unary_rpc_method_handler(self._unary[path])
        if path in self._streams:
            return grpc.stream_stream_rpc_method_handler(self._streams[path])
        return None


class _Paths(grpc.GenericRpcHandler):
    def __init__(self, find: Callable[[str], Any]) -> None:
        self._find = find

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._find(handler_call_details.method)


def identity_answer(request: bytes, _: grpc.ServicerContext) -> bytes:
    """Answer a batch with its reference crops, as the identity generator does."""
    batch = parse_batch_request(request)
    size = round((batch.visual.size / batch.batch_size / 6) ** 0.5)
    faces = batch.visual.reshape(batch.batch_size, 6, size, size)[:, :3]
    return encode_batch_response(np.ascontiguousarray(faces), 1.5, success=True)


def refuse(
    context: grpc.ServicerContext, code: grpc.StatusCode, text: str, retry_after: str | None = None
) -> NoReturn:
    """End a call with a status."""
    if retry_after is not None:
        context.set_trailing_metadata((("retry-after", retry_after),))
    context.abort(code, text)
    raise AssertionError("abort raises")
