"""The command line: a thin door onto the rooms before it."""

from viseme.cli.main import main

__all__ = ["main"]
