# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge check: the same code that the daemons start with, run by hand."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.pipeline.settings import Settings

EPILOG = """example: edge check --site config/site.example.yaml --explain
every key, its limits and what it is for: docs/configuration.md; whole places: config/examples"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", help="site.yaml: cameras, zones, rules, sensors")
    parser.add_argument("--device", help="device.yaml: name, broker, folders, quotas")
    parser.add_argument("--explain", action="store_true", help="print the effective configuration")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schemas and stop")


def run(args: argparse.Namespace) -> int:
    """0 where the files are sound; ConfigError names the first thing that is not. Passwords in
    sources are never printed."""
    import msgspec

    from edge.camera.url import redact
    from edge.config import Categories, ConfigError, Device, Site
    from edge.pipeline.soundness import load_settings

    if args.schema:
        schema = {k.__name__.lower(): msgspec.json.schema(k) for k in (Site, Device, Categories)}
        print(json.dumps(schema, ensure_ascii=False, indent=1))
        return 0
    if not args.site and not args.device:
        raise ConfigError("nothing to check: give --site SITE.yaml, --device DEVICE.yaml or both")
    settings = load_settings(args.site, args.device, sources=True)
    if args.explain:
        effective = msgspec.to_builtins({"site": settings.site, "device": settings.device})
        print(redact(json.dumps(effective, ensure_ascii=False, indent=1)))
    cameras = len(settings.site.cameras)
    rules = sum(len(c.rules) for c in settings.site.cameras)
    print(
        f"configuration is sound: {cameras} camera(s), {rules} rule(s), "
        f"{len(settings.site.sensors)} sensor(s); sha256 {settings.sha256[:12]}",
        file=sys.stderr,
    )
    sections = (form_lines, doubt_lines, trust_lines, pack_lines)
    for line in (line for lines in sections for line in lines(settings)):
        print(line, file=sys.stderr)
    return 0


def doubt_lines(settings: Settings) -> list[str]:
    """What in the site file contradicts the rest of it."""
    from edge.config.neighbours import doubts

    rows = [(doubt.subject, *doubt.words()) for doubt in doubts(settings.site)]
    return [f"{subject}: {english} ({chinese})" for subject, chinese, english in rows]


def pack_lines(settings: Settings) -> list[str]:
    """Packs that are missing or end soon, and categories in use that have no code but ours."""
    from datetime import datetime, timezone

    from edge.config.dated import uncoded
    from edge.daemons.handling import DEFAULT_STANDARD

    site, packs = settings.site, settings.calendar.packs
    today = settings.dated.day(datetime.now(timezone.utc).timestamp())
    rows = [*site.noise, *site.dust]
    used = [rule.category for camera in site.cameras for rule in camera.rules]
    used += [str(row["category"]) for row in rows if "category" in row]
    known = [settings.categories[name] for name in dict.fromkeys(used)]
    standards = {str(row.get("standard", DEFAULT_STANDARD)) for row in site.noise}
    faults = [f"{f.kind}: {f.title}: {f.text}" for f in packs.faults(today, standards)]
    return [*faults, *uncoded(known, packs, today)]


def form_lines(settings: Settings) -> list[str]:
    """How each model is opened on this board, where that was measured; else that it was not."""
    from edge.commands.model_tune import choice_line
    from edge.pipeline.settings import manifest_path, model_names
    from edge.vision.choice import choice_for

    lines = []
    for name in model_names(settings):
        choice = choice_for(settings.models, manifest_path(settings, name))
        lines.append(
            f"model {name}: {choice_line(choice)}"
            if choice
            else f"model {name}: not measured on this board: edge model tune (本机未测速)"
        )
    return lines


TRUST = {
    "weak": "camera {0}: {1} relies on {2}: weak, many are missed or wrong "
    "(模型对该类别的识别较弱，漏报误报较多)",
    "unproven": "camera {0}: {1} relies on {2}: unproven on real pictures, its findings are leads, "
    "not cases (该类别未经真实画面验证，只作线索)",
}


def trust_lines(settings: Settings) -> list[str]:
    """What each camera's rules rely on, where figures on real pictures do not carry it."""
    from edge.pipeline.settings import manifest_path
    from edge.rules.trust import GROUND, best_of, of_classes
    from edge.vision.manifest import read_manifest

    lines = []
    for camera in settings.site.cameras:
        path = manifest_path(settings, camera.model or settings.site.model)
        trust = best_of(read_manifest(path).good_for, GROUND)
        for rule in camera.rules:
            classes = settings.categories[rule.category].classes
            words = TRUST.get(of_classes(trust, classes) or "")
            if words:
                lines.append(words.format(camera.id, rule.category, ", ".join(classes)))
    return lines
