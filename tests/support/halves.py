"""Networks that run in halves whether that is faster or not, and what the first half is shown."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from viseme.engine import Tensor
from viseme.engine.features import Features
from viseme.engine.host_halves import HostHalves

__all__ = ["run_in_halves", "seen_faces"]


def run_in_halves(monkeypatch: pytest.MonkeyPatch, cache: Path, *, wanted: bool = True) -> None:
    """Let every network that can run in halves do so, or none, with nothing kept from before."""
    monkeypatch.setenv("VISEME_CACHE_DIR", str(cache))
    monkeypatch.setattr("viseme.engine.splitting.is_worth_splitting", lambda *_, **__: wanted)


def seen_faces(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Give the faces that first halves are shown, as they are shown them."""
    shown: list[bytes] = []
    lock = threading.Lock()
    see = HostHalves.see

    def noted(self: HostHalves, visual: Tensor) -> Features:
        with lock:
            shown.append(visual.tobytes())
        return see(self, visual)

    monkeypatch.setattr(HostHalves, "see", noted)
    return shown
