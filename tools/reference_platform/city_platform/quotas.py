# SPDX-License-Identifier: AGPL-3.0-or-later
"""What one box may cost the platform: files it announced, bytes it sent, messages put aside.

A registered box is not an honest one. Above its share a box is told `hold` and asks again later;
the others are served as before. What was put aside is bounded for each box and for all.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from city_platform.database import Database
from city_platform.files import Box, Files

MB = 1_000_000
FILE_MAX = 2_000_000_000
# A box sends six at a time; more are open where it was replaced or its evidence expired.
OPEN_MOST = 64
OPEN_BYTES_MOST = 8_000 * MB
# Announced and left alone for so long: given up for a newer one.
IDLE_S = 86_400.0
# A tenant may be over its share by what comes in so long.
TENANT_COUNTED_S = 60.0
# Chunks of 96 KiB are the rule; so small a cut as this only happens by intent.
CHUNK_LEAST = 4096
PARTS_SPARE = 64
ASIDE_EACH, ASIDE_ALL = 100, 10_000
ASIDE_BYTES, ASIDE_WORDS = 65_536, 500


@dataclass(frozen=True, slots=True)
class Limits:
    """box_mb: whole files of one box, tenant_mb: of all boxes of one tenant. floor_mb: what the
    disk keeps free for records."""

    box_mb: int = 200_000
    tenant_mb: int = 100_000_000
    floor_mb: int = 1_000


class Quotas:
    """Asked before a file is let in. Inside the store's transaction, like all of its tables."""

    def __init__(self, database: Database, files: Files, limits: Limits) -> None:
        self._db, self._files, self._limits = database, files, limits
        # Tenant -> (when it was counted, bytes): a sum over all its boxes is not for every file.
        self._tenants: dict[str, tuple[float, int]] = {}

    def room(self, box: Box, size: int) -> bool:
        """Whether a file of so many bytes may be announced now."""
        free = self._files.free()
        if free is not None and free - size < self._limits.floor_mb * MB:
            return False
        if self._whole(box) + size > self._limits.box_mb * MB:
            return False
        if self._of_tenant(box.tenant) + size > self._limits.tenant_mb * MB:
            return False
        count, total = self._open(box)
        if count >= OPEN_MOST or total + size > OPEN_BYTES_MOST:
            self._give_up_idle(box)
            count, total = self._open(box)
        return count < OPEN_MOST and total + size <= OPEN_BYTES_MOST

    def _of_tenant(self, tenant: str) -> int:
        at, total = self._tenants.get(tenant, (-TENANT_COUNTED_S, 0))
        if time.monotonic() - at >= TENANT_COUNTED_S:
            sql = "SELECT coalesce(sum(size), 0) FROM transfer WHERE tenant = ? AND done = 1"
            total = int(self._db.rows(sql, (tenant,))[0][0])
            self._tenants[tenant] = (time.monotonic(), total)
        return total

    def _whole(self, box: Box) -> int:
        sql = (
            "SELECT coalesce(sum(size), 0) FROM transfer"
            " WHERE tenant = ? AND device = ? AND done = 1"
        )
        return int(self._db.rows(sql, box)[0][0])

    def _open(self, box: Box) -> tuple[int, int]:
        sql = (
            "SELECT count(*), coalesce(sum(size), 0) FROM transfer"
            " WHERE tenant = ? AND device = ? AND done = 0"
        )
        count, total = self._db.rows(sql, box)[0]
        return count, int(total)

    def _give_up_idle(self, box: Box) -> None:
        idle = self._db.rows(
            "SELECT sha256 FROM transfer"
            " WHERE tenant = ? AND device = ? AND done = 0 AND touched < ?",
            (*box, time.time() - IDLE_S),
        )
        for (sha256,) in idle:
            self.forget(box, sha256)

    def forget(self, box: Box, sha256: str) -> None:
        """A file that is not whole, with its parts, as if it had never been announced."""
        here = "WHERE tenant = ? AND device = ? AND sha256 = ?"
        parts = self._db.rows(f"SELECT start, stop FROM part {here}", (*box, sha256))  # noqa: S608
        self._files.drop(box, sha256, [(start, stop) for start, stop in parts])
        for table in ("part", "transfer"):
            self._db.run(f"DELETE FROM {table} {here}", (*box, sha256))  # noqa: S608

    def put_aside(self, box: Box, topic: str, why: str, payload: bytes) -> None:
        """Keep a message that was not taken, for a person to look at: the newest of each box, and
        one that comes again only once."""
        digest = hashlib.sha256(topic.encode() + b"\0" + payload).hexdigest()
        self._db.run(
            "INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, 1)"
            " ON CONFLICT (tenant, device, sha256) DO UPDATE"
            " SET times = quarantine.times + 1, received = excluded.received",
            (*box, digest, topic[:ASIDE_WORDS].replace("\0", ""),
             why[:ASIDE_WORDS].replace("\0", ""), time.time(), payload[:ASIDE_BYTES]),
        )  # fmt: skip
        self._keep_newest("tenant = ? AND device = ?", box, ASIDE_EACH)
        self._keep_newest("1 = 1", (), ASIDE_ALL)

    def _keep_newest(self, which: str, values: tuple[str, ...], most: int) -> None:
        count = f"SELECT count(*) FROM quarantine WHERE {which}"  # noqa: S608
        if self._db.rows(count, values)[0][0] <= most:
            return
        oldest = (
            "SELECT tenant, device, sha256 FROM quarantine"  # noqa: S608
            f" WHERE {which} ORDER BY received LIMIT 1"
        )
        self._db.run(
            "DELETE FROM quarantine WHERE tenant = ? AND device = ? AND sha256 = ?",
            self._db.rows(oldest, values)[0],
        )
