"""What the server counts, read back as Prometheus reads it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from viseme.serving.capacity import Averages, live_frames_per_second, streams_that_fit
from viseme.serving.metrics import Gauges, Metrics, Now


class Lane(IntEnum):
    LIVE = 0
    BULK = 2


@dataclass(frozen=True)
class OneRun:
    lanes: tuple[Lane, ...]
    waits_s: tuple[float, ...]
    seconds: float
    failures: int = 0


def make(gauges: Gauges | None = None, *, streams_max: int = 8, cores: int = 2) -> Metrics:
    return Metrics(gauges or Gauges(), streams_max=streams_max, cores=cores)


def read(metrics: Metrics) -> dict[str, float]:
    """Each sample by its name and labels, as `name{label=value}`."""
    samples = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


def test_requests_are_counted_by_door_method_and_code() -> None:
    metrics = make()
    metrics.request_done("grpc", "InferBatch", "OK", 0.03)
    metrics.request_done("grpc", "InferBatch", "OK", 0.2)
    metrics.request_done("http", "/batch", "400", 0.001)
    samples = read(metrics)
    assert samples["viseme_requests_total{code=OK,door=grpc,method=InferBatch}"] == 2
    assert samples["viseme_requests_total{code=400,door=http,method=/batch}"] == 1
    seconds = "viseme_request_seconds_bucket{door=grpc,"
    assert samples[f"{seconds}le=0.05,method=InferBatch}}"] == 1
    assert samples[f"{seconds}le=0.25,method=InferBatch}}"] == 2


def test_a_run_counts_its_frames_waits_and_rows() -> None:
    metrics = make()
    metrics.run_done(OneRun((Lane.LIVE, Lane.BULK), (0.001, 3.0), 0.035, failures=1))
    metrics.run_done(OneRun((Lane.LIVE,), (0.001,), 0.012))
    samples = read(metrics)
    assert samples["viseme_frames_total{outcome=made}"] == 2
    assert samples["viseme_frames_total{outcome=failed}"] == 1
    assert samples["viseme_queue_wait_seconds_count{lane=live}"] == 2
    assert samples["viseme_queue_wait_seconds_sum{lane=bulk}"] == 3
    assert samples["viseme_inference_seconds_count"] == 2
    assert samples["viseme_inference_seconds_bucket{le=0.015}"] == 1
    assert samples["viseme_inference_seconds_bucket{le=0.04}"] == 2
    assert samples["viseme_batch_rows_bucket{le=1.0}"] == 1
    assert samples["viseme_batch_rows_sum"] == 3


def test_composing_and_encoding_are_timed() -> None:
    metrics = make()
    metrics.frame_composed(0.004)
    metrics.frame_encoded(0.007)
    samples = read(metrics)
    assert samples["viseme_composition_seconds_sum"] == 0.004
    assert samples["viseme_encoding_seconds_sum"] == 0.007


def test_figures_of_the_moment_are_asked_for_when_read() -> None:
    figures = {"streams": 3}
    metrics = make(
        Gauges(
            frames_per_s=lambda: 41.5,
            queued_frames=lambda: 12,
            bytes_in_flight=lambda: 10**6,
            streams=lambda: figures["streams"],
        )
    )
    metrics.describe(model="/m.onnx", backend="openvino", device="cpu", frames_per_s=250)
    samples = read(metrics)
    assert samples["viseme_frames_per_second"] == 41.5
    assert samples["viseme_queued_frames"] == 12
    assert samples["viseme_bytes_in_flight"] == 10**6
    assert samples["viseme_live_streams"] == 3
    assert samples["viseme_live_streams_free"] == 5
    figures["streams"] = 7
    assert metrics.now() == Now(frames_per_s=41.5, streams=7, streams_free=1)


def test_model_and_back_end_are_labels() -> None:
    metrics = make()
    metrics.describe(model='/a "b"\n.onnx', backend="onnxruntime", device="cpu", frames_per_s=9)
    (info,) = (name for name in read(metrics) if name.startswith("viseme_build_info"))
    assert 'model=/a "b"\n.onnx' in info
    assert "backend=onnxruntime" in info


def test_memory_is_that_of_the_process() -> None:
    assert read(make())["process_resident_memory_bytes"] > 10**6


def test_every_server_has_a_registry_of_its_own() -> None:
    one, other = make(), make()
    one.request_done("grpc", "Health", "OK", 0.1)
    assert not any(name.startswith("viseme_requests_total") for name in read(other))


def test_names_that_clients_make_up_do_not_grow_it() -> None:
    metrics = make()
    for number in range(5000):
        metrics.request_done("http", f"/{number}", "404", 0.001)
    methods = [name for name in read(metrics) if name.startswith("viseme_requests_total")]
    assert len(methods) == 101
    assert read(metrics)["viseme_requests_total{code=404,door=http,method=other}"] == 4900


def test_threads_lose_no_count() -> None:
    metrics = make()

    def count() -> None:
        for _ in range(500):
            metrics.request_done("grpc", "InferBatch", "OK", 0.01)
            metrics.run_done(OneRun((Lane.LIVE,), (0.001,), 0.012))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    samples = read(metrics)
    assert samples["viseme_requests_total{code=OK,door=grpc,method=InferBatch}"] == 2000
    assert samples["viseme_frames_total{outcome=made}"] == 2000


def test_before_anything_is_measured_no_stream_fits() -> None:
    assert make().now() == Now(0.0, 0, 0)


def test_streams_are_reckoned_with_the_slowest_network() -> None:
    metrics = make(streams_max=100)
    for frames_per_s in (400, 100, 200):
        metrics.describe(
            model=f"{frames_per_s}", backend="openvino", device="cpu", frames_per_s=frames_per_s
        )
    assert metrics.now().streams_free == 3


def test_composing_and_encoding_take_their_part_of_the_cores() -> None:
    metrics = make(streams_max=100)
    metrics.describe(model="m", backend="openvino", device="cpu", frames_per_s=100)
    assert metrics.now().streams_free == 3  # 0.8 of 100 frames a second
    metrics.frame_composed(0.004)
    metrics.frame_encoded(0.006)
    assert metrics.now().streams_free == 2  # 10 ms and 10 ms over two cores: 66.7 a second


@pytest.mark.parametrize(
    ("engine", "other_s", "cores", "shared", "frames"),
    [
        (100, 0.0, 2, True, 100),
        (100, 0.02, 2, True, 50),
        (100, 0.02, 2, False, 100),
        (1000, 0.02, 2, False, 100),
        (0, 0.02, 2, True, 0),
    ],
)
def test_a_machine_makes_what_its_slower_part_does(
    engine: float, other_s: float, cores: int, shared: bool, frames: float
) -> None:
    made = live_frames_per_second(engine, other_s, cores=cores, shared=shared)
    assert made == pytest.approx(frames)


@given(frames_per_s=st.floats(0, 1e5), streams=st.integers(0, 100), most=st.integers(1, 100))
def test_what_fits_is_carried_and_allowed(frames_per_s: float, streams: int, most: int) -> None:
    free = streams_that_fit(frames_per_s, streams, most)
    assert free >= 0
    if free:
        assert streams + free <= most
        assert (streams + free) * 25 <= frames_per_s


def test_an_average_follows_what_it_is_fed() -> None:
    averages = Averages()
    assert averages.mean("a") == 0
    averages.add("a", 10)
    assert averages.mean("a") == 10
    for _ in range(500):
        averages.add("a", 20)
    assert averages.mean("a") == pytest.approx(20, abs=0.01)
    assert averages.mean("b") == 0
