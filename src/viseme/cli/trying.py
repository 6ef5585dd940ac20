"""What `viseme client` and `viseme testdata` do and show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from viseme.cli.outcome import say, show_json
from viseme.cli.tables import show_table
from viseme.client import Client, ClientOptions
from viseme.client.speed import BatchTimes, time_batches
from viseme.client.tensor_data import built_in_data, read_tensor_data, write_tensor_data
from viseme.errors import ConfigError

__all__ = ["Connection", "make_test_data", "try_server"]

_TOKEN_BYTES_MAX = 2**16


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a server is and how to be let in, as the command line says it."""

    address: str
    token_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def options(self) -> ClientOptions:
        """Make the client's options of it.

        Raises:
            ConfigError: the token cannot be read.
        """
        token = None if self.token_file is None else _read_token(self.token_file)
        try:
            return ClientOptions(
                self.address, token=token, ca=self.ca, certificate=self.certificate, key=self.key
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error


def try_server(
    connection: Connection,
    folder: Path | None,
    batches: Sequence[int],
    runs: int,
    *,
    as_json: bool,
) -> None:
    """Run the existing client's test, and show what came of it.

    Raises:
        VisemeError: as `Client.infer_batch`; the data cannot be read.
    """
    options = connection.options()
    with Client(options) as client:
        health = client.health()
        data = read_tensor_data(folder) if folder else built_in_data()
        times = time_batches(client, data, batches, runs)
    if as_json:
        show_json(
            {
                "address": options.address,
                "model": health.model_path,
                "cuda": health.cuda_available,
                "data": data.name,
                "frames": len(data),
                "size": data.size,
                "batches": [row.figures() for row in times],
            }
        )
        return
    say(
        f"{options.address} serves {health.model_path}"
        f"{' on CUDA' if health.cuda_available else ''}; {len(data)} frames of "
        f"{data.size}x{data.size} ({data.name}), medians of {runs} after a warm-up."
    )
    show_table(
        ("batch", "server ms", "total ms", "overhead ms", "frame ms", "frames/s", "ratio"),
        [_cells(row) for row in times],
    )


def make_test_data(
    out: Path, avatar: str, speech: Path | None, frames: int | None, *, as_json: bool
) -> None:
    """Write a folder of test data, and say what is in it.

    Raises:
        VisemeError: as `write_tensor_data`.
    """
    data = write_tensor_data(out, avatar, speech, frames)
    if as_json:
        show_json(
            {
                "out": str(out),
                "avatar": avatar,
                "frames": len(data),
                "visual_shape": list(data.visual.shape),
                "audio_shape": list(data.windows.shape),
            }
        )
        return
    megabytes = (data.visual.nbytes + data.windows.nbytes) / 1e6
    say(f"{len(data)} frames of {data.size}x{data.size}, a window for each: {megabytes:.1f} MB.")
    print(out)


def _cells(row: BatchTimes) -> tuple[str, ...]:
    return (
        str(row.batch),
        f"{row.server_ms:.1f}",
        f"{row.total_ms:.1f}",
        f"{row.overhead_ms:.1f}",
        f"{row.frame_ms:.1f}",
        f"{row.frames_per_s:.1f}",
        f"{row.ratio:.2f}",
    )


def _read_token(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(_TOKEN_BYTES_MAX).decode("ascii").strip()
    except (OSError, ValueError) as error:
        fault = error.strerror if isinstance(error, OSError) and error.strerror else "not ASCII"
        raise ConfigError(
            f"The token file {path} cannot be read: {fault}; check the path and the file's rights."
        ) from error
    if not text or len(text.split()) > 1:
        raise ConfigError(f"The token file {path} should hold one token, and nothing else.")
    return text
