"""Frames within a memory budget, decoded ahead of whoever walks through them.

A chunk is the few frames that are decoded together, as a rule a group of pictures of the video.
One thread, owned by the store, decodes chunks: those asked for first, then those that the readers
will come to next in ping-pong order. The chunk that was longest not asked for makes room.
"""

from __future__ import annotations

import threading
import weakref
from bisect import bisect_right
from collections import OrderedDict
from concurrent.futures import Future
from itertools import pairwise
from typing import Final

from viseme.avatar.frame_source import FrameSource
from viseme.avatar.planes import Pixels, freeze, size_of
from viseme.avatar.readers import Readers
from viseme.errors import AvatarError

__all__ = ["DEFAULT_BUDGET_BYTES", "FrameStore"]

DEFAULT_BUDGET_BYTES: Final = 256 * 2**20

_CHUNK_FRAMES = 12
"""What a chunk has at least, where the video's key frames are closer to each other than that."""
_SHARES = 4
"""No chunk takes more than this part of the budget: one read, one ahead, two on the way back."""

_CLOSED = "The avatar has been closed; load it again."

_Frames = list[Pixels]


class FrameStore:
    """The frames of one source, for many readers at once.

    Args:
        source: where frames come from; the store closes it.
        budget_bytes: how much memory the decoded frames may take. Less than four frames' worth
            counts as four frames. Frames that readers still hold after the store has dropped them
            are the readers' own.
    """

    def __init__(self, source: FrameSource, *, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        self.source = source
        self._shelf = _Shelf(source, budget_bytes)
        self._end = weakref.finalize(self, _Shelf.stop, self._shelf)

    def frame(self, index: int) -> Pixels:
        """Return frame `index`, read-only: as the source gives it.

        Raises:
            IndexError: there is no such frame.
            AvatarError: it is damaged, or the store is closed.
        """
        if not 0 <= index < self.source.count:
            raise IndexError(f"frame {index} of {self.source.count}")
        return self._shelf.frame(index)

    @property
    def held_bytes(self) -> int:
        """Memory taken by decoded frames, and by those now being decoded."""
        return self._shelf.held_bytes

    @property
    def peak_bytes(self) -> int:
        """The most that `held_bytes` has been."""
        return self._shelf.peak_bytes

    @property
    def decoded_frames(self) -> int:
        """How many frames have been decoded so far, repetitions counted."""
        return self._shelf.decoded_frames

    def close(self) -> None:
        """End the decoding thread and let go of frames and file. Closing twice does nothing."""
        self._end()


class _Shelf:
    """What the readers and the decoding thread share.

    Apart from the store so that the thread does not keep a forgotten store alive.
    """

    def __init__(self, source: FrameSource, budget_bytes: int) -> None:
        self._source = source
        self._frame_bytes = source.frame_bytes
        self._budget_bytes = max(budget_bytes, _SHARES * self._frame_bytes)
        longest = self._budget_bytes // (_SHARES * self._frame_bytes)
        self._starts = chunk_starts(source.entries, source.count, longest)
        stops = (*self._starts[1:], source.count)
        self._ranges = tuple(map(range, self._starts, stops))
        self._readers = Readers(source.count)
        self._changed = threading.Condition()
        self._held: OrderedDict[int, _Frames] = OrderedDict()
        self._wanted: OrderedDict[int, Future[_Frames]] = OrderedDict()
        self._ahead: int | None = None
        self._decoding: tuple[int, Future[_Frames]] | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self.held_bytes = 0
        self.peak_bytes = 0
        self.decoded_frames = 0

    def frame(self, index: int) -> Pixels:
        chunk = self._chunk_of(index)
        future: Future[_Frames] | None = None
        with self._changed:
            if self._stopped:
                raise AvatarError(_CLOSED)
            ahead = self._readers.step(index, self._ranges[chunk])
            frames = self._held.get(chunk)
            if frames is not None:
                self._held.move_to_end(chunk)
            else:
                future = self._want(chunk)
            if ahead is not None:
                self._look_ahead(self._chunk_of(ahead))
        if future is not None:
            frames = self._result(future)
        assert frames is not None
        return frames[index - self._starts[chunk]]

    def stop(self) -> None:
        """End the thread, which lets go of everything."""
        with self._changed:
            if self._stopped:
                return
            self._stopped = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            self._release()
        elif thread is not threading.current_thread():  # the garbage collector runs anywhere
            thread.join()

    def _release(self) -> None:
        """Drop the frames, free those who still wait, close the source."""
        with self._changed:
            for future in self._wanted.values():
                future.set_exception(AvatarError(_CLOSED))
            self._wanted.clear()
            self._held.clear()
            self.held_bytes = 0
        self._source.close()

    # -- the readers' side; the lock is held --------------------------------------------------

    def _want(self, chunk: int) -> Future[_Frames]:
        if self._decoding is not None and self._decoding[0] == chunk:
            return self._decoding[1]
        if chunk not in self._wanted:
            self._wanted[chunk] = Future()
            self._wake()
        return self._wanted[chunk]

    def _look_ahead(self, chunk: int) -> None:
        if chunk in self._held:
            self._held.move_to_end(chunk)
        elif self._ahead != chunk and (self._decoding is None or self._decoding[0] != chunk):
            # One wish is enough: a reader repeats its own at every frame.
            self._ahead = chunk
            self._wake()

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="viseme-frames", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    @staticmethod
    def _result(future: Future[_Frames]) -> _Frames:
        try:
            return future.result()
        except AvatarError as error:
            # Several readers may wait for one chunk: each gets an error of its own.
            raise AvatarError(str(error)) from error

    # -- the thread's side --------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._stopped:
                    break
                chunk, future = self._take()
                if future is None:
                    continue
                self._decoding = (chunk, future)
            self._fulfil(chunk, future)
            del future  # or it would keep the chunk in memory after it was dropped
        self._release()

    def _fulfil(self, chunk: int, future: Future[_Frames]) -> None:
        """Decode a chunk for those who wait for it."""
        try:
            frames = self._decode(chunk)
        except BaseException as error:  # noqa: BLE001 -- the readers raise it, whatever it is
            self._finish(chunk, None)
            future.set_exception(error)
        else:
            self._finish(chunk, frames)
            future.set_result(frames)

    def _has_work(self) -> bool:
        return self._stopped or bool(self._wanted) or self._ahead is not None

    def _take(self) -> tuple[int, Future[_Frames] | None]:
        """Choose what to decode next and make room for it; the lock is held."""
        # Nobody who is in the middle of a chunk should lose it, least of all to decoding ahead.
        busy = frozenset(self._chunk_of(index) for index in self._readers.places())
        if self._wanted:
            chunk, future = self._wanted.popitem(last=False)
            if not self._make_room(chunk, spare=busy):
                self._make_room(chunk, spare=frozenset())
            return chunk, future
        assert self._ahead is not None
        chunk, self._ahead = self._ahead, None
        if chunk in self._held or not self._make_room(chunk, spare=busy):
            return chunk, None
        return chunk, Future()

    def _make_room(self, chunk: int, spare: frozenset[int]) -> bool:
        """Drop chunks until `chunk` fits, but none of `spare`, and count it as held."""
        needed = len(self._ranges[chunk]) * self._frame_bytes
        excess = self.held_bytes + needed - self._budget_bytes
        victims = []
        for number, frames in self._held.items():
            if excess <= 0:
                break
            if number not in spare:
                victims.append(number)
                excess -= len(frames) * self._frame_bytes
        if excess > 0:
            return False
        for number in victims:
            self.held_bytes -= len(self._held.pop(number)) * self._frame_bytes
        self.held_bytes += needed
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)
        return True

    def _decode(self, chunk: int) -> _Frames:
        expected = self._source.size
        frames: _Frames = []
        span = self._ranges[chunk]
        for frame in self._source.decode(span.start, span.stop):
            if (found := size_of(frame)) != expected:
                raise AvatarError(
                    f"{self._source.name}: frame {span.start + len(frames)} is "
                    f"{found[0]}x{found[1]}, the first is {expected[0]}x{expected[1]}; "
                    "get the avatar again."
                )
            freeze(frame)
            frames.append(frame)
        self.decoded_frames += len(frames)
        return frames

    def _finish(self, chunk: int, frames: _Frames | None) -> None:
        with self._changed:
            self._decoding = None
            if frames is not None:
                self._held[chunk] = frames
            else:
                self.held_bytes -= len(self._ranges[chunk]) * self._frame_bytes

    def _chunk_of(self, index: int) -> int:
        return bisect_right(self._starts, index) - 1


def chunk_starts(entries: tuple[int, ...], count: int, longest: int) -> tuple[int, ...]:
    """Divide frames into chunks that begin at entry points where they can.

    Args:
        entries: frames that decoding can begin at, ascending, the first 0.
        count: number of frames.
        longest: most frames in a chunk.

    Returns:
        The first frame of each chunk, ascending.
    """
    shortest = min(_CHUNK_FRAMES, longest)
    spans = [0]
    for entry in entries:
        if entry - spans[-1] >= shortest:
            spans.append(entry)
    starts: list[int] = []
    for begin, end in pairwise((*spans, count)):
        parts = -(-(end - begin) // longest)
        starts += [begin + (end - begin) * part // parts for part in range(parts)]
    return tuple(starts)
