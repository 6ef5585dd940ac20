"""The commands of `viseme bench`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from viseme.cli.options import Batches, Debug, Json, avatar_names, batch_sizes, lengths

__all__ = ["bench"]

bench = typer.Typer(
    no_args_is_help=True,
    help="Measure what this machine can do, beside the plain way of doing it.",
)

Avatar: TypeAlias = Annotated[
    str, typer.Option("--avatar", "-a", help="Whose network.", autocompletion=avatar_names)
]
Model: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="ONNX", help="Another network in its place.")
]
FullSize: TypeAlias = Annotated[
    bool,
    typer.Option("--full-size", help="The family's full size in its place, with random weights."),
]
BackEnd: TypeAlias = Annotated[str, typer.Option(help="What runs the network.")]
Rounds: TypeAlias = Annotated[
    int, typer.Option(min=1, metavar="N", help="How often each is measured.")
]
Out: TypeAlias = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Write all figures there, as JSON."),
]
Plot: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="PNG", help="Draw the figures there.")
]


RunningServer: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Measure a server that runs, in place of a new one."),
]


class LiveOutput(StrEnum):
    """How live pictures come."""

    H264 = "h264"
    VP8 = "vp8"
    VP9 = "vp9"
    JPEG = "jpeg"


@bench.command()
def engine(  # noqa: PLR0913 - one for each option, put together in EngineOptions at once
    *,
    avatar: Avatar = "demo",
    model: Model = None,
    full_size: FullSize = False,
    backend: BackEnd = "auto",
    frames: Annotated[
        str, typer.Option(metavar="N,N", help="Frames in a round; a table for each.")
    ] = "100,5",
    workers: Annotated[
        str, typer.Option(metavar="N,N", help="Frames at work at once, side by side.")
    ] = "1,2,5,8",
    batches: Batches = "1,4,8,16,25",
    rounds: Rounds = 5,
    inference_alone: Annotated[
        bool, typer.Option("--inference-alone", help="Do not put the faces into their frames.")
    ] = False,
    out: Out = None,
    plot: Plot = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure ways to run the network, from faces that are cut to frames that are composed.

    Frames side by side, also of faces that the network has seen before as an
    avatar's are, in batches, and both mixed, beside the plain reference: ONNX
    Runtime as it comes, one frame after the other.

    [dim]For example:[/dim]

    viseme bench engine --full-size --plot engine.png
    """
    from viseme.bench.engine import EngineOptions  # noqa: PLC0415
    from viseme.cli.bench_outputs import Outputs  # noqa: PLC0415
    from viseme.cli.bench_speed import bench_engine  # noqa: PLC0415
    from viseme.cli.bench_subject import Subject  # noqa: PLC0415

    options = EngineOptions(
        frames=batch_sizes(frames),
        workers=batch_sizes(workers),
        batches=batch_sizes(batches),
        rounds=rounds,
        compose=not inference_alone,
    )
    subject = Subject(avatar, model, full_size, backend)
    bench_engine(subject, options, Outputs(out, plot, as_json))


@bench.command()
def render(  # noqa: PLR0913 - one for each option, put together in RenderTask at once
    *,
    avatar: Avatar = "demo",
    model: Model = None,
    full_size: FullSize = False,
    backend: BackEnd = "auto",
    seconds: Annotated[
        str, typer.Option(metavar="S,S", help="How long the clips are.")
    ] = "10,60,600",
    plain_max: Annotated[
        float, typer.Option(min=0, metavar="S", help="The longest clip for the plain reference.")
    ] = 60,
    beside_full_size: Annotated[
        bool,
        typer.Option(
            "--beside-full-size", help="Let the plain reference also run a network of full size."
        ),
    ] = False,
    rounds: Rounds = 3,
    out: Out = None,
    plot: Plot = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure the whole way: from sound to frames, from sound to MP4, and each stage alone.

    Cost should grow with the clip as a straight line, and memory as a flat one.

    [dim]For example:[/dim]

    viseme bench render --seconds 10,60 --out render.json
    """
    from viseme.bench.render import RenderTask  # noqa: PLC0415
    from viseme.cli.bench_outputs import Outputs  # noqa: PLC0415
    from viseme.cli.bench_speed import bench_render  # noqa: PLC0415
    from viseme.cli.bench_subject import Subject  # noqa: PLC0415

    task = RenderTask(seconds=lengths(seconds), plain_seconds_max=plain_max, rounds=rounds)
    subject = Subject(avatar, model, full_size, backend)
    outputs = Outputs(out, plot, as_json)
    bench_render(subject, task, outputs, beside_full_size=beside_full_size)


@bench.command()
def transport(  # noqa: PLR0913 - one for each option, put together in TransportOptions at once
    *,
    avatar: Avatar = "demo",
    model: Model = None,
    full_size: FullSize = False,
    backend: BackEnd = "auto",
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Test data, as 'viseme testdata' makes it; five built-in frames without it.",
        ),
    ] = None,
    batches: Batches = "1,5,10,25",
    rounds: Annotated[
        int, typer.Option(min=1, metavar="N", help="How often each is measured; JSON 3 times.")
    ] = 10,
    clients: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="How many at once are compared with one; 0: none."),
    ] = 16,
    grpc: RunningServer = None,
    http: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Its HTTP door; without it, HTTP is left out."),
    ] = None,
    out: Out = None,
    plot: Plot = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure what it costs to bring faces to a server and back.

    Starts a server, and sends it batches through gRPC by our client, gRPC by the
    plainly generated classes, and HTTP with JSON, beside the same bytes through
    gRPC with no work at all. Then it compares faces that were sent before with
    new ones, and several clients at once with one.

    [dim]For example:[/dim]

    viseme bench transport --rounds 20 --out transport.json
    """
    from viseme.bench.transport import TransportOptions  # noqa: PLC0415
    from viseme.cli.bench_outputs import Outputs  # noqa: PLC0415
    from viseme.cli.bench_subject import Server, Subject  # noqa: PLC0415
    from viseme.cli.bench_transport import bench_transport  # noqa: PLC0415

    options = TransportOptions(batches=batch_sizes(batches), rounds=rounds, clients=clients)
    server = Server(Subject(avatar, model, full_size, backend), grpc, http)
    bench_transport(server, data, options, Outputs(out, plot, as_json))


@bench.command()
def live(  # noqa: PLR0913 - one for each option, put together in LiveTask at once
    *,
    avatar: Avatar = "demo",
    model: Model = None,
    full_size: FullSize = False,
    backend: BackEnd = "auto",
    seconds: Annotated[
        float, typer.Option(min=4, metavar="S", help="How long each number of streams is watched.")
    ] = 20,
    most: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", help="The most streams to try.")
    ] = 16,
    output: Annotated[
        LiveOutput, typer.Option(help="How their pictures are encoded.")
    ] = LiveOutput.H264,
    grpc: RunningServer = None,
    out: Out = None,
    plot: Plot = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure how many live streams run at once before pictures come too late.

    Starts a server, and opens one stream more after the other, each sent sound at
    the speed of speech, until more than one picture in a hundred comes later than
    its own 40 ms. In turns with it the plain reference is tried: a thread for
    each stream, ONNX Runtime as it comes, OpenCV and PyAV.

    [dim]For example:[/dim]

    viseme bench live --seconds 30 --out live.json
    """
    from viseme.bench.live import LiveTask  # noqa: PLC0415
    from viseme.cli.bench_live import bench_live  # noqa: PLC0415
    from viseme.cli.bench_outputs import Outputs  # noqa: PLC0415
    from viseme.cli.bench_subject import Server, Subject  # noqa: PLC0415

    task = LiveTask(seconds=seconds, most=most, output=output.value)
    server = Server(Subject(avatar, model, full_size, backend), grpc, None)
    bench_live(server, task, Outputs(out, plot, as_json))


@bench.command()
def report(
    measurements: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="What --out of the other commands has written."),
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The page, in Markdown.")
    ] = Path("performance.md"),
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a page of measurements, with the commands that repeat them.

    [dim]For example:[/dim]

    viseme bench report engine.json render.json -o docs/performance.md
    """
    from viseme.cli.bench_outputs import write_page  # noqa: PLC0415

    write_page(measurements, out, as_json=as_json)
