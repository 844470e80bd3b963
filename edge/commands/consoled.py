# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge consoled: the local web page."""

from __future__ import annotations

import argparse

EPILOG = "example: edge consoled --site /etc/edge/site.yaml --device /etc/edge/device.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", default="/etc/edge/site.yaml")
    parser.add_argument("--device", default="/etc/edge/device.yaml")


def run(args: argparse.Namespace) -> int:
    """The daemon until a signal. The page is an extra, so its absence is a configuration error."""
    from edge import runtime

    try:
        from edge.daemons import consoled
    except ModuleNotFoundError as error:
        from edge.config import ConfigError

        raise ConfigError(f"the page needs the extra 'console' ({error.name} is missing)") from None

    return runtime.run(
        lambda stop, notify: consoled.main(
            stop, notify, site_path=args.site, device_path=args.device
        )
    )
