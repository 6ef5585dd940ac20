"""Tables keep to 80 columns as long as their figures do."""

from __future__ import annotations

import pytest

from viseme.cli.tables import show_table


def test_what_fits_has_80_columns_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("way", "frames\n/s"), [("plain", "10.5"), ("ours", "200.0")], words=1)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert [line.split() for line in lines if "." in line] == [["plain", "10.5"], ["ours", "200.0"]]
    assert max(map(len, lines)) <= 80


def test_no_figure_is_cut_where_there_is_no_room(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [tuple(f"{row}{'7' * 20}" for _ in range(6)) for row in range(2)]
    show_table(tuple("abcdef"), rows)
    shown = capsys.readouterr().out
    assert [tuple(line.split()) for line in shown.splitlines()][-2:] == rows
