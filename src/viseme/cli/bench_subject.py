"""What the commands of `viseme bench` measure: a network, and the server that is to run it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from viseme.avatar import load_avatar
from viseme.avatar.saving import save_variant
from viseme.bench.transport import Served, own_server
from viseme.bench.work import Spec
from viseme.cli.outcome import say
from viseme.engine import read_model

__all__ = ["Server", "Subject", "built_in_speech", "full_size_network"]


@dataclass(frozen=True, slots=True)
class Subject:
    """The network to measure, as the command line says it."""

    avatar: str
    model: Path | None
    full_size: bool
    backend: str

    @property
    def title(self) -> str:
        """What it is called."""
        if self.full_size:
            return "full size"
        return self.avatar if self.model is None else self.model.name

    @contextmanager
    def network(self) -> Iterator[Path | None]:
        """Give what takes the place of the avatar's, as long as the `with` statement lasts.

        Raises:
            MissingExtraError: the full-size network cannot be built.
        """
        if not self.full_size:
            yield self.model
            return
        with full_size_network() as model:
            yield model

    @contextmanager
    def spec(self) -> Iterator[Spec]:
        """Give what all works have in common, as long as the `with` statement lasts.

        Raises:
            MissingExtraError: the full-size network cannot be built.
        """
        with built_in_speech() as speech, self.network() as model:
            yield Spec(
                way="plain",
                avatar=self.avatar,
                speech=str(speech),
                model=None if model is None else str(model),
                backend=self.backend,
            )

    @contextmanager
    def speaker(self) -> Iterator[str]:
        """Give an avatar that speaks with that network, as long as the `with` statement lasts.

        Raises:
            AvatarError: there is no such avatar.
            ModelError: the network is none.
            OutputError: there is no room for a copy of the avatar.
            MissingExtraError: the full-size network cannot be built.
        """
        with self.network() as model:
            if model is None:
                yield self.avatar
                return
            read_model(model)  # what is none is told of before the avatar is copied
            with _temporary_folder() as folder, load_avatar(self.avatar) as avatar:
                place = folder / avatar.name
                yield str(save_variant(avatar, place, generator=model, recipe={}))


@dataclass(frozen=True, slots=True)
class Server:
    """The server to measure, as the command line says it: one to start, or one that runs."""

    subject: Subject
    grpc: str | None
    http: str | None

    @contextmanager
    def served(self, *what: str) -> Iterator[Served]:
        """Give its addresses, as long as the `with` statement lasts.

        Args:
            what: what one that is to be started serves, as options of `viseme serve`.

        Raises:
            UnavailableError: it does not start.
        """
        if self.grpc is not None:
            yield Served(self.grpc, self.http, {"addresses": {"grpc": self.grpc}})
            return
        say("Starting a server.")
        with own_server(*what, "--backend", self.subject.backend) as served:
            yield served


@contextmanager
def built_in_speech() -> Iterator[Path]:
    """Give the file of the built-in speech, as long as the `with` statement lasts."""
    with as_file(files("viseme") / "data" / "speech" / "demo.flac") as speech:
        yield speech


@contextmanager
def full_size_network() -> Iterator[Path]:
    """Give a network of full size, as long as the `with` statement lasts.

    Raises:
        MissingExtraError: it cannot be built.
    """
    from viseme.bench.full_size import write_full_size  # noqa: PLC0415 -- onnx, where needed

    with _temporary_folder() as folder:
        model = folder / "full-size.onnx"
        write_full_size(model)
        yield model


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="viseme-bench-") as folder:
        yield Path(folder)
