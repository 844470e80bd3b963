# SPDX-License-Identifier: AGPL-3.0-or-later
"""The loss: ultralytics' detection loss, silent classes, and what a teacher knows.

Where nobody labelled a class its places cost nothing, and what was known of it is forgotten there:
a teacher's scores can stand for the labels (Li and Hoiem 2016, "Learning without forgetting").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.loss import v8DetectionLoss
from ultralytics.utils.tal import make_anchors

from tools.training.classes import COCO

UNSEEN = -20.0  # a logit that costs nothing as background
TEACHER_SURE = 0.08  # below this everywhere, the teacher says nothing about a place


@dataclass(frozen=True, slots=True)
class Teachers:
    """Networks that are asked while another learns, and how much they count: `coco` with the 80
    classes of COCO, `city` with ours, whose word stands beside the labels in `city_classes`."""

    coco: DetectionModel | None = None
    keep_weight: float = 0.0
    city: DetectionModel | None = None
    city_weight: float = 0.0
    city_classes: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        return self.coco is not None or self.city is not None


@dataclass(frozen=True, slots=True)
class Batch:
    """image (b, 3, h, w) 0..1; index (n,) picture of each box; label (n,); box (n, 4) centre x,
    centre y, width, height as fractions; silent (b, classes) bool."""

    image: torch.Tensor
    index: torch.Tensor
    label: torch.Tensor
    box: torch.Tensor
    silent: torch.Tensor

    def targets(self) -> dict[str, torch.Tensor]:
        """The batch under the names that the detector's loss asks for; boxes as fractions."""
        return {
            "img": self.image,
            "batch_idx": self.index,
            "cls": self.label[:, None],
            "bboxes": self.box,
        }


def as_float(value: Any) -> Any:
    """Every tensor of a nested output as float32: the loss is not computed in bfloat16."""
    if isinstance(value, torch.Tensor):
        return value.float()
    if isinstance(value, dict):
        return {key: as_float(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(as_float(part) for part in value)
    return value


class Objective:
    """Called with a model's training output and a batch; gives the loss and its parts."""

    def __init__(
        self,
        model: DetectionModel,
        names: tuple[str, ...],
        teachers: Teachers,
    ) -> None:
        self._loss = v8DetectionLoss(model)
        self._teachers = teachers
        pairs = [(names.index(name), row) for name, row in COCO.items() if name in names]
        self._ours = [ours for ours, _ in pairs]
        self._theirs = [theirs for _, theirs in pairs]
        self._new = [label for label in range(len(names)) if label not in self._ours]
        self._follows = torch.tensor([name in teachers.city_classes for name in names])

    def __call__(
        self, output: dict[str, Any], batch: Batch, *, remember: bool
    ) -> tuple[torch.Tensor, dict[str, float]]:
        output = as_float(output)
        scores = output["scores"]  # (b, classes, anchors)
        nothing = self._nothing_labelled(output["feats"], batch)
        silent = batch.silent[:, :, None]
        heard = scores.masked_fill(silent & nothing, UNSEEN)
        parts, _ = self._loss({**output, "scores": heard}, batch.targets())
        told = dict(zip(("box", "cls", "dfl"), (parts / len(scores)).tolist(), strict=True))
        total = parts.sum()
        teachers = self._teachers
        if remember and teachers.coco is not None:
            kept = self._remember(teachers.coco, scores, output["feats"], batch)
            told["keep"] = float(kept.detach())
            total = total + teachers.keep_weight * kept * len(scores)
        if remember and teachers.city is not None:
            # Where nothing is labelled a label says "not here" of whatever the picture holds, which
            # is how what was known of a class fades: so the teacher may be followed there, too.
            heeded = (silent | self._follows.to(silent.device)[:, None]) & nothing
            followed = _followed(teachers.city, scores, heeded, batch)
            told["teacher"] = float(followed.detach())
            total = total + teachers.city_weight * followed * len(scores)
        return total, told

    def _remember(
        self,
        teacher: DetectionModel,
        scores: torch.Tensor,
        feats: list[torch.Tensor],
        batch: Batch,
    ) -> torch.Tensor:
        """Cross entropy to the teacher's scores of the COCO classes, where it says anything and
        no class of our own stands: a muck truck must not stay a truck."""
        theirs = _said(teacher, batch)[:, self._theirs]
        anchors, strides = make_anchors(feats, self._loss.stride, 0.5)
        own = self._places(anchors * strides, batch)[:, self._new].any(1)
        speaks = (theirs.amax(1) > TEACHER_SURE) & ~own
        if not speaks.any():
            return scores.sum() * 0.0
        cost = functional.binary_cross_entropy_with_logits(
            scores[:, self._ours], theirs, reduction="none"
        ).sum(1)
        return (cost * speaks).sum() / theirs.amax(1)[speaks].sum().clamp(min=1.0)

    def _nothing_labelled(self, feats: list[torch.Tensor], batch: Batch) -> torch.Tensor:
        """(b, classes, anchors) true outside all boxes of a class. A lorry pasted on a picture
        whose own lorries nobody labelled is one all the same, and must be learnt; and a label says
        more than the teacher where something is."""
        anchors, strides = make_anchors(feats, self._loss.stride, 0.5)
        return ~self._places(anchors * strides, batch)

    def _places(self, centres: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(b, classes, anchors) true inside a box of the class. centres: (n, 2) px."""
        inside = torch.zeros(*batch.silent.shape, len(centres), dtype=torch.bool)
        inside = inside.to(centres.device)
        size = torch.tensor(batch.image.shape[:1:-1], device=centres.device)
        for index, label, box in zip(batch.index, batch.label, batch.box, strict=True):
            middle, half = box[:2] * size, box[2:] * size / 2
            inside[int(index), int(label)] |= ((centres - middle).abs() <= half).all(1)
        return inside


def _said(teacher: DetectionModel, batch: Batch) -> torch.Tensor:
    """(b, classes, anchors), a teacher's scores of the pictures, 0 to 1."""
    with torch.no_grad(), torch.autocast(batch.image.device.type, torch.bfloat16):
        said = teacher(batch.image)["scores"]
    return torch.as_tensor(said.float().sigmoid())


def _followed(
    teacher: DetectionModel, scores: torch.Tensor, heeded: torch.Tensor, batch: Batch
) -> torch.Tensor:
    """Cross entropy to the teacher's scores where it is heeded, over how much of a thing the
    teacher sees there: as the detection loss counts it."""
    theirs = _said(teacher, batch)
    cost = functional.binary_cross_entropy_with_logits(scores, theirs, reduction="none")
    return (cost * heeded).sum() / (theirs * heeded).sum().clamp(min=1.0)
