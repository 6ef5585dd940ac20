"""Servers as processes of their own, as long as they are measured."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, Queue
from typing import IO, Any, Final, Protocol

from viseme.errors import UnavailableError

__all__ = ["Server", "module_command", "serve_until_ended", "serving"]

_START_S: Final = 300.0
"""How long a server may take to open and warm up."""
_END_S: Final = 60.0
"""How long it may take to end when it is asked to; then it is killed."""
_LAST_WORDS_S: Final = 3.0
"""How long one that did not start may take to say why."""
_LAST_WORDS_CHARS: Final = 500


def module_command(module: str, *arguments: str) -> list[str]:
    """Give the command that runs a module of this very installation."""
    return [sys.executable, "-m", module, *arguments]


class Server(Protocol):
    """Something that answers at an address until it is closed."""

    address: str

    def close(self) -> None:
        """End it."""


def serve_until_ended(server: Server) -> None:
    """Be the program that `serving` starts: say where the server is, and close it at SIGTERM."""
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # is for the bench, which then ends this
    print(json.dumps({"event": "ready", "addresses": {"grpc": server.address}}), flush=True)
    end.wait()
    server.close()


@contextmanager
def serving(command: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Start a server, and end it with the `with` statement.

    Args:
        command: a program that prints a line of JSON, `{"event": "ready", "addresses": {…}}`,
            once it is ready, and that ends when it is sent SIGTERM.

    Yields:
        That line.

    Raises:
        UnavailableError: it ended before, or said something else, or nothing in five minutes.
    """
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words
        ) as process,
    ):
        try:
            lines: Queue[bytes] = Queue()
            reader = threading.Thread(
                target=_read_on, args=(process.stdout, lines), name="viseme-bench-reader"
            )
            reader.start()
            try:
                yield _ready(process, lines, words)
            finally:
                _end(process)
                reader.join()
        finally:
            process.kill()  # does nothing to one that has ended


def _read_on(stream: IO[bytes], lines: Queue[bytes]) -> None:
    """Pass the first line on and drop all others, so that the pipe is never full."""
    lines.put(stream.readline())
    for _ in stream:
        pass


def _ready(
    process: subprocess.Popen[bytes], lines: Queue[bytes], words: IO[bytes]
) -> dict[str, Any]:
    try:
        message = json.loads(lines.get(timeout=_START_S))
        if message["event"] != "ready":
            raise ValueError(message["event"])
    except (Empty, ValueError, KeyError, TypeError) as error:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_WORDS_S)
        words.seek(0)
        said = words.read().decode("utf-8", "replace").strip()[-_LAST_WORDS_CHARS:]
        raise UnavailableError(
            f"The server that was to be measured did not become ready; its last words: "
            f"{said or 'none'}"
        ) from error
    return dict(message)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
