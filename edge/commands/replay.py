# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge replay: recorded cases against their golden events."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.commands.evaluate import dwell_limits, print_table, read_lines

if TYPE_CHECKING:
    from edge.config import Camera, Category, Site
    from edge.rules.evaluation import Score
    from edge.rules.recording import Tracking

EPILOG = """example: edge replay tests/replay/vendor-stays
         edge replay --all
         edge replay --all --update     after an intended change; read the diff

A case is a folder: site.yaml (one camera), detections.jsonl, golden.jsonl, truth.json, and
categories.yaml where it adds or changes some."""

DEFAULT_CASES = "tests/replay"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", nargs="*", type=Path, help="folder of a case")
    parser.add_argument("--all", action="store_true", help="every case below --cases")
    parser.add_argument("--cases", type=Path, help=f"folder of cases (default: {DEFAULT_CASES})")
    parser.add_argument("--update", action="store_true", help="write the golden events anew")
    parser.add_argument("--json", action="store_true", help="one JSON object a case, then the sum")


@dataclass
class Outcome:
    """How one case went."""

    name: str
    lines: list[str]
    diff: list[str]
    scores: dict[str, Score]
    scenes: int
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.diff and all(s.fp == s.fn == 0 for s in self.scores.values())


def run(args: argparse.Namespace) -> int:
    """0 where every case is as recorded and as in truth (or was rewritten by --update), 1 else."""
    folders = _folders(args)
    outcomes = []
    for n, folder in enumerate(folders, 1):
        if sys.stderr.isatty() and len(folders) > 5:
            print(f"\r{n}/{len(folders)} {folder.name:<40}", end="", file=sys.stderr, flush=True)
        outcome = replay(folder, update=args.update)
        outcomes.append(outcome)
        if args.json:
            print(json.dumps(_row(outcome), ensure_ascii=False), flush=True)
    if sys.stderr.isatty() and len(folders) > 5:
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    _sum_up(outcomes, as_json=args.json)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _folders(args: argparse.Namespace) -> list[Path]:
    from edge.config import ConfigError
    from edge.config.shipped import shipped

    if args.all == bool(args.case):
        raise ConfigError("name the cases to replay, or give --all (one of the two)")
    if not args.all:
        return [Path(case) for case in args.case]
    try:
        root = args.cases or shipped(DEFAULT_CASES)
    except FileNotFoundError as error:
        raise ConfigError(f"{error}; say where with --cases DIR") from None
    found = sorted(path.parent for path in root.glob("*/detections.jsonl"))
    if not found:
        raise ConfigError(f"{root}: no case in it (a folder with detections.jsonl)")
    return found


def replay(folder: Path, *, update: bool = False) -> Outcome:
    """Judge one case and compare. Raises ConfigError for a case that is not sound."""
    from edge.rules.evaluation import claims, evaluate
    from edge.rules.truth import truth_from

    rows, scenes = judge_case(folder)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    golden = folder / "golden.jsonl"
    if update:
        golden.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    known = golden.read_text(encoding="utf-8").splitlines() if golden.is_file() else []
    diff = list(
        difflib.unified_diff(known, lines, f"{folder.name}/golden", "now", lineterm="", n=1)
    )
    scores: dict[str, Score] = {}
    truth_path = folder / "truth.json"
    if truth_path.is_file():
        truth = truth_from(json.loads(truth_path.read_text(encoding="utf-8")), str(truth_path))
        scores = evaluate(
            truth.events, claims(rows), ignore=truth.ignore, dwell_limit_s=dwell_limits(rows)
        )
    return Outcome(folder.name, lines, diff, scores, scenes)


def judge_case(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """(what the judge reported, as golden rows; scenes judged)."""
    from edge.rules.judge import Judge
    from edge.rules.recording import finding_row, scenes_of

    site, camera, categories = _settings(folder)
    judge = Judge(
        camera,
        categories=categories,
        calendar=_calendar(folder, site),
        timezone=_zone(site, folder),
    )
    names: dict[str, int] = {}
    rows, at, count = [], None, 0
    path = folder / "detections.jsonl"
    for scene in scenes_of(read_lines(path), str(path), tracking=_tracker()):
        rows += [finding_row(f, names) for f in judge.step(scene).findings]
        at, count = scene.at, count + 1
    if at is not None:
        rows += [finding_row(f, names) for f in judge.finish(at).findings]
    return rows, count


def _settings(folder: Path) -> tuple[Site, Camera, dict[str, Category]]:
    from edge.config import ConfigError, Site, load
    from edge.config.catalogue import load_categories
    from edge.config.shipped import shipped
    from edge.rules.check import check_site

    path = folder / "site.yaml"
    site = load(path, Site)
    if len(site.cameras) != 1:
        raise ConfigError(f"{path}: a case has one camera, this one has {len(site.cameras)}")
    own = folder / "categories.yaml"
    categories = load_categories(
        [shipped("config/categories.yaml"), *([own] if own.is_file() else [])]
    )
    camera = site.cameras[0]
    names = {c for cat in categories.values() for c in (*cat.classes, *cat.with_classes)}
    check_site(site, camera, categories, names, str(path))
    return site, camera, categories


def _calendar(folder: Path, site: Site) -> Any:
    from edge.config.catalogue import load_calendar
    from edge.release.packs import site_packs

    return load_calendar([folder / name for name in site.calendar], site_packs(site))


def _zone(site: Site, folder: Path) -> Any:
    from edge.rules.check import check_timezone

    return check_timezone(site.timezone, str(folder / "site.yaml"))


def _tracker() -> Tracking:
    """The product's own tracker for recordings of bare detections, loaded when one is met."""
    state: dict[str, Any] = {}

    def track(rows: list[Any], at: Any) -> Any:
        """Tracks of recorded detections (label, x1, y1, x2, y2, score), by one tracker for the
        case."""
        import numpy as np

        from edge.values import Detections
        from edge.vision.tracker import Tracker

        tracker = state.setdefault("tracker", Tracker())
        names: dict[str, int] = state.setdefault("names", {})
        labels = [names.setdefault(str(row[0]), len(names)) for row in rows]
        boxes = np.array([row[1:5] for row in rows], np.float32).reshape(-1, 4)
        scores = np.array([row[5] for row in rows], np.float32)
        found = Detections(boxes, scores, np.array(labels, np.int32), tuple(names))
        return tracker.update(found, at)

    return track


def _row(outcome: Outcome) -> dict[str, Any]:
    from edge.rules.evaluation import total

    return {
        "case": outcome.name,
        "ok": outcome.ok,
        "scenes": outcome.scenes,
        "events": len(outcome.lines),
        **total(outcome.scores).row(),
        "diff": outcome.diff,
    }


def _sum_up(outcomes: list[Outcome], *, as_json: bool) -> None:
    from edge.rules.evaluation import Score, total

    by_category: dict[str, Score] = {}
    for outcome in outcomes:
        for name, score in outcome.scores.items():
            by_category.setdefault(name, Score()).add(score)
    table = {name: by_category[name].row() for name in sorted(by_category)}
    table["all"] = total(by_category).row()
    wrong = [outcome for outcome in outcomes if not outcome.ok]
    if as_json:
        print(json.dumps({"cases": len(outcomes), "wrong": len(wrong), **table}))
        return
    for outcome in wrong:
        _show_wrong(outcome)
    print_table(table)
    print(f"{len(outcomes)} case(s), {len(wrong)} of them not as recorded or not as in truth")


def _show_wrong(outcome: Outcome) -> None:
    print(f"== {outcome.name}")
    for line in outcome.diff:
        print(line)
    for name, score in outcome.scores.items():
        if score.fp or score.fn:
            print(f"   against the truth: {name}: {score.row()}")
