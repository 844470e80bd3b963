# SPDX-License-Identifier: AGPL-3.0-or-later
"""Faults of the world around the box, for the soak: what is done, and by when the box must say so.

Killing a program is not among them (crew.Worker does that): here a camera falls silent or flaps, a
sensor's adapter is pulled out, a broker answers and lets nobody in.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tools.fakes.camera import FakeCamera, clip

# The sum of: the box's own limit, the two seconds between looks here, and a busy machine's slack.
SLACK_S = 8.0


@dataclass(frozen=True, slots=True)
class Harm:
    """`kind`: the fault that `daemon` must tell within `limit_s`; it lasts at least so long."""

    name: str
    daemon: str
    kind: str
    limit_s: float


# Stall: 10 s without a picture (docs/operations.md). Sensor: `silent_after_s`, 30 s. A broker that
# refuses is told on the box only: there is nobody to tell it to.
HARMS = {
    "camera silent": Harm("camera silent", "visiond", "stream_stall", 10.0 + SLACK_S),
    "camera flaps": Harm("camera flaps", "visiond", "", 0.0),
    "adapter out": Harm("adapter out", "sensord", "sensor_stale", 30.0 + SLACK_S),
    "broker refuses": Harm("broker refuses", "uplinkd", "offline", SLACK_S),
}
STREAM = "/gate"


def live_cameras(count: int) -> tuple[FakeCamera, list[str]]:
    """A real RTSP server and the URLs of its streams. Raises RuntimeError where it cannot run."""
    camera, content = FakeCamera(), clip("h264", 640, 360, fps=15)
    paths = [STREAM, *(f"{STREAM}-{number}" for number in range(2, count + 1))]
    return camera, [camera.stream(path, content) for path in paths]


def live_site(url: str) -> dict[str, object]:
    """The camera as the site file has it: watched, with no rule that could decide anything."""
    name = url.rpartition("/")[2]
    return {"id": name, "source": url, "fps": 2, "name": name, "rules": [], "zones": []}


@dataclass(slots=True)
class Waiting:
    """A harm under way: told where `told_s` is set."""

    harm: Harm
    began: float
    before: int
    told_s: float | None = None


class Ear:
    """Hears what the box says of a harm: rows of the outbox, or the status of uplinkd."""

    def __init__(self, home: Path, run: Path) -> None:
        self._outbox, self._status = home / "state/outbox.db", run / "status/uplinkd.json"
        self.heard: list[Waiting] = []

    def begin(self, harm: Harm, now: float) -> bool:
        """False where such a fault is open already: it would not be told a second time."""
        if not harm.kind:
            return True
        before = self._count(harm.kind)
        if before > (0 if harm.kind == "offline" else self._count(harm.kind, "end")):
            return False
        self.heard.append(Waiting(harm, now, before))
        return True

    def expected_of(self, now: float) -> set[str]:
        """Daemons that have something to tell: whoever is killed now cannot."""
        return {
            w.harm.daemon for w in self.heard if w.told_s is None and now - w.began < w.harm.limit_s
        }

    def listen(self, now: float) -> None:
        for waiting in self.heard:
            if waiting.told_s is None and self._count(waiting.harm.kind) > waiting.before:
                waiting.told_s = round(now - waiting.began, 1)

    def late(self) -> list[str]:
        """Harms never told, or told after their limit."""
        return [
            f"{w.harm.name} at {w.began:.0f} s: {'never' if w.told_s is None else w.told_s}"
            for w in self.heard
            if w.told_s is None or w.told_s > w.harm.limit_s
        ]

    def _count(self, kind: str, phase: str = "start") -> int:
        if kind == "offline":
            return int(not self._online())
        # A row that the platform has keeps its key and loses its body.
        query = "SELECT count(*) FROM record WHERE kind='fault' AND key LIKE ?"
        with closing(sqlite3.connect(f"file:{self._outbox}?mode=ro", uri=True, timeout=30)) as db:
            return int(db.execute(query, (f"{kind}:%:{phase}:%",)).fetchone()[0])

    def _online(self) -> bool:
        try:
            return bool(json.loads(self._status.read_bytes())["online"])
        except (OSError, ValueError, KeyError):
            return True


def flap(camera: FakeCamera, *, times: int = 5, pause_s: float = 1.0) -> None:
    """Cut every client again and again, as a switch that loses its power."""
    for _ in range(times):
        camera.kick()
        time.sleep(pause_s)


Later = tuple[float, Callable[[], None]]
