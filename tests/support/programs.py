"""Programs that a test writes, found before the system's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def install(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a shell script in a folder, under the name of a program, and let it be found."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    path = os.environ["PATH"].split(os.pathsep)
    if str(folder) not in path:
        monkeypatch.setenv("PATH", os.pathsep.join([str(folder), *path]))
