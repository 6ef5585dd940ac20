"""What a live client has sent: sound is taken together, words stay in their places, all bounded."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from support.played_network import PATIENCE_S
from viseme.serving.inbox import BYTES_MAX, MESSAGES_MAX, Inbox

Box = Inbox[str]

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


@pytest.fixture
def other() -> Iterator[ThreadPoolExecutor]:
    """Another thread."""
    with ThreadPoolExecutor(1) as thread:
        yield thread


def size(item: str | bytes) -> int:
    return len(item)


def waits(what: Future[object]) -> bool:
    return not wait([what], 0.05).done


def test_sound_is_taken_together_up_to_the_next_word() -> None:
    box = Box()
    for item in (b"a", b"bc", "one", "two", b"d"):
        box.put(item, size(item))
    assert [box.take() for _ in range(4)] == [[b"a", b"bc"], "one", "two", [b"d"]]


def test_who_takes_waits(other: ThreadPoolExecutor) -> None:
    box = Box()
    taking: Future[object] = other.submit(box.take)
    assert waits(taking)
    box.put("word", 4)
    assert taking.result(PATIENCE_S) == "word"


@pytest.mark.parametrize(
    "items", [["word"] * MESSAGES_MAX, [bytes(BYTES_MAX)], ["long words " * (BYTES_MAX // 11 + 1)]]
)
def test_who_puts_waits_for_room(other: ThreadPoolExecutor, items: list[str | bytes]) -> None:
    box = Box()
    assert all(box.offer(item, size(item)) for item in items)
    assert not box.offer(b"next", 4)
    putting: Future[object] = other.submit(box.put, b"next", 4)
    assert waits(putting)
    assert [box.take() for _ in items] in (items, [items])
    putting.result(PATIENCE_S)
    assert box.take() == [b"next"]


def test_a_message_that_is_larger_than_all_the_room_is_alone() -> None:
    box = Box()
    large = bytes(BYTES_MAX + 1)
    assert box.offer(large, size(large))
    assert not box.offer(b"", 0)
    assert box.take() == [large]
    assert box.offer(b"", 0)


def test_the_end_frees_both_and_nothing_is_kept(other: ThreadPoolExecutor) -> None:
    box = Box()
    box.put(bytes(BYTES_MAX), BYTES_MAX)
    putting: Future[object] = other.submit(box.put, b"more", 4)
    assert waits(putting)
    box.end()
    putting.result(PATIENCE_S)
    assert box.offer(b"too late", 8)
    assert box.take() is None


def test_who_waits_to_take_is_told_of_the_end(other: ThreadPoolExecutor) -> None:
    box = Box()
    taking: Future[object] = other.submit(box.take)
    assert waits(taking)
    box.end()
    assert taking.result(PATIENCE_S) is None
