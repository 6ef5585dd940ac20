"""The page's scripts hold to the types that their comments tell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / "scripts" / "web-types"


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_the_types_are_right() -> None:
    done = subprocess.run([CHECK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
