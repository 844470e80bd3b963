# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge sensord: serial ports to findings."""

from __future__ import annotations

import argparse

EPILOG = "example: edge sensord --site /etc/edge/site.yaml --device /etc/edge/device.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", default="/etc/edge/site.yaml")
    parser.add_argument("--device", default="/etc/edge/device.yaml")


def run(args: argparse.Namespace) -> int:
    """The daemon until a signal; exit code of edge.runtime.run."""
    from edge import runtime
    from edge.daemons import sensord

    return runtime.run(
        lambda stop, notify: sensord.main(
            stop, notify, site_path=args.site, device_path=args.device
        )
    )
