from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the tests' choices apart from the user's and from each other's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("VISEME_CACHE_DIR", str(folder))
    return folder
