"""The commands and their options. Libraries are imported in the bodies, so that help is quick."""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from viseme._version import __version__
from viseme.cli import bench_commands, remote
from viseme.cli.options import Debug, Json, avatar_names
from viseme.cli.outcome import Stopped

__all__ = ["app"]

BACKENDS = ("auto", "onnxruntime", "cuda", "cuda-fp16", "tensorrt", "openvino", "openvino-bf16")
STANDARD_INPUT = "-"


class MeasuredLatency(StrEnum):
    """The latencies that can be measured."""

    BOTH = "both"
    EXACT = "exact"
    LOW = "low"


class _Commands(TyperGroup):
    """Keeps Typer from handling an interrupt or a broken pipe in its own way."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, BrokenPipeError) as error:
            raise Stopped(error) from error


app = typer.Typer(
    cls=_Commands,
    name="viseme",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"viseme {__version__}")
        raise typer.Exit


@app.callback()
def viseme(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Make a face speak: sound and an avatar in, a lip-synced video out.

    [dim]For example:[/dim]  viseme render speech.wav
    """


@app.command()
def render(  # noqa: PLR0913 - one for each option, put together in RenderOptions at once
    speech: Annotated[
        str,
        typer.Argument(
            metavar="SPEECH", help="A sound file, or a video with sound; - reads standard input."
        ),
    ],
    *,
    avatar: Annotated[
        str,
        typer.Option(
            "--avatar",
            "-a",
            help="Who speaks: a name that 'viseme avatars' lists, or a folder.",
            autocompletion=avatar_names,
        ),
    ] = "demo",
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="The result: .mp4, .webm, or without an ending a folder of PNGs. "
            "By default the name of SPEECH with .mp4, in this folder.",
        ),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            help=f"What runs the network: {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}.",
            autocompletion=lambda: list(BACKENDS),
        ),
    ] = "auto",
    model: Annotated[
        Path | None,
        typer.Option(metavar="ONNX", help="Another generator network behind the avatar."),
    ] = None,
    audio_encoder: Annotated[
        Path | None,
        typer.Option(metavar="ONNX", help="Another audio encoder."),
    ] = None,
    start_frame: Annotated[
        int, typer.Option(min=0, metavar="N", help="The avatar's frame to begin with.")
    ] = 0,
    feather: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Pixels over which the face is blended in."),
    ] = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make an avatar speak: SPEECH in, a video out.

    An existing video of that name is replaced once the new one is complete.

    [dim]For example:[/dim]

    viseme render speech.wav

    viseme render talk.mp3 -a demo -o talk.webm

    espeak-ng --stdout "Hello" | viseme render - -o hello.mp4
    """
    from viseme.allocator import settle_allocator  # noqa: PLC0415
    from viseme.cli.progress import shown_progress  # noqa: PLC0415
    from viseme.cli.screens import show_report  # noqa: PLC0415
    from viseme.rendering import RenderOptions  # noqa: PLC0415
    from viseme.video import render_file  # noqa: PLC0415

    settle_allocator()
    options = RenderOptions(
        backend=backend,
        model=model,
        audio_encoder=audio_encoder,
        start_frame=start_frame,
        feather=feather,
    )
    with shown_progress(quiet=as_json) as progress:
        report = render_file(
            sys.stdin.buffer if speech == STANDARD_INPUT else speech,
            avatar,
            out or _default_out(speech),
            options,
            progress=progress,
        )
    show_report(report, as_json=as_json)


@app.command()
def demo(
    out: Annotated[
        str, typer.Option("--out", "-o", help="The result: .mp4, .webm, or a folder of PNGs.")
    ] = "demo.mp4",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Let the built-in avatar introduce itself, with the speech that comes along."""
    from viseme.cli.progress import shown_progress  # noqa: PLC0415
    from viseme.cli.screens import show_report  # noqa: PLC0415
    from viseme.video import render_file  # noqa: PLC0415

    with (
        as_file(files("viseme") / "data" / "speech" / "demo.flac") as speech,
        shown_progress(quiet=as_json) as progress,
    ):
        report = render_file(speech, "demo", out, progress=progress)
    show_report(report, as_json=as_json)


@app.command()
def info(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="AVATAR_OR_MODEL",
            help="An avatar's name or folder, or the ONNX file of a network.",
            autocompletion=avatar_names,
        ),
    ],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what an avatar or a network is.

    [dim]For example:[/dim]

    viseme info demo

    viseme info generator.onnx
    """
    from viseme.cli.screens import show_avatar, show_network  # noqa: PLC0415

    if subject.lower().endswith(".onnx") or _is_file(subject):
        show_network(Path(subject), as_json=as_json)
    else:
        show_avatar(subject, as_json=as_json)


@app.command()
def avatars(as_json: Json = False, debug: Debug = False) -> None:
    """List the avatars that there are.

    They are found in the package, in the folders of $VISEME_AVATARS, and in your
    data folder.
    """
    from viseme.cli.screens import show_avatars  # noqa: PLC0415

    show_avatars(as_json=as_json)


@app.command()
def evaluate(
    avatar: Annotated[
        str,
        typer.Argument(metavar="AVATAR", help="Its name or folder.", autocompletion=avatar_names),
    ],
    voice: Annotated[
        str,
        typer.Option(help="Who speaks: slt, which no network has heard, or awb, kal16, rms."),
    ] = "slt",
    latency: Annotated[
        MeasuredLatency,
        typer.Option(help="What a frame waits for, as in a live session."),
    ] = MeasuredLatency.BOTH,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A folder for quality.md and its figure."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure how well a drawn avatar speaks, on sentences it never heard.

    Needs the training extra.
    """
    from viseme.audio import Latency  # noqa: PLC0415
    from viseme.cli.evaluating import evaluate_avatar  # noqa: PLC0415

    both = latency is MeasuredLatency.BOTH
    latencies = tuple(Latency) if both else (Latency(latency.value),)
    evaluate_avatar(avatar, voice, latencies, out, as_json=as_json)


@app.command()
def distill(  # noqa: PLR0913 - one for each option, put together in DistillCommand at once
    avatar: Annotated[
        str,
        typer.Argument(metavar="AVATAR", help="Its name or folder.", autocompletion=avatar_names),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The new avatar's folder.")],
    model: Annotated[
        Path | None,
        typer.Option(metavar="ONNX", help="The network to learn from, if not the avatar's own."),
    ] = None,
    speech: Annotated[
        list[Path] | None,
        typer.Option(
            "--speech",
            help="Sound to learn from, some minutes; again for more; else flite, espeak-ng speak.",
        ),
    ] = None,
    lessons: Annotated[
        int, typer.Option(min=100, help="Pictures to ask the network for; 340 KB of disk each.")
    ] = 2000,
    steps: Annotated[int, typer.Option(min=100, help="Of training; 1 to 4 a second.")] = 4000,
    work: Annotated[
        Path | None,
        typer.Option(help="Where lessons and checkpoints are kept, to go on from; beside OUT."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another one learns something else.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda, for the training.")] = "cpu",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Teach a small, fast network what AVATAR's network draws.

    A network of the family's full size needs a GPU to be in time; for one
    avatar a small one can do. What that loses is measured.

    Interrupted, it goes on when it is called again. Needs the training extra.
    """
    from viseme.cli.distilling import DistillCommand  # noqa: PLC0415

    command = DistillCommand(
        avatar=avatar,
        out=out,
        model=model,
        speech=speech or (),
        work=work,
        lessons=lessons,
        steps=steps,
        seed=seed,
        device=device,
    )
    command.run(as_json=as_json)


@app.command()
def serve(  # noqa: PLR0913 - one for each option, put together in a configuration at once
    *,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="A TOML file; --print-config shows all its keys."),
    ] = None,
    avatar: Annotated[
        list[str] | None,
        typer.Option("--avatar", "-a", help="Who can speak; give it again for more."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="The network for clients with faces of their own; alone, no avatar."),
    ] = None,
    grpc: Annotated[str | None, typer.Option(help="HOST:PORT of gRPC.")] = None,
    composite: Annotated[
        str | None, typer.Option(help="HOST:PORT of gRPC for LipSyncComposite alone.")
    ] = None,
    http: Annotated[str | None, typer.Option(help="HOST:PORT of HTTP.")] = None,
    backend: Annotated[
        str | None, typer.Option(help="What runs the networks; measured if not given.")
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the configuration as TOML, and exit.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Serve avatars over gRPC and HTTP until SIGTERM or Ctrl-C.

    The file, then variables VISEME_SERVE_…, then these options, each overriding
    the one before.
    """
    from viseme.cli import serving  # noqa: PLC0415

    overrides = {
        "avatars": ",".join(avatar) if avatar else None,
        "model": model,
        "listen.grpc": grpc,
        "listen.composite": composite,
        "listen.http": http,
        "engine.backend": backend,
    }
    if print_config:
        serving.show_config(config, overrides)
    else:
        serving.serve(config, overrides, as_json=as_json)


app.command()(remote.client)
app.command("testdata")(remote.make_testdata)
app.add_typer(bench_commands.bench, name="bench")


def _default_out(speech: str) -> str:
    """Name the result after the speech, but never so that it would replace it."""
    stem = "speech" if speech == STANDARD_INPUT else Path(speech).stem or "speech"
    name = f"{stem}.mp4"
    is_speech = _is_file(name) and _is_file(speech) and Path(name).samefile(speech)
    return f"{stem}-viseme.mp4" if is_speech else name


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # a name too long for any file
        return False
