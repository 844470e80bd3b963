# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge run: every daemon in one terminal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EPILOG = "example: edge run            (makes ./edge-home with a site and a device file)"

DAEMONS = ("visiond", "sensord", "uplinkd", "janitord", "flightd", "consoled")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", help="site.yaml (default: edge-home/site.yaml, made if missing)")
    parser.add_argument("--device", help="device.yaml (default: edge-home/device.yaml)")
    parser.add_argument("--only", nargs="+", choices=DAEMONS, default=DAEMONS, metavar="DAEMON")


def run(args: argparse.Namespace) -> int:
    """0 after Ctrl-C, 2 where a daemon finds its configuration wrong; the dead start again.
    Raises ConfigError naming the file or option that is wrong."""
    from edge.config import ConfigError
    from edge.daemons.supervisor import run_all, trial_home
    from edge.runtime import Stop

    site, device = args.site, args.device
    for path in filter(None, (site, device)):
        if not Path(path).is_file():
            raise ConfigError(f"{path}: no such file")
    if not site or not device:
        home_site, home_device = trial_home(Path("edge-home"))
        site, device = site or home_site, device or home_device
    stop = Stop()
    stop.on_signals()
    print(f"running {', '.join(args.only)} with {site} and {device}; Ctrl-C stops", file=sys.stderr)
    return run_all(args.only, Path(site), Path(device), stop)
