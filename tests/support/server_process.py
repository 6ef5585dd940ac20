"""`viseme serve` as a process of its own, on free ports of loopback."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.command_line import PROGRAM

FREE_PORTS = ("--grpc", "127.0.0.1:0", "--composite", "127.0.0.1:0", "--http", "127.0.0.1:0")
PATIENCE_S = 60
"""How long a test waits for what must come: it is never reached unless the test fails."""


@contextmanager
def serving_process(
    folder: Path, environment: Mapping[str, str], *arguments: str
) -> Iterator[subprocess.Popen[str]]:
    """Start `viseme serve` in a folder; it is killed at the end if it has not ended by itself."""
    process = subprocess.Popen(
        [*PROGRAM, "serve", *FREE_PORTS, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE_S)


def addresses(process: subprocess.Popen[str]) -> dict[str, str]:
    """Wait until a server that was started with `--json` is ready; give its doors' addresses."""
    assert process.stdout is not None
    said: dict[str, Any] = json.loads(process.stdout.readline() or "{}")
    if said.get("event") != "ready":
        assert process.stderr is not None
        raise AssertionError(f"the server is not ready: {said} {process.stderr.read()}")
    found: dict[str, str] = said["addresses"]
    return found


def drain(process: subprocess.Popen[str]) -> None:
    """Read a server's log as it comes, so that it never waits for a full pipe."""
    assert process.stderr is not None
    threading.Thread(target=process.stderr.read, daemon=True).start()
