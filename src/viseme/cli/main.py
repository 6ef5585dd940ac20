"""The entry point: runs a command and turns whatever comes of it into words and an exit code."""

from __future__ import annotations

import signal
import sys
from types import FrameType

__all__ = ["main"]

_TERMINATED = 128 + signal.SIGTERM


def main() -> None:
    """Run the command line and exit."""
    signal.signal(signal.SIGTERM, _exit_in_order)
    arguments = sys.argv[1:]
    if arguments == ["--version"]:  # the one question whose answer needs no library
        from viseme._version import __version__  # noqa: PLC0415

        print(f"viseme {__version__}")
        return
    try:
        # Only here, since everything takes a while to import and can be interrupted in it.
        from viseme.cli.commands import app  # noqa: PLC0415
        from viseme.cli.outcome import Reporter  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(130)
    with Reporter(arguments):
        app(prog_name="viseme")


def _exit_in_order(_signal: int, _frame: FrameType | None) -> None:
    """End as an exception does, so that files are cleaned up and threads joined."""
    raise SystemExit(_TERMINATED)
