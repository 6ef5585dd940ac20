"""How a stream of gRPC for asyncio has ended, as the server said it.

Where a server ends a stream while the client is still writing, the write fails, and gRPC puts
`INTERNAL: Internal error from Core` in place of the status that the server has sent
(https://github.com/grpc/grpc/issues/36066). Which of the two it sets first is chance, and it tells
of both; so both are listened to here, and the server's is believed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import grpc
import grpc.aio

__all__ = ["AsyncEnding"]

_MASK: Final = "Internal error from Core"
_PATIENCE_S: Final = 2.0
"""How long the server's status may take to come after the failed write; it is there already."""
_LOOK_S: Final = 0.01


class AsyncEnding:
    """Listens to the end of a call, from its beginning."""

    def __init__(self, call: Any) -> None:
        self._heard = False
        self._said: grpc.aio.AioRpcError | None = None
        call.add_done_callback(self._listen)

    async def error(self, raised: grpc.RpcError) -> grpc.RpcError | None:
        """Give the error that the server meant, for the one that a call has raised.

        None where the server meant none: it had said all that it had to say.
        """
        if raised.details() != _MASK:
            return raised
        end_s = asyncio.get_running_loop().time() + _PATIENCE_S
        while not self._heard:
            if asyncio.get_running_loop().time() >= end_s:
                return raised
            await asyncio.sleep(_LOOK_S)
        return self._said

    def _listen(self, call: Any) -> None:
        code, details = _at_once(call.code()), _at_once(call.details())
        if self._heard or details == _MASK:
            return
        self._heard = True
        if code is not grpc.StatusCode.OK:
            trailers = _at_once(call.trailing_metadata())
            self._said = grpc.aio.AioRpcError(code, None, trailers, details=details)


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that has nothing to wait for: what it gives may be another a step later."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    finally:
        coroutine.close()
    return None
