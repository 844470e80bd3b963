# SPDX-License-Identifier: AGPL-3.0-or-later
"""One evidence file under way: what is left of it to send, and its messages."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge.outbox import FileRow
from edge.uplink.messages import EvidenceFin, EvidenceInit
from edge.uplink.pacing import missing

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Mode:
    """blind: send without waiting for `need`. by_broker: the PUBACK of fin releases the file."""

    emqx: bool = False
    by_broker: bool = False

    @property
    def blind(self) -> bool:
        return self.emqx or self.by_broker


@dataclass(slots=True)
class Parcel:
    """`gaps`: what the platform lacks; `out`: chunks not answered yet; `due`: when silence counts.

    announced: init went out. asked: the platform said what it lacks. closed: fin went out.
    """

    file: FileRow
    gaps: list[tuple[int, int]] = field(default_factory=list)
    out: int = 0
    announced: bool = False
    asked: bool = False
    closed: bool = False
    due: float = 0.0

    def need(self, ranges: Sequence[tuple[int, int]]) -> None:
        """The platform lacks these bytes."""
        self.gaps = missing(self.file.size, tuple(ranges))
        self.asked, self.closed = True, False

    def cut(self, end: int) -> None:
        """The first gap was sent up to `end`."""
        _, stop = self.gaps[0]
        self.gaps[:1] = [(end, stop)] if end < stop else []

    def read(self, start: int, end: int) -> bytes:
        """Raises OSError where the file is gone or shorter than its manifest said."""
        with Path(self.file.path).open("rb") as file:
            file.seek(start)
            data = file.read(end - start)
        if len(data) != end - start:
            raise OSError("shorter than its manifest says")
        return data

    def intact(self) -> bool:
        """Whether the file still has the bytes that its violation listed; reads all of it."""
        digest = hashlib.sha256()
        try:
            with Path(self.file.path).open("rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
        except OSError:
            return False
        return digest.hexdigest() == self.file.sha256

    def silent(self, now: float) -> bool:
        """Whether the platform owes an answer for too long."""
        waits = self.announced and (not self.asked or self.closed) and self.out == 0
        return waits and now > self.due

    def open_to_ranges(self) -> bool:
        """Whether a `need` may be taken now: not while chunks of the last one are under way."""
        return self.out == 0 and (not self.gaps or self.closed or not self.asked)

    def init(self, mode: Mode, records: tuple[str, ...]) -> bytes:
        """The message that opens a transfer: ours, or the broker's own for `$file`. records: ids
        of the records that the file belongs to."""
        name = Path(self.file.path).name
        if mode.emqx:
            body = {"name": name, "size": self.file.size, "checksum": self.file.sha256}
            return msgspec.json.encode(body)
        return msgspec.json.encode(
            EvidenceInit(
                name=name,
                size=self.file.size,
                sha256=self.file.sha256,
                role=self.file.role,
                records=records,
            )
        )

    def fin(self, mode: Mode) -> tuple[str, bytes]:
        """(the last part of its topic, payload)."""
        if mode.emqx:
            return f"fin/{self.file.size}/{self.file.sha256}", b""
        fin = EvidenceFin(size=self.file.size, sha256=self.file.sha256)
        return "fin", msgspec.json.encode(fin)
