"""What a live client has sent and its session has not taken: sound and words, in their order.

    the line -> put -> [ sound, sound, word, sound ... ] -> take -> LiveSession

Who reads the line puts, and another thread takes all the sound that has come: to change threads
takes time, and on a busy machine more of it than the sound does. And so an interrupt is seen as
soon as it has come, though the session may be waiting with what came before it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

__all__ = ["BYTES_MAX", "MESSAGES_MAX", "Inbox"]

BYTES_MAX: Final = 2**20
"""Half a minute of sound at 16 kHz, words included; a single message may be larger, and is alone
then."""
MESSAGES_MAX: Final = 256
"""Five seconds in packets of 20 ms."""

Word = TypeVar("Word")


class Inbox(Generic[Word]):
    """A bounded queue from one thread to one other; words are anything but bytes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: deque[tuple[bytes | Word, int]] = deque()
        """Each with its size."""
        self._bytes = 0
        self._is_ended = False

    def offer(self, item: bytes | Word, size: int) -> bool:
        """Add sound or a word if there is room; nothing after the end.

        Args:
            item: what has come.
            size: bytes of the message that it came in.

        Returns:
            Whether that is done.
        """
        with self._changed:
            return self._offer(item, size)

    def put(self, item: bytes | Word, size: int) -> None:
        """Add sound or a word, once there is room; see `offer`."""
        with self._changed:
            self._changed.wait_for(lambda: self._offer(item, size))

    def take(self) -> list[bytes] | Word | None:
        """Wait for all the sound up to the next word, or for that; None after the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._is_ended)
            if self._is_ended:
                return None
            self._changed.notify_all()
            first = self._pop()
            return first if not isinstance(first, bytes) else [first, *self._sound_after_it()]

    def end(self) -> None:
        """Let nothing more be taken, and whoever waits go on."""
        with self._changed:
            self._is_ended = True
            self._items.clear()
            self._changed.notify_all()

    # With the lock held.

    def _offer(self, item: bytes | Word, size: int) -> bool:
        if self._is_ended:
            return True
        is_full = len(self._items) >= MESSAGES_MAX or self._bytes + size > BYTES_MAX
        if self._items and is_full:
            return False
        self._items.append((item, size))
        self._bytes += size
        self._changed.notify_all()
        return True

    def _sound_after_it(self) -> Iterator[bytes]:
        while self._items and isinstance(self._items[0][0], bytes):
            sound = self._pop()
            assert isinstance(sound, bytes)
            yield sound

    def _pop(self) -> bytes | Word:
        item, size = self._items.popleft()
        self._bytes -= size
        return item
