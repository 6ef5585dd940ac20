"""`viseme serve`: a configuration, a server, and signals that end it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from viseme._version import __version__
from viseme.cli.outcome import say, show_json
from viseme.cli.screens import table
from viseme.errors import MissingExtraError
from viseme.serving.config import ServerConfig, load_config, print_config
from viseme.serving.logs import logging_to
from viseme.serving.process import settle_heap, settle_process
from viseme.serving.server import Server, ServerReport
from viseme.serving.service_manager import tell_ready, tell_stopping
from viseme.serving.tls import load_tls
from viseme.serving.tokens import load_tokens
from viseme.voices import Speaker

__all__ = ["serve", "show_config"]


def show_config(file: Path | None, overrides: Mapping[str, object]) -> None:
    """Print the configuration that a server would have.

    Raises:
        ConfigError: it cannot be used.
    """
    print(print_config(_config(file, overrides)), end="")


def serve(file: Path | None, overrides: Mapping[str, object], *, as_json: bool) -> None:
    """Serve until a signal ends it.

    The first SIGTERM or SIGINT lets running work finish; a second one does not wait for it.

    Raises:
        ConfigError: the configuration cannot be used, or an address is taken.
        VisemeError: an avatar or a network cannot be opened.
    """
    config = _config(file, overrides)
    settle_process()
    tokens = load_tokens(config.auth, os.environ)
    with (
        _stopping() as (stop, hurry),
        logging_to(sys.stderr, config.logging),
        Server(config, _doors(config), tokens) as server,
    ):
        settle_heap()
        _show_ready(server.report, config, as_json=as_json)
        tell_ready(f"Ready after {server.report.seconds:.1f} s.")
        stop.wait()
        tell_stopping()
        say("Ending: what runs may finish; a second signal does not wait for it.")
        finished = server.drain(hurry)
    if not finished:
        say("Some requests were broken off, since their time to finish was over.")


def _config(file: Path | None, overrides: Mapping[str, object]) -> ServerConfig:
    return load_config(file=file, environment=os.environ, overrides=overrides)


def _doors(config: ServerConfig) -> list[Any]:
    try:
        from viseme.serving.doors.grpc_door import GrpcDoor  # noqa: PLC0415
        from viseme.serving.doors.grpc_v1 import v1_handlers  # noqa: PLC0415
        from viseme.serving.doors.http_door import HttpDoor  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            f"Serving needs the extra for it ({error}); install it: pip install 'viseme[serve]'."
        ) from error
    tls = load_tls(config.tls)
    return [GrpcDoor(config, tls, [v1_handlers]), HttpDoor(config, tls)]


@contextmanager
def _stopping() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Turn signals into events: the first asks to stop, any further one to hurry."""
    stop, hurry = threading.Event(), threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        (hurry if stop.is_set() else stop).set()

    before = {name: signal.signal(name, on_signal) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop, hurry
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _show_ready(report: ServerReport, config: ServerConfig, *, as_json: bool) -> None:
    for caution in config.cautions():
        say(f"Warning: {caution}")
    if as_json:
        show_json(_ready_event(report))
    else:
        print(f"viseme {__version__} is ready after {report.seconds:.1f} s.")
        for line in table([(f"  {name}", value) for name, value in _ready_rows(report)]):
            print(line)
    sys.stdout.flush()


def _ready_event(report: ServerReport) -> dict[str, Any]:
    return {
        "event": "ready",
        "version": __version__,
        "addresses": {name: str(address) for name, address in report.addresses.items()},
        "avatars": report.avatars,
        "networks": [
            {
                "model": str(generator.model),
                "backend": generator.warm_up.backend,
                "workers": generator.workers,
                "frames_per_s": round(generator.batching.frames_per_s, 1),
            }
            for generator in report.generators
        ],
        "speech": None
        if report.speaker is None
        else {"synthesizer": report.speaker.name, "voices": report.speaker.voices},
        "memory_bytes": report.limits.memory_bytes,
        "seconds": round(report.seconds, 3),
    }


def _voice(speaker: Speaker | None) -> str:
    if speaker is None:
        return "none: there is nothing on this machine that says texts"
    count = len(speaker.voices)
    return f"{speaker.voices[0]} of {speaker.name}" + (f"'s {count}" if count > 1 else "")


def _ready_rows(report: ServerReport) -> list[tuple[str, str]]:
    limits = report.limits
    networks = [
        f"{generator.model.name} on {generator.warm_up.backend}, {generator.workers} at once, "
        f"{generator.batching.frames_per_s:.0f} frames a second"
        for generator in report.generators
    ]
    return [
        ("avatars", ", ".join(report.avatars) or "none: a bare network"),
        *(("network", network) for network in networks),
        ("voice", _voice(report.speaker)),
        *((name, str(address)) for name, address in report.addresses.items()),
        (
            "limits",
            f"at once {limits.requests} requests, {limits.frames} frames, {limits.clips} clips, "
            f"{limits.streams} live streams",
        ),
        ("memory", f"at most {limits.memory_bytes / 2**30:.1f} GiB for what clients send and get"),
    ]
