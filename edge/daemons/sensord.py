# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge-sensord: serial lines to samples, minutes and findings with evidence.

Threads: one for each line, which owns its port, for each platform that is sent minutes, and for
each microphone; the main thread owns everything else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from edge.clock import SystemClock
from edge.daemons.reload import SiteChange
from edge.ipc import Answer, Responder, Spool, Work
from edge.isolation import ItemGuard
from edge.outbox import Outbox
from edge.pipeline.publisher import Publisher
from edge.pipeline.sensor_build import SensorParts, build
from edge.pipeline.sensor_evidence import SensorCases
from edge.pipeline.sensor_intake import SensorIntake
from edge.pipeline.sensor_memory import SensorMemory
from edge.pipeline.sensor_status import ITEMS, SensorStatus, clock_off_s
from edge.pipeline.settings import Settings
from edge.pipeline.sound_evidence import sound_drafts
from edge.pipeline.soundness import load_sound
from edge.runtime import Notify, Progress, Stats, Stop, on_thread_bug, write_status
from edge.sensors import reasons
from edge.sensors.dust import DustJudge
from edge.sensors.fume import SHOPS_EVERY_S, FumeJudge
from edge.sensors.hours import LocalTime
from edge.sensors.instrument_trial import try_instrument
from edge.sensors.noise import NoiseJudge
from edge.sensors.scan import ports, scan
from edge.sensors.times import AGREE_S
from edge.values import Fault, Finding, Sample, Stamp

log = logging.getLogger(__name__)

TICK_S = 0.5
LIVE_EVERY_S = 1.0
STATUS_EVERY_S = 2.0
# Findings are remembered at once; this is for run times, which may lose a few minutes.
MEMORY_EVERY_S = 300.0
LINE_LIMIT_S = 60.0
# Valid values are due some time after the start; before that nothing is called silent.
START_GRACE_S = 30.0
# A microphone that gives nothing for so long is a fault: silence is not quiet.
SILENT_S = 60.0
# What somebody did at an instrument or in a shop -> the ledger that keeps it.
LEDGER_OF = {
    "cleaning": "cleaning",
    "calibration": "calibration",
    "inspection": "instrument_inspection",
}


def main(stop: Stop, notify: Notify, *, site_path: str | Path, device_path: str | Path) -> int:
    """Run until stopped or until the site file changes. Raises ConfigError for wrong files."""
    settings = load_sound(site_path, device_path, sources=False)
    lines = Stop()
    daemon = Sensord(settings, Path(site_path).parent, notify, lines)
    daemon.start()
    notify.ready(f"{len(daemon.parts.sensors.sensors)} sensor(s)")
    changed, well = SiteChange(Path(site_path)), False
    try:
        while not stop.wait(TICK_S):
            daemon.tick()
            if daemon.restart:
                break
            if changed():
                log.info("the site file changed: starting again with it")
                break
        well = True
        return 0
    finally:
        lines.set()
        daemon.close(keep=well)


class Sensord:
    """The parts, wired."""

    def __init__(self, settings: Settings, base: Path, notify: Notify, lines: Stop) -> None:
        self._settings, self._clock = settings, SystemClock()
        self.parts: SensorParts = build(settings, base, self._clock, lines)
        state, run = settings.state, settings.run
        state.mkdir(parents=True, exist_ok=True)
        self._outbox = Outbox(settings.outbox, "sensord")
        self.publisher = Publisher(self._outbox, self._clock)
        (run / "lines").mkdir(parents=True, exist_ok=True)
        local = LocalTime(settings.site.timezone, packs=settings.calendar.packs)
        self._broken: dict[str, str] = {}
        self._guard = ItemGuard(
            state / "memory" / "sensord-ended.json", settings.sha256, self._broken.__setitem__
        )
        self.intake = SensorIntake(
            settings, self.parts, local, self.publisher, self._guard, self._broken
        )
        held = {line.port.url for line in self.parts.lines}
        works: dict[str, Work] = {
            "ports": lambda _: Answer({"ports": scan(ports())}),
            "try_instrument": lambda asked: Answer(
                {**try_instrument(asked["entry"], base, held).facts(), "ports": ports()}
            ),
        }
        self._probes = Responder(run, works, self._guard.working_for)
        self._cases = SensorCases(
            settings,
            self.parts.subjects,
            self.publisher,
            flush=lambda: self.intake.store.flush(force=True),
            working_for=self._guard.working_for,
        )
        self._spool = Spool(run, "sensord")
        self._memory = SensorMemory(
            state / "memory" / "sensord.json", self.parts, self.intake.screening, self._guard
        )
        self._progress, self._stats = Progress(notify), Stats(log)
        self._due = dict.fromkeys(("live", "status", "memory", "shops"), 0.0)
        self._shop_samples: list[Sample] = []
        self._began = self._clock.now()
        self.status = SensorStatus(
            settings, self.parts, self.intake, local, self.publisher, self._guard, self._began
        )
        self.restart = False
        for line in self.parts.lines:
            line.guard = self._guard
        on_thread_bug(self._guard.thread_failed)

    def start(self) -> None:
        """Put again what a restart interrupted, go on with open episodes, then open the lines."""
        now = self._clock.now()
        again = self._cases.recover(now)
        if again:
            log.info("%d revision(s) put again", again)
        self._memory.restore(now)
        self._report_unsound()
        self._progress.register("main", 30.0)
        for thread in self._threads():
            thread.start()

    def _threads(self) -> tuple[threading.Thread, ...]:
        """Those that end with the lines."""
        return (*self.parts.lines, *self.parts.senders, *self.parts.microphones)

    def _report_unsound(self) -> None:
        """Faults of what is not sound now, and the end of those that an earlier run left open."""
        unsound = {item.id: item for item in self._settings.aside if item.kind in ITEMS}
        watched = {"sensord", *self.parts.sensors.sensors, *(s.port.url for s in self.parts.lines)}
        watched |= {microphone.point for microphone in self.parts.microphones}
        self.publisher.faults.end_others(lambda fault: _stands(fault, watched, unsound))
        for item in unsound.values():
            self.publisher.faults.start("not_sound", item.id, item.text, item=item.kind)

    def tick(self) -> None:
        """One turn: samples in the order of time, judged, published, kept; marks progress for the
        watchdog."""
        now = self._clock.now()
        samples = [sample for line in self.parts.lines for sample in line.queue.take()]
        samples = self.intake.take(samples, now)
        self._judge(samples, now)
        self._hear(now)
        self._cases.tick(now)
        self._answer(now)
        self._watch(now)
        self.publisher.retry()
        self._report(now)
        self._progress.mark("main")
        self._progress.feed()

    def _judge(self, samples: list[Sample], now: Stamp) -> None:
        for judge in self.parts.fast:
            if judge.point.id not in self._broken:
                with self._guard.working_for(judge.point.id):
                    self._judge_point(judge, samples, now)
        self._shop_samples += samples
        if not self._is_due("shops", SHOPS_EVERY_S):
            return
        by_sensor: dict[str, list[Sample]] = {}
        for sample in self._shop_samples:
            by_sensor.setdefault(sample.sensor, []).append(sample)
        self._shop_samples = []
        for shop in self.parts.shops:
            if shop.shop.id not in self._broken:
                with self._guard.working_for(shop.shop.id):
                    self._judge_shop(shop, by_sensor.get(shop.shop.sensor or "", []), now)

    def _judge_point(
        self, judge: NoiseJudge | DustJudge, samples: list[Sample], now: Stamp
    ) -> None:
        for finding in judge.step(samples, now):
            self._file(finding, now)
        if isinstance(judge, NoiseJudge):
            for day in judge.take_days():
                self.parts.ledgers.add("levels", {"point": judge.point.id, **day.as_json()})

    def _judge_shop(self, shop: FumeJudge, own: list[Sample], now: Stamp) -> None:
        seen = self.parts.smoke.seen(shop.shop.camera, now)
        for finding in shop.step(own, now, smoke_seen=seen):
            self._file(finding, now)
        for usage in shop.take_days():
            self.parts.ledgers.add("usage", {"shop": shop.shop.id, **usage.as_json()})

    def _hear(self, now: Stamp) -> None:
        """Windows of sound that were judged for repetition; what was heard is dropped here."""
        for microphone in self.parts.microphones:
            judge = self.parts.loudspeakers[microphone.point]
            while microphone.windows and microphone.point not in self._broken:
                heard = microphone.windows.popleft()
                with self._guard.working_for(microphone.point):
                    level_db = self._level(judge.point.meter)
                    for finding in judge.step(heard.window, now, level_db=level_db):
                        drafts = sound_drafts(heard.sound, judge.point, now)
                        self._cases.file(finding, now, drafts)
                        self._due["memory"] = 0.0
            if microphone.point not in self._broken:
                with self._guard.working_for(microphone.point):
                    for finding in judge.unheard(now):
                        self._file(finding, now)

    def _level(self, meter: str | None) -> float | None:
        """Leq of the last period of the noise point beside a microphone."""
        for judge in self.parts.fast:
            if isinstance(judge, NoiseJudge) and judge.point.id == meter and judge.periods:
                levels = judge.periods[-1].levels
                return levels.leq_db if levels else None
        return None

    def _file(self, finding: Finding, now: Stamp) -> None:
        self._cases.file(finding, now)
        self._due["memory"] = 0.0

    def _watch(self, now: Stamp) -> None:
        """Faults of sensors and lines: each reported once, and once when it is over."""
        for item, text in list(self._broken.items()):
            self.publisher.faults.start("item_set_aside", item, text)
        if now.mono - self._began.mono < START_GRACE_S:
            return
        holds = self.publisher.faults.holds
        stale, suspects = set(self.intake.live.stale(now)), self.intake.screening.suspects()
        for name in self.parts.sensors.sensors:
            holds("sensor_stale", name, name in stale, "no valid value: unknown, not normal")
            channel, why, _ = suspects.get(name, ("", "", None))
            holds("sensor_suspect", name, name in suspects, f"{channel}: {reasons.text(why)}")
            with self._guard.working_for(name):
                off_s = clock_off_s(self.parts, name)
                text = f"its clock is off by {off_s:.0f} s · 仪器时钟偏差 {off_s:.0f} 秒"
                holds("sensor_clock", name, abs(off_s) > AGREE_S, text)
        for microphone in self.parts.microphones:
            silent = now.mono - microphone.heard_mono > SILENT_S
            text = f"no sound: {microphone.why} · 没有声音"
            holds("sensor_stale", microphone.point, silent, text)
        for line in self.parts.lines:
            if line.port.url in self._broken:
                continue
            if not line.is_alive():
                raise RuntimeError(f"the thread of {line.port.url} ended")
            idle_s = time.monotonic() - line.moved
            holds("line_stuck", line.port.url, idle_s > LINE_LIMIT_S, "hangs in the driver")
            flooded = line.flooding()
            holds("sensor_flood", line.port.url, flooded, "more values than it should send")

    def _answer(self, now: Stamp) -> None:
        """Requests: a purifier was cleaned, a meter was calibrated (ledger rows); a restart."""
        for request in self._spool.take():
            with self._guard.working_for(f"request {request['kind']}"):
                self._answer_one(request, now)

    def _answer_one(self, request: dict[str, Any], now: Stamp) -> None:
        if self._probes.take(request):
            return
        if request["kind"] in LEDGER_OF:
            row = {k: v for k, v in request.items() if k not in ("kind", "expires_mono")}
            self.parts.ledgers.add(LEDGER_OF[request["kind"]], {"wall": now.wall, **row})
            if request["kind"] == "calibration":
                self.intake.screening.forget(str(row.get("sensor", "")))
        elif request["kind"] == "restart":
            log.info("asked to start again")
            self.restart = True
        else:
            log.warning("request %r: not served", request["kind"])

    def _is_due(self, what: str, every_s: float) -> bool:
        now = time.monotonic()
        if now - self._due[what] < every_s:
            return False
        self._due[what] = now
        return True

    def _report(self, now: Stamp) -> None:
        if self._is_due("live", LIVE_EVERY_S):
            self.intake.show(now)
            self.status.show_lines()
        if self._is_due("status", STATUS_EVERY_S):
            write_status(self._settings.run, "sensord", self.status.whole(now))
        if self._is_due("memory", MEMORY_EVERY_S):
            self._memory.keep()
        self._stats.report(self.status.rows)

    def close(self, *, keep: bool = True) -> None:
        """Stop the lines and keep what is on its way. keep: what the judges remember, too; after a
        bug they may know of a finding that has no evidence, and have to find it again."""
        now = self._clock.now()
        for thread in self._threads():
            if thread.is_alive():
                thread.join(3.0)
        self.intake.take([s for line in self.parts.lines for s in line.queue.take()], now)
        self.intake.close()
        if keep:
            self._memory.keep()
        self._outbox.close()


def _stands(fault: Fault, watched: Collection[str], unsound: Collection[str]) -> bool:
    """Whether a fault of an earlier run may still be open. What ended the program is forgotten
    with it."""
    if fault.kind == "not_sound":
        return fault.subject in unsound
    return fault.kind != "item_set_aside" and fault.subject in watched
