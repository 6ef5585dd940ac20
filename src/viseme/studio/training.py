"""The trainer: first the hearing alone, then hearing and drawing together.

Hearing comes first because it is cheap and because the picture's gradient is nearly blind until
the network knows when the mouth moves. In the second part every step draws a few frames of each
clip and goes on learning the poses of all of them, so that encoder and generator grow together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from viseme.studio.batches import Batch, BatchShape, Source
from viseme.studio.losses import phone_loss, picture_loss, pose_loss
from viseme.studio.networks import LipSyncNet, NetworkConfig

__all__ = ["Trainer", "TrainingOptions", "tensors"]

CHECKPOINT_NAME = "checkpoint.pt"

Tensors = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """The recipe; with the seed it determines the weights up to the machine's rounding."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    seed: int = 0
    hearing_steps: int = 2000
    hearing: BatchShape = field(default=BatchShape(clips=24, frames=16, pictures=0))
    drawing_steps: int = 4200
    drawing: BatchShape = field(default=BatchShape(clips=10, frames=16, pictures=1))
    learning_rate: float = 1.5e-3
    warm_up_steps: int = 100
    weight_decay: float = 1e-2
    average_decay: float = 0.998
    """Of the exponential moving average whose weights are exported."""
    checkpoint_every: int = 200
    workers: int = 1
    """Processes that make batches; 0 makes them in the training process."""
    device: str = "cpu"

    def as_recipe(self) -> dict[str, Any]:
        """Return what determines the weights, as plain values for a manifest."""
        recipe = asdict(self)
        for name in ("checkpoint_every", "workers", "device"):
            del recipe[name]
        return recipe


class Steps(Dataset[Batch]):
    """The batches of a run by step number, so that a resumed run continues with the same data."""

    def __init__(self, source: Source, options: TrainingOptions) -> None:
        self.source = source
        self.options = options

    def __len__(self) -> int:
        return self.options.hearing_steps + self.options.drawing_steps

    def __getitem__(self, step: int) -> Batch:
        hearing = step < self.options.hearing_steps
        return self.source.batch(step, self.options.hearing if hearing else self.options.drawing)


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
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedModel(
            self.net,
            multi_avg_fn=get_ema_multi_avg_fn(options.average_decay),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
        self.step = 0
        self._restore()

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.options.hearing_steps + self.options.drawing_steps

    def run(self, on_checkpoint: Callable[[LipSyncNet, int], None] | None = None) -> LipSyncNet:
        """Train to the end and return the averaged network, in evaluation mode.

        ``on_checkpoint`` is called with the averaged network and the step at every checkpoint,
        to draw a contact sheet for instance. Interrupting loses what came after the last one.
        """
        with self._progress() as progress:
            task = progress.add_task("training", total=self.total_steps, completed=self.step)
            for batch in self._batches():
                losses = self._train_step(batch)
                self.step += 1
                text = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
                progress.update(task, advance=1, description=text)
                if self.step % self.options.checkpoint_every == 0 or self.step == self.total_steps:
                    self._save()
                    print(f"step {self.step}/{self.total_steps}  {text}", flush=True)
                    if on_checkpoint:
                        on_checkpoint(self.averaged(), self.step)
        return self.averaged()

    def averaged(self) -> LipSyncNet:
        """Return the moving average of the network, in evaluation mode."""
        return cast(LipSyncNet, self.average.module).eval()

    def _batches(self) -> Iterator[Tensors]:
        loader = DataLoader(
            Steps(self.source, self.options),
            batch_size=None,
            sampler=range(self.step, self.total_steps),
            num_workers=self.options.workers,
            collate_fn=tensors,  # type: ignore[arg-type] # one batch, not a list of samples
        )
        return iter(loader)

    def _train_step(self, batch: Tensors) -> dict[str, float]:
        self.net.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        losses = self._losses(batch)
        total = cast(Tensor, sum(losses.values()))
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.net)
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _losses(self, batch: Tensors) -> dict[str, Tensor]:
        move = {name: value.to(self.device) for name, value in batch.items()}
        visual = move["visual"].float().div(255).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            drawn = self.net(move["patches"], move["valid"], move["picks"], visual)
        losses = {}
        if move["phones"].numel():
            losses["phone"] = phone_loss(drawn.phones.float(), move["phones"])
        if move["poses"].numel():
            losses["pose"] = pose_loss(drawn.poses.float(), move["poses"])
        if move["picks"].numel():
            target = move["target"].float().div(255)
            losses["picture"] = picture_loss(drawn.pictures.float(), target, move["mouth"])
        return losses

    def _learning_rate(self) -> float:
        """Warm up, then fall along a cosine, once for each of the two parts."""
        hearing = self.options.hearing_steps
        first, last = (0, hearing) if self.step < hearing else (hearing, self.total_steps)
        done = self.step - first
        warm = min(1.0, (done + 1) / self.options.warm_up_steps)
        # The hearing part ends at a third of its rate, since it is not the end of its learning.
        floor = 0.33 if last == hearing else 0.01
        fall = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done / (last - first)))
        return self.options.learning_rate * warm * fall

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
        self.step = state["step"]

    @staticmethod
    def _progress() -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )


def tensors(batch: Batch) -> Tensors:
    """Return a batch's arrays as tensors, by name."""
    return {name: torch.from_numpy(getattr(batch, name)) for name in Batch.__dataclass_fields__}
