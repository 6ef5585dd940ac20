"""The gRPC door: two addresses, one pool of threads, and what keeps connections from piling up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

import grpc

from viseme.serving.config import Address, LimitsConfig, ServerConfig
from viseme.serving.doors.addresses import check_free, unusable
from viseme.serving.doors.grpc_calls import Calls, HandlerFactory
from viseme.serving.doors.grpc_lipsync import lip_sync_composite_handlers, lip_sync_handlers
from viseme.serving.doors.grpc_standard import (
    HEALTH_SERVICE,
    MAX_WATCHES,
    REFLECTION_SERVICE,
    Health,
    reflection_handlers,
)
from viseme.serving.house import House
from viseme.serving.tls import Tls
from viseme.serving.watchdog import Watchdog

__all__ = ["GrpcDoor"]

_SPARE_THREADS: Final = 16
"""Beside those of requests that are let in: for refusing others, and for health, at any time."""


class GrpcDoor:
    """All gRPC services on one address, and `LipSyncComposite` on a second one of its own.

    There is a server for each address, since one server has all its services at all its ports: who
    opens the address of composites to a network opens that service and nothing more. Both take
    their threads from one pool. It has one for each request that is let in and some to spare, so
    whoever is not let in is told so at once, with a time to come again. Where even those are all
    taken, gRPC refuses by itself.

    Args:
        config: addresses and limits.
        tls: certificates; None for connections that are not encrypted.
        services: makes the handlers of the services besides `lipsync`, for the first address.
    """

    def __init__(
        self, config: ServerConfig, tls: Tls | None, services: Sequence[HandlerFactory] = ()
    ) -> None:
        self._config = config
        self._tls = tls
        self._factories: dict[str, tuple[HandlerFactory, ...]] = {
            "grpc": (lip_sync_handlers, lip_sync_composite_handlers, *services),
            "composite": (lip_sync_composite_handlers,),
        }
        self._threads = config.limits.requests + 2 * MAX_WATCHES + _SPARE_THREADS
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="viseme-grpc")
        self._servers: dict[str, grpc.Server] = {}
        self._healths: list[Health] = []
        self._stack = ExitStack()
        self._open = False

    def bind(self) -> Mapping[str, Address]:
        """Take both addresses and give them by the names of `listen`, port 0 replaced.

        Clients may connect from now on; they are answered when the door is open.

        Raises:
            ConfigError: an address is taken, or not of this machine.
        """
        bound = {}
        try:
            for key in self._factories:
                wanted = self._config.listen.addresses[key]
                self._servers[key] = self._server()
                bound[key] = replace(wanted, port=self._listen(key, wanted))
        except BaseException:
            self.close(0.0)
            raise
        return bound

    def open(self, house: House) -> None:
        """Begin to answer."""
        calls = Calls(house, self._stack.enter_context(Watchdog()))
        for key, server in self._servers.items():
            handlers = [factory(calls) for factory in self._factories[key]]
            names = [_name(handler) for handler in handlers]
            health = Health([*names, HEALTH_SERVICE])
            self._healths.append(health)
            reflected = reflection_handlers(calls, [*names, HEALTH_SERVICE, REFLECTION_SERVICE])
            server.add_generic_rpc_handlers([*handlers, health.handlers(calls), *reflected])
        for server in self._servers.values():
            server.start()
        self._open = True

    def drain(self) -> None:
        """Say NOT_SERVING to those who ask for the health, or watch it."""
        for health in self._healths:
            health.drain()

    def close(self, grace_s: float) -> None:
        """Let running calls finish within the grace, end the rest, and free the addresses."""
        self.drain()
        if not self._open:
            # A server that was never started does not give its port back.
            for server in self._servers.values():
                server.start()
        for stopped in [server.stop(grace_s) for server in self._servers.values()]:
            stopped.wait()
        self._servers.clear()
        self._pool.shutdown()
        self._stack.close()

    def _server(self) -> grpc.Server:
        return grpc.server(
            self._pool,
            options=_options(self._config.limits, self._threads),
            maximum_concurrent_rpcs=self._threads,
        )

    def _listen(self, key: str, address: Address) -> int:
        check_free(key, address)
        server = self._servers[key]
        try:
            if self._tls is None:
                return server.add_insecure_port(str(address))
            credentials = grpc.ssl_server_credentials(**self._tls.for_grpc())
            return server.add_secure_port(str(address), credentials)
        except RuntimeError as error:  # it has just been free, and gRPC does not say what it is
            raise unusable(key, address, "gRPC cannot listen there; give another") from error


def _name(handler: grpc.GenericRpcHandler) -> str:
    if not isinstance(handler, grpc.ServiceRpcHandler):
        raise TypeError("a factory of handlers gives what Calls.service makes, which has a name")
    return handler.service_name()


def _options(limits: LimitsConfig, calls: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", limits.message_bytes),
        # gRPC shares ports by default: a second server would be given every other connection.
        ("grpc.so_reuseport", 0),
        # Who connects must have said so, TLS included, after so long; gRPC would wait for 120 s.
        ("grpc.server_handshake_timeout_ms", 20_000),
        # A connection without a call ends after so long, or twice as long where gRPC has just
        # looked. Clients connect anew with their next one.
        ("grpc.max_connection_idle_ms", max(1, round(1000 * limits.connection_idle_s))),
        # A client that fell off the net is found out by a ping, and its calls end.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # Clients that ping more often than every five minutes would be shut out.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        # More than are let in from all together, so that those over it are told, and do not wait
        # unseen at their own end; yet a bound for what one connection can make the server hold.
        ("grpc.max_concurrent_streams", 4 * calls),
    ]
