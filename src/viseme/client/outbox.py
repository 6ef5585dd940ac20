"""What a live client has said and gRPC has not taken yet; and a request stream that may fail."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Feed", "Outbox"]

Message = TypeVar("Message")


class Outbox(Iterator[Message], Generic[Message]):
    """A bounded queue that gRPC goes through on a thread of its own.

    Args:
        ahead: how many messages wait at most.
    """

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._waiting: deque[Message] = deque()
        self._changed = threading.Condition()
        self._ended = False

    def put(self, message: Message, timeout_s: float) -> bool:
        """Add a message, waiting for room; tell whether there was room, or the end has come."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._ended or len(self._waiting) < self._ahead, timeout_s
            )
            if self._ended or len(self._waiting) >= self._ahead:
                return False
            self._waiting.append(message)
            self._changed.notify_all()
            return True

    @property
    def ended(self) -> bool:
        """Whether nothing more is taken."""
        return self._ended

    def close(self) -> None:
        """Take nothing more; what waits is still given."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Take and give nothing more."""
        with self._changed:
            self._waiting.clear()
            self._ended = True
            self._changed.notify_all()

    def __next__(self) -> Message:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if not self._waiting:
                raise StopIteration
            self._changed.notify_all()
            return self._waiting.popleft()


class Feed(Iterator[Message], Generic[Message]):
    """A stream of requests that gRPC goes through on a thread of its own.

    gRPC would only log what goes wrong there, so it is kept here for the caller, and the call is
    ended: half a sound must not be taken for the whole.
    """

    def __init__(self, messages: Iterator[Message]) -> None:
        self._messages = messages
        self._cancel: Callable[[], object] | None = None
        self.error: Exception | None = None

    def cancels(self, cancel: Callable[[], object]) -> None:
        """Say how the call is ended, which is known only once it has begun."""
        self._cancel = cancel
        if self.error is not None:
            cancel()

    def __next__(self) -> Message:
        try:
            return next(self._messages)
        except StopIteration:
            raise
        except Exception as error:  # noqa: BLE001 - raised again where it can be handled
            self.error = error
            if self._cancel is not None:
                self._cancel()
            raise StopIteration from None
