"""The trainer: the hearing first, then the drawing, in phases that a recipe names.

Hearing comes first because it is cheap and because the picture's gradient is nearly blind until
the network knows when the mouth moves. A phase that draws may leave the hearing as it is, which
costs less, or go on with it: then encoder and generator grow together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, cast

import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from viseme.studio.batches import BatchShape, Source
from viseme.studio.losses import kept_loss, phone_loss, picture_loss, pose_loss
from viseme.studio.networks import LipSyncNet, NetworkConfig
from viseme.studio.processes import Parcel, made_ahead

__all__ = ["Phase", "Trainer", "TrainingOptions"]

CHECKPOINT_NAME = "checkpoint.pt"
TOLD_EVERY = 10
"""Steps. To read a loss is to wait for a GPU."""
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)

Tensors: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Phase:
    """A number of steps that learn the same things."""

    name: str
    steps: int
    shape: BatchShape
    learning_rates: tuple[float, float]
    """At its beginning and at its end; between them the rate falls along a cosine."""
    hearing_rests: bool = False
    """Whether only the drawing is learned; encoder and audio branch stay as they are."""
    norms_rest: bool = False
    """Whether batch norms go by the statistics that they have, as in use. What a pose says is the
    same all over a picture, so a batch has no more samples of it than pictures, and a network that
    has learned by such statistics draws less well by those of all batches."""


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """The recipe; with the seed it determines the weights up to the machine's rounding.

    That is bfloat16's, unless it is not wanted or there are no instructions for it, and float32's
    then.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    seed: int = 0
    phases: tuple[Phase, ...] = (
        Phase("hearing", 2000, BatchShape(clips=24, frames=16, pictures=0), (1.5e-3, 5e-4)),
        Phase("both", 4200, BatchShape(clips=10, frames=16, pictures=1), (1.5e-3, 1.5e-5)),
    )
    warm_up_steps: int = 100
    """At the beginning of every phase."""
    weight_decay: float = 1e-2
    average_decay: float = 0.998
    """Of the exponential moving average whose weights are exported."""
    checkpoint_every: int = 200
    workers: int = 1
    """Processes that make batches; 0 makes them in the training process."""
    device: str = "cpu"
    bfloat16: bool = True
    """Whether to compute in it, where there are instructions for it."""

    def __post_init__(self) -> None:
        """Refuse phases that would teach the hearing what was not said."""
        for phase in self.phases:
            draws_alone = phase.hearing_rests and self.network.generator.posed
            if not draws_alone and (phase.shape.between or not phase.shape.heard):
                raise ValueError(
                    f"the phase '{phase.name}' draws poses that are not heard, which needs a posed "
                    "network whose hearing rests"
                )

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> tuple[Phase, int]:
        """Return the phase that a step belongs to, and the step's number within it."""
        for phase in self.phases:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        raise IndexError(f"the training is {step} steps past its end")

    def as_recipe(self) -> dict[str, Any]:
        """Return what determines the weights, as plain values for a manifest."""
        recipe = asdict(self)
        for name in ("checkpoint_every", "workers", "device", "bfloat16"):
            del recipe[name]
        return recipe


class MovingAverage:
    """The exponential moving average of a network's weights and of its norms' statistics.

    It forgets its first values quickly: with a fixed decay they would show for thousands of steps.
    """

    def __init__(self, net: LipSyncNet, decay: float) -> None:
        self.net = deepcopy(net).requires_grad_(requires_grad=False)
        self.steps = 0
        self._decay = decay
        # Gathered once: to walk through a network takes longer than a GPU takes for the rest.
        self._averaged, self._current = _numbers(self.net), _numbers(net)

    def begin(self) -> None:
        """Forget what was averaged: the next step is the first."""
        self.steps = 0

    def follow(self) -> None:
        """Move on towards the network as it is now."""
        decay = min(self._decay, (1 + self.steps) / (10 + self.steps)) if self.steps else 0.0
        self.steps += 1
        follow = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            follow(self._averaged, self._current, self.steps)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` goes on from."""
        return {"steps": self.steps, "net": self.net.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.steps = state["steps"]
        self.net.load_state_dict(state["net"])


class Trainer:
    """Trains a `LipSyncNet` from a source; goes on from the folder's checkpoint if there is one."""

    def __init__(self, source: Source, folder: Path, options: TrainingOptions) -> None:
        self.source = source
        self.folder = folder
        self.options = options
        torch.manual_seed(options.seed)
        self.device = torch.device(options.device)
        self.net = LipSyncNet(options.network).to(self.device)
        # Convolutions on a processor are faster with the channels innermost.
        on_processor = self.device.type == "cpu"
        self.layout = torch.channels_last if on_processor else torch.contiguous_format
        self.net.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.average = MovingAverage(self.net, options.average_decay)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), weight_decay=options.weight_decay, fused=True
        )
        self.step = 0
        self._taught: Phase | None = None
        self._learning: list[nn.Parameter] = []
        self._restore()

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.options.total_steps

    def run(self, on_checkpoint: Callable[[LipSyncNet, int], None] | None = None) -> LipSyncNet:
        """Train to the end and return the averaged network, in evaluation mode.

        ``on_checkpoint`` is called with the averaged network and the step at every checkpoint,
        to draw a contact sheet for instance. Interrupting loses what came after the last one.
        """
        with self._progress() as progress:
            task = progress.add_task("training", total=self.total_steps, completed=self.step)
            text = ""
            for parcel in self._batches():
                losses = self._train_step(parcel.to(self.device).opened())
                self.step += 1
                saved = (
                    self.step % self.options.checkpoint_every == 0 or self.step == self.total_steps
                )
                if saved or self.step % TOLD_EVERY == 0:
                    text = "  ".join(f"{name} {float(loss):.4f}" for name, loss in losses.items())
                progress.update(task, advance=1, description=text)
                if saved:
                    self._save()
                    print(f"step {self.step}/{self.total_steps}  {text}", flush=True)
                    if on_checkpoint:
                        on_checkpoint(self.averaged(), self.step)
        return self.averaged()

    def averaged(self) -> LipSyncNet:
        """Return the moving average of the network, in evaluation mode."""
        return self.average.net.eval()

    def _batches(self) -> Iterator[Parcel]:
        """Yield the batches of the steps to come.

        They depend on the step's number alone, so a resumed run continues with the same data.
        """

        def make(step: int) -> Parcel:
            batch = self.source.batch(step, self.options.phase_at(step)[0].shape)
            return Parcel.of(batch.arrays())

        steps = range(self.step, self.total_steps)
        on_gpu = self.device.type == "cuda"
        return made_ahead(make, steps, self.options.workers, pinned=on_gpu)

    def _train_step(self, batch: Tensors) -> Tensors:
        phase, done = self.options.phase_at(self.step)
        if done == 0:  # what learns from here on was at rest or noise until now
            self.average.begin()
        if phase is not self._taught:
            self._teach(phase)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate(phase, done)
        self.optimizer.zero_grad(set_to_none=True)
        losses = self._losses(batch)
        total = cast(Tensor, sum(losses.values()))
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._learning, 1.0)
        self.optimizer.step()
        self.average.follow()
        return {name: loss.detach() for name, loss in losses.items()}

    def _losses(self, batch: Tensors) -> Tensors:
        phase = self.options.phase_at(self.step)[0]
        from_poses = phase.hearing_rests and self.options.network.generator.posed
        if from_poses or batch["windows"].numel():
            return self._drawing_losses(batch, phase)
        visual = batch["visual"].float().div(255).contiguous(memory_format=self.layout)
        with self._precision():
            drawn = self.net(batch["patches"], batch["valid"], batch["picks"], visual)
        losses = {}
        hears = not phase.hearing_rests
        if hears and batch["phones"].numel():
            losses["phone"] = phone_loss(drawn.phones.float(), batch["phones"])
        if hears and batch["poses"].numel():
            losses["pose"] = pose_loss(drawn.poses.float(), batch["poses"])
        if batch["picks"].numel():
            target = batch["target"].float().div(255)
            losses["picture"] = picture_loss(drawn.pictures.float(), target, batch["mouth"])
        return losses

    def _drawing_losses(self, batch: Tensors, phase: Phase) -> Tensors:
        """Draw from true poses or given windows, and compare no more than what is drawn."""
        generator, windows, shown = self.net.generator, batch["windows"], batch["shown"]
        losses = {}
        with self._precision():
            heard = generator.audio(windows) if windows.numel() else shown
            if windows.numel() and shown.numel() and not phase.hearing_rests:
                losses["pose"] = pose_loss(self.net.pose_head(heard).float(), shown)
        if not batch["visual"].numel():
            return losses
        rows, columns = generator.config.area
        visual = batch["visual"][..., rows, columns].float().div(255)
        visual = visual.contiguous(memory_format=self.layout)
        target = batch["target"][..., rows, columns].float().div(255)
        with self._precision():
            pictures, gate = generator.draw(visual, heard)
        mouth = batch["mouth"][..., rows, columns]
        losses["picture"] = picture_loss(pictures.float(), target, mouth)
        if gate is not None:
            losses["kept"] = kept_loss(gate.float(), visual[:, :3], target)
        return losses

    def _precision(self) -> torch.autocast:
        able = self.options.bfloat16 and _has_bfloat16(self.device)
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=able)

    def _teach(self, phase: Phase) -> None:
        """Set to learn what a phase says.

        What rests also keeps the statistics of its normalisation.
        """
        self._taught = phase
        self.net.train()
        hearing = not phase.hearing_rests
        for part in self.net.hearing_parts():
            part.train(hearing).requires_grad_(hearing)
        if phase.norms_rest:
            for part in self.net.modules():
                if isinstance(part, NORMS):
                    part.eval()
        self._learning = [p for p in self.net.parameters() if p.requires_grad]

    def _learning_rate(self, phase: Phase, done: int) -> float:
        """Warm up, then fall along a cosine."""
        warm = min(1.0, (done + 1) / self.options.warm_up_steps)
        first, last = phase.learning_rates
        fallen = 0.5 * (1 - math.cos(math.pi * done / phase.steps))
        return warm * (first + fallen * (last - first))

    def _save(self) -> None:
        state = {
            "step": self.step,
            "network": self.options.network.as_dict(),
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"{CHECKPOINT_NAME}.part"
        torch.save(state, temporary)
        temporary.replace(self.folder / CHECKPOINT_NAME)

    def _restore(self) -> None:
        path = self.folder / CHECKPOINT_NAME
        if not path.exists():
            return
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        if NetworkConfig.from_dict(state["network"]) != self.options.network:
            raise ValueError(f"{path} holds another network; move it away to train afresh")
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        for parameter, moments in self.optimizer.state.items():
            for name, value in moments.items():
                if value.shape == parameter.shape:  # laid out as here; a GPU may have begun
                    moments[name] = torch.empty_like(parameter).copy_(value)
        self.step = state["step"]

    @staticmethod
    def _progress() -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )


def _has_bfloat16(device: torch.device) -> bool:
    """Tell whether a device has instructions for bfloat16.

    A processor without them works it out number by number: a step that takes half a second in
    float32 takes six and more.
    """
    if device.type != "cpu":
        return True
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _numbers(net: nn.Module) -> list[Tensor]:
    """Return what of a network can be averaged; a count of batches cannot."""
    return [t for t in chain(net.parameters(), net.buffers()) if t.is_floating_point()]
