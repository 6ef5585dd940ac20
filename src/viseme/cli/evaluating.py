"""The command line's door to the studio, which is there only where its extra is installed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from viseme.avatar import load_avatar
from viseme.cli.outcome import say, show_json
from viseme.cli.screens import table
from viseme.errors import MissingExtraError
from viseme.video.target import output_errors

__all__ = ["evaluate_avatar"]


def evaluate_avatar(name: str, voice: str, out: Path | None, *, as_json: bool) -> None:
    """Measure an avatar, show the figures, and write the report where `out` is given.

    Raises:
        InputError: there is no such voice.
        AvatarError: it is unknown, or not a drawn one.
        MissingExtraError: the studio's libraries are not installed.
        OutputError: the report cannot be written.
    """
    evaluation, report = _studio("evaluation"), _studio("report") if out else None
    if out:  # before minutes of work
        with output_errors(out):
            out.mkdir(parents=True, exist_ok=True)
    with load_avatar(name) as avatar:

        def on_progress(done: int, total: int) -> None:
            if not as_json:
                say(f"{done} of {total} sentences.")

        result = evaluation.evaluate(avatar, voice=voice, on_progress=on_progress)
        page = None
        if report and out:
            with output_errors(out):
                page = report.write_report(result, avatar.name, out)
    rows = result.figures.rows()
    if as_json:
        keys = ("figure", "measured", "at_least", "met")
        figures = [dict(zip(keys, row, strict=True)) for row in rows]
        show_json(
            {
                "avatar": name,
                "voice": voice,
                "figures": figures,
                "page": str(page) if page else None,
            }
        )
        return
    for line in table([(*map(str, row[:3]), "met" if row[3] else "NOT MET") for row in rows]):
        print(line)
    if page:
        say(f"The report is {page}.")


def _studio(module: str) -> Any:
    try:
        return import_module(f"viseme.studio.{module}")
    except ImportError as error:
        raise MissingExtraError(
            f"Evaluating needs the training extra ({error}); install it: "
            "pip install 'viseme[train]'."
        ) from error
