# SPDX-License-Identifier: AGPL-3.0-or-later
"""One bad record, file or message stays one fault: the work for each, in the thread of the pump.

Where the work for one would end edge-uplinkd twice, a record or file is set aside in the outbox
until an operator sends it again or drops it (`edge outbox`), a message is kept as a file and let
go; what comes after them goes its way.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePath

from edge.faults import FaultLog
from edge.isolation import ItemGuard
from edge.outbox import Dispatch, FileRow, OutboxRow, State
from edge.runtime import make_folder, write_atomic

log = logging.getLogger(__name__)

RECORD_FAULT, MESSAGE_FAULT = "record_set_aside", "message_set_aside"
# So many are named as faults, the oldest; the status counts all of them.
NAMED_MAX = 20
# Of half a megabyte each at most; those after them are counted and not kept.
MESSAGES_KEPT = 32


class Isolated:
    """One thread's. `settle` is called between transactions, for nothing is written in the middle
    of one that an item has spoilt."""

    def __init__(
        self, guard: ItemGuard, dispatch: Dispatch, faults: FaultLog, messages: Path
    ) -> None:
        self._guard, self._dispatch, self._faults = guard, dispatch, faults
        self._messages = messages
        self._rows: list[tuple[OutboxRow, str]] = []
        self._files: list[tuple[FileRow, str]] = []
        self.counts: Counter[str] = Counter()
        self.watch()

    def record(self, row: OutboxRow) -> AbstractContextManager[None]:
        """Around work for one record."""
        return self._guard.working_for(
            f"{row.kind} {row.key}", lambda why: self._rows.append((row, why))
        )

    def file(self, file: FileRow, let_go: Callable[[], None]) -> AbstractContextManager[None]:
        """Around work for one evidence file; `let_go` takes it off the line."""

        def aside(why: str) -> None:
            self._files.append((file, why))
            let_go()

        return self._guard.working_for(f"file {_short(file.path)}", aside)

    @contextmanager
    def message(self, kind: str, payload: bytes) -> Iterator[list[str]]:
        """Around work for one message of the platform; the list holds why it was set aside."""
        digest = hashlib.sha256(payload).hexdigest()[:16]
        why: list[str] = []
        with self._guard.working_for(f"{kind} message {digest}", why.append):
            yield why
        if why:
            self.let_go(kind, payload, why[0])

    def let_go(self, kind: str, payload: bytes, why: str) -> None:
        """Keeps a message as a file, and reports the fault."""
        digest = hashlib.sha256(payload).hexdigest()[:16]
        self.counts[f"set_aside:{kind}"] += 1
        path = self._kept(f"{kind or 'unknown'}-{digest}", payload)
        text = f"message {digest}: {why}; {f'kept as {path}' if path else 'not kept'}"
        self._faults.start(MESSAGE_FAULT, kind, text)

    def message_done(self, kind: str) -> None:
        """The next of its kind went well: the fault of the one before is over."""
        self._faults.end(MESSAGE_FAULT, kind)

    def _kept(self, name: str, payload: bytes) -> Path | None:
        path = self._messages / name
        try:
            make_folder(self._messages)
            if not path.exists() and sum(1 for _ in self._messages.iterdir()) >= MESSAGES_KEPT:
                return None
            write_atomic(path, payload)
        except OSError as error:
            log.warning("%s: %s; the message is not kept", path, error)
            return None
        return path

    def settle(self) -> list[OutboxRow]:
        """Writes down what was set aside in this turn; the records among it."""
        if not self._rows and not self._files:
            return []
        arrived: list[tuple[str, str]] = []
        with self._dispatch.commit():
            for row, why in self._rows:
                if not self._dispatch.bury(row.id, why[:500], State.ASIDE):
                    arrived.append((row.key, why))
            for file, why in self._files:
                if not self._dispatch.mark_file(file.sha256, State.ASIDE, why[:500]):
                    arrived.append((_short(file.path), why))
        for name, why in arrived:
            self._faults.once(RECORD_FAULT, name, f"{why}; the platform has it already")
        rows = [row for row, _ in self._rows]
        self._rows, self._files = [], []
        self.watch()
        return rows

    def watch(self) -> None:
        """The faults follow what lies aside, also after an operator took something out of it."""
        named: dict[str, str] = {}
        for kind, name, known_as, why in self._dispatch.aside(NAMED_MAX):
            text = f"{why}; edge outbox retry {known_as}, or drop {known_as}"
            # A bug in the reporting of faults may not be reported by one fault after another.
            named.setdefault(kind if kind == "fault" else _short(name), text)
        for fault in self._faults.standing(RECORD_FAULT):
            if fault.subject not in named:
                self._faults.end(RECORD_FAULT, fault.subject)
        for subject, text in named.items():
            self._faults.start(RECORD_FAULT, subject, text)


def _short(name: str) -> str:
    """A key as it is, a path by its last three parts: case, revision, file."""
    return "/".join(PurePath(name).parts[-3:]) if name.startswith("/") else name[:200]
