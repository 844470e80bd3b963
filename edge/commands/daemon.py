# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge visiond, sensord, uplinkd, janitord, consoled, flightd, updaterd: one until a signal."""

from __future__ import annotations

import argparse
from typing import Any

from edge.config.paths import DEVICE_FILE, SITE_FILE

EPILOG = f"example: edge DAEMON --site {SITE_FILE} --device {DEVICE_FILE}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two files of the box; what only one of the daemons takes."""
    parser.add_argument("--site", default=SITE_FILE)
    parser.add_argument("--device", default=DEVICE_FILE)
    parser.epilog = EPILOG.replace("edge DAEMON", parser.prog)
    if parser.prog.endswith("uplinkd"):
        parser.add_argument("--new-key", action="store_true", help="make the next signing key")
        parser.epilog += (
            f"\n         {parser.prog} --new-key"
            "      (endorsed by the present one; restart uplinkd to use it)"
        )
    if parser.prog.endswith("janitord"):
        parser.add_argument("--every", type=float, metavar="SECONDS", help="go on, one pass each")
        parser.epilog += "      (one pass; a timer calls it)"


def run(args: argparse.Namespace) -> int:
    """Exit code of edge.runtime.run."""
    from edge import runtime

    module = _module(args.command)
    files: dict[str, Any] = {"site_path": args.site, "device_path": args.device}
    if args.command == "uplinkd" and args.new_key:
        print(module.new_key(args.site, args.device))
        return 0
    if args.command == "janitord":
        files["every_s"] = args.every
    return runtime.run(lambda stop, notify: int(module.main(stop, notify, **files)))


def _module(name: str) -> Any:
    """The page is an extra, so its absence is a configuration error."""
    import importlib

    from edge.config import ConfigError

    try:
        return importlib.import_module(f"edge.daemons.{name}")
    except ModuleNotFoundError as error:
        if name != "consoled":
            raise
        raise ConfigError(f"the page needs the extra 'console' ({error.name} is missing)") from None
