"""Whether an address can be had, in sentences of our own: each library says it in another way."""

from __future__ import annotations

import errno
import socket

from viseme.errors import ConfigError
from viseme.serving.config import Address

__all__ = ["check_free", "unusable"]

_ADVICE = {
    errno.EADDRINUSE: "another program listens there; end it, or give another address",
    errno.EADDRNOTAVAIL: "that is no address of this machine; give one of its own",
    errno.EACCES: "this user may not listen there; choose a port from 1024 on",
}


def check_free(key: str, address: Address) -> None:
    """Listen at an address for a moment.

    Args:
        key: which of `listen` it is, such as "grpc".
        address: where; port 0 is free wherever the host is one of ours.

    Raises:
        ConfigError: nobody can listen there now; says why.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError:  # gaierror is one
        raise unusable(key, address, "that name is not known; give an address") from None
    for family, kind, protocol, _, place in found:
        with socket.socket(family, kind, protocol) as probe:
            # What servers do as well, so that one that has just ended is not in the way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(place)
                probe.listen()
            except OSError as error:
                why = _ADVICE.get(error.errno or 0, f"{error.strerror}; give another address")
                raise unusable(key, address, why) from error


def unusable(key: str, address: Address, why: str) -> ConfigError:
    """Make the error of an address that cannot be had."""
    return ConfigError(f"listen.{key} is {address}, and {why}.")
