"""What a process holds."""

from __future__ import annotations

import os
from pathlib import Path


def resident_mib(process: int) -> float:
    """Give how much of its memory is in the machine's."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
