"""A server's house without its doors, over probe networks, for the tests of a door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.played_network import PlayedNetwork
from support.probes import identity_generator
from viseme.engine import Backend, FakeBackend
from viseme.serving import Admission, Cast, CastOptions, GeneratorOptions, Limits, RunReport
from viseme.serving.config import ServerConfig
from viseme.serving.desk import Desk
from viseme.serving.house import House
from viseme.serving.metrics import Gauges, Metrics
from viseme.serving.tensor_desk import TensorDesk
from viseme.serving.tokens import Tokens
from viseme.voices import Speaker

TOKENS = {"anna": "anna-knows-this-of-old", "berta": "berta-knows-another-one"}
"""Clients' tokens by their names, for `open_house`."""
_FREE_PORTS = dict.fromkeys(("grpc", "composite", "http"), "127.0.0.1:0")


@dataclass(frozen=True)
class OpenHouse(House):
    """A house, and what a test sees of the work in it."""

    runs: list[RunReport] = field(default_factory=list)
    """Every run of a generator since all was warm."""

    @property
    def frames_run(self) -> int:
        """How many frames went through a generator."""
        return sum(len(run.lanes) for run in self.runs)


def serving(**sections: Mapping[str, Any]) -> ServerConfig:
    """Make a configuration on free ports of loopback: `serving(limits={"frames": 30})`."""
    return ServerConfig.model_validate({"listen": _FREE_PORTS, **sections})


@contextmanager
def open_house(
    *avatars: Path,
    config: ServerConfig | None = None,
    model: Path | None = None,
    backend: str | Backend = "onnxruntime",
    tokens: Mapping[str, str] | None = None,
    speaker: Speaker | None = None,
) -> Iterator[OpenHouse]:
    """Open a house, one worker a generator.

    Args:
        avatars: their folders.
        config: of limits and the like; what it says of avatars and networks does not count.
        model: the network for those who bring faces, instead of the first avatar's.
        backend: what runs the generators; an open one if there is a single generator.
        tokens: who is let in, such as TOKENS; everyone if None.
        speaker: says texts.
    """
    config = config or serving()
    runs: list[RunReport] = []
    options = CastOptions(
        avatars=avatars,
        model=model,
        generators=GeneratorOptions(backend=backend, workers=1, threads=1),
    )
    limits = Limits(**{name: getattr(config.limits, name) for name in Limits.__dataclass_fields__})
    callers = {name: bounds.given() for name, bounds in config.auth.limits.items()}
    admission = Admission(limits.fitted(100.0), lambda: 0.0, callers)
    gauges = Gauges(
        bytes_in_flight=lambda: admission.held.request_bytes,
        streams=lambda: admission.held.streams,
    )
    metrics = Metrics(gauges, streams_max=admission.limits.streams or 1, cores=2)
    desk = Desk(admission, Tokens(tokens) if tokens else None, metrics)
    with Cast(options, runs.append) as cast:
        runs.clear()
        yield OpenHouse(
            config=config,
            cast=cast,
            desk=desk,
            tensors=TensorDesk(cast, metrics.frame_composed),
            speaker=speaker,
            runs=runs,
        )


@contextmanager
def played_house(
    network: PlayedNetwork,
    folder: Path,
    *,
    config: ServerConfig | None = None,
    tokens: Mapping[str, str] | None = None,
) -> Iterator[OpenHouse]:
    """Open a house whose only network is one that a test plays: faces of 160 pixels, no avatar."""
    model = identity_generator(folder / "played.onnx", size=160, batch=1)
    with open_house(
        config=config, model=model, backend=FakeBackend(network), tokens=tokens
    ) as house:
        network.begin()
        try:
            yield house
        finally:
            network.let_go()  # a test that fails while it holds a run
