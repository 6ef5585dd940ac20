"""What passes between a client and the renderer of its live session, and how long it may wait.

Three parties meet here: who hands in what the client sends, the session that makes pictures of it,
and who takes these. Everything that waits is bounded, and whoever makes the others wait for too
long ends the session.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TypeAlias

from viseme.audio import Samples
from viseme.errors import DeadlineError
from viseme.serving.job_queue import stopping
from viseme.serving.live_events import (
    Behind,
    Closing,
    Interrupted,
    LiveEvent,
    LivePicture,
    LiveSound,
    Refused,
    Saying,
    SpeechEnded,
)
from viseme.serving.live_speech import LiveSpeech, LiveText

__all__ = ["ACTS_AHEAD", "PICTURES_AHEAD", "Act", "ForgottenError", "LiveExchange"]

ACTS_AHEAD = 64
"""Speeches and answers that may wait: more than anyone says in half a minute."""
PICTURES_AHEAD = 2
"""One that is being sent has been taken; another may wait, and one more keeps the renderer busy."""


_TAKEN_BACK = (LivePicture, LiveSound, Saying, Behind)
"""What an interrupt takes back; answers are given."""


class ForgottenError(Exception):
    """The way out of the pipeline for a speech of which nothing more is wanted."""


Act: TypeAlias = LiveSpeech | SpeechEnded | Interrupted | Refused | None
"""What a session does next; None is the end."""


class LiveExchange:
    """Bounded waiting for three parties, each on a thread of its own.

    Args:
        most_samples: how much sound at 16 kHz may wait for its pictures.
        stall_s: how long a party may make the others wait.
    """

    def __init__(self, *, most_samples: int, stall_s: float) -> None:
        self._most_samples = most_samples
        self._stall_s = stall_s
        self._changed = threading.Condition()
        self._acts: deque[Act] = deque()
        self._speaking: LiveSpeech | None = None
        self._samples = 0
        self._events: deque[LiveEvent] = deque()
        self._pictures_taken = self._sounds_taken = 0
        self._received = 0
        self.interrupts = 0
        """How many there were."""
        self._interrupts_expected = 0
        self._lacks_key = False
        """Whether pictures may have been taken back, and no key frame has come since."""
        self._moved_s = time.monotonic()
        self._draining = False
        self._finished = False
        self._told = False
        self._closed = False
        self._error: BaseException | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self._closed or self._error is not None

    @property
    def received(self) -> int:
        """How much sound there is so far on the time line, in the client's samples."""
        return self._received

    def advance(self, samples: int, text: LiveText | None = None) -> int:
        """Give sound its place on the time line: the position of its first sample.

        Args:
            samples: how many.
            text: of which they are; the client's own if None.

        Raises:
            ForgottenError: the text is forgotten: the line stands where it stood then.
        """
        with self._changed:
            if text is not None and (text.forgotten or self.over):
                raise ForgottenError
            start = self._received
            self._received += samples
            return start

    # For who hands in.

    @property
    def texts(self) -> int:
        """How many texts are being said, or wait for it."""
        with self._changed:
            acts = (self._speaking, *self._acts)
            return sum(isinstance(act, LiveText) and not act.forgotten for act in acts)

    def hear(self) -> None:
        """Note that the client is there."""
        with self._changed:
            self._moved_s = time.monotonic()

    def plan(self, act: Act) -> None:
        """Add what is to be done next, once not too much is planned."""
        with self._changed:
            self._changed.wait_for(lambda: self.over or len(self._acts) < ACTS_AHEAD)
            if isinstance(act, LiveSpeech):
                act.late = self._draining
                if self._interrupts_expected:
                    self._forget(act)
                    return
            self._acts.append(act)
            self._changed.notify_all()

    def add(self, speech: LiveSpeech, block: Samples) -> None:
        """Add sound to a speech, once not too much waits."""
        with self._changed:
            self._changed.wait_for(lambda: self.over or self._samples < self._most_samples)
            self._append(speech, block)

    def end(self, speech: LiveSpeech, block: Samples) -> None:
        """Add the last sound of a speech, which is short enough to wait for nothing."""
        with self._changed:
            self._append(speech, block)
            speech.ended = True
            self._changed.notify_all()

    def interrupt(self) -> None:
        """Forget all speeches that came so far, and pictures that were not taken; not answers."""
        with self._changed:
            self._interrupts_expected = max(0, self._interrupts_expected - 1)
            self.interrupts += 1
            self._forget_all()

    # For who takes.

    def take(self) -> LiveEvent | None:
        """Wait for the next event; None when all were taken, or all is over.

        The error that ended it is raised once.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._finished or self.over)
            self._moved_s = time.monotonic()
            self._changed.notify_all()
            if self._error is not None:
                self._raise()
            if self._closed or not self._events:
                self._told = True
                return None
            event = self._events.popleft()
            # Numbered only now, since an interrupt takes back what waits.
            if isinstance(event, LivePicture):
                event = replace(event, index=self._pictures_taken)
                self._pictures_taken += 1
            elif isinstance(event, LiveSound):
                event = replace(event, index=self._sounds_taken)
                self._sounds_taken += 1
            elif isinstance(event, Interrupted | SpeechEnded):
                event = replace(event, next_index=self._pictures_taken)
            return event

    # For the session.

    @property
    def pictures(self) -> int:
        """How many pictures there are so far that were not taken back."""
        with self._changed:
            waiting = sum(isinstance(event, LivePicture) for event in self._events)
            return self._pictures_taken + waiting

    def rests(self, until_s: float) -> bool:
        """Wait until there is something to do, or no longer than to a `time.monotonic()`.

        Returns:
            Whether there is nothing to do, and the session goes on.
        """
        with self._changed:

            def is_over() -> bool:
                return self.over or self._draining or bool(self._acts)

            return not self._changed.wait_for(is_over, max(0.0, until_s - time.monotonic()))

    def next_act(self) -> Act:
        """Wait for what is to be done next.

        Raises:
            ForgottenError: all is over.
            DeadlineError: nothing came or went for too long.
            UnavailableError: the server is stopping, and what was begun before is done.
        """
        with self._changed:
            self._wait_for_client(lambda: bool(self._acts) or self._draining)
            act = self._acts[0] if self._acts else None
            is_late = isinstance(act, LiveSpeech) and act.late
            if not self._acts or is_late:
                self._wait_for(lambda: not self._events, self._stalled)
                raise stopping()
            self._acts.popleft()
            self._speaking = act if isinstance(act, LiveSpeech) else None
            self._changed.notify_all()
            return act

    def pause(self, speech: LiveSpeech, seconds: float) -> None:
        """Wait, for as long as a speech is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: speech.forgotten or self.over, seconds)

    def blocks(self, speech: LiveSpeech) -> Generator[Samples, None, None]:
        """Give the sound of a speech as it comes: float32 [n], 16 kHz mono.

        Raises:
            ForgottenError: the speech is forgotten, or all is over.
            DeadlineError: nothing came or went for too long.
        """
        while True:
            with self._changed:
                self._wait_for_client(
                    lambda: bool(speech.blocks) or speech.ended or speech.forgotten
                )
                if speech.forgotten:
                    raise ForgottenError
                if not speech.blocks:
                    return
                block = speech.blocks.popleft()
                self._samples -= len(block)
                self._changed.notify_all()
            yield block

    def give(self, event: LiveEvent, speech: LiveSpeech | None = None) -> None:
        """Let something be taken, once not too much waits.

        After an interrupt the first picture is a key frame, as whoever makes them is asked for;
        until there is one, none is taken.

        Args:
            event: what.
            speech: the one of which it is.

        Raises:
            ForgottenError: the speech is forgotten, or all is over.
            DeadlineError: nothing was taken for too long.
        """

        def is_unwanted() -> bool:
            return self.over or (speech is not None and speech.forgotten)

        with self._changed:
            is_free = self._changed.wait_for(
                lambda: is_unwanted() or len(self._events) < PICTURES_AHEAD, self._stall_s
            )
            if is_unwanted():
                raise ForgottenError
            if not is_free:
                raise self._stalled()
            if isinstance(event, LivePicture):
                # One that was under way then is made of others that nobody has seen.
                if self._lacks_key and not event.is_key:
                    return
                self._lacks_key = False
            self._events.append(event)
            self._changed.notify_all()

    def done_with(self, speech: LiveSpeech) -> None:
        """Let go of a speech that the session has spoken or given up; for any thread."""
        with self._changed:
            if self._speaking is speech:
                self._speaking = None
            self._forget(speech)
            self._changed.notify_all()

    def finish(self) -> None:
        """Say that this was all, and wait until the one who takes has seen it.

        Raises:
            DeadlineError: nothing was taken for too long.
        """
        with self._changed:
            self._finished = True
            self._changed.notify_all()
            self._wait_for(lambda: self._told, self._stalled)

    # For any thread.

    def expect_interrupt(self) -> None:
        """Forget all that `interrupt` will, and whatever speech comes until that is called."""
        with self._changed:
            self._interrupts_expected += 1
            self._forget_all()

    def drain(self, text: str, next_sample: int) -> None:
        """Tell the client, once, that the server ends: the speech under way is the last one."""
        with self._changed:
            if not self._draining:
                self._draining = True
                self._events.append(Closing(text, next_sample))
                self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """End all of it with an error, the first of which `take` raises."""
        with self._changed:
            if not self.over:
                self._error = error
            self._hush()
            self._changed.notify_all()

    def close(self) -> None:
        """End all of it; whoever waits is told at once."""
        with self._changed:
            self._closed = True
            self._error = None
            self._hush()
            self._changed.notify_all()

    # With the lock held.

    def _raise(self) -> None:
        """Raise the error, and keep nothing of it: by its traceback it leads to all of this."""
        error, self._error = self._error, None
        self._closed = True
        assert error is not None
        try:
            raise error
        finally:
            del error

    def _append(self, speech: LiveSpeech, block: Samples) -> None:
        if len(block) and not speech.forgotten:
            speech.blocks.append(block)
            self._samples += len(block)
            self._changed.notify_all()

    def _forget_all(self) -> None:
        for act in (self._speaking, *self._acts):
            if isinstance(act, LiveSpeech):
                self._forget(act)
        self._acts = deque(act for act in self._acts if not isinstance(act, LiveSpeech))
        self._events = deque(e for e in self._events if not isinstance(e, _TAKEN_BACK))
        self._lacks_key = True
        self._changed.notify_all()

    def _forget(self, speech: LiveSpeech) -> None:
        speech.forgotten = True
        self._samples -= sum(len(block) for block in speech.blocks)
        speech.blocks.clear()
        if isinstance(speech, LiveText):
            speech.stop.set()

    def _hush(self) -> None:
        """Have whoever speaks stop, now that all is over."""
        if isinstance(self._speaking, LiveText):
            self._speaking.stop.set()

    def _wait_for_client(self, is_ready: Callable[[], bool]) -> None:
        self._wait_for(is_ready, self._idle)
        if self.over:
            raise ForgottenError

    def _wait_for(self, is_ready: Callable[[], bool], late: Callable[[], DeadlineError]) -> None:
        """Wait until something is ready or all is over, as long as anything comes or goes."""
        since_s = time.monotonic()
        while not (self.over or is_ready()):
            left_s = max(since_s, self._moved_s) + self._stall_s - time.monotonic()
            if left_s <= 0:
                raise late()
            self._changed.wait(left_s)

    def _idle(self) -> DeadlineError:
        return self._late(
            f"Nothing has come or gone for {self._stall_s:g} s; send silence as sound too, or "
            "begin again when there is speech."
        )

    def _stalled(self) -> DeadlineError:
        return self._late(f"Nothing was read for {self._stall_s:g} s; read pictures as they come.")

    def _late(self, text: str) -> DeadlineError:
        """Make an error that ends all of it now, and not only where it is caught."""
        error = DeadlineError(text)
        if not self.over:
            self._error = error
        self._hush()
        self._changed.notify_all()
        return error
