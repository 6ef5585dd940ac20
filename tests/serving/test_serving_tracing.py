"""Each request is a span of the trace that its client says it belongs to."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from viseme.errors import InputError, VisemeError
from viseme.serving import Admission, Limits
from viseme.serving.config import ServerConfig
from viseme.serving.desk import Desk
from viseme.serving.metrics import Gauges, Metrics
from viseme.serving.tracing import Tracer, open_tracer

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def desk(spans: InMemorySpanExporter) -> Desk:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    metrics = Metrics(Gauges(), streams_max=1, cores=1)
    return Desk(Admission(Limits(), lambda: 0.0), None, metrics, Tracer(provider))


def test_a_request_is_a_span_of_its_clients_trace(desk: Desk, spans: InMemorySpanExporter) -> None:
    with desk.visit(
        "grpc", "Render", wanted_id="mine", traceparent=f"00-{TRACE}-{SPAN}-01"
    ) as visit:
        visit.fields["frames"] = 5
        visit.fields["secret"] = object()
    (span,) = spans.get_finished_spans()
    assert (span.name, span.kind) == ("Render", SpanKind.SERVER)
    assert span.parent is not None
    assert format(span.context.trace_id, "032x") == TRACE
    assert format(span.parent.span_id, "016x") == SPAN
    assert dict(span.attributes or {}) == {
        "network.protocol.name": "grpc",
        "viseme.code": "OK",
        "viseme.request_id": "mine",
        "viseme.frames": 5,
    }
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("traceparent", [None, "", "garbage", "00-0-0-00"])
def test_a_request_without_a_trace_begins_one(
    desk: Desk, spans: InMemorySpanExporter, traceparent: str | None
) -> None:
    with desk.visit("http", "/batch", traceparent=traceparent):
        pass
    (span,) = spans.get_finished_spans()
    assert span.parent is None


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (InputError("No."), "INVALID_ARGUMENT", StatusCode.UNSET),
        (ZeroDivisionError(), "INTERNAL", StatusCode.ERROR),
    ],
    ids=["the client's", "the server's"],
)
def test_a_fault_is_the_servers_or_the_clients(
    desk: Desk, spans: InMemorySpanExporter, error: Exception, code: str, status: StatusCode
) -> None:
    with pytest.raises(VisemeError), desk.visit("http", "/batch"):
        raise error
    (span,) = spans.get_finished_spans()
    assert (span.attributes or {})["viseme.code"] == code
    assert span.status.status_code is status


def test_without_an_endpoint_nothing_is_traced() -> None:
    with open_tracer(ServerConfig().tracing) as tracer:
        assert tracer is None


def test_a_collector_that_is_not_there_is_waited_for_by_nobody() -> None:
    config = ServerConfig.model_validate({"tracing": {"endpoint": "http://127.0.0.1:9"}})
    with open_tracer(config.tracing) as tracer:
        assert tracer is not None
        tracer.answered(tracer.began("http", "/batch", None), "OK", {})
