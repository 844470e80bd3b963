# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge janitord: deletes what the platform has released, and keeps the disk from running full."""

from __future__ import annotations

import argparse

EPILOG = "example: edge janitord --device /etc/edge/device.yaml      (one pass; a timer calls it)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", default="/etc/edge/site.yaml")
    parser.add_argument("--device", default="/etc/edge/device.yaml")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="go on, one pass each")


def run(args: argparse.Namespace) -> int:
    """One pass, or one every `--every` seconds until a signal."""
    from edge import runtime
    from edge.daemons import janitord

    return runtime.run(
        lambda stop, notify: janitord.main(
            stop, notify, site_path=args.site, device_path=args.device, every_s=args.every
        )
    )
