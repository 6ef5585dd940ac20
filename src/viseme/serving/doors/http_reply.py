"""What an endpoint returns: an answer that is made while it is sent, within one visit."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from viseme.errors import VisemeError
from viseme.serving.desk import CANCELLED, Desk
from viseme.serving.doors.http_call import Call, ClientGoneError, Handler
from viseme.serving.job_queue import stopping
from viseme.serving.logs import request_context

__all__ = ["Reply"]


class Reply(Response):
    """What an endpoint returns: everything is done when it is sent, within one visit.

    Args:
        desk: receives the request.
        pool: threads for what costs time.
        method: what is called, for metrics and log.
        handler: answers it.
        public: whether it is answered without a token.
    """

    def __init__(
        self, desk: Desk, pool: Executor, method: str, handler: Handler, *, public: bool = False
    ) -> None:
        super().__init__()
        self._desk = desk
        self._pool = pool
        self._method = method
        self._handler = handler
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive the request, and answer it."""
        call = Call(scope, receive, send, self._pool)
        with request_context(call.headers.get("x-request-id")) as identity:
            call.request_id = identity
            try:
                await self._visit(call)
            except VisemeError as error:
                await self._fail(call, error)
            except asyncio.CancelledError:
                # The server ends, and this is the last that it does.
                await self._fail(call, stopping())
            finally:
                await call.end()

    async def _visit(self, call: Call) -> None:
        with self._desk.visit(
            "http",
            self._method,
            authorization=call.headers.get("authorization"),
            wanted_id=call.request_id,
            traceparent=call.headers.get("traceparent"),
            public=self._public,
        ) as call.visit:
            try:
                await self._handler(call)
            except ClientGoneError:
                call.visit.code = CANCELLED

    async def _fail(self, call: Call, error: VisemeError) -> None:
        with suppress(ClientGoneError):  # then nobody needs to know
            await call.fail(error)
