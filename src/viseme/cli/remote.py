"""The commands of those who use a server: client and testdata."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from viseme.cli.options import Batches, Debug, Json, avatar_names, batch_sizes

__all__ = ["client", "make_testdata"]


def client(  # noqa: PLR0913 - one for each option, put together in ClientOptions at once
    address: Annotated[
        str, typer.Argument(metavar="[ADDRESS]", help="host:port of the server's gRPC door.")
    ] = "127.0.0.1:50051",
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Test data, as 'viseme testdata' makes it; five built-in frames without it.",
        ),
    ] = None,
    batches: Batches = "1,5,10,25",
    runs: Annotated[
        int, typer.Option(min=1, metavar="N", help="How often each batch is measured.")
    ] = 10,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file that holds the token, and nothing else."),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Encrypt; these authorities certify the server."),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="PEM", help="This client's own certificate.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Try a server out: batches of faces, and what they took.

    [dim]For example:[/dim]

    viseme client

    viseme client 192.168.1.7:50051 --data faces --batches 1,25
    """
    from viseme.cli.trying import Connection, try_server  # noqa: PLC0415

    sizes = batch_sizes(batches)
    connection = Connection(address, token_file, ca, certificate, key)
    try_server(connection, data, sizes, runs, as_json=as_json)


def make_testdata(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A new folder, or one with nothing in it.")
    ],
    *,
    avatar: Annotated[
        str,
        typer.Option("--avatar", "-a", help="Whose face.", autocompletion=avatar_names),
    ] = "demo",
    speech: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What it hears; by default the built-in speech."),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many; by default 25, the largest batch."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make test data for clients that send faces: tensors in a folder.

    visual_input.bin has the faces, audio_input.bin a window of audio features for
    each, both float32 in little-endian order; metadata.json has their shapes.

    [dim]For example:[/dim]

    viseme testdata faces

    viseme testdata faces -a demo --speech speech.wav --frames 100
    """
    from viseme.cli.trying import make_test_data  # noqa: PLC0415

    make_test_data(out, avatar, speech, frames, as_json=as_json)
