"""What a command says to the person at the terminal."""

from __future__ import annotations

import io
import sys

import pytest

from viseme.cli.outcome import say


def test_what_two_threads_say_is_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(io.StringIO):
        """Has another thread say something after each piece that is written."""

        is_interrupting = False

        def write(self, text: str) -> int:
            written = super().write(text)
            if text and not self.is_interrupting:
                self.is_interrupting = True
                say("Another.")
                self.is_interrupting = False
            return written

    stderr = Interrupted()
    monkeypatch.setattr(sys, "stderr", stderr)
    say("One.")
    assert stderr.getvalue() == "One.\nAnother.\n"
