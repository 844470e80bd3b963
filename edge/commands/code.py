# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge code: how a phone gets to the page of this box, and the code to come in."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edge.config.paths import BoxFiles
    from edge.console.page_address import PageReach

EPILOG = """example: sudo edge code            (addresses, also as QR, code, fingerprint)
         sudo edge code --new      (a code for a new password; counts for an hour)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", help="device.yaml (default: the box's, else edge-home's)")
    parser.add_argument("--new", action="store_true", help="make a code for who lost a password")
    parser.add_argument("--no-qr", action="store_true", help="without the QR code")
    parser.add_argument("--json", action="store_true", help="one object, for a program")


def run(args: argparse.Namespace) -> int:
    """Prints; raises ConfigError where the page never ran here or may not be read."""
    from edge.config import ConfigError
    from edge.console.accounts import has_accounts, waiting_code, write_code
    from edge.console.page_address import greeting

    box = page_box(args.device)
    folder = box.state / "console"
    try:
        reach = reach_of(box, folder)
        fresh = not has_accounts(folder)
        code = write_code(folder) if args.new else waiting_code(folder, fresh=fresh)
    except PermissionError as error:
        raise ConfigError(
            f"{error.filename}: only its owner may read it; try: sudo edge code"
        ) from None
    if args.json:
        print(json.dumps(_facts(reach, code, fresh), ensure_ascii=False))
        return 0
    print("\n".join(greeting(reach, code, qr=not args.no_qr)))
    for line in _next(code, fresh):
        print(line, file=sys.stderr)
    return 0


def page_box(device: str | None) -> BoxFiles:
    """The box of this machine, or of the trial in this folder. Raises ConfigError."""
    from pathlib import Path

    from edge.config import ConfigError
    from edge.config.paths import DEVICE_FILE, read_box, usual

    trial = Path("edge-home/device.yaml")
    found = usual(device, DEVICE_FILE) or (str(trial) if trial.exists() else None)
    if found is None:
        raise ConfigError(f"{DEVICE_FILE}: no such file; install the box, or start `edge run`")
    return read_box(found)


def reach_of(box: BoxFiles, folder: Path) -> PageReach:
    """How the page is reached. Raises ConfigError where it never ran, OSError."""
    from edge.config import ConfigError
    from edge.console.page_address import PageReach, is_loopback
    from edge.console.page_certificate import own_files, read_certificate

    facts = box.device.console
    if facts.tls_cert is None and is_loopback(facts.host):
        return PageReach(facts.host, facts.port, None)
    own = own_files(box.state)
    if facts.tls_cert is not None:
        own = (box.base / facts.tls_cert, box.base / (facts.tls_key or facts.tls_cert))
    try:
        return PageReach(facts.host, facts.port, read_certificate(*own))
    except FileNotFoundError:
        raise ConfigError(
            f"{own[0]}: no such file: the page never ran here; start it (systemctl start "
            "edge-consoled, or `edge run`)"
        ) from None
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _facts(reach: PageReach, code: str | None, fresh: bool) -> dict[str, object]:
    certificate = reach.certificate
    return {
        "urls": reach.urls(),
        "code": code,
        "fresh": fresh,
        "sha256": certificate.sha256 if certificate else None,
    }


def _next(code: str | None, fresh: bool) -> tuple[str, ...]:
    if fresh:
        return (
            "Open the address on a phone in the same network and enter the code.",
            "手机接入同一网络，打开上面的地址，输入激活码。",
        )
    if code:
        return (
            "On the log-in page choose “Lost the password?” and enter the code within an hour.",
            "在登录页点“忘记密码？”，一小时内输入激活码。",
        )
    return (
        "Somebody has an account already. A lost password: edge code --new",
        "已有账号。忘记密码：edge code --new",
    )
