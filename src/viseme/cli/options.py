"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

__all__ = ["Batches", "Debug", "Json", "avatar_names", "batch_sizes", "lengths"]

SHORTEST_S, LONGEST_S = 0.1, 86_400.0


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


def lengths(text: str) -> list[float]:
    """Read lengths in seconds: numbers from a tenth to a day, separated by commas."""
    try:
        values = [float(length) for length in text.split(",")]
    except ValueError:
        values = [0]
    if not all(SHORTEST_S <= value <= LONGEST_S for value in values):
        raise typer.BadParameter(f"{text!r} is no list of seconds such as 10,60")
    return values


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
