"""Settles the process that a server has to itself: the interpreter's lock, and the allocator.

Threads take turns with the interpreter's lock, by default for 5 ms each. With some streams there
are a dozen that want it, and an interrupt passes through five of them on its way to a picture.

Left alone, glibc keeps an arena for each of many threads and learns from every large block that it
frees to hold the next one in them: messages of 60 MB that come on sixty threads leave holes that
nobody uses. A server takes large blocks from the system and gives them back, and shares a few
arenas for all that is small.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

__all__ = ["settle_process"]

_TURN_S: Final = 0.0002
"""Of who has the interpreter's lock while others wait. On two cores with three streams that are
rendered as fast as it goes, who breaks in sees the avatar at rest in a tenth of the time."""

# Numbers of malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

_ARENAS: Final = 4
_LARGE_BYTES: Final = 8 * 2**20
"""Larger than anything that a frame needs, which is used again at once; smaller than a batch."""
_KEPT_BYTES: Final = 64 * 2**20


def settle_process() -> bool:
    """Settle this process, before it has done much.

    Returns:
        Whether the allocator is one that can be settled; another is left as it is.
    """
    sys.setswitchinterval(_TURN_S)
    return _settle_allocator()


def _settle_allocator() -> bool:
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
