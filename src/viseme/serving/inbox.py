"""What a live client has sent and its session has not taken: sound and words, in their order.

    the line -> put -> [ sound, sound, word, sound ... ] -> take -> LiveSession

The event loop puts, and a thread takes all the sound that has come: to change threads takes time,
and on a busy machine more of it than the sound does.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Final, Generic, TypeVar

__all__ = ["BYTES_MAX", "MESSAGES_MAX", "Inbox"]

BYTES_MAX: Final = 2**20
"""Half a minute of sound at 16 kHz; a single message may be larger, and then it is alone."""
MESSAGES_MAX: Final = 256
"""Five seconds in packets of 20 ms."""

Word = TypeVar("Word")


class Inbox(Generic[Word]):
    """A bounded queue from the running event loop, where it is made, to one thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._items: deque[bytes | Word] = deque()
        self._bytes = 0
        self._is_ended = False
        self._has_room = asyncio.Event()

    async def put(self, item: bytes | Word) -> None:
        """Add sound or a word, once there is room; nothing after the end."""
        size = _size(item)
        while True:
            with self._changed:
                if self._is_ended:
                    return
                if not self._items or self._is_free_for(size):
                    self._items.append(item)
                    self._bytes += size
                    self._changed.notify_all()
                    return
                self._has_room.clear()
            await self._has_room.wait()

    def take(self) -> list[bytes] | Word | None:
        """Wait for all the sound up to the next word, or for that; None after the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._is_ended)
            if self._is_ended:
                return None
            taken = self._take()
            self._loop.call_soon_threadsafe(self._has_room.set)
            return taken

    def end(self) -> None:
        """Let nothing more be taken, and who waits go on; in the event loop."""
        with self._changed:
            self._is_ended = True
            self._items.clear()
            self._changed.notify_all()
        self._has_room.set()

    # With the lock held.

    def _is_free_for(self, size: int) -> bool:
        return len(self._items) < MESSAGES_MAX and self._bytes + size <= BYTES_MAX

    def _take(self) -> list[bytes] | Word:
        sounds: list[bytes] = []
        while self._items:
            first = self._items[0]
            if not isinstance(first, bytes):
                if sounds:
                    break
                self._items.popleft()
                return first
            sounds.append(first)
            self._bytes -= len(first)
            self._items.popleft()
        return sounds


def _size(item: object) -> int:
    return len(item) if isinstance(item, bytes) else 0
