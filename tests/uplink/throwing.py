# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge-uplinkd with a bug in the work for some of its items, started again as systemd does it.

`python -m tests.uplink.throwing --device device.yaml --site site.yaml`: at each seam the work fails
for the item that is named after the seam, and for that alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge import runtime
from edge.daemons import notice_desk, uplinkd
from edge.notices import sender
from edge.outbox import Dispatch
from edge.uplink import commands, desired, inbox, reviews, seal, sealer, transfer, trust
from edge.uplink.file_transfer import Parcel
from edge.uplink.in_flight import InFlight
from edge.uplink.records import Records

# Records and files are named v-<seam>; the messages carry the seam in their words.
RECORDS = ("build", "sign", "beside", "send", "answered", "receipt")
FILES = ("init", "chunk", "fin", "have")


class Bug(Exception):
    """Nobody expects this one."""


def _throws(of: Any, name: str, is_it: Callable[..., bool]) -> None:
    """The function raises where its arguments are the item's."""
    real = getattr(of, name)

    def thrown(*args: Any, **named: Any) -> Any:
        if is_it(*args):
            raise Bug(name)
        return real(*args, **named)

    setattr(of, name, thrown)


def arm() -> None:
    """Every seam at once."""
    _throws(sealer, "envelope", lambda kind, data: data.get("id") == "v-build")
    _throws(seal.Signer, "sign", lambda _, body: body.get("data", {}).get("id") == "v-sign")
    _throws(sealer.Sealer, "_write_beside", lambda _, folder, __: "v-beside" in str(folder))
    _throws(
        InFlight,
        "send",
        lambda _, topic, data, *__: topic.endswith("violation") and b'"id":"v-send"' in data,
    )
    _throws(Records, "_passed", lambda _, row: row.key.startswith("v-answered"))
    _throws(Dispatch, "acknowledge", _is_receipt)
    _throws(Parcel, "init", lambda parcel, *_: "v-init" in parcel.file.path)
    _throws(Parcel, "read", lambda parcel, *_: "v-chunk" in parcel.file.path)
    _throws(Parcel, "fin", lambda parcel, *_: "v-fin" in parcel.file.path)
    _throws(transfer.Transfers, "_apply", _is_have)
    _throws(trust.DownlinkTrust, "read", lambda _, kind, data, *__: b"throw read" in data)
    _throws(commands.Commands, "obey", lambda _, command, __: command.cmd_id == "c-command")
    _throws(commands.Commands, "_follow", lambda _, one, *__: one.command.cmd_id == "c-answer")
    _throws(desired.DesiredSite, "_prepare", lambda _, wanted: "throw" in str(wanted.site))
    _throws(reviews.ReviewLog, "keep", lambda _, review: review.violation == "v-review")
    _throws(inbox.Inbox, "_release", lambda _, ack: ack.iss == "release")
    _throws(notice_desk, "notice_of", lambda kind, key, body: key.startswith("v-notice"))
    _throws(sender, "post_notice", lambda hook, text, wall: hook.id == "bad")


def _is_receipt(dispatch: Dispatch, record_id: str, sha256: str, _: bytes) -> bool:
    row = dispatch.sent(record_id, sha256)
    return row is not None and row.key.startswith("v-receipt")


def _is_have(_: Any, answer: Any, parcel: Parcel | None, __: float) -> bool:
    return parcel is not None and answer.state == "have" and "v-have" in parcel.file.path


def main() -> int:
    arm()
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    site, device = Path(options["--site"]), Path(options["--device"])
    return runtime.run(
        lambda stop, notify: uplinkd.main(
            stop, notify, site_path=site, device_path=device, boot_spread_s=0.0
        )
    )


if __name__ == "__main__":
    sys.exit(main())
