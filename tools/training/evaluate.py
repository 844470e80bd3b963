# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/evaluate MODEL...: how good a model is, and what its other forms lose against it.

Real pictures come from ../shared (named aloud where they are not there); rendered ones from a
data set given with --rendered, and stand apart: no figure from them speaks for real streets.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from edge.config import ConfigError, read_yaml
from edge.runtime import write_atomic
from edge.vision.model import ScoreMap
from tools.training import figures, report, trust
from tools.training.classes import CITY, COCO
from tools.training.collection import read_collection
from tools.training.judge_pictures import Judged, judge
from tools.training.pictures import Picture, of_collection, read_suite
from tools.training.progress import progress
from tools.training.raw_yolo import Ncnn, Network, Onnx
from tools.training.relabel import Relabelled
from tools.training.settings import at_least_one

HERE = Path(__file__).parent
TABLE_MARKS = ("<!-- figures begin -->", "<!-- figures end -->")

EXAMPLE = """example:
  tools/evaluate models/city-v1.onnx models/city-v1-int8.onnx --out out/evaluation
  tools/evaluate models/city-v1.onnx models/city-v1-int8.onnx --card models/city-v1.md
  tools/evaluate models/city-v1.onnx --suite tools/training/suites/coco_traffic.yaml
"""


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a model: its name in tables, the network, its class names."""

    name: str
    network: Network
    names: tuple[str, ...]


class Calibrated:
    """A network whose class rows are what the manifest's score map makes of them."""

    def __init__(self, inner: Network, scores: ScoreMap) -> None:
        self.height, self.width = inner.height, inner.width
        self._inner, self._scores = inner, scores

    def __call__(self, blob: NDArray[np.float32]) -> NDArray[np.float32]:
        raw = self._inner(blob).copy()
        raw[0, 4:] = self._scores.table(np.asarray(raw[0, 4:], np.float32))
        return raw


def open_form(path: Path, *, calibrated: bool = True) -> Form:
    """An .onnx, or a folder of ncnn files, with its manifest beside it (or CITY without one);
    with the scores that a box would tell, unless they are wanted raw."""
    manifest = path.with_suffix(".yaml")
    fields = read_yaml(manifest) if manifest.is_file() else {}
    form = _open_raw(path, fields, manifest.name)
    given = fields.get("calibration")
    if not (given and calibrated):
        return form
    scores = ScoreMap(form.names, given["classes"], given.get("rivals"))
    return replace(form, network=Calibrated(form.network, scores))


def _open_raw(path: Path, fields: dict[str, Any], manifest: str) -> Form:
    names = tuple(fields.get("classes", CITY))
    if path.is_dir():
        size = fields.get("input", {"height": 384, "width": 640})
        return Form(path.name, Ncnn(path, size["height"], size["width"]), names)
    network = Onnx(path)
    rows = network.rows()
    if rows == 4 + 80:
        return Form(path.stem, Relabelled(network, COCO, CITY), CITY)
    if rows != 4 + len(names):
        raise ConfigError(f"{path}: {rows - 4} classes, but {manifest} names {len(names)}")
    return Form(path.stem, network, names)


def told_apart(forms: Sequence[Form], paths: Sequence[Path]) -> list[Form]:
    """Two files of one name are called by their folders too."""
    names = [form.name for form in forms]
    return [
        replace(form, name=f"{path.parent.name}/{form.name}")
        if names.count(form.name) > 1
        else form
        for form, path in zip(forms, paths, strict=True)
    ]


def judge_form(form: Form, pictures: Sequence[Picture]) -> list[Judged]:
    if form.names != CITY[: len(form.names)]:  # an older form lacks the newest classes
        raise ConfigError(f"{form.name}: its classes are not the city's: {', '.join(form.names)}")
    seen = judge(form.network, pictures, CITY)
    return list(progress(seen, len(pictures), form.name))


def write_all(form: Form, judged: list[Judged], rows: list[figures.Row], out: Path) -> None:
    """Everything about one form into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    report.save_json(out / "figures.json", [row.plain() for row in rows])
    report.plot_curves(judged, CITY, out / "precision_recall.png")
    counts = figures.confusion(judged, len(CITY))
    report.plot_confusion(counts, CITY, out / "confusion.png")
    report.save_json(out / "confusion.json", counts.tolist())
    sheet = report.contact_sheet(report.worst(judged, 16), CITY)
    cv2.imwrite(str(out / "worst.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 82])


def describe(
    forms: list[Form], pictures: Sequence[Picture], out: Path | None
) -> tuple[str, dict[str, list[figures.Row]], dict[str, dict[str, dict[str, str]]]]:
    """The whole report as Markdown, and of every form the rows and what it is good for; pictures
    and JSON go to `out`."""
    parts: list[str] = []
    told: dict[str, dict[str, dict[str, str]]] = {}
    every: dict[str, list[figures.Row]] = {}
    for form in forms:
        judged = judge_form(form, pictures)
        told[form.name] = trust.good_for([j for j in judged if j.picture.item.origin == "real"])
        rows = every[form.name] = figures.rows(judged, CITY)
        if out is not None:
            write_all(form, judged, rows, out / form.name)
        if form is forms[0]:
            parts += _reference(form, judged, rows)
    if len(forms) > 1:
        first, *others = every
        title = f"### What the other forms lose against {first}"
        parts += [title, report.losses(every[first], {name: every[name] for name in others})]
    parts += ["### What it is good for", trust.table(told[forms[0].name])]
    return "\n\n".join(parts) + "\n", every, told


def into_manifest(
    model: Path, rows: Sequence[figures.Row], good_for: dict[str, dict[str, str]]
) -> None:
    """AP50 on real pictures, by class and source, and what it is good for, into the manifest
    beside the model, if it has one: what a box is offered says how good it is."""
    path = model.with_suffix(".yaml")
    if not path.is_file():
        return
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.origin == "real" and row.source != "all":
            found.setdefault(row.name, {})[row.source] = round(row.ap50, 3)
    fields = {**read_yaml(path), "metrics": {"ap50_real": found}, "good_for": good_for}
    write_atomic(
        path, yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=96).encode()
    )


def _reference(form: Form, judged: list[Judged], rows: list[figures.Row]) -> list[str]:
    parts = []
    for origin in sorted({row.origin for row in rows}, key=("real", "composite", "rendered").index):
        parts += [
            f"### {origin.capitalize()} pictures",
            report.table(r for r in rows if r.origin == origin),
        ]
    real = [one for one in judged if one.picture.item.origin == "real"]
    sizes = figures.sizes(real, CITY, form.network.height, form.network.width)
    own = [row for row in figures.false_alarms(real, CITY) if row[0] not in COCO]
    title = f"### False boxes at {figures.OPERATING}, real pictures without the class"
    parts += [title, report.false_table(own)]
    parts += ["### Recall by size at the model's input, real pictures", report.size_table(sizes)]
    return parts


def into_card(card: Path, text: str) -> None:
    """Replace what stands between the marks of a card. Raises ConfigError without marks."""
    old = card.read_text()
    begin, end = (old.find(mark) for mark in TABLE_MARKS)
    if begin < 0 or end < begin:
        raise ConfigError(f"{card}: has no {TABLE_MARKS[0]} ... {TABLE_MARKS[1]}")
    card.write_text(old[: begin + len(TABLE_MARKS[0])] + "\n" + text + old[end:])


def gather(args: argparse.Namespace) -> tuple[list[Picture], list[str]]:
    """Pictures of the suite that are on this machine, and a line for each set that is not. Raises
    ConfigError where there is none at all."""
    suite = read_suite(args.suite, {"SHARED": args.shared}, CITY, args.few)
    pictures, missing = list(suite.pictures), list(suite.missing)
    if args.rendered:
        pictures += of_collection(read_collection(args.rendered), "val")
    if not pictures:
        raise ConfigError(
            f"{args.suite}: no picture of it is on this machine; {'; '.join(missing)}"
        )
    return pictures, missing


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Models, suite, and where tables and pictures of the report go."""
    parser = argparse.ArgumentParser(
        prog="tools/evaluate",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "models", nargs="+", type=Path, help="the first is what others are held against"
    )
    parser.add_argument("--suite", type=Path, default=HERE / "suites" / "city.yaml")
    parser.add_argument(
        "--shared", type=Path, default=Path("../shared"), help="$SHARED of the suite"
    )
    parser.add_argument(
        "--rendered", type=Path, help="a data set whose val split is judged as well"
    )
    parser.add_argument("--out", type=Path, help="folder for plots, contact sheets and JSON")
    parser.add_argument(
        "--card", type=Path, help="rewrite the figures of this card, and of the manifests"
    )
    parser.add_argument("--few", type=at_least_one, help="at most so many pictures of a source")
    parser.add_argument("--json", action="store_true", help="rows as JSON lines instead of a table")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Prints the report; 2 for a wrong file, in one line."""
    args = parse(arguments)
    try:
        pictures, missing = gather(args)
        for line in missing:
            print(f"tools/evaluate: {line}", file=sys.stderr)
        forms = told_apart([open_form(path) for path in args.models], args.models)
        if args.json:
            for form in forms:
                for row in figures.rows(judge_form(form, pictures), CITY):
                    print(json.dumps({"model": form.name, **row.plain()}, ensure_ascii=False))
            return 0
        text, every, told = describe(forms, pictures, args.out)
        if args.card:
            into_card(args.card, text)
            for model, (name, rows) in zip(args.models, every.items(), strict=True):
                into_manifest(model, rows, told[name])
        print(text)
    except ConfigError as error:
        print(f"tools/evaluate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
