"""HTTP: FastAPI on uvicorn, in an event loop on a thread of its own."""

from __future__ import annotations

import asyncio
import errno
import math
import socket
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import uvicorn

from viseme.errors import ConfigError
from viseme.serving.config import Address, ServerConfig
from viseme.serving.doors.http_app import HttpApp
from viseme.serving.doors.http_connection import Patience, connection_class
from viseme.serving.doors.http_live import MESSAGE_BYTES_MAX
from viseme.serving.doors.http_socket import ShallowSocket
from viseme.serving.house import House
from viseme.serving.tls import Tls

__all__ = ["HttpDoor"]

_BACKLOG: Final = 128
_CONNECTIONS_MAX: Final = 500
"""Most of them idle; a process may usually have 1,024 files open, and there are other doors."""
_HEAD_BYTES_MAX: Final = 2**14
_KEEP_ALIVE_S: Final = 15
_PING_S: Final = 5.0
"""A socket whose other end has vanished is noticed after twice that."""
_LOOK_S: Final = 0.01

_REASONS: Final = {
    errno.EADDRINUSE: "is taken by another program",
    errno.EADDRNOTAVAIL: "is no address of this machine",
    errno.EACCES: "may not be taken by this user",
}


class HttpDoor:
    """The HTTP door; see `Door`.

    Args:
        config: where it listens, and its limits.
        tls: the server's certificate; None for plain HTTP.
    """

    def __init__(self, config: ServerConfig, tls: Tls | None = None) -> None:
        self._config = config
        self._tls = tls
        self._socket: socket.socket | None = None
        self._app: HttpApp | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None

    def bind(self) -> Mapping[str, Address]:
        """Take the address; nobody is let in before `open`.

        Raises:
            ConfigError: it is taken, or not of this machine.
        """
        wanted = self._config.listen.http
        try:
            self._socket = _bound(wanted)
        except OSError as error:
            raise _not_free(wanted, error) from error
        return {"http": Address(wanted.host, self._socket.getsockname()[1])}

    def open(self, house: House) -> None:
        """Begin to answer; returns when the first request can be sent.

        Raises:
            ConfigError: another program has taken the address in the meantime.
        """
        assert self._socket is not None, "bind the door first"
        try:
            self._socket.listen(_BACKLOG)
        except OSError as error:
            raise _not_free(self._config.listen.http, error) from error
        requests = house.desk.admission.limits.requests
        # Every request that is let in can have a thread, so none waits for another's.
        self._pool = ThreadPoolExecutor(requests, thread_name_prefix="viseme-http")
        self._app = HttpApp(house, self._pool)
        self._server = uvicorn.Server(self._settings(self._app))
        self._thread = threading.Thread(target=self._run, name="viseme-http", daemon=True)
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(_LOOK_S)

    def drain(self) -> None:
        """Let `/readyz` say that the server is about to end."""
        if self._app is not None:
            self._app.drain()

    def close(self, grace_s: float) -> None:
        """Let running calls finish within the grace, end the rest, and free the address.

        Closing again does nothing.
        """
        if self._server is not None and self._thread is not None:
            # A second at least, for uvicorn takes none for an error even where all is done.
            self._server.config.timeout_graceful_shutdown = max(1, math.ceil(grace_s))
            self._server.should_exit = True
            self._thread.join()
        if self._pool is not None:
            self._pool.shutdown()
        if self._socket is not None:
            self._socket.close()

    def _run(self) -> None:
        assert self._server is not None
        assert self._socket is not None
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def _settings(self, app: HttpApp) -> uvicorn.Config:
        limits = self._config.limits
        tls: dict[str, Any] = self._tls.for_uvicorn() if self._tls else {}
        return uvicorn.Config(
            app.app,
            http=connection_class(Patience(limits.stall_s, _CONNECTIONS_MAX)),
            loop="asyncio",
            ws=ShallowSocket,
            ws_max_size=MESSAGE_BYTES_MAX,
            ws_per_message_deflate=False,  # pictures are compressed, and so costs would be doubled
            ws_ping_interval=_PING_S,
            ws_ping_timeout=_PING_S,
            lifespan="off",  # the house is opened and closed by whoever opens and closes doors
            interface="asgi3",
            log_config=None,  # `logging_to` has uvicorn's loggers
            access_log=False,  # the desk writes what was asked
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            h11_max_incomplete_event_size=_HEAD_BYTES_MAX,
            **tls,
        )


def _bound(address: Address) -> socket.socket:
    """Bind to the first of a host's addresses."""
    family, kind, protocol, _, place = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
    except BaseException:
        bound.close()
        raise
    return bound


def _not_free(address: Address, error: OSError) -> ConfigError:
    reason = _REASONS.get(error.errno or 0, f"cannot be taken ({error.strerror or error})")
    if isinstance(error, socket.gaierror):
        reason = "is no address of this machine"
    return ConfigError(f"{address} {reason}; choose another listen.http.")
