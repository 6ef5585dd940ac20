"""Settles the process that a server has to itself: lock of the interpreter, allocator, files.

Threads take turns with the interpreter's lock, by default for 5 ms each. With some streams there
are a dozen that want it, and an interrupt passes through five of them on its way to a picture.

Messages of 60 MB that come on sixty threads would leave holes in the memory of each that nobody
uses. A server takes large blocks from the system and gives them back, and shares one arena for all
that is small. That is left full of holes, too, by frames of many requests: at rest they are given
back.

A collection of cycles goes through all objects of the program while every thread waits. What is
there before the first request stays for as long as the server, and need not be gone through again.

Each connection is an open file, of which systems let a process have 1024 unless it asks for more.
"""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from typing import Final

from viseme.allocator import settle_allocator

__all__ = ["raise_file_limit", "settle_heap", "settle_process"]

_TURN_S: Final = 0.0002
"""Of who has the interpreter's lock while others wait. On two cores with three streams that are
rendered as fast as it goes, who breaks in sees the avatar at rest in a tenth of the time."""

_FILES: Final = 16_384
"""More than all limits together let be open."""
_LARGE_BYTES: Final = 8 * 2**20
"""Larger than anything that a frame needs, which is used again at once; smaller than a batch."""
_KEPT_BYTES: Final = 64 * 2**20


def settle_process() -> bool:
    """Settle this process, before it has done much.

    Returns:
        Whether the allocator is one that can be settled; another is left as it is.
    """
    sys.setswitchinterval(_TURN_S)
    raise_file_limit()
    return settle_allocator(large_bytes=_LARGE_BYTES, kept_bytes=_KEPT_BYTES)


def settle_heap() -> None:
    """Leave what is there to itself, once all is loaded: it is never garbage."""
    gc.collect()
    gc.freeze()


def raise_file_limit() -> None:
    """Let this process open as many files as a server may need, or as many as it is allowed."""
    with suppress(ImportError, ValueError, OSError):  # what knows no such limit has none
        import resource  # noqa: PLC0415 -- there is none on Windows

        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _FILES if most == resource.RLIM_INFINITY else min(_FILES, most)
        if now != resource.RLIM_INFINITY and now < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
