# SPDX-License-Identifier: AGPL-3.0-or-later
"""uplinkd: outbox to platform, and what the platform says back. Sole owner of the MQTT session."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from edge.clock import SystemClock
from edge.config import ConfigError, Device, load
from edge.config.paths import BoxFiles, box_files
from edge.daemons.notice_desk import NoticeDesk
from edge.daemons.software_updates import SoftwareFetch, SoftwareNews
from edge.diagnosis.broker import check_broker
from edge.ipc import Answer, Responder, Spool
from edge.outbox import OutboxFull, ballast
from edge.outbox.schema import disk_full
from edge.runtime import Notify, Progress, Stats, Stop, Trouble, on_thread_bug, write_status
from edge.uplink import downward, report
from edge.uplink import messages as m
from edge.uplink.build import (
    address,
    build_parts,
    bytes_s,
    open_stock,
)
from edge.uplink.commands import Commands
from edge.uplink.desired import DesiredSite
from edge.uplink.keys import rotate
from edge.uplink.pacing import TokenBucket
from edge.uplink.pump import POLL_S, Pump
from edge.uplink.reviews import ReviewLog
from edge.uplink.wire import fault_row
from edge.values import EvidenceFile, Fault

log = logging.getLogger(__name__)

STATUS_EVERY_S = 2.0
STUCK_S = 45.0
BOOT_SPREAD_S = 60.0
# Power came back to a whole district: only a board that has just booted waits at first.
JUST_BOOTED_S = 180.0
FULL_DISK_WAIT_S = 1.0


class Uplinkd:
    """One run of the daemon."""

    def __init__(
        self, device: Device, where: BoxFiles, stop: Stop, *, boot_spread_s: float
    ) -> None:
        self._device, self._where = device, where
        self._clock, self._started = SystemClock(), time.monotonic()
        self._status_due, self._trouble = 0.0, Trouble(log)
        self._putting = threading.Lock()
        self._stock = open_stock(device, where, self._clock)
        self._bucket = TokenBucket(bytes_s(device.broker.evidence_kbit_s))
        self._reviews = ReviewLog(where.state / "reviews")
        self._software = SoftwareFetch(device, where, self._stock.guard)
        self._news = SoftwareNews(where, self._stock.faults)
        self._commands = Commands(
            where.run,
            where.state / "requests",
            report=self._report_result,
            restart=stop.set,
            update=self._software.want,
            guard=self._stock.guard,
        )
        self._commands.recover(self._started)
        self._spool = Spool(where.run, "uplinkd")
        self._notices = NoticeDesk(where, self._stock.faults, self._stock.guard)
        works = {
            "broker": lambda _: broker_found(device, where.base),
            "test_notice": self._notices.test,
        }
        self._probes = Responder(where.run, works, self._stock.guard.working_for)
        obey = {"review": self._review, "command": self._command, "desired": self._want}
        self._parts = build_parts(
            device,
            self._stock,
            obey=obey,
            fail=self._failed,
            bucket=self._bucket,
            pace=self._pace,
        )
        self._desired = self._open_desired()
        just_booted = self._started < JUST_BOOTED_S
        self._pump = Pump(
            self._parts,
            address(device, self._stock.credentials),
            birth=self._birth,
            clock=self._clock.now,
            puback_deadline_s=device.broker.ack_deadline_s,
            first_wait_s=boot_spread_s if just_booted else 0.0,
        )

    def _open_desired(self) -> DesiredSite:
        where, presence = self._where, self._parts.presence
        return DesiredSite(
            where.site_file,
            where.state / "config",
            where.run,
            check=lambda path: site_sha256(path, where.device_file),
            report=lambda payload: presence.keep("cfg/reported", payload),
            now=self._started,
        )

    def _birth(self) -> dict[str, Any]:
        """Called on every connection, so everything in it is of now."""
        self._stock.credentials.accepted()
        self._desired.report()
        rev, at = self._desired.rev, self._clock.now()
        return report.birth(self._device, self._stock.keys, self._where.run, rev, at)

    def _review(self, message: downward.Down) -> None:
        assert isinstance(message, downward.Review)
        self._reviews.keep(message)

    def _command(self, message: downward.Down) -> None:
        assert isinstance(message, downward.Command)
        self._commands.obey(message, time.monotonic())

    def _want(self, message: downward.Down) -> None:
        assert isinstance(message, downward.Desired)
        self._desired.obey(message, time.monotonic())

    def _failed(self, message: downward.Down, why: str) -> None:
        if isinstance(message, downward.Command):
            self._commands.failed(message, why)
        elif isinstance(message, downward.Desired):
            self._desired.failed(message, why)

    def _report_result(
        self, result: m.CommandResult, folder: Path | None, files: list[EvidenceFile]
    ) -> None:
        self._stock.outbox.put(
            lane="fault",
            kind="cmd_res",
            key=f"{result.cmd_id}:{result.state}",
            body=msgspec.to_builtins(result),
            folder=folder,
            files=files,
        )

    def _pace(self, pace: downward.Pace) -> None:
        """The slower of the platform's wish and our own configuration."""
        rates = [r for r in (pace.kbit_s, self._device.broker.evidence_kbit_s) if r is not None]
        self._bucket.set_rate(bytes_s(min(rates, default=None)))
        self._parts.transfers.clips = pace.clips
        self._parts.transfers.changed()

    def run(self, stop: Stop, notify: Notify) -> None:
        """Turn after turn until stopped; a turn that hangs stops feeding the watchdog."""
        progress, stats = Progress(notify), Stats(log)
        progress.register("pump", STUCK_S)
        on_thread_bug(self._thread_bug)
        self._software.start()
        self._notices.start()
        notify.ready("delivering")
        try:
            while not stop:
                self._turn(stop)
                self._report(stats)
                progress.mark("pump")
                progress.feed()
        finally:
            # A bug may end this before the faults that its turn raised have become rows.
            self._put_faults()
        self._software.close()
        self._notices.close()
        self._pump.close()
        self._stock.heads.keep(self._stock.dispatch)
        self._stock.dispatch.close()
        self._stock.outbox.close()

    def _turn(self, stop: Stop) -> None:
        """A full disk is met here first: the ballast goes, and without one we wait for room."""
        try:
            self._pump.step(POLL_S)
            self._commands.step(time.monotonic(), self._clock.now())
            with self._stock.guard.working_for("configuration", self._desired.abandon):
                self._desired.step(time.monotonic())
            self._put_faults()
        except (sqlite3.OperationalError, OutboxFull, OSError) as error:
            if not isinstance(error, OutboxFull) and not disk_full(error):
                raise
            if not ballast.drop(self._where.state):
                self._trouble.failed("disk", str(error))
                stop.wait(FULL_DISK_WAIT_S)
        if not self._pump.online:
            stop.wait(POLL_S)

    def _put_faults(self) -> None:
        """By the daemon's own thread, and by one that ends of a bug in the same moment."""
        raised = self._stock.raised
        with self._putting:
            while raised:
                fault, stands = raised[0]
                name = f"fault {fault.kind} of {fault.subject}"
                with self._stock.guard.working_for(name, partial(self._put_plain, fault, stands)):
                    self._stock.outbox.put(**fault_row(fault, stands))
                raised.pop(0)

    def _thread_bug(self, name: str, error: Exception) -> bool:
        """The process ends, and what the thread has said of its items is not lost with it."""
        self._put_faults()
        return False

    def _put_plain(self, fault: Fault, stands: bool, why: str) -> None:
        """One that cannot be published as it is, without what it says."""
        plain = replace(fault, text=f"a bug in telling it: {why}", facts={})
        self._stock.outbox.put(**fault_row(plain, stands))

    def _report(self, stats: Stats) -> None:
        now = time.monotonic()
        if now < self._status_due:
            return
        self._status_due = now + STATUS_EVERY_S
        for request in self._spool.take():
            if not self._probes.take(request):
                log.warning("request %r: not served", request["kind"])
        self._news.look(self._software.refused)
        status = report.status(self._parts, self._pump, self._started)
        at = self._clock.now()
        status["clock"] = {"quality": at.quality, "error_ms": at.error_ms}
        status["software"] = {
            **msgspec.to_builtins(self._news.state),
            "waits": self._software.why,
            "fetched_bytes": self._software.bytes,
        }
        status["notices"] = self._notices.status()
        write_status(self._where.run, "uplinkd", status)
        connection = self._pump.link.connection
        if connection is not None and self._parts.presence.health_due(now):
            device, at = self._device.device, self._clock.now()
            body = report.health(self._parts, status, self._where.run, device, at)
            self._parts.presence.health(connection, body)
        stats.report(lambda _: [report.stats_line(status)])


def broker_found(device: Device, base: Path) -> Answer:
    """Test the broker log-in without touching the live session, for the button on the page."""
    return Answer({"advice": [asdict(advice) for advice in check_broker(device, base)]})


def site_sha256(site: Path, device: Path | None) -> str:
    """Check a site file as `edge check` does; returns the hash it would have in force."""
    from edge.pipeline.soundness import load_settings

    return load_settings(site, device, sources=True).sha256


def main(
    stop: Stop,
    notify: Notify,
    *,
    site_path: str | Path | None,
    device_path: str | Path | None,
    boot_spread_s: float = BOOT_SPREAD_S,
) -> int:
    """Deliver until stopped. Raises ConfigError for a device file that does not hold together.

    A broken site file does not stop delivery: what was found before must still arrive, and the
    platform must be able to send a sound one.
    """
    device = load(Path(device_path), Device) if device_path else Device()
    where = box_files(device, site_path, device_path)
    try:
        daemon = Uplinkd(device, where, stop, boot_spread_s=boot_spread_s)
    except OutboxFull as error:
        log.error("%s", error)
        return 1
    daemon.run(stop, notify)
    return 0


def new_key(site_path: str, device_path: str) -> str:
    """Make the device's next signing key; returns its id. Raises ConfigError."""
    device = load(Path(device_path), Device)
    if device.trust.signing_key:
        raise ConfigError(
            f"{device_path}: trust.signing_key = {device.trust.signing_key!r}: this key is not"
            " made here; replace the file, or leave the entry out"
        )
    return rotate(box_files(device, site_path, device_path).keys, device.device)
