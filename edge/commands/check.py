# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge check: the same code that the daemons start with, run by hand."""

from __future__ import annotations

import argparse
import json
import sys

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
    return 0
