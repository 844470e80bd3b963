# SPDX-License-Identifier: AGPL-3.0-or-later
"""The training loop: restartable at any moment, the same on a CPU and on a GPU.

A step is one batch. Everything that decides the next step (weights, optimiser, average, step
number, best score) is in the checkpoint, and sample n of a run is always the same picture, so a
killed run goes on where it was.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from ultralytics.nn.tasks import DetectionModel

from tools.training.objective import Batch, Objective, Teachers
from tools.training.samples import Mixer, Sample
from tools.training.settings import Run

AVERAGE_DECAY, AVERAGE_RAMP = 0.999, 400.0  # of the weights' running mean, and steps to reach it
REMEMBER_EVERY = 3  # teachers are asked at every third step: a third of their cost
GRADIENT_LIMIT = 10.0
BACKBONE = 11  # layers of yolo11's backbone
LOG_EVERY = 20
FORETELL_AFTER = 5  # batches, then it says how long the run will take


def collate(samples: list[Sample], device: torch.device) -> Batch:
    """Samples to tensors. Pictures go over as uint8 and become RGB 0..1 on the device."""
    stack = np.stack([sample.image for sample in samples])
    image = torch.from_numpy(stack).to(device).flip(3).permute(0, 3, 1, 2).float() / 255
    image = image.contiguous(memory_format=torch.channels_last)
    height, width = stack.shape[1:3]
    rows = [np.full(len(s.labels), i) for i, s in enumerate(samples)]
    corners = np.concatenate([s.boxes for s in samples]) / np.array([width, height] * 2)
    box = np.concatenate(
        [(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1
    )
    labels = np.concatenate([s.labels for s in samples])
    silent = np.stack([s.silent for s in samples])
    return Batch(
        image,
        torch.from_numpy(np.concatenate(rows)).float().to(device),
        torch.from_numpy(labels).float().to(device),
        torch.from_numpy(box).float().to(device),
        torch.from_numpy(silent).to(device),
    )


def rate_at(step: int, run: Run, spent: float = 0.0) -> float:
    """Linear warm-up, then half a cosine down to `rate_end`: by batches, or by the share of the
    time allowed that is spent, where that is further."""
    if step < run.warmup:
        return run.rate * (step + 1) / run.warmup
    done = max((step - run.warmup) / max(1, run.steps - run.warmup), spent)
    return run.rate_end + (run.rate - run.rate_end) * 0.5 * (1 + math.cos(math.pi * min(done, 1)))


def groups(
    model: DetectionModel, decay: float, backbone_rate: float, neck_rate: float
) -> list[dict[str, Any]]:
    """Weights of convolutions decay; biases and norms do not. Backbone and neck learn at a share of
    the rate: the one knows photographs, and rendered things would make it forget them; the other
    what earlier runs taught."""
    parts: list[dict[str, Any]] = []
    whole = model.model
    for layers, share in (
        (whole[:BACKBONE], backbone_rate),
        (whole[BACKBONE:-1], neck_rate),
        (whole[-1:], 1.0),
    ):
        learning = [p for p in layers.parameters() if p.requires_grad]
        parts += [
            {"params": [p for p in learning if p.ndim > 1], "weight_decay": decay, "share": share},
            {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0, "share": share},
        ]
    return parts


def freeze(model: DetectionModel, layers: int) -> None:
    """The first layers keep weights and batch statistics; so does the fixed DFL kernel."""
    for number, layer in enumerate(model.model):
        for parameter in layer.parameters():
            parameter.requires_grad = number >= layers
    for name, parameter in model.named_parameters():
        if ".dfl" in name:
            parameter.requires_grad = False


def wake(model: DetectionModel, layers: int, *, still_norms: bool = False) -> None:
    """Training mode except for the frozen layers' batch statistics, or those of all layers."""
    model.train()
    for number, layer in enumerate(model.model):
        if number < layers:
            layer.eval()
    if still_norms:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


class Learner:
    """One run: a model, its running average, an optimiser, a step counter."""

    def __init__(
        self,
        run: Run,
        model: DetectionModel,
        teachers: Teachers,
        mixer: Mixer,
        folder: Path,
    ) -> None:
        self.run, self.mixer, self.folder = run, mixer, folder
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device, memory_format=torch.channels_last)
        freeze(self.model, run.freeze)
        self.average = copy.deepcopy(self.model).eval()
        self.optimiser = torch.optim.AdamW(
            groups(self.model, run.decay, run.backbone_rate, run.neck_rate), lr=run.rate
        )
        for teacher in (teachers.coco, teachers.city):
            if teacher is not None:
                wake(
                    teacher.to(self.device, memory_format=torch.channels_last), 0, still_norms=True
                )
        names = tuple(model.names[i] for i in range(len(model.names)))
        self.objective = Objective(self.model, names, teachers)
        self._asks = teachers.any
        self.step, self.best, self.stale = 0, -1.0, 0

    def fit(
        self,
        validate: Callable[[DetectionModel], tuple[float, dict[str, float]]],
        limit_s: float = math.inf,
    ) -> None:
        """Run to the last step, until validation stops improving, or until limit_s have passed;
        checkpoints on the way. The rate falls with the clock where that is ahead of the batches."""
        run, saved = self.run, time.monotonic()
        began, start = time.monotonic(), self.step
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self._batch, self.step)
            while (
                self.step < run.steps
                and self.stale < run.patience
                and time.monotonic() - began < limit_s
            ):
                batch = ahead.result()
                ahead = pool.submit(self._batch, self.step + 1)
                told = self._learn(batch, (time.monotonic() - began) / limit_s)
                self.step += 1
                if self.step == start + FORETELL_AFTER:
                    self._foretell((time.monotonic() - began) / FORETELL_AFTER)
                if self.step % LOG_EVERY == 0:
                    pace_s = (time.monotonic() - began) / (self.step - start)
                    self._log({"step": self.step, "s_per_step": round(pace_s, 3), **told})
                if self.step % run.validate_every == 0 or self.step == run.steps:
                    self._validate(validate)
                if time.monotonic() - saved > run.checkpoint_s or self.step == run.steps:
                    self.save()
                    saved = time.monotonic()
        if 0 < self.step - start < FORETELL_AFTER and self.step < run.steps:
            self._foretell((time.monotonic() - began) / (self.step - start))
        self.save()

    def _foretell(self, pace_s: float) -> None:
        """How long the rest takes on this machine, as it is loaded now."""
        left_s = pace_s * (self.run.steps - self.step)
        print(f"about {left_s / 60:.0f} min for {self.run.steps - self.step} batches", flush=True)

    def _batch(self, step: int) -> Batch:
        first = step * self.run.batch
        return collate([self.mixer.sample(first + i) for i in range(self.run.batch)], self.device)

    def _learn(self, batch: Batch, spent: float) -> dict[str, float]:
        wake(self.model, self.run.freeze, still_norms=self.run.still_norms)
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, self.run, spent) * group["share"]
        with torch.autocast(self.device.type, torch.bfloat16):
            output = self.model(batch.image)
        remember = self._asks and self.step % REMEMBER_EVERY == 0
        loss, told = self.objective(output, batch, remember=remember)  # in float32
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_LIMIT)
        self.optimiser.step()
        self._follow()
        return {name: round(value, 3) for name, value in told.items()}

    def _follow(self) -> None:
        """The running average that is validated and shipped."""
        keep = AVERAGE_DECAY * (1 - math.exp(-(self.step + 1) / AVERAGE_RAMP))
        with torch.no_grad():
            mine = self.model.state_dict()
            for name, value in self.average.state_dict().items():
                if value.dtype.is_floating_point:
                    value.mul_(keep).add_(mine[name], alpha=1 - keep)

    def _validate(
        self, validate: Callable[[DetectionModel], tuple[float, dict[str, float]]]
    ) -> None:
        score, parts = validate(self.average)
        better = score > self.best
        self.stale = 0 if better else self.stale + 1
        self._log({"step": self.step, "score": round(score, 4), "stale": self.stale, **parts})
        if better:
            self.best = score
            self.export(self.folder / "best.pt")

    def export(self, path: Path) -> None:
        """The average as a checkpoint that ultralytics opens as well."""
        model = copy.deepcopy(self.average).float().cpu()
        for parameter in model.parameters():
            parameter.requires_grad = False
        _save_whole({"model": model, "train_args": {}, "epoch": -1, "ema": None}, path)

    def save(self) -> None:
        """Everything to go on from, whole or not at all, and the averaged weights beside it."""
        _save_whole(
            {
                "step": self.step,
                "best": self.best,
                "stale": self.stale,
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            },
            self.folder / "resume.pt",
        )
        self.export(self.folder / "last.pt")

    def resume(self) -> bool:
        """Go on from resume.pt; false where there is none."""
        path = self.folder / "resume.pt"
        if not path.is_file():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.best, self.stale = state["step"], state["best"], state["stale"]
        return True

    def _log(self, row: dict[str, Any]) -> None:
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(" ".join(f"{key}={value}" for key, value in row.items()), flush=True)


def _save_whole(content: dict[str, Any], path: Path) -> None:
    """A kill while saving leaves the previous file."""
    partial = path.with_suffix(".part")
    torch.save(content, partial)
    partial.replace(path)
