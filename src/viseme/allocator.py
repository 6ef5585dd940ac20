"""Settles the C library's allocator, for programs that have a process to themselves.

glibc gives threads arenas of their own, up to eight for each core, and what one of them has freed
another does not use: where many threads pass large blocks on, they end up holding twice what they
need. One arena serves all threads here. What one frame frees the next one uses; arenas of threads
would give it back to the system first, which costs a tenth of a frame's time.

It also learns from every large block that is freed to hold the next one, and it gives back nothing
of what is free between blocks that are in use.
"""

from __future__ import annotations

import ctypes
from typing import Final

__all__ = ["give_back", "settle_allocator"]

# Numbers of malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8


def settle_allocator(*, large_bytes: int | None = None, kept_bytes: int | None = None) -> bool:
    """Settle it for this process, for as long as that lives; before there are many threads.

    Args:
        large_bytes: blocks from this size on are taken from the system and given back.
        kept_bytes: how much of what is free is held at most.

    Returns:
        Whether the allocator is one that can be settled; another is left as it is.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = (
        (_M_ARENA_MAX, 1),
        (_M_MMAP_THRESHOLD, large_bytes),
        (_M_TRIM_THRESHOLD, kept_bytes),
    )
    done = [mallopt(name, value) == 1 for name, value in settings if value is not None]
    return all(done)


def give_back() -> bool:
    """Give all that is free back to the system; others that want memory meanwhile wait for it.

    Returns:
        Whether there was any, and the allocator is one that can be told.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    return bool(trim(ctypes.c_size_t(0)))
