"""What the commands show: for people in 80 columns, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from viseme.avatar import list_avatars, load_avatar
from viseme.cli.outcome import say, show_json
from viseme.engine import EncoderInfo, ModelInfo, read_encoder, read_model
from viseme.errors import ModelError
from viseme.video import RenderReport

__all__ = ["show_avatar", "show_avatars", "show_network", "show_report", "table"]


def show_report(report: RenderReport, *, as_json: bool) -> None:
    """Say where the video is, how long it took, and the real-time factor."""
    if as_json:
        show_json(
            {
                "out": str(report.out),
                "avatar": report.avatar,
                "backend": report.backend,
                "size": list(report.size),
                "frames": report.frames,
                "duration_s": round(report.duration_s, 3),
                "start_up_s": round(report.start_up_s, 3),
                "elapsed_s": round(report.elapsed_s, 3),
                "real_time_factor": round(report.real_time_factor, 4),
            }
        )
        return
    say(
        f"{report.duration_s:.2f} s of video in {report.elapsed_s:.2f} s: real-time factor "
        f"{report.real_time_factor:.2f}, {report.frames / report.elapsed_s:.1f} frames a second."
    )
    say(f"Ran on {report.backend}; starting up took another {report.start_up_s:.2f} s.")
    print(report.out)


def show_avatars(*, as_json: bool) -> None:
    """List the avatars, and what is wrong with those that cannot be loaded."""
    found = list_avatars()
    if as_json:
        listed = [{**info._asdict(), "size": list(info.size)} for info in found]
        show_json({"avatars": listed})
        return
    if not found:
        say("There are no avatars; put one into a folder of $VISEME_AVATARS.")
        return
    rows = [
        (
            info.name,
            info.title,
            f"{info.frames} frames of {info.size[0]}x{info.size[1]}",
            "built in" if info.built_in else str(info.path.parent),
        )
        for info in found
        if info.fault is None
    ]
    for line in table(rows):
        print(line)
    for info in found:
        if info.fault is not None:
            say(f"Warning: {info.name} cannot be used: {info.fault}")


def show_avatar(name: str, *, as_json: bool) -> None:
    """Say what an avatar is."""
    with load_avatar(name) as avatar:
        manifest = avatar.manifest
        network = read_model(avatar.generator)
        facts = {
            "name": avatar.name,
            "title": avatar.title,
            "folder": str(avatar.folder),
            "size": list(avatar.size),
            "frames": avatar.frame_count,
            "rate_hz": avatar.rate_hz,
            "network_size": network.size,
            "generator_bytes": avatar.generator.stat().st_size,
            "audio_encoder_bytes": avatar.audio_encoder.stat().st_size,
            "licence": manifest.licence,
            "credits": manifest.credits,
        }
    if as_json:
        show_json(facts)
        return
    width, height = avatar.size
    seconds = avatar.frame_count / avatar.rate_hz
    lines = {
        "avatar": f"{avatar.name}, {avatar.title}",
        "frames": f"{avatar.frame_count} of {width}x{height}, {seconds:.1f} s of idle motion",
        "generator": f"{network.size}x{network.size}, {_megabytes(avatar.generator)}",
        "audio encoder": _megabytes(avatar.audio_encoder),
        "licence": manifest.licence,
        "credits": manifest.credits,
        "folder": str(avatar.folder),
    }
    _show_facts(lines)


def show_network(path: Path, *, as_json: bool) -> None:
    """Say what a network is, by its ONNX file."""
    network = _read_network(path)
    batch = "any number" if network.batch is None else str(network.batch)
    if isinstance(network, ModelInfo):
        facts: dict[str, Any] = {
            "kind": "generator",
            "visual_input": [network.visual_name, *network.visual_shape],
            "audio_input": [network.audio_name, *network.audio_shape],
            "output": [network.output_name, *network.output_shape],
        }
    else:
        facts = {
            "kind": "audio encoder",
            "input": [network.input_name, 1, 80, 16],
            "output": [network.output_name, 512],
        }
    if as_json:
        show_json({**facts, "batch": network.batch, "bytes": path.stat().st_size})
        return
    lines = {
        key.replace("_", " "): value if isinstance(value, str) else _tensor(*value)
        for key, value in facts.items()
    }
    _show_facts({**lines, "frames in one run": batch, "file": f"{path}, {_megabytes(path)}"})


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align rows of cells to columns two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _read_network(path: Path) -> ModelInfo | EncoderInfo:
    try:
        return read_model(path)
    except ModelError as error:
        try:
            return read_encoder(path)
        except ModelError:
            raise error from None


def _show_facts(facts: Mapping[str, str]) -> None:
    for line in table([(key, value) for key, value in facts.items() if value]):
        print(line)


def _tensor(name: str, *extents: int) -> str:
    return f"{name}, float32 [B, {', '.join(map(str, extents))}]"


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"
