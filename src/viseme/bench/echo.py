"""A gRPC server that does nothing: what moving the bytes alone costs.

`python -m viseme.bench.echo` is a process of its own, as the real server is.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final

import grpc

from viseme.bench.processes import serve_until_ended
from viseme.client import ClientOptions

__all__ = ["ANSWER_BYTES", "PATH", "EchoServer"]

PATH: Final = "/viseme.bench.Echo/Move"
ANSWER_BYTES: Final = "answer-bytes"
"""What the metadata calls the size of the answer."""
_THREADS: Final = 4


class EchoServer:
    """Takes any bytes, and answers with as many as it is asked for. It starts at once."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "viseme-echo")
        handler = grpc.method_handlers_generic_handler(
            PATH.split("/")[1], {PATH.split("/")[2]: grpc.unary_unary_rpc_method_handler(_move)}
        )
        limit = ClientOptions().message_bytes
        self._server = grpc.server(
            self._pool,
            handlers=[handler],
            options=[
                ("grpc.max_send_message_length", limit),
                ("grpc.max_receive_message_length", limit),
            ],
        )
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        """End it."""
        self._server.stop(None).wait()
        self._pool.shutdown()


def _move(request: bytes, context: grpc.ServicerContext) -> bytes:
    metadata: dict[Any, Any] = dict(context.invocation_metadata())
    return _answer(int(metadata.get(ANSWER_BYTES, 0)))


@lru_cache(maxsize=8)
def _answer(size: int) -> bytes:
    """Give an answer, made once: making it is no part of moving it."""
    return b"\1" * size


if __name__ == "__main__":
    serve_until_ended(EchoServer())
