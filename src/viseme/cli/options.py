"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

__all__ = ["Batches", "Debug", "Json", "avatar_names", "batch_sizes"]


def avatar_names() -> list[str]:
    """Complete an avatar's name in the shell."""
    from viseme.avatar import list_avatars  # noqa: PLC0415

    return [info.name for info in list_avatars()]


def batch_sizes(text: str) -> list[int]:
    """Read sizes of batches: numbers of 1 or more, separated by commas."""
    try:
        sizes = [int(size) for size in text.split(",")]
    except ValueError:
        sizes = [0]
    if min(sizes) < 1:
        raise typer.BadParameter(f"{text!r} is no list such as 1,5,10,25")
    return sizes


Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead of text, for programs.")
]
# Read from the arguments by the Reporter, which is there before they are parsed.
Debug: TypeAlias = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error as well.")
]
Batches: TypeAlias = Annotated[
    str, typer.Option(metavar="N,N", help="Frames in a batch, one size after the other.")
]
