# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge uplinkd: outbox to platform."""

from __future__ import annotations

import argparse

EPILOG = """example: edge uplinkd --site /etc/edge/site.yaml --device /etc/edge/device.yaml
         edge uplinkd --new-key      (endorsed by the present one; restart uplinkd to use it)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", default="/etc/edge/site.yaml")
    parser.add_argument("--device", default="/etc/edge/device.yaml")
    parser.add_argument("--new-key", action="store_true", help="make the next signing key")


def run(args: argparse.Namespace) -> int:
    """The daemon until a signal; exit code of edge.runtime.run."""
    from edge import runtime
    from edge.daemons import uplinkd

    if args.new_key:
        print(uplinkd.new_key(args.site, args.device))
        return 0
    return runtime.run(
        lambda stop, notify: uplinkd.main(
            stop, notify, site_path=args.site, device_path=args.device
        )
    )
