"""What a live client has sent: sound is taken together, words stay in their places, all bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from viseme.serving.inbox import BYTES_MAX, MESSAGES_MAX, Inbox

Box = Inbox[str]


def play(scene: Callable[[Box], Coroutine[Any, Any, None]]) -> None:
    async def patiently() -> None:
        async with asyncio.timeout(30):
            await scene(Inbox())

    asyncio.run(patiently())


async def taken(box: Box) -> list[bytes] | str | None:
    with ThreadPoolExecutor(1) as thread:
        return await asyncio.get_running_loop().run_in_executor(thread, box.take)


async def put(box: Box, *items: bytes | str) -> None:
    for item in items:
        await box.put(item)


def test_sound_is_taken_together_up_to_the_next_word() -> None:
    async def scene(box: Box) -> None:
        await put(box, b"a", b"bc", "one", "two", b"d")
        assert [await taken(box) for _ in range(4)] == [[b"a", b"bc"], "one", "two", [b"d"]]

    play(scene)


def test_who_takes_waits() -> None:
    async def scene(box: Box) -> None:
        taking = asyncio.create_task(taken(box))
        await asyncio.sleep(0.01)
        assert not taking.done()
        await box.put("word")
        assert await taking == "word"

    play(scene)


def test_who_puts_waits_for_room_in_messages_and_in_bytes() -> None:
    async def scene(box: Box) -> None:
        for items in (["word"] * MESSAGES_MAX, [bytes(BYTES_MAX)]):
            await put(box, *items)
            putting = asyncio.create_task(box.put(b"next"))
            await asyncio.sleep(0.01)
            assert not putting.done()
            for item in items:
                assert await taken(box) in (item, [item])
            await putting
            assert await taken(box) == [b"next"]

    play(scene)


def test_a_message_that_is_larger_than_all_the_room_is_alone() -> None:
    async def scene(box: Box) -> None:
        large = bytes(BYTES_MAX + 1)
        await box.put(large)
        putting = asyncio.create_task(box.put(b""))
        assert await taken(box) == [large]
        await putting

    play(scene)


def test_the_end_frees_both_and_nothing_is_kept() -> None:
    async def scene(box: Box) -> None:
        await box.put(bytes(BYTES_MAX))
        putting = asyncio.create_task(box.put(b"more"))
        await asyncio.sleep(0.01)
        box.end()
        await putting
        assert await taken(box) is None
        await box.put(b"too late")
        assert await taken(box) is None

    play(scene)


def test_who_waits_to_take_is_told_of_the_end() -> None:
    async def scene(box: Box) -> None:
        taking = asyncio.create_task(taken(box))
        await asyncio.sleep(0.01)
        box.end()
        assert await taking is None

    play(scene)
