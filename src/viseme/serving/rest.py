"""What a server does at rest: it gives back the memory that work has left free."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from viseme.allocator import give_back

__all__ = ["giving_back_at_rest"]

_LOOK_S: Final = 1.0


@contextmanager
def giving_back_at_rest(
    frames_per_s: Callable[[], float], look_s: float = _LOOK_S
) -> Iterator[None]:
    """Give free memory back each time work has come to rest, while the `with` statement lasts.

    After a minute of many clients that is two thirds of what a server holds. It takes some tens of
    milliseconds, in which nobody gets memory: too long while pictures have to come in time.

    Args:
        frames_per_s: tells how many frames the networks have made lately; at rest it is 0.
        look_s: how often to ask.
    """
    ended = threading.Event()

    def look() -> None:
        worked = True  # warming up is work
        while not ended.wait(look_s):
            if frames_per_s() > 0:
                worked = True
            elif worked:
                give_back()
                worked = False

    watching = threading.Thread(target=look, name="viseme-rest", daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
