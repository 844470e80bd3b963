# SPDX-License-Identifier: AGPL-3.0-or-later
"""`edge model tune`: every form of a model that can run on this board, measured, and the best one
put into force."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from edge.config import ConfigError
from edge.config.paths import DEVICE_FILE, SITE_FILE, usual
from edge.pipeline.settings import Settings, manifest_path, model_names, read_settings
from edge.release.tuning import tune
from edge.vision.choice import Choice, MeasuredForm, Opening, choice_for


def run_tune(args: argparse.Namespace) -> int:
    """One line for each candidate and one for the choice. 1 where a model has no form that can be
    used; raises ConfigError for wrong files and for a state folder that cannot be written."""
    settings = read_settings(usual(args.site, SITE_FILE), usual(args.device, DEVICE_FILE))
    names = {name: manifest_path(settings, name) for name in model_names(settings)}
    paths = [Path(path) for path in args.manifest] or list(names.values())
    if args.pictures is not None and not args.pictures.is_dir():
        raise ConfigError(f"--pictures {args.pictures}: no such folder")
    return max(_tuned(path, settings, args) for path in paths)


def _tuned(path: Path, settings: Settings, args: argparse.Namespace) -> int:
    if not path.is_file():
        raise ConfigError(f"{path}: no such manifest")
    choice = choice_for(settings.models, path) if args.if_needed else None
    if choice is not None:
        _say(args, _plain("kept", choice, path), f"{choice_line(choice)}; measured before")
        return 0

    def show(row: MeasuredForm) -> None:
        _say(args, {"measured": msgspec.to_builtins(row)}, form_line(row))

    compute = settings.device.compute
    try:
        choice = tune(
            path,
            settings.models,
            compute,
            pictures=args.pictures,
            seconds=args.seconds,
            measured=show,
        )
    except OSError as error:
        raise ConfigError(f"{settings.models}: {error.strerror or error}") from None
    except ConfigError as error:
        _say(args, {"ok": False, "error": str(error)}, f"BAD   {error}")
        return 1
    _say(args, _plain("chosen", choice, path), choice_line(choice))
    return 0


def _plain(what: str, choice: Choice, path: Path) -> dict[str, Any]:
    return {what: msgspec.to_builtins(choice.opening), "model": choice.model, "manifest": str(path)}


def _say(args: argparse.Namespace, row: dict[str, Any], line: str) -> None:
    print(json.dumps(row, ensure_ascii=False) if args.json else line, flush=True)
    if args.json and sys.stderr.isatty():
        print(line, file=sys.stderr)


def how(opening: Opening) -> str:
    """Which file, what runs it, how many at once."""
    return f"{opening.variant or 'fp32'} on {opening.provider}, {opening.workers} worker(s)"


def form_line(row: MeasuredForm) -> str:
    """What was measured of one candidate."""
    if not row.ok:
        return f"left out 不可用 {how(row.opening)}: {row.said}"
    size = "x".join(map(str, row.input))
    return (
        f"usable 可用  {how(row.opening)}, {size}: {row.times:.2f} x fp32 on cpu, "
        f"{row.pictures_per_s:.1f} pictures/s, {row.cpu_ms:.1f} ms CPU each; {row.said}"
    )


def choice_line(choice: Choice) -> str:
    """What is in force for a model, and why."""
    times = next((r.times for r in choice.measured if r.opening == choice.opening), 1.0)
    return (
        f"chosen 已选用 {choice.model}: {how(choice.opening)}, {times:.2f} x fp32 on cpu "
        f"({choice.at}); `compute` of device.yaml overrules it"
    )
