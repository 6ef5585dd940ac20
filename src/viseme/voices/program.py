"""Runs a speech program: a text goes in as a file, sound comes out as it is made.

Nothing of a text is ever an option of a program, and none is run by a shell.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import IO, Final

from viseme.errors import VoiceError
from viseme.voices.stop import Stop

__all__ = ["printed_by", "run_program"]

_BLOCK_BYTES: Final = 1 << 16
_REASON_CHARACTERS: Final = 200
_LAST_STEPS_S: Final = 5.0
_LIST_S: Final = 10.0


def run_program(
    command: Sequence[str],
    text: str,
    *,
    name: str,
    timeout_s: float,
    stop: Stop,
    files: Sequence[IO[bytes]] = (),
) -> Generator[bytes, None, None]:
    """Run a program and give what it prints, as it comes.

    It is killed, with all that it has started, where the generator is closed or `stop` is set;
    what it prints is not read ahead, so a program that prints without end waits, too.

    Args:
        command: the program and its options.
        text: what it reads on its standard input.
        name: what errors call it.
        timeout_s: how long nothing may come of it.
        stop: ends it; the output then ends, without an error.
        files: those that it may open, as `/dev/fd/N`.

    Raises:
        VoiceError: it cannot be started, takes too long, or ends with an error.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as complaint:
        given.write(f"{text}\n".encode())
        given.seek(0)
        try:
            process = subprocess.Popen(
                command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=complaint,
                cwd="/",
                pass_fds=[file.fileno() for file in files],
                start_new_session=True,
            )
        except OSError as error:
            raise VoiceError(f"{name} cannot be started: {error.strerror}.") from error
        with process:
            try:
                with stop.ending(lambda: _kill(process)):
                    yield from _output(process, name, timeout_s)
                    code = _end_of(process, name, min(timeout_s, _LAST_STEPS_S))
            finally:
                _kill(process)
        if code != 0 and not stop.is_set:
            raise VoiceError(f"{name} has failed ({_reason(complaint, code)}).")


def printed_by(command: Sequence[str]) -> str:
    """Run a program that tells something of itself, and give what it prints; "" if it fails."""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIST_S, check=True
        )
        return done.stdout.decode("utf-8", "replace")
    return ""


def _output(
    process: subprocess.Popen[bytes], name: str, timeout_s: float
) -> Generator[bytes, None, None]:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    while True:
        if not poll.poll(1000 * timeout_s):
            raise VoiceError(f"{name} has given nothing for {timeout_s:g} s, and was ended.")
        block = os.read(descriptor, _BLOCK_BYTES)
        if not block:
            return
        yield block


def _end_of(process: subprocess.Popen[bytes], name: str, timeout_s: float) -> int:
    """Wait for the end of a program that prints nothing more."""
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired as error:
        raise VoiceError(f"{name} does not end, and was ended.") from error


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it has started."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _reason(complaint: IO[bytes], code: int) -> str:
    """Give the last line of what a program has complained of, or how it ended."""
    size = complaint.seek(0, os.SEEK_END)
    complaint.seek(max(0, size - 4 * _REASON_CHARACTERS))
    lines = complaint.read().decode("utf-8", "replace").strip().splitlines()
    said = lines[-1].strip().rstrip(".")[:_REASON_CHARACTERS] if lines else ""
    return said or (f"signal {-code}" if code < 0 else f"exit code {code}")
