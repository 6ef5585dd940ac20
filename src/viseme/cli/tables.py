"""Tables of figures for people: as wide as the terminal, and 80 columns where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

__all__ = ["show_table"]

_WIDTH = 80
_LONGEST = 1000


def show_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 0) -> None:
    """Print figures under their heads, to standard output.

    Args:
        heads: of the columns; a line feed breaks a long one.
        rows: the cells of each row.
        words: how many columns, from the left, are words and not figures.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for number, head in enumerate(heads):
        justify: Literal["left", "right"] = "left" if number < words else "right"
        table.add_column(head, justify=justify, vertical="bottom", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    terminal = Console(highlight=False)
    width = terminal.width if terminal.is_terminal else _WIDTH
    # A figure that is cut is another figure: rather a line that is too long.
    needed = Measurement.get(terminal, terminal.options.update(max_width=_LONGEST), table).maximum
    Console(highlight=False, width=max(width, needed)).print(table)
