"""Tells the service manager that has started this process, such as systemd, how it is doing.

The protocol is that of `sd_notify(3)`: a datagram of lines to the socket named in `NOTIFY_SOCKET`.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

__all__ = ["tell_ready", "tell_stopping"]


def tell_ready(status: str) -> None:
    """Say that from now on all that is asked for is answered, and one line about it."""
    _tell(f"READY=1\nSTATUS={status}")


def tell_stopping() -> None:
    """Say that nobody new is let in any more."""
    _tell("STOPPING=1\nSTATUS=Ending: what runs may finish.")


def _tell(message: str) -> None:
    """Send it where anybody listens, for a server does not fail since nobody takes notice of it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # a name that is in no file system
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto(message.encode(), address)
