"""Calls of both clients in one way, so that each test holds both to the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from viseme.client import AsyncClient, Client, ClientOptions

Caller = Callable[..., Any]


def call_sync(options: ClientOptions, method: str, *arguments: Any, **named: Any) -> Any:
    with Client(options) as client:
        return getattr(client, method)(*arguments, **named)


def call_async(options: ClientOptions, method: str, *arguments: Any, **named: Any) -> Any:
    async def run() -> Any:
        async with AsyncClient(options) as client:
            return await getattr(client, method)(*arguments, **named)

    return asyncio.run(run())


def stream_sync(options: ClientOptions, method: str, *arguments: Any, **named: Any) -> list[Any]:
    with Client(options) as client:
        return list(getattr(client, method)(*arguments, **named))


def stream_async(options: ClientOptions, method: str, *arguments: Any, **named: Any) -> list[Any]:
    async def run() -> list[Any]:
        async with AsyncClient(options) as client:
            return [part async for part in getattr(client, method)(*arguments, **named)]

    return asyncio.run(run())


CALLERS = [call_sync, call_async]
STREAMERS = [stream_sync, stream_async]
