"""Tells the C library's memory allocator what a server is like.

Left alone, glibc keeps an arena for each of many threads and learns from every large block that it
frees to hold the next one in them: messages of 60 MB that come on sixty threads leave holes that
nobody uses. A server takes large blocks from the system and gives them back, and shares a few
arenas for all that is small.
"""

from __future__ import annotations

import ctypes
from typing import Final

__all__ = ["settle_allocator"]

# Numbers of malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

_ARENAS: Final = 4
_LARGE_BYTES: Final = 8 * 2**20
"""Larger than anything that a frame needs, which is used again at once; smaller than a batch."""
_KEPT_BYTES: Final = 64 * 2**20


def settle_allocator() -> bool:
    """Set it for this process; before it has done much.

    Returns:
        Whether there is such an allocator; another is left as it is.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = (
        (_M_ARENA_MAX, _ARENAS),
        (_M_MMAP_THRESHOLD, _LARGE_BYTES),
        (_M_TRIM_THRESHOLD, _KEPT_BYTES),
    )
    done = [mallopt(name, value) == 1 for name, value in settings]
    return all(done)
