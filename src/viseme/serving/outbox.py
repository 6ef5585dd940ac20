"""What waits to be sent to a client whose line may be slower than what is said to it.

    LiveSession.take -> put -> [ words, pictures, words ... ] -> take -> the line
                                left out: pictures that are too late, up to the next key frame

A picture is too late when it waits although it is due. What is rendered ahead of time is not: a
client that sends its sound faster than it is spoken makes the session wait, as before, and loses
nothing as long as its line is as fast as the pictures are shown.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from viseme.serving.live_events import LivePicture
from viseme.serving.rate import RateMeter

__all__ = ["BYTES_MAX", "LATE_S", "Outbox", "OutboxFigures", "OutboxWatcher"]

BYTES_MAX: Final = 2**21
"""More than half a second of pictures of any size that is shown live; a single message may be
larger, and then it is alone."""
MESSAGES_MAX: Final = 32
"""A second of pictures, and some words."""
LATE_S: Final = 0.5
"""How late pictures are that are of no use any more: the sound would have to wait for them."""
FRESH_S: Final = 0.25
"""How late a key frame may be to go on with, so that what follows is not too late again at once."""

Message = bytes | str


class OutboxWatcher(Protocol):
    """Who is told what becomes of pictures."""

    def sent(self, late_s: float) -> None:
        """Hear that a picture is sent now, so much later than it was due."""

    def left_out(self) -> None:
        """Hear that pictures were, and that decoding can go on at a key frame only."""

    def key_frame_wanted(self) -> None:
        """Hear that the line is free, and nothing can be shown before there is a key frame."""


class OutboxFigures(NamedTuple):
    """What has become of all until now."""

    pictures_sent: int
    pictures_left_out: int
    groups_left_out: int
    """How often pictures were left out."""
    late_s: float
    """How late the last picture was that was sent."""
    bytes_per_s: float
    waiting: int
    """Messages that wait."""
    waiting_bytes: int
    most_bytes: int
    """The most that ever waited at once."""


class _Item(NamedTuple):
    message: Message
    picture: LivePicture | None
    since_s: float
    due_s: float

    @property
    def is_key(self) -> bool:
        return self.picture is not None and self.picture.is_key

    @property
    def size(self) -> int:
        return len(self.message)


class Outbox:
    """A bounded queue of messages, of which only pictures are ever left out; for one event loop.

    Args:
        rate_hz: samples a second of the client's sound, in which pictures tell their times.
        watcher: is told what becomes of pictures.
        clock: gives seconds that never go back.
    """

    def __init__(
        self, rate_hz: int, watcher: OutboxWatcher, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._watcher = watcher
        self._clock = clock
        self._due = _DueTimes(rate_hz)
        self._items: deque[_Item] = deque()
        self._bytes = self._most_bytes = 0
        self._changed = asyncio.Condition()
        self._is_free = False
        """Whether the line takes what comes at once."""
        self._is_ended = False
        self._lacks_key = False
        """Whether pictures were left out and no key frame has come since."""
        self._has_asked = False
        self._sent = self._left_out = self._groups = 0
        self._late_s = 0.0
        self._rate = RateMeter(clock)

    @property
    def figures(self) -> OutboxFigures:
        """What there is to tell."""
        return OutboxFigures(
            self._sent,
            self._left_out,
            self._groups,
            self._late_s,
            self._rate.per_second(),
            len(self._items),
            self._bytes,
            self._most_bytes,
        )

    async def put(self, message: Message, picture: LivePicture | None = None) -> None:
        """Let something be sent after all that waits, once there is room; nothing after the end.

        Args:
            message: what.
            picture: the one that it is, which may be left out; None of all that may not.
        """
        async with self._changed:
            while not self._is_ended and self._is_full():
                if not self._leave_out(self._clock(), is_full=True):
                    await self._wait_for_room()
            if self._is_ended:
                return
            if picture is not None and self._lacks_key and not picture.is_key:
                self._left_out += 1
                return
            now_s = self._clock()
            due_s = now_s
            if picture is not None:
                self._lacks_key = False
                due_s = self._due.of(picture, now_s, is_free=self._is_free and not self._items)
            self._items.append(_Item(message, picture, now_s, due_s))
            self._bytes += len(message)
            self._most_bytes = max(self._most_bytes, self._bytes)
            self._changed.notify_all()

    async def take(self) -> Message | None:
        """Wait for what is to be sent now, as the line is free; None when all was."""
        async with self._changed:
            self._is_free = True
            try:
                while True:
                    self._leave_out(self._clock(), is_full=False)
                    self._ask_for_key()
                    if self._items or self._is_ended:
                        break
                    await self._changed.wait()
            finally:
                self._is_free = False
            if not self._items:
                return None
            item = self._items.popleft()
            self._bytes -= item.size
            self._count(item)
            self._changed.notify_all()
            return item.message

    async def forget_pictures(self) -> None:
        """Leave out all pictures that wait: someone breaks in, and what follows begins anew.

        One may be on its way here that was made before it was known that it does.
        """
        async with self._changed:
            self._due.forget()
            kept = [item for item in self._items if item.picture is None]
            if len(kept) < len(self._items):
                self._left_out += len(self._items) - len(kept)
                self._lacks_key = self._has_asked = True  # a key frame comes unasked
            self._keep(kept)
            self._changed.notify_all()

    async def end(self) -> None:
        """Take nothing more; what waits is still to be sent."""
        async with self._changed:
            self._is_ended = True
            self._changed.notify_all()

    # With the lock held.

    def _is_full(self) -> bool:
        return len(self._items) >= MESSAGES_MAX or self._bytes >= BYTES_MAX

    async def _wait_for_room(self) -> None:
        """Wait until something is taken, or the first picture that waits is too late."""
        first = next((item for item in self._items if item.picture), None)
        late_in_s = None if first is None else first.due_s + LATE_S - self._clock()
        with suppress(TimeoutError):
            async with asyncio.timeout(late_in_s):
                await self._changed.wait()

    def _leave_out(self, now_s: float, *, is_full: bool) -> bool:
        """Leave out pictures up to the next key frame in time, where the first is too late.

        Returns:
            Whether there were any.
        """

        def is_late(item: _Item, most_s: float) -> bool:
            # One that came late has not waited, and its delay was not the line's; but where there
            # is no room, whoever makes them must not fall behind.
            has_waited = is_full or now_s - item.since_s > most_s
            return has_waited and now_s - item.due_s > most_s

        items = list(self._items)
        pictures = [place for place, item in enumerate(items) if item.picture]
        if not pictures or not is_late(items[pictures[0]], LATE_S):
            return False
        keys = (place for place in pictures if items[place].is_key)
        fresh = (place for place in keys if not is_late(items[place], FRESH_S))
        following = next(fresh, len(items))
        if following == len(items):
            self._lacks_key, self._has_asked = True, False
        gone = {place for place in pictures if place < following}
        self._left_out += len(gone)
        self._groups += 1
        self._keep([item for place, item in enumerate(items) if place not in gone])
        self._watcher.left_out()
        return True

    def _keep(self, items: list[_Item]) -> None:
        self._items = deque(items)
        self._bytes = sum(item.size for item in items)

    def _ask_for_key(self) -> None:
        """Ask once, and not before the line is free: a key frame that waits gets old."""
        if self._lacks_key and not self._has_asked:
            self._has_asked = True
            self._watcher.key_frame_wanted()

    def _count(self, item: _Item) -> None:
        self._rate.add(item.size)
        if item.picture is not None:
            self._sent += 1
            self._late_s = max(0.0, self._clock() - item.due_s)
            self._watcher.sent(self._late_s)


class _DueTimes:
    """When pictures are shown by someone who shows each as early as the sound allows.

    The first of a speech is shown when it comes, and the others as much later as their sound is.
    One that comes later than that to a line that is free was not there before: it and all after it
    are shown later. One at rest is shown when it comes, and so is what follows it.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._base_s: float | None = None
        """When the client's first sample would be shown."""

    def of(self, picture: LivePicture, now_s: float, *, is_free: bool) -> float:
        """Give the time of a picture that comes now."""
        if not picture.duration_samples:
            self._base_s = None
            return now_s
        at_once_s = now_s - picture.start_sample / self._rate_hz
        if self._base_s is None or (is_free and at_once_s > self._base_s):
            self._base_s = at_once_s
        return self._base_s + picture.start_sample / self._rate_hz

    def forget(self) -> None:
        """Let the next picture be the first of a speech."""
        self._base_s = None
