# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge open: the page of this box in this machine's browser."""

from __future__ import annotations

import argparse

EPILOG = "example: edge open          (prints the address where there is no browser)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", help="device.yaml (default: the box's, else edge-home's)")


def run(args: argparse.Namespace) -> int:
    """0 opened; 1 where no browser could be, and the address is printed. Raises ConfigError."""
    import webbrowser

    from edge.commands.code import page_box

    facts = page_box(args.device).device.console
    from edge.console.page_address import is_loopback

    scheme = "http" if is_loopback(facts.host) and facts.tls_cert is None else "https"
    host = "127.0.0.1" if facts.host in ("0.0.0.0", "::", "") else facts.host  # noqa: S104
    url = f"{scheme}://{host}:{facts.port}/"
    print(url)
    return 0 if webbrowser.open(url) else 1
