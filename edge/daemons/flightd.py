# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge-flightd: drone recordings into ledgers, one at a time, behind everything else on the box.

The page asks through the spool; what was asked is kept in the flight's own folder (`job.json`), so
a flight that a power cut interrupted goes on where it stopped. The work itself is `edge fly` in a
child process: a damaged recording can cost one flight and nothing else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from edge.config.paths import base_folder, read_box
from edge.console.flights import JOB, RECORDINGS, Job, is_flight_name, is_recording, read_job
from edge.drone.journal import ENDED
from edge.ipc import Spool
from edge.isolation import ENDED_MAX, ItemGuard
from edge.runtime import Notify, Progress, Stop, write_atomic, write_status

log = logging.getLogger(__name__)

TICK_S = 0.5
STATUS_EVERY_S = 5.0
STOP_CHILD_S = 20.0
LOWEST_PRIORITY = 19
TEXT_MAX = 300
LAST_BYTES = 4096
# So often a flight goes on that one of its pictures has ended: each of them ends it once.
AGAIN_MOST = ENDED_MAX + 1

Command = Callable[[Job], Sequence[str]]


def main(stop: Stop, notify: Notify, *, site_path: str | Path, device_path: str | Path) -> int:
    """Run until stopped. Raises ConfigError for a wrong device file."""
    box = read_box(device_path)
    # Where systemd has not done it already, as in `edge run`.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, LOWEST_PRIORITY)
    command = fly_command(box.state, box.run, Path(device_path), base_folder(site_path))
    flights, progress = Flights(box.state, box.run, command), Progress(notify)
    progress.register("main", 60.0)
    notify.ready("waiting for flights")
    try:
        while not stop.wait(TICK_S):
            flights.tick()
            progress.mark("main")
            progress.feed()
        return 0
    finally:
        flights.close()


def fly_command(state: Path, run: Path, device: Path, beside: Path) -> Command:
    """The command line of a job. `drone.yaml` and `sites.geojson` beside the site file count."""
    folder = state / "flights"

    def command(job: Job) -> list[str]:
        """The command line of `edge fly` for one recording, with what lies beside the device
        file."""
        words = [sys.executable, "-m", "edge", "fly", str(folder / RECORDINGS / job.video)]
        words += ["--out", str(folder / job.name), "--name", job.title]
        words += ["--history", str(folder), "--device", str(device)]
        words += ["--progress", str(run / "flights" / f"{job.name}.json")]
        if job.telemetry:
            words += ["--telemetry", str(folder / RECORDINGS / job.telemetry)]
        if job.camera:
            words += ["--camera", job.camera]
        for option, name in (("--config", "drone.yaml"), ("--sites", "sites.geojson")):
            if (beside / name).is_file():
                words += [option, str(beside / name)]
        return words

    return command


class Flights:
    """Sole writer of every `job.json`; at most one flight is looked at at a time."""

    def __init__(self, state: Path, run: Path, command: Command) -> None:
        self._folder, self._run, self._command = state / "flights", run, command
        (self._folder / RECORDINGS).mkdir(parents=True, exist_ok=True)
        (run / "flights").mkdir(parents=True, exist_ok=True)
        self._spool = Spool(run, "flightd")
        self._began = time.time()
        self._running: Job | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._reported_mono = -STATUS_EVERY_S
        self.counts = {"done": 0, "failed": 0, "refused": 0}
        # Flights whose work in this process fails by a bug; what is wrong stands in the status.
        self._aside: dict[str, str] = {}
        self._again: dict[str, int] = {}
        ended = self._folder / "ended.json"
        self._guard = ItemGuard(ended, "", self._aside.__setitem__)
        for job in self.jobs():
            if job.state == "running":
                log.info("%s was interrupted; it goes on", job.name)
                with self._working_for(job.name):
                    self._write(msgspec.structs.replace(job, state="waiting"))

    def jobs(self) -> list[Job]:
        """All jobs but those set aside, in the order in which they were asked for."""
        found = []
        for path in self._folder.glob(f"*/{JOB}"):
            with self._working_for(path.parent.name):
                found.append(read_job(path))
        known = (job for job in found if job and job.name not in self._aside)
        return sorted(known, key=lambda j: (j.asked_wall, j.name))

    def tick(self) -> None:
        """Take requests, look after the child, start what waits, report."""
        for request in self._spool.take():
            with self._working_for(str(request.get("name", ""))):
                self._take(request)
        if self._running is not None:
            with self._working_for(self._running.name):
                self._look_after()
        if self._running is None:
            self._start_next()
        if time.monotonic() - self._reported_mono >= STATUS_EVERY_S:
            self._reported_mono = time.monotonic()
            self._report()

    def _working_for(self, name: str) -> AbstractContextManager[None]:
        return self._guard.working_for(name, partial(self._give_up, name))

    def _give_up(self, name: str, why: str) -> None:
        """The next flight has its turn. Where it can still be written, its page says why."""
        self._aside[name] = why
        if self._running is not None and self._running.name == name:
            self._stop_child()
            self._running = self._child = None
        job = read_job(self._folder / name / JOB) if is_flight_name(name) else None
        self.counts["failed"] += 1
        if job is not None:
            text = f"a bug: {why}"[:TEXT_MAX]
            change = {"state": "failed", "text": text, "ended_wall": time.time()}
            self._write(msgspec.structs.replace(job, **change))

    def _take(self, request: dict[str, Any]) -> None:
        name = str(request.get("name", ""))
        if not is_flight_name(name):
            self._refuse(request)
        elif request["kind"] == "fly":
            self._ask(name, request)
        elif request["kind"] == "cancel":
            self._cancel(name)
        else:
            self._refuse(request)

    def _refuse(self, request: dict[str, Any]) -> None:
        self.counts["refused"] += 1
        log.warning("request %r: not served", request["kind"])

    def _ask(self, name: str, request: dict[str, Any]) -> None:
        """A new flight, or an old one again. What is not a recording of ours is refused."""
        job = read_job(self._folder / name / JOB)
        if job is None or job.state in ("done", "failed", "cancelled"):
            fields = {key: request.get(key) or "" for key in ("title", "telemetry", "camera", "by")}
            try:
                video = str(request["video"])
                job = msgspec.convert(
                    {"name": name, "video": video, "asked_wall": time.time(), **fields}, Job
                )
            except (KeyError, msgspec.ValidationError):
                self._refuse(request)
                return
            given = [job.video, *([job.telemetry] if job.telemetry else [])]
            if not all(is_recording(self._folder / RECORDINGS, one) for one in given):
                self._refuse(request)
                return
            self._write(job)

    def _cancel(self, name: str) -> None:
        if self._running is not None and self._running.name == name:
            self._stop_child()
            self._end("cancelled", "")
            return
        job = read_job(self._folder / name / JOB)
        if job is not None and job.state == "waiting":
            self._write(msgspec.structs.replace(job, state="cancelled", ended_wall=time.time()))

    def _start_next(self) -> None:
        for job in self.jobs():
            if job.state == "waiting":
                with self._working_for(job.name):
                    self._start(job)
                    return

    def _start(self, job: Job) -> None:
        self._log_path(job).unlink(missing_ok=True)
        with self._log_path(job).open("wb") as words:
            self._child = subprocess.Popen(
                self._command(job), stdin=subprocess.DEVNULL, stdout=words, stderr=words
            )
        self._running = msgspec.structs.replace(job, state="running", began_wall=time.time())
        self._write(self._running)
        log.info("%s: looking at %s", job.name, job.video)

    def _log_path(self, job: Job) -> Path:
        return self._run / "flights" / f"{job.name}.log"

    def _look_after(self) -> None:
        code = self._child.poll() if self._child else None
        if self._running is None or code is None:
            return
        line = last_line(self._log_path(self._running))
        if code == 0:
            self._end("done", line)
        elif self._goes_on(self._running):
            self._go_on(self._running, line)
        elif code < 0:
            self._end("failed", f"ended by signal {-code} (not enough memory?)")
        else:
            self._end("failed", line or f"ended with code {code}")

    def _go_on(self, job: Job, line: str) -> None:
        self._again[job.name] = self._again.get(job.name, 0) + 1
        self._write(msgspec.structs.replace(job, state="waiting"))
        log.warning("%s: a bug with one picture: %s; it goes on without it", job.name, line)
        self._running = self._child = None

    def _goes_on(self, job: Job) -> bool:
        """Whether the work ended by one of its pictures, which the next run sets aside."""
        try:
            ended = (self._folder / job.name / "work" / ENDED).stat().st_mtime
        except OSError:
            return False
        return ended > (job.began_wall or 0.0) and self._again.get(job.name, 0) < AGAIN_MOST

    def _end(self, state: str, text: str) -> None:
        job = self._running
        assert job is not None
        change = {"state": state, "text": text[:TEXT_MAX], "ended_wall": time.time()}
        self._write(msgspec.structs.replace(job, **change))
        (self._run / "flights" / f"{job.name}.json").unlink(missing_ok=True)
        if state in self.counts:
            self.counts[state] += 1
        log.info("%s: %s %s", job.name, state, text)
        self._running = self._child = None

    def _write(self, job: Job) -> None:
        folder = self._folder / job.name
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / JOB, msgspec.json.encode(job))

    def _report(self) -> None:
        waiting = sum(job.state == "waiting" for job in self.jobs())
        running = self._running.name if self._running else None
        counts = dict(self.counts)
        status: dict[str, Any] = {
            "running": running,
            "waiting": waiting,
            "faults": [
                {"kind": "item_set_aside", "subject": name, "text": why, "wall": self._began}
                for name, why in self._aside.items()
            ],
            "counts": counts,
        }
        write_status(self._run, "flightd", status)

    def _stop_child(self) -> None:
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_CHILD_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def close(self) -> None:
        """The flight under way stays "running" on disk: the next start goes on with it."""
        self._stop_child()


def last_line(path: Path) -> str:
    """What the command said last: its one line of why, or of what was found."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    words = [line.rpartition("\r")[2].strip() for line in lines]
    return next((line for line in reversed(words) if line), "").removeprefix("edge fly: ")
