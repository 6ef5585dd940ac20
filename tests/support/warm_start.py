"""Starts `viseme` many times with its libraries read once: a process that forks for each command.

Most of what a short command takes is Python reading libraries. What is started here has them in
memory; its folder, environment, streams, signals, rights and end are its own, as of any process.
How commands start by themselves is what the tests of `CommandLine.start`, of the server, of the
README and of the wheel see.

ONNX Runtime is not among what is read beforehand: a child of a process that has its threads waits
for them at its end, for ever.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["give_up_rights", "run_warm"]

# Of Linux's prctl.h, securebits.h and capability.h.
PR_SET_SECUREBITS, SECBIT_NOROOT = 28, 1
CAPABILITY_VERSION_3 = 0x20080522
_REQUEST_BYTES_MAX: Final = 2**18
_READ: Final = (
    "viseme.cli.bench_commands",
    "viseme.cli.commands",
    "viseme.cli.progress",
    "viseme.cli.remote",
    "viseme.cli.serving",
)
_PROGRAM: Final = f"""
import sys

sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from support.warm_start import become_a_command

become_a_command(int(sys.argv[1]))
from viseme.cli import main

main()
"""


def run_warm(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    timeout_s: float,
) -> subprocess.CompletedProcess[str]:
    """Run `viseme` until it ends, with nothing to read on its standard input.

    Raises:
        TimeoutError: it has not ended in time; it is killed.
    """
    request = {"arguments": list(arguments), "folder": str(folder), "environment": {**environment}}
    with (
        Path(os.devnull).open("rb") as nothing,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        line = _forker()
        line.settimeout(timeout_s)
        streams = [stream.fileno() for stream in (nothing, out, err)]
        socket.send_fds(line, [json.dumps(request).encode()], streams)
        pid = int(line.recv(64))
        try:
            status = int(line.recv(64))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            line.recv(64)
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(
            ["viseme", *arguments],
            os.waitstatus_to_exitcode(status),
            out.read().decode(),
            err.read().decode(),
        )


def become_a_command(line_fd: int) -> None:
    """Fork for each command that is asked for, and return in the child, which is to run it."""
    line = socket.socket(fileno=line_fd)
    for name in _READ:
        __import__(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever breaks the tests off ends this
    while True:
        message, streams, _, _ = socket.recv_fds(line, _REQUEST_BYTES_MAX, 3)
        if not message:
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            break
        for stream in streams:
            os.close(stream)
        line.send(str(pid).encode())
        line.send(str(os.waitpid(pid, 0)[1]).encode())
    line.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    request = json.loads(message)
    sys.argv = ["-c", *request["arguments"]]
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if os.geteuid() == 0:
        give_up_rights()


def give_up_rights() -> None:
    """Make a program of root's heed the permissions of files, as any other user's does.

    It has no capabilities from here on, and what it starts is given none.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    if libc.prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0) or libc.capset(header, none):
        raise OSError(ctypes.get_errno(), "cannot give up root's rights over files")


@cache
def _forker() -> socket.socket:
    """Start the process that forks; it ends when the line to it does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-c", _PROGRAM, str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()])

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
