# SPDX-License-Identifier: AGPL-3.0-or-later
"""What became of a box: replaced, retired, lost. The platform's word, signed where a box needs it.

    tools/boxes --out received list
    tools/boxes --out received replace hue/box-0042 > replacement.json     the old box is dead
    tools/boxes --out received retire hue/box-0042                         taken down in order
    tools/boxes --out received revoke hue/box-0042 --why "lost on the M4"  not heard any more

`replace` ends the old box's keys and signs where its chains end; for --hours the first key that a
new box of the same name brings is believed. With replacement.json laid on it (edge-provision
accept --replaces) it goes on in the same chains. A lost box's certificate is revoked at the broker
besides: tools/depot revoke.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any

from city_platform.database import Database, NoDatabase
from city_platform.files import Box
from edge.uplink import seal

SCHEMA = """
CREATE TABLE IF NOT EXISTS box_end (
  tenant TEXT, device TEXT, state TEXT, why TEXT, at REAL, PRIMARY KEY (tenant, device));
CREATE TABLE IF NOT EXISTS key_end (
  tenant TEXT, device TEXT, kid TEXT, at REAL, PRIMARY KEY (tenant, device, kid));
CREATE TABLE IF NOT EXISTS replacement (
  tenant TEXT, device TEXT, at REAL, until REAL, kid TEXT, statement TEXT,
  PRIMARY KEY (tenant, device, at));
"""
HOURS = 72.0


class NoBox(ValueError):
    """A box that is not there, or cannot be ended so; one line."""


class BoxRegistry:
    """One connection. Call the methods that write inside a transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database
        # Of one commit, for the boxes that were prepared.
        self._prepared: dict[Box, tuple[str, set[str]]] = {}

    def prepare(self, boxes: Collection[Box]) -> None:
        """Read at once what became of these boxes and their keys; held until `forget`."""
        marks = ", ".join(["(?, ?)"] * len(boxes))
        names = [word for box in boxes for word in box]
        which = f"WHERE (tenant, device) IN (VALUES {marks})"
        states = {
            Box(tenant, device): f"{state}: {why}"
            for tenant, device, state, why in self._db.rows(
                f"SELECT tenant, device, state, why FROM box_end {which}",  # noqa: S608
                names,
            )
        }
        ended: dict[Box, set[str]] = {box: set() for box in boxes}
        for tenant, device, kid in self._db.rows(
            f"SELECT tenant, device, kid FROM key_end {which}",  # noqa: S608
            names,
        ):
            ended[Box(tenant, device)].add(kid)
        self._prepared = {box: (states.get(box, ""), ended[box]) for box in boxes}

    def forget(self) -> None:
        self._prepared = {}

    def ended(self, box: Box) -> str:
        """`retired` or `revoked`, with why; "" for a box that is heard."""
        if box in self._prepared:
            return self._prepared[box][0]
        sql = "SELECT state, why FROM box_end WHERE tenant = ? AND device = ?"
        rows = self._db.rows(sql, box)
        return f"{rows[0][0]}: {rows[0][1]}" if rows else ""

    def ended_keys(self, box: Box) -> set[str]:
        if box in self._prepared:
            return self._prepared[box][1]
        sql = "SELECT kid FROM key_end WHERE tenant = ? AND device = ?"
        return {kid for (kid,) in self._db.rows(sql, box)}

    def end(self, box: Box, state: str, why: str, at: float) -> None:
        """Raises NoBox for one that was never heard of."""
        if not self._keys(box):
            raise NoBox(f"{box.path}: no such box was ever heard")
        self._db.run(
            "INSERT INTO box_end VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant, device)"
            " DO UPDATE SET state = excluded.state, why = excluded.why, at = excluded.at",
            (*box, state, why, at),
        )

    def _keys(self, box: Box) -> list[str]:
        sql = "SELECT kid FROM device_key WHERE tenant = ? AND device = ? ORDER BY kid"
        return [kid for (kid,) in self._db.rows(sql, box)]

    def replace(self, box: Box, signer: seal.Signer, at: float, hours: float) -> bytes:
        """The signed end of the old box's chains; its keys end here. Raises NoBox."""
        keys = self._keys(box)
        if not keys:
            raise NoBox(f"{box.path}: no such box was ever heard")
        for kid in keys:
            self._db.run("INSERT INTO key_end VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                         (*box, kid, at))  # fmt: skip
        told = {
            "type": "replacement",
            "tenant": box.tenant,
            "device": box.device,
            "at": round(at, 3),
            "ended_keys": keys,
            "heads": self._heads(box),
        }
        statement = signer.sign(told)
        row = (*box, at, at + hours * 3600.0, "", statement.decode())
        self._db.run("INSERT INTO replacement VALUES (?, ?, ?, ?, ?, ?)", row)
        self._db.run("DELETE FROM box_end WHERE tenant = ? AND device = ?", box)
        return statement

    def _heads(self, box: Box) -> dict[str, dict[str, Any]]:
        """Where each chain ends: by the last record that came, or by the box's own signed head,
        where that is further; what lies between was lost with it, and stays a gap."""
        sql = (
            "SELECT kind, seq, sha256 FROM record WHERE tenant = ? AND device = ?"
            " UNION ALL SELECT kind, seq, sha256 FROM head WHERE tenant = ? AND device = ?"
        )
        ends: dict[str, dict[str, Any]] = {}
        for kind, seq, sha256 in self._db.rows(sql, (*box, *box)):
            if seq > ends.get(kind, {"seq": 0})["seq"]:
                ends[kind] = {"seq": seq, "sha256": sha256}
        return ends

    def believe(self, box: Box, kid: str, at: float) -> bool:
        """Whether a key that no other vouches for may be believed: once for each replacement."""
        sql = (
            "SELECT at FROM replacement WHERE tenant = ? AND device = ? AND kid = '' AND until > ?"
            " ORDER BY at DESC"
        )
        rows = self._db.rows(sql, (*box, at))
        if not rows or kid in self.ended_keys(box):
            return False
        self._db.run(
            "UPDATE replacement SET kid = ? WHERE tenant = ? AND device = ? AND at = ?",
            (kid, *box, rows[0][0]),
        )
        return True

    def list(self) -> list[dict[str, Any]]:
        """Every box that was heard, with its keys and what became of it."""
        sql = "SELECT DISTINCT tenant, device FROM device_key ORDER BY tenant, device"
        return [
            {
                "box": box.path,
                "keys": [kid for kid in self._keys(box) if kid not in self.ended_keys(box)],
                "ended_keys": sorted(self.ended_keys(box)),
                "state": self.ended(box) or "in service",
            }
            for box in (Box(*row) for row in self._db.rows(sql))
        ]


def main() -> int:
    """0 done; 2 with one line of what is wrong."""
    from city_platform.receiver import platform_signer
    from city_platform.store import open_database

    parser = argparse.ArgumentParser(prog="tools/boxes", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, required=True, help="the receivers' folder")
    parser.add_argument("--database", help="the receivers' postgresql://…")
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("list")
    for name in ("replace", "retire", "revoke"):
        sub = what.add_parser(name)
        sub.add_argument("box", metavar="TENANT/DEVICE")
        sub.add_argument("--why", default="")
        if name == "replace":
            sub.add_argument("--hours", type=float, default=HOURS, help="for the first contact")
    args = parser.parse_args()
    try:
        with closing(open_database(args.out, args.database)) as database:
            return _done(args, database, lambda: platform_signer(args.out))
    except (NoDatabase, NoBox) as error:
        print(f"tools/boxes: {error}", file=sys.stderr)
        return 2


def _done(args: argparse.Namespace, database: Database, signer: Any) -> int:
    registry = BoxRegistry(database)
    if args.what == "list":
        for row in registry.list():
            print(json.dumps(row, ensure_ascii=False))
        return 0
    box = Box(*args.box.partition("/")[::2])
    with database.transaction():
        if args.what == "replace":
            print(registry.replace(box, signer(), time.time(), args.hours).decode())
        else:
            state = {"retire": "retired", "revoke": "revoked"}[args.what]
            registry.end(box, state, args.why, time.time())
            print(json.dumps({"box": box.path, "state": state}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
