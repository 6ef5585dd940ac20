"""The services that tools and load balancers expect of every gRPC server: health and reflection."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import (  # type: ignore[import-untyped]
    reflection,
    reflection_pb2,
)

from viseme.errors import InputError, OverloadedError
from viseme.serving.doors.grpc_calls import Arrival, Calls, parsed
from viseme.wire.services import Call

__all__ = ["HEALTH_SERVICE", "MAX_WATCHES", "REFLECTION_SERVICE", "Health", "reflection_handlers"]

HEALTH_SERVICE: Final = "grpc.health.v1.Health"
REFLECTION_SERVICE: Final = "grpc.reflection.v1alpha.ServerReflection"
_REFLECTION_V1_SERVICE: Final = "grpc.reflection.v1.ServerReflection"

MAX_WATCHES: Final = 16
"""Clients that watch the health at once, of one server: each holds a thread, and needs no token."""

_CHECK = Call(
    HEALTH_SERVICE, "Check", health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
)
_WATCH = Call(
    HEALTH_SERVICE, "Watch", health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
)


class _UnknownServiceError(InputError):
    """The protocol has this status for it."""

    grpc_status = "NOT_FOUND"


class Health:
    """`grpc.health.v1` of one server; all of its services are well until it is drained.

    The library's own would let a client that does not read hold up everyone else: it sends from
    whichever thread changes a status.

    Args:
        services: the names of those that are served; the empty name stands for all.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._services = {"", *services}
        self._draining = False
        self._watches = 0
        self._changed = threading.Condition()

    def drain(self) -> None:
        """Say of all services that they are ending, also to those who watch."""
        with self._changed:
            self._draining = True
            self._changed.notify_all()

    def handlers(self, calls: Calls) -> grpc.GenericRpcHandler:
        """Answer `grpc.health.v1.Health`."""
        return calls.service(
            calls.public(_CHECK, self._check),
            calls.streaming(
                _WATCH, self._watch, public=True, patience_s=calls.house.config.limits.stall_s
            ),
        )

    def _check(self, data: bytes) -> bytes:
        service = parsed(_CHECK, data).service
        if service not in self._services:
            raise _UnknownServiceError("There is no service of that name here; list them.")
        answer: bytes = self._status(service).SerializeToString()
        return answer

    def _watch(self, arrival: Arrival, requests: Iterator[Any]) -> Iterator[Any]:
        """Tell the status now, and once more when it changes, which it does once."""
        request = next(requests, None)
        service = request.service if request is not None else ""
        with self._changed:
            if self._watches >= MAX_WATCHES:
                raise OverloadedError(
                    f"{MAX_WATCHES} clients watch already; ask with Check instead.",
                    retry_after_s=60.0,
                )
            self._watches += 1
        try:
            yield self._status(service)
            arrival.on_end(self._wake)
            with self._changed:
                self._changed.wait_for(lambda: self._draining or arrival.gone)
            # Ends after that, or the server would wait for it as long as it waits for anyone.
            yield self._status(service)
        finally:
            with self._changed:
                self._watches -= 1

    def _status(self, service: str) -> Any:
        status = health_pb2.HealthCheckResponse.ServingStatus
        if service not in self._services:
            return health_pb2.HealthCheckResponse(status=status.SERVICE_UNKNOWN)
        return health_pb2.HealthCheckResponse(
            status=status.NOT_SERVING if self._draining else status.SERVING
        )

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def reflection_handlers(
    calls: Calls, services: Iterable[str]
) -> tuple[grpc.GenericRpcHandler, ...]:
    """Answer `ServerReflection`, so that a client without our proto can find its way.

    Args:
        calls: makes the handlers.
        services: the names of those that are served.
    """
    servicer = reflection.ReflectionServicer(services)

    def info(arrival: Arrival, requests: Iterator[Any]) -> Iterator[Any]:
        with arrival.visit.admit():
            yield from servicer.ServerReflectionInfo(requests, None)

    # The messages of v1 are those of v1alpha by another name, so tools that know only one find it.
    return tuple(
        calls.service(
            calls.streaming(
                Call(
                    service,
                    "ServerReflectionInfo",
                    reflection_pb2.ServerReflectionRequest,
                    reflection_pb2.ServerReflectionResponse,
                ),
                info,
                patience_s=calls.house.config.limits.stall_s,
            )
        )
        for service in (REFLECTION_SERVICE, _REFLECTION_V1_SERVICE)
    )
