"""OpenTelemetry: a span for each request, sent to a collector where one is configured.

A request that brings a `traceparent` (W3C Trace Context) becomes part of that trace. What is
waiting to be sent is bounded, and dropped when a collector does not take it: nobody waits for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from viseme._version import __version__
from viseme.errors import MissingExtraError
from viseme.serving.config.model import TraceConfig

__all__ = ["Tracer", "open_tracer"]

_EXPORT_TIMEOUT_S: Final = 5
_FAULT_CODES: Final = frozenset({"INTERNAL", "UNKNOWN"})


class Tracer:
    """Makes a span for each request; for any thread, and for tasks of asyncio.

    Args:
        provider: an `opentelemetry.sdk.trace.TracerProvider`, which stays open.
    """

    def __init__(self, provider: Any) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an extra of its own
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self._trace = trace
        self._tracer = provider.get_tracer("viseme", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def began(self, door: str, method: str, traceparent: str | None) -> Any:
        """Begin the span of a request, and give it.

        It is not made the current one: a request that streams is worked on by several tasks.
        """
        carrier = {"traceparent": traceparent} if traceparent else {}
        return self._tracer.start_span(
            method,
            context=self._propagator.extract(carrier),
            kind=self._trace.SpanKind.SERVER,
            attributes={"network.protocol.name": door},
        )

    def answered(self, span: Any, code: str, fields: Mapping[str, object]) -> None:
        """End a request's span.

        Args:
            span: as `began` gave it.
            code: the status that was answered.
            fields: what the log says of it too: numbers and short texts.
        """
        span.set_attribute("viseme.code", code)
        for name, value in fields.items():
            if isinstance(value, str | bool | int | float):
                span.set_attribute(f"viseme.{name}", value)
        if code in _FAULT_CODES:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end()


@contextmanager
def open_tracer(config: TraceConfig) -> Iterator[Tracer | None]:
    """Send traces where the configuration says, until the `with` statement ends.

    Yields None where it names no endpoint. What waits at the end is sent within seconds, or lost.

    Raises:
        MissingExtraError: OpenTelemetry is not installed.
    """
    if config.endpoint is None:
        yield None
        return
    provider = _provider(config.endpoint, config.ratio)
    try:
        yield Tracer(provider)
    finally:
        provider.shutdown()


def _provider(endpoint: str, ratio: float) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            f"Tracing needs the extra for it ({error}); install it: pip install 'viseme[trace]', "
            "or leave tracing.endpoint out."
        ) from error
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(ratio),
        resource=Resource.create({"service.name": "viseme", "service.version": __version__}),
    )
    exporter = OTLPSpanExporter(
        endpoint=endpoint, insecure=endpoint.startswith("http:"), timeout=_EXPORT_TIMEOUT_S
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
