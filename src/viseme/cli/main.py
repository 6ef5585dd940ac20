"""The entry point: runs a command and turns whatever comes of it into words and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

__all__ = ["main"]

_INTERRUPTED = 130
_TERMINATED = 128 + signal.SIGTERM


def main() -> None:
    """Run the command line and exit."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # as a shell's `&` changes it
        signal.signal(signal.SIGINT, _stop_in_order)
    signal.signal(signal.SIGTERM, _stop_in_order)
    # What its library tells of a connection that ends is nothing that a user can use.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
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
        sys.exit(_INTERRUPTED)
    try:
        with Reporter(arguments):
            app(prog_name="viseme")
    except SystemExit as end:
        if end.code in (_INTERRUPTED, _TERMINATED):
            _leave(end.code)
        raise


def _leave(code: int) -> None:
    """End the process without the interpreter's own clean-up; ours is done.

    A signal can fall between the start of a thread and the `with` that would join it. Such a
    thread, at work in a library when the interpreter ends, would abort the process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _stop_in_order(number: int, _frame: FrameType | None) -> None:
    """End as an exception does, so that files are removed and threads joined.

    That takes a moment, in which a second Ctrl-C must not stop it halfway.
    """
    signal.signal(number, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(_TERMINATED)
