"""What waits for a slow line: pictures are left out in whole groups, words never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from support.hand_clock import HandClock
from viseme.serving.live_events import LivePicture
from viseme.serving.outbox import BYTES_MAX, LATE_S, MESSAGES_MAX, Outbox

RATE_HZ = 1_000
STEP = 40
Play = Callable[["Bench"], Coroutine[Any, Any, None]]


def picture(number: int, *, is_key: bool = False, at_rest: bool = False) -> LivePicture:
    """Give the picture of 40 ms, in a speech or at rest."""
    return LivePicture(number, STEP * number, 0 if at_rest else STEP, 0, b"", is_key)


class Bench:
    """An outbox, what it tells, and a clock."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.outbox = Outbox(RATE_HZ, self, self.clock)
        self.lateness: list[float] = []
        self.told: list[str] = []

    def sent(self, late_s: float) -> None:
        self.lateness.append(late_s)

    def left_out(self) -> None:
        self.told.append("left out")

    def key_frame_wanted(self) -> None:
        self.told.append("key frame")

    async def put(self, *numbers: int, keys: tuple[int, ...] = (), at_rest: bool = False) -> None:
        for number in numbers:
            shown = picture(number, is_key=number in keys, at_rest=at_rest)
            await self.outbox.put(b"%d" % number, shown)

    async def taken(self, count: int) -> list[bytes | str | None]:
        return [await self.outbox.take() for _ in range(count)]


def playing(play: Play) -> Callable[[], None]:
    """Run a test in a loop of its own, with a bench."""

    def run() -> None:
        async def patiently() -> None:
            async with asyncio.timeout(30):
                await play(Bench())

        asyncio.run(patiently())

    run.__name__ = play.__name__
    return run


@playing
async def test_all_goes_through_a_line_that_is_fast(bench: Bench) -> None:
    await bench.put(0, keys=(0,))
    await bench.outbox.put("a word")
    await bench.put(1)
    assert await bench.taken(3) == [b"0", "a word", b"1"]
    await bench.outbox.end()
    await bench.put(2)
    assert await bench.taken(1) == [None]
    figures = bench.outbox.figures
    assert (figures.pictures_sent, figures.pictures_left_out, figures.waiting) == (2, 0, 0)
    assert bench.lateness == [0, 0]


@playing
async def test_pictures_that_wait_too_long_go_up_to_the_next_key_frame(bench: Bench) -> None:
    for number in range(10):
        await bench.put(number, keys=(0, 8))
        await bench.outbox.put(f"word {number}")
        bench.clock.s += STEP / 1000
    bench.clock.s += LATE_S - 10 * STEP / 1000 - 0.01
    assert await bench.taken(2) == [b"0", "word 0"]  # it has waited, but not for long enough
    bench.clock.s += 0.06
    words = [f"word {number}" for number in range(1, 8)]
    # The ninth is a key frame, and has waited for less.
    expected = [*words, b"8", "word 8", b"9", "word 9"]
    assert await bench.taken(len(expected)) == expected
    assert bench.told == ["left out"]
    assert bench.outbox.figures.groups_left_out == 1
    assert bench.outbox.figures.pictures_left_out == 7


@playing
async def test_without_a_key_frame_one_is_asked_for_when_the_line_is_free(bench: Bench) -> None:
    await bench.put(0, 1, 2, keys=(0,), at_rest=True)
    bench.clock.s += LATE_S + 0.01
    taking = asyncio.create_task(bench.taken(2))
    await asyncio.sleep(0)
    assert bench.told == ["left out", "key frame"]
    await bench.put(3, 4, at_rest=True)  # they were made before anyone asked
    assert not taking.done()
    await bench.put(5, 6, keys=(5,), at_rest=True)
    assert await taking == [b"5", b"6"]
    assert bench.outbox.figures.pictures_left_out == 5
    assert bench.told == ["left out", "key frame"]


@playing
async def test_what_runs_ahead_of_time_is_not_late(bench: Bench) -> None:
    await bench.put(*range(30), keys=(0,))  # 1.2 s of speech, made at once
    taken = []
    for _ in range(30):
        taken += await bench.taken(1)
        bench.clock.s += STEP / 1000 * 1.2  # a line that is a little too slow
    assert taken == [b"%d" % number for number in range(30)]
    assert bench.told == []
    assert bench.lateness[-1] == pytest.approx(29 * STEP / 1000 * 0.2)


@playing
async def test_what_ran_ahead_gets_late_on_a_line_that_is_slower_than_time(bench: Bench) -> None:
    await bench.put(*range(30), keys=(0, 20))
    taken = []
    for _ in range(11):
        taken += await bench.taken(1)
        bench.clock.s += 0.1
    # A picture is sent every 0.1 s where one is due every 0.04, so the tenth is late by 0.54.
    assert taken == [*(b"%d" % number for number in range(9)), b"20", b"21"]
    assert bench.told == ["left out"]


@playing
async def test_pictures_that_are_made_late_are_not_left_out(bench: Bench) -> None:
    taking = asyncio.create_task(bench.taken(3))
    await bench.put(0, keys=(0,))
    await asyncio.sleep(0)
    bench.clock.s += 2  # no sound has come, or the server had no time
    await bench.put(1)
    await asyncio.sleep(0)
    bench.clock.s += STEP / 1000
    await bench.put(2)
    assert await taking == [b"0", b"1", b"2"]
    assert bench.lateness == pytest.approx([0, 0, 0])


@playing
async def test_whoever_is_full_makes_the_others_wait_until_something_is_late(bench: Bench) -> None:
    await bench.put(*range(MESSAGES_MAX), keys=(0,))
    waiting = asyncio.create_task(bench.outbox.put("a word"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await bench.taken(1) == [b"0"]
    await waiting
    bench.clock.s += LATE_S + 1
    await bench.outbox.put("another")  # there is no room, and what waits is late
    assert await bench.taken(2) == ["a word", "another"]
    assert bench.told == ["left out", "key frame"]


@playing
async def test_bytes_are_bounded_too(bench: Bench) -> None:
    await bench.outbox.put(bytes(BYTES_MAX - 1))
    await bench.outbox.put(b"1")
    waiting = asyncio.create_task(bench.outbox.put(b"2"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await bench.outbox.end()
    await waiting
    assert bench.outbox.figures.most_bytes == BYTES_MAX
    assert [type(message) for message in await bench.taken(3)] == [bytes, bytes, type(None)]


@playing
async def test_an_interrupt_takes_back_pictures_and_no_words(bench: Bench) -> None:
    await bench.put(100, 101, keys=(100,))
    await bench.outbox.put("a word")
    await bench.outbox.forget_pictures()
    await bench.put(5, 6, keys=(5,))
    bench.clock.s += LATE_S + 0.01
    # They are due from when they came, whatever the speech before was.
    assert await bench.taken(1) == ["a word"]
    assert bench.told == ["left out", "key frame"]
    assert bench.outbox.figures.pictures_left_out == 4


@playing
async def test_after_an_interrupt_no_picture_goes_that_needs_one_taken_back(bench: Bench) -> None:
    await bench.put(0, keys=(0,))
    assert await bench.taken(1) == [b"0"]
    await bench.put(1)
    await bench.outbox.forget_pictures()
    await bench.put(2)  # was on its way
    await bench.put(3, 4, keys=(3,))
    assert await bench.taken(2) == [b"3", b"4"]
    assert bench.told == []
    assert bench.outbox.figures.pictures_left_out == 2
