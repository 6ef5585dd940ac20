"""`viseme evaluate`: how well an avatar speaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from viseme.audio import SAMPLE_RATE_HZ, Latency, lookahead_samples
from viseme.avatar import load_avatar
from viseme.cli.outcome import say, show_json
from viseme.cli.screens import table
from viseme.cli.studio import studio_module
from viseme.video.target import output_errors

__all__ = ["evaluate_avatar"]


def evaluate_avatar(
    name: str, voice: str, latencies: Sequence[Latency], out: Path | None, *, as_json: bool
) -> None:
    """Measure an avatar, show the figures, and write the report where `out` is given.

    Raises:
        InputError: there is no such voice.
        AvatarError: it is unknown, or not a drawn one.
        MissingExtraError: the studio's libraries are not installed.
        OutputError: the report cannot be written.
    """
    evaluation = studio_module("evaluation", "Evaluating")
    report = studio_module("report", "Evaluating") if out else None
    if out:  # before minutes of work
        with output_errors(out):
            out.mkdir(parents=True, exist_ok=True)
    with load_avatar(name) as avatar:

        def on_progress(done: int, total: int) -> None:
            if not as_json:
                say(f"{done} of {total} sentences.")

        results = evaluation.evaluate(
            avatar, voice=voice, latencies=latencies, on_progress=on_progress
        )
        page = None
        if report and out:
            with output_errors(out):
                page = report.write_report(results, avatar.name, out)
    if as_json:
        show_json(
            {
                "avatar": name,
                "voice": voice,
                "latencies": {str(result.latency): _figures(result) for result in results},
                "page": str(page) if page else None,
            }
        )
        return
    for result in results:
        waits_ms = _waits_ms(result.latency)
        print(f"{result.latency}: a frame waits for {waits_ms:g} ms of sound after its time")
        rows = [
            (f"  {name}", value, goal, "met" if met else "NOT MET")
            for name, value, goal, met in result.figures.rows()
        ]
        for line in table(rows):
            print(line)
    if page:
        say(f"The report is {page}.")


def _figures(result: Any) -> dict[str, Any]:
    keys = ("figure", "measured", "at_least", "met")
    figures = [dict(zip(keys, row, strict=True)) for row in result.figures.rows()]
    return {"lookahead_ms": _waits_ms(result.latency), "figures": figures}


def _waits_ms(latency: Latency) -> float:
    return 1000 * lookahead_samples(SAMPLE_RATE_HZ, latency) / SAMPLE_RATE_HZ
