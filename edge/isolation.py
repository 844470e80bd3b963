# SPDX-License-Identifier: AGPL-3.0-or-later
"""One bad item stays one fault: what happens when the work for one item fails by a bug.

A bug ends the process, for nobody knows what it has left behind; systemd starts it again. Where
the same item would end it a second time, the item is set aside instead, and all others work on.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.outbox import OutboxBroken, OutboxFull
from edge.outbox.schema import damaged, disk_full
from edge.runtime import make_folder, write_atomic

log = logging.getLogger(__name__)

# An item that has ended the process is tried again as usual after so long.
FORGET_S = 24 * 3600.0
# So many items that ended the process within that time have one bug in common: those that come
# after them are set aside at once, or each of a thousand records would cost a start of its own.
ENDED_MAX = 8
# First words of the names of threads that serve one item.
ITEM_THREADS = frozenset({"camera", "feeder", "evidence", "bus", "sender", "microphone"})


class ItemGuard:
    """Remembers on disk which items have ended this daemon. Any thread may call.

    path: one file of this daemon. config: the hash of its configuration; with another one every
    item starts anew. set_aside: takes an item out of the work and reports the fault.
    """

    def __init__(self, path: Path, config: str, set_aside: Callable[[str, str], None]) -> None:
        self._path, self._config, self._set_aside = path, config, set_aside
        self._ended = self._read()
        self._blamed: Exception | None = None

    def failed(
        self, item: str, error: Exception, aside: Callable[[str], None] | None = None
    ) -> None:
        """The work for `item` failed by a bug. Raises `error` again the first time, which ends
        the process; the second time the item is set aside, by `aside` where it is given.

        What is wrong with the disk is no item's, and is raised always."""
        if self._ends_process(item, error):
            raise error
        self._put_aside(item, error, aside)

    def _ends_process(self, item: str, error: Exception) -> bool:
        """Whether nobody but the process can answer for it; an item's first time is remembered."""
        if error is self._blamed or of_the_disk(error):
            return True
        if item in self._ended or len(self._ended) >= ENDED_MAX:
            return False
        self._ended[item] = time.time()
        self._write()
        log.error("%s: a bug; if it happens again, only this item is set aside", item)
        self._blamed = error
        return True

    def _put_aside(
        self, item: str, error: Exception, aside: Callable[[str], None] | None = None
    ) -> None:
        log.error("%s: a bug again: set aside", item, exc_info=error)
        text = f"{type(error).__name__}: {error}"
        try:
            aside(text) if aside is not None else self._set_aside(item, text)
        except Exception as second:
            # Any bug again: it would end the process for an item that is out of the work already.
            if of_the_disk(second):
                raise
            log.exception("%s: setting it aside failed, too", item)

    def report(self, item: str, why: str) -> None:
        """Tell that an item was set aside, where more than that is to be done."""
        self._set_aside(item, why)

    def thread_failed(self, thread: str, error: Exception) -> bool:
        """For runtime.on_thread_bug: threads that serve one item are named `<what> <item>`."""
        what, _, name = thread.partition(" ")
        item = name.removesuffix(" record")
        if what not in ITEM_THREADS or self._ends_process(item, error):
            return False
        self._put_aside(item, error)
        return True

    @contextmanager
    def working_for(self, item: str, aside: Callable[[str], None] | None = None) -> Iterator[None]:
        """Around work for one item in a thread that serves many; see `failed`."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  a bug of any kind
            self.failed(item, error, aside)

    def _read(self) -> dict[str, float]:
        try:
            kept = json.loads(self._path.read_bytes())
            if kept["config"] != self._config:
                return {}
            since = time.time() - FORGET_S
            return {str(k): float(v) for k, v in kept["ended"].items() if float(v) >= since}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s: %s; every item starts anew", self._path, error)
            return {}

    def _write(self) -> None:
        body = json.dumps({"config": self._config, "ended": self._ended}).encode()
        try:
            make_folder(self._path.parent)
            write_atomic(self._path, body)
        except OSError as error:
            log.warning("%s: %s; who ended the process is not remembered", self._path, error)


def of_the_disk(error: Exception) -> bool:
    """Whether an error is the disk's or the outbox's as a whole, after which the process waits for
    room or starts again on what is there."""
    if isinstance(error, sqlite3.DatabaseError) and damaged(error):
        return True
    of_it = isinstance(error, OutboxFull | OutboxBroken | sqlite3.OperationalError)
    return of_it or disk_full(error)
