# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge-visiond: cameras to findings with evidence. One process for each accelerator.

Threads: a reader for each camera, N analysis threads that share one session, an evidence writer for
each camera, and the main thread, which feeds the watchdog, logs numbers and answers requests.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.board import Board, processor_time
from edge.clock import SystemClock
from edge.config import Camera, ConfigError
from edge.daemons.model_tuning import ModelTuning
from edge.daemons.model_updates import INSTALLS, ModelUpdates, start_releases
from edge.daemons.reload import Mended, SiteChange
from edge.diagnosis.camera_probes import camera_probes
from edge.evidence.casebook import BareRevision
from edge.ipc import Responder, Spool
from edge.isolation import ItemGuard
from edge.outbox import Outbox
from edge.pipeline.build import build_worker, load_models, load_traits
from edge.pipeline.busy_decoding import BusyDecoding
from edge.pipeline.camera_ledgers import CameraLedgers
from edge.pipeline.camera_worker import CameraWorker
from edge.pipeline.decode_room import DecodeRoomControl
from edge.pipeline.publisher import Publisher
from edge.pipeline.reminder import Reminders
from edge.pipeline.requests import answer, due_wall
from edge.pipeline.scheduler import Scheduler
from edge.pipeline.settings import SetAside, Settings
from edge.pipeline.soundness import load_sound, read_sound
from edge.pipeline.teaching import Teaching
from edge.pipeline.thermal_control import ThermalControl
from edge.pipeline.truck_lookup import TruckFile, open_truck_file
from edge.release.store import ReleaseState
from edge.runtime import (
    Notify,
    Progress,
    Stats,
    Stop,
    bound_memory,
    give_back_memory,
    on_thread_bug,
    write_status,
)
from edge.values import Fault, Image, Prompt, Stamp, Violation
from edge.vision.model import Model
from edge.vision.traits import TraitModel

log = logging.getLogger(__name__)

TICK_S = 0.25
STATUS_EVERY_S = 2.0
WORKER_LIMIT_S = 30.0
GIVE_BACK_EVERY_S = 30.0
# How busy the processors are is asked so often, and judged more seldom (pipeline.busy_decoding).
SPENT_EVERY_S = 1.0
# Of the items that are set aside, those that are this daemon's to report.
ITEMS = ("camera", "rule")


def main(stop: Stop, notify: Notify, *, site_path: str | Path, device_path: str | Path) -> int:
    """Run until stopped or until the site file changes. Raises ConfigError for wrong files."""
    bound_memory()
    # Before the cameras are checked against it, a release that does not hold must be out of force.
    releases = start_releases(read_sound(site_path, device_path))
    settings = load_sound(site_path, device_path)
    words = ["--site", str(site_path), "--device", str(device_path)]
    daemon = Visiond(settings, notify, releases, words)
    log.info("configuration sha256 %s", settings.sha256)
    daemon.start()
    notify.ready(f"{len(daemon.workers)} camera(s)")
    changed = SiteChange(Path(site_path))
    mended = Mended(settings, site_path, device_path)
    try:
        while not stop.wait(TICK_S):
            daemon.tick()
            if daemon.restart or mended():
                break
            if changed():
                log.info("the site file changed: starting again with it")
                break
        return 0
    finally:
        daemon.stop()


class Visiond:
    """The parts, wired."""

    def __init__(
        self,
        settings: Settings,
        notify: Notify,
        releases: dict[str, ReleaseState],
        words: list[str],
    ) -> None:
        self._settings, self._clock = settings, SystemClock()
        self._bell = threading.Condition()
        self._scheduler = Scheduler(self._bell, time.monotonic)
        self._outbox = Outbox(settings.outbox, "visiond")
        self.publisher = Publisher(self._outbox, self._clock, record=self._entered)
        self._ledgers = CameraLedgers(settings.state, settings.categories, self.publisher.faults)
        self._spool = Spool(settings.run, "visiond")
        self._progress = Progress(notify)
        self._stats, self._counted = Stats(log), dict[str, dict[str, int]]()
        self._status_at, self._wrong = -1e9, set[tuple[str, str]]()
        self._given_back_s = -1e9
        self._threads: list[threading.Thread] = []
        self.workers: dict[str, CameraWorker] = {}
        self._thermal = ThermalControl(
            Board(), self._clock, self._scheduler, self.workers, self.publisher.faults
        )
        self._decode_room = DecodeRoomControl(self.workers)
        self._busy_decoding = BusyDecoding()
        self._spent_at_s, self._spent = -SPENT_EVERY_S, processor_time()
        self._finished: set[str] = set()
        self._pending: list[dict[str, Any]] = []
        self._requests = {"served": 0, "refused": 0}
        self._updates = ModelUpdates(settings, releases, self.publisher, words)
        self._tuning = ModelTuning(settings, words)
        self._aside = [item for item in settings.aside if item.kind in ITEMS]
        self._broken: dict[str, str] = {}
        self._guard = ItemGuard(
            settings.state / "memory" / "visiond-ended.json", settings.sha256, self._set_aside
        )
        sources = {camera.id: camera.source for camera in settings.site.cameras}
        self.reminders = Reminders(sources, self._not_reminded, self._guard.working_for)
        cameras = {camera.id: camera for camera in settings.site.cameras}
        self._teaching = Teaching(cameras, settings.categories, settings.looks, self._picture_of)
        probes = {**camera_probes(settings.base), "teach": self._teaching.answer}
        self._probes = Responder(settings.run, probes, self._guard.working_for)
        on_thread_bug(self._guard.thread_failed)
        models, trucks = load_models(settings, self._unsound), open_truck_file(settings)
        traits = load_traits(settings, models)
        self._models = {m.name: {"sha256": m.sha256, "on": m.provider} for m in models.values()}
        self._callers = max((m.workers for m in models.values()), default=1)
        for camera in settings.site.cameras:
            name = camera.model or settings.site.model
            if camera.enabled and name in models:
                with self._guard.working_for(camera.id):
                    self._add(camera, models, trucks, traits.get(name))
        for item in self._aside:
            if item.kind == "camera":
                self._ledgers.unwatch(item.id, self._clock.now(), "config")

    def _add(
        self,
        camera: Camera,
        models: dict[str | None, Model],
        trucks: TruckFile | None,
        traits: TraitModel | None,
    ) -> None:
        """One camera, wired; set aside where it does not fit together."""
        try:
            worker = build_worker(
                self._settings,
                camera,
                models,
                publisher=self.publisher,
                remind=self.reminders.perform,
                bell=self._bell,
                clock=self._clock,
                trucks=trucks,
                traits=traits,
            )
        except ConfigError as error:
            self._unsound(camera, error)
            return
        self.workers[camera.id] = worker
        self._scheduler.add(camera.id, camera.fps, worker.feed.waiting)

    def _entered(self, violation: Violation) -> None:
        self._ledgers.entered(violation)

    def _not_reminded(self, prompt: Prompt) -> None:
        worker = self.workers.get(prompt.camera)
        if worker is not None:
            worker.not_reminded(prompt.key)

    def _unsound(self, camera: Camera, error: ConfigError) -> None:
        self._aside.append(SetAside("camera", camera.id, str(error)))

    def _set_aside(self, camera: str, text: str) -> None:
        """Called by any thread; the main thread takes the camera out of the work."""
        self._broken[camera] = text

    def _retire(self) -> None:
        for name in [name for name in self._broken if not self._ledgers.is_unwatched(name)]:
            text, now = self._broken[name], self._clock.now()
            worker = self.workers.pop(name, None)
            if worker is not None:
                worker.feed.stop()
            self._aside.append(SetAside("camera", name, text))
            self._ledgers.unwatch(name, now, "set_aside")
            self.publisher.faults.start("item_set_aside", name, text)

    def _report_unsound(self) -> None:
        """Faults of what is not sound now, and the end of those that an earlier run left open."""
        unsound = {item.id: item for item in self._aside if item.id not in self._broken}
        watched = {"board", "ledger", *self.workers}

        def stands(fault: Fault) -> bool:
            if fault.kind == "not_sound":
                return fault.subject in unsound
            known = fault.subject in watched or fault.kind.startswith("model_")
            return known and fault.kind != "item_set_aside"

        self.publisher.faults.end_others(stands)
        for item in unsound.values():
            self.publisher.faults.start("not_sound", item.id, item.text, item=item.kind)

    def start(self) -> None:
        """Put again what a restart interrupted, start the cameras, then the analysis threads."""
        now = self._clock.now()
        self._report_unsound()
        bare = self.publisher.bare_revisions()
        for name, worker in self.workers.items():
            with self._guard.working_for(name):
                self._start_camera(worker, now, bare)
        self._retire()
        for number in range(self._worker_count()):
            name = f"analysis {number}"
            self._progress.register(name, WORKER_LIMIT_S)
            thread = threading.Thread(target=self._analyze, args=(name,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _start_camera(self, worker: CameraWorker, now: Stamp, bare: Sequence[BareRevision]) -> None:
        found = worker.pipeline.book.recover(now, bare)
        again = [self.publisher.again(folder, manifest) for folder, manifest in found]
        if any(again):
            log.info("%s: %d revision(s) put again", worker.camera.id, sum(again))
        worker.start(now)

    def _worker_count(self) -> int:
        asked = self._settings.device.compute.workers
        return asked or max(1, min(self._callers, len(self.workers)))

    def _analyze(self, name: str) -> None:
        while not self._closing:
            camera = self._scheduler.take(0.5)
            self._progress.mark(name)
            worker = self.workers.get(camera) if isinstance(camera, str) else None
            if worker is None:
                continue
            # A camera that is set aside stays busy for the scheduler: it is not chosen again.
            with self._guard.working_for(worker.camera.id):
                worker.look(self._clock.now)
                self._scheduler.done(camera, worker.open_cases, worker.every_s)

    _closing = False
    restart = False

    def tick(self) -> None:
        """What the main thread does four times a second."""
        self._progress.feed()
        self.publisher.retry()
        self._thermal.tick()
        self._decode_room.tick()
        self._decode_busy()
        for name, worker in self.workers.items():
            with self._guard.working_for(name):
                worker.watch_health(self._clock.now(), self.publisher.faults)
        self._end_recordings()
        self._retire()
        spans = (row for worker in self.workers.values() for row in worker.take_spans())
        self._ledgers.keep(spans, self._clock.now())
        self._answer_requests()
        eased = self._thermal.status()["step"] > 0
        self.restart |= self._teaching.put_in_force
        self.restart |= self._updates.tick(self.workers, eased=eased)
        self.restart |= self._tuning.tick(trial=self._updates.busy)
        self._stats.report(self._rows)
        wrong = {(fault.kind, fault.subject) for fault in self.publisher.faults.standing()}
        # Whoever watches the status hears of a fault at once, not with the next regular writing.
        if time.monotonic() - self._status_at >= STATUS_EVERY_S or wrong != self._wrong:
            self._status_at, self._wrong = time.monotonic(), wrong
            write_status(self._settings.run, "visiond", self.status())
        if time.monotonic() - self._given_back_s >= GIVE_BACK_EVERY_S:
            self._given_back_s = time.monotonic()
            give_back_memory()

    def _decode_busy(self) -> None:
        """Busy cameras that could do with key pictures are decoded whole where there is room."""
        wanting = [name for name, worker in self.workers.items() if worker.keys_do]
        now_s = self._clock.now().mono
        if now_s - self._spent_at_s >= SPENT_EVERY_S:
            self._spent_at_s, self._spent = now_s, processor_time()
        given = self._busy_decoding.step(now_s, self._spent, wanting)
        for name, worker in self.workers.items():
            worker.between = name in given and worker.eased is None
            worker.spare = self._busy_decoding.spare

    def _picture_of(self, camera: str) -> Image | None:
        """The newest picture of a camera, from any thread."""
        worker = self.workers.get(camera)
        look = worker.last if worker is not None else None
        return look.frame.image if look is not None else None

    def _answer_requests(self) -> None:
        """Those whose span is over; a clip that reaches into the future waits for it."""
        self._pending += [r for r in self._spool.take() if not self._probes.take(r)]
        now = self._clock.now()
        due = [r for r in self._pending if due_wall(r) <= now.wall]
        self._pending = [r for r in self._pending if due_wall(r) > now.wall]
        for request in due:
            if request["kind"] == "restart":
                log.info("asked to start again")
                self.restart = True
                continue
            served = False
            with self._guard.working_for(f"request {request['kind']}", lambda why: None):
                if request["kind"] in INSTALLS:
                    served = self._updates.ask(request)
                else:
                    served = self._served(request, now)
            self._requests["served" if served else "refused"] += 1

    def _served(self, request: dict[str, Any], now: Stamp) -> bool:
        """One request that makes no sense is refused."""
        try:
            return answer(request, self.workers, self._settings, now)
        except (KeyError, TypeError, ValueError) as error:
            log.warning("request %r: %s: %s; refused", request, type(error).__name__, error)
            return False

    def _end_recordings(self) -> None:
        for name, worker in self.workers.items():
            if worker.ended and name not in self._finished:
                self._finished.add(name)
                with self._guard.working_for(name):
                    worker.finish()
                log.info("%s: the recording is over", name)

    def _rows(self, elapsed_s: float) -> list[dict[str, Any]]:
        return [
            {"cam": name, **worker.numbers(elapsed_s, self._counted.setdefault(name, {}))}
            for name, worker in self.workers.items()
        ]

    def status(self) -> dict[str, Any]:
        """`<run>/status/visiond.json`; `recordings_over`: their last revision is written."""
        return {
            "config": self._settings.sha256,
            "cameras": self._camera_rows(),
            "counts": dict(self.publisher.counts),
            "faults": self.publisher.faults.status(),
            "board": self._thermal.status(),
            "decode_room": self._decode_room.status(),
            "models": self._models,
            "updates": self._updates.status(self.workers),
            "requests": dict(self._requests),
            "reminders": {"done": self.reminders.done, "failed": self.reminders.failed},
            "recordings_over": sorted(
                n for n in self._finished if n in self.workers and self.workers[n].written
            ),
            "set_aside": [asdict(item) for item in self._aside],
        }

    def _camera_rows(self) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        for name, worker in self.workers.items():
            with self._guard.working_for(name):
                rows[name] = worker.status()
        return rows

    def stop(self) -> None:
        """Readers first, then analysis, then evidence writers: nothing found is left unwritten."""
        for worker in self.workers.values():
            worker.feed.stop()
        self._updates.stopping()
        self._tuning.stopping()
        self._closing = True
        self._scheduler.close()
        for thread in self._threads:
            thread.join(5.0)
        for worker in self.workers.values():
            worker.close()
        write_status(self._settings.run, "visiond", self.status())
        self._outbox.close()
