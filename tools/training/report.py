# SPDX-License-Identifier: AGPL-3.0-or-later
"""The figures as text, JSON and pictures: table, precision-recall plot, confusion, worst cases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.values import Image
from tools.training.average_precision import Matched, curve
from tools.training.figures import LEAST_GROUPS, OPERATING, Row, faults
from tools.training.judge_pictures import Judged, matches
from tools.training.sheets import gridded

CELL = (400, 300)  # of a contact sheet, px
HELD_POINTS = 2.0  # a row that loses no more is the same
TRUTH_COLOUR, RIGHT_COLOUR, WRONG_COLOUR = (80, 220, 80), (255, 200, 60), (60, 60, 255)


def table(rows: Iterable[Row]) -> str:
    """Markdown. A row drawn picture by picture for want of source groups is marked."""
    lines = [
        f"| class | source | pictures | boxes | AP50 | 95 % interval | AP50-95 | P at {OPERATING} "
        f"| R at {OPERATING} |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        mark = "" if row.clustered else "†"
        lines.append(
            f"| {row.name} | {row.source} | {row.pictures} | {row.truths} | {row.ap50:.3f} "
            f"| {row.low:.2f}–{row.high:.2f}{mark} | {row.ap:.3f} | {_share(row.precision)} "
            f"| {_share(row.recall)} |"
        )
    lines.append("")
    lines.append(
        f"† fewer than {LEAST_GROUPS} source groups: single pictures were drawn, "
        "the true interval is wider."
    )
    return "\n".join(lines)


def false_table(rows: Iterable[tuple[str, str, int, int]]) -> str:
    """Markdown: where a class is told that is not there."""
    lines = ["| class | source | pictures without it | told on | share |", "|---|---|---|---|---|"]
    for name, source, pictures, told in rows:
        lines.append(f"| {name} | {source} | {pictures} | {told} | {told / pictures:.3f} |")
    return "\n".join(lines)


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"


def losses(reference: Sequence[Row], variants: dict[str, Sequence[Row]]) -> str:
    """AP50 of every variant beside the reference's, in points lost."""
    lines = [
        "| class | source | AP50 | "
        + " | ".join(f"{name}, points lost" for name in variants)
        + " |",
        "|---" * (3 + len(variants)) + "|",
    ]
    for row in reference:
        cells = [_lost(row, rows) for rows in variants.values()]
        lines.append(f"| {row.name} | {row.source} | {row.ap50:.3f} | " + " | ".join(cells) + " |")
    means = [_mean_lost(reference, rows) for rows in variants.values()]
    lines.append("| mean | | | " + " | ".join(means) + " |")
    held = [_held(reference, rows) for rows in variants.values()]
    lines.append(f"| rows that lose at most {HELD_POINTS:g} | | | " + " | ".join(held) + " |")
    return "\n".join(lines)


def _lost(row: Row, others: Sequence[Row]) -> str:
    for other in others:
        if (other.origin, other.source, other.name) == (row.origin, row.source, row.name):
            return f"{(row.ap50 - other.ap50) * 100:+.1f}"
    return "–"


def _points_lost(reference: Sequence[Row], others: Sequence[Row]) -> list[float]:
    return [
        (a.ap50 - b.ap50) * 100
        for a in reference
        for b in others
        if (a.origin, a.source, a.name) == (b.origin, b.source, b.name)
    ]


def _mean_lost(reference: Sequence[Row], others: Sequence[Row]) -> str:
    return f"{np.mean(_points_lost(reference, others)):+.1f}"


def _held(reference: Sequence[Row], others: Sequence[Row]) -> str:
    lost = _points_lost(reference, others)
    return f"{sum(points <= HELD_POINTS for points in lost)} of {len(lost)}"


def size_table(sizes: dict[str, dict[str, tuple[int, float]]]) -> str:
    """Markdown: boxes and recall by size at the model's input."""
    lines = [
        "| class | small (< 32 px): boxes, recall | medium (32–96) | large (> 96) |",
        "|---|---|---|---|",
    ]
    for name, found in sizes.items():
        cells = [
            f"{found[size][0]}, {found[size][1]:.2f}" if size in found else "–"
            for size in ("small", "medium", "large")
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def save_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def plot_curves(judged: Sequence[Judged], names: Sequence[str], path: Path) -> None:
    """Precision over recall at IoU 0.5, one line for each class with labels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(8, 6), dpi=110)
    for label, name in enumerate(names):
        parts = matches(judged, label)
        if sum(part.truths for part in parts) >= LEAST_GROUPS:
            _draw(axis, parts, name)
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _draw(axis: object, parts: Sequence[Matched], name: str) -> None:
    line = curve(parts)
    axis.plot(line.recall, line.precision, label=f"{name} ({line.truths})")  # type: ignore[attr-defined]


def plot_confusion(counts: np.ndarray[Any, Any], names: Sequence[str], path: Path) -> None:
    """Rows are what is there, columns what was said; each row sums to one, counts are written."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    words = [*names, "nothing"]
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, axis = pyplot.subplots(figsize=(9, 8), dpi=110)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(len(words)), words, rotation=60, ha="right", fontsize=8)
    axis.set_yticks(range(len(words)), words, fontsize=8)
    for y, x in np.argwhere(counts):
        colour = "white" if share[y, x] > 0.5 else "black"
        axis.text(x, y, str(counts[y, x]), ha="center", va="center", fontsize=7, color=colour)
    axis.set(xlabel=f"said (score ≥ {OPERATING})", ylabel="there")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def worst(judged: Sequence[Judged], count: int) -> list[Judged]:
    """The pictures with the most misses and false boxes."""
    ranked = sorted(judged, key=lambda one: (-faults(one), one.picture.item.image))
    return [one for one in ranked[:count] if faults(one) > 0]


def contact_sheet(judged: Sequence[Judged], names: Sequence[str], columns: int = 4) -> Image:
    """Pictures with truth (green) and boxes found at the operating score (blue; red where no
    truth is under them)."""
    return gridded([_cell(one, names) for one in judged], columns)


def _cell(one: Judged, names: Sequence[str]) -> Image:
    image: Any = cv2.imread(str(one.picture.path))
    scale = min(CELL[0] / image.shape[1], (CELL[1] - 18) / image.shape[0])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for box, label in zip(one.seen.truth, one.seen.truth_labels, strict=True):
        _box(image, box, names[label], TRUTH_COLOUR, 2, below=True)
    for label in range(len(names)):
        (part,) = matches([one], label)
        mine = np.flatnonzero(one.seen.labels == label)
        mine = mine[np.argsort(-one.seen.scores[mine], kind="stable")]
        for index, hit, score in zip(mine, part.hits[0], part.scores, strict=False):
            if score >= OPERATING:
                text = f"{names[label]} {score:.2f}"
                colour = RIGHT_COLOUR if hit else WRONG_COLOUR
                _box(image, one.seen.boxes[index], text, colour, 1, below=False)
    cell = np.full((CELL[1], CELL[0], 3), 40, np.uint8)
    cell[: image.shape[0], : image.shape[1]] = image[: CELL[1], : CELL[0]]
    _write(cell, one.picture.item.image[:52], (4, CELL[1] - 5), (220, 220, 220))
    return cell


def _box(
    image: Image,
    box: np.ndarray[Any, Any],
    text: str,
    colour: tuple[int, int, int],
    width: int,
    *,
    below: bool,
) -> None:
    size = np.array([image.shape[1], image.shape[0]] * 2)
    x1, y1, x2, y2 = (int(v) for v in box * size)
    cv2.rectangle(image, (x1, y1), (x2, y2), colour, width)
    _write(image, text, (x1 + 2, y2 - 3 if below else max(10, y1 + 11)), colour)


def _write(image: Image, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 2, cv2.LINE_AA)
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.38, colour, 1, cv2.LINE_AA)
