"""A server from its start to its end: all doors over one house."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from viseme.engine.backends import GPU_BACKENDS
from viseme.serving.cast import Cast, CastOptions
from viseme.serving.config import Address, ServerConfig
from viseme.serving.desk import Desk
from viseme.serving.house import Door, House
from viseme.serving.limits import Admission, Limits
from viseme.serving.logs import event
from viseme.serving.metrics import Gauges, Metrics
from viseme.serving.networks import GeneratorOptions, GeneratorReport
from viseme.serving.rate import RateMeter
from viseme.serving.rest import giving_back_at_rest
from viseme.serving.scheduler import RunReport
from viseme.serving.tensor_desk import TensorDesk
from viseme.serving.tokens import Tokens
from viseme.serving.tracing import open_tracer
from viseme.voices import Speaker, VoiceSettings, find_speaker

__all__ = ["Server", "ServerReport"]

_log = logging.getLogger(__name__)

_LAST_ANSWERS_S: Final = 2.0
"""How long the doors still write what is answered, once all work has ended."""
_LOOK_S: Final = 0.2
"""How often a server that drains looks whether it is to hurry."""


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What a server is, now that it is ready."""

    addresses: Mapping[str, Address]
    """Where the doors listen, by the names of `listen`."""
    avatars: tuple[str, ...]
    generators: tuple[GeneratorReport, ...]
    """Each network once; the first is that of the tensor doors."""
    limits: Limits
    """As they are in force."""
    seconds: float
    """What starting took."""
    speaker: Speaker | None = None
    """Says texts, if there is anything to speak with."""


class Server:
    """Opens everything on entering and closes it on leaving.

    For example::

        with Server(config, [GrpcDoor(config, tls), HttpDoor(config, tls)]) as server:
            stop.wait()
            server.drain(hurry)

    Addresses are taken first, so that one that is not free is told at once; the doors open when
    all is warm.

    Args:
        config: what to serve, and how.
        doors: the ways in, not yet bound.
        tokens: who is let in; everyone if None.
    """

    def __init__(
        self, config: ServerConfig, doors: Sequence[Door], tokens: Tokens | None = None
    ) -> None:
        self._config = config
        self._doors = doors
        self._tokens = tokens
        self._rate = RateMeter()
        self._metrics: Metrics | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start; nothing stays open if anything fails.

        Raises:
            ConfigError: an address is taken.
            MissingExtraError: traces are wanted, and OpenTelemetry is not installed.
            VoiceError: the synthesizer that is named is not there.
            VisemeError: as `Cast`.
        """
        start_s = time.monotonic()
        with ExitStack() as stack:
            addresses: dict[str, Address] = {}
            for door in self._doors:
                addresses.update(door.bind())
                stack.callback(door.close, 0.0)
            speaker = _speaker(self._config)  # before all that takes longer
            self._cast = stack.enter_context(Cast(_cast_options(self._config), self._on_run))
            self._admission = self._make_admission()
            self._metrics = self._make_metrics()
            tracer = stack.enter_context(open_tracer(self._config.tracing))
            house = House(
                config=self._config,
                cast=self._cast,
                desk=Desk(self._admission, self._tokens, self._metrics, tracer),
                tensors=TensorDesk(self._cast, self._metrics.frame_composed),
                speaker=speaker,
            )
            stack.enter_context(giving_back_at_rest(self._rate.per_second))
            for door in self._doors:
                door.open(house)
            self._stack = stack.pop_all()
        self.report = ServerReport(
            addresses,
            self._cast.report.avatars,
            self._cast.report.generators,
            self._admission.limits,
            time.monotonic() - start_s,
            speaker,
        )
        event(_log, "the server is ready", seconds=round(self.report.seconds, 3))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
        event(_log, "the server has ended")

    def drain(self, hurry: threading.Event) -> bool:
        """Let nobody in, and let what runs finish within the grace of the configuration.

        Args:
            hurry: ends the grace once it is set.

        Returns:
            Whether everything finished by itself.
        """
        end_s = time.monotonic() + self._config.limits.grace_s
        event(_log, "the server is ending", requests=self._admission.held.requests)
        for door in self._doors:
            door.drain()
        self._admission.drain()
        idle = self._admission.wait_until_idle(0)
        while not (idle or hurry.is_set() or time.monotonic() >= end_s):
            idle = self._admission.wait_until_idle(_LOOK_S)
        if not idle:
            # Frames that nobody has begun are given up, and whoever waits for them is told.
            self._cast.close()
        for door in self._doors:
            door.close(_LAST_ANSWERS_S)
        return idle

    def _on_run(self, run: RunReport) -> None:
        self._rate.add(len(run.lanes) - run.failures)
        if self._metrics is not None:
            self._metrics.run_done(run)

    def _make_admission(self) -> Admission:
        given = self._config.limits
        limits = Limits(**{name: getattr(given, name) for name in Limits.__dataclass_fields__})
        slowest = min(report.batching.frames_per_s for report in self._cast.report.generators)
        callers = {name: own.given() for name, own in self._config.auth.limits.items()}
        return Admission(limits.fitted(slowest), self._rate.per_second, callers)

    def _make_metrics(self) -> Metrics:
        held = self._admission
        metrics = Metrics(
            Gauges(
                frames_per_s=self._rate.per_second,
                queued_frames=lambda: held.held.frames,
                bytes_in_flight=lambda: held.held.request_bytes,
                streams=lambda: held.held.streams,
            ),
            streams_max=held.limits.streams or 1,
            cores=os.cpu_count() or 1,
        )
        for report in self._cast.report.generators:
            backend = report.warm_up.backend
            metrics.describe(
                model=str(report.model),
                backend=backend,
                device="gpu" if backend in GPU_BACKENDS else "cpu",
                frames_per_s=report.batching.frames_per_s,
            )
        return metrics


def _speaker(config: ServerConfig) -> Speaker | None:
    """Find what says texts.

    Raises:
        VoiceError: what the configuration names is not there, or does not work.
    """
    speech = config.speech
    return find_speaker(
        speech.synthesizer,
        voice=speech.voice or "",
        settings=VoiceSettings(speech.models, speech.timeout_s),
        text_characters=speech.text_characters,
        sound_s=speech.sound_s,
    )


def _cast_options(config: ServerConfig) -> CastOptions:
    engine = config.engine
    return CastOptions(
        avatars=config.served_avatars,
        model=config.model,
        generators=GeneratorOptions(
            backend=engine.backend,
            workers=engine.workers,
            threads=engine.threads,
            batch_wait_s=engine.batch_wait_s,
            feature_budget_bytes=engine.feature_disk_bytes,
        ),
        memory_budget_bytes=engine.avatar_memory_bytes,
        disk_budget_bytes=engine.avatar_disk_bytes,
    )
