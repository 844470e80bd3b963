"""uplinkd: outbox to platform, and what the platform says back. Sole owner of the MQTT session."""

from __future__ import annotations

import logging
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge import __version__
from edge.clock import SystemClock
from edge.config import ConfigError, Device, load
from edge.outbox import Dispatch, Outbox, ladder
from edge.outbox.salvage import check_and_salvage
from edge.runtime import Notify, Progress, Stats, Stop, write_status
from edge.uplink import messages as m
from edge.uplink.alarms import Alarms
from edge.uplink.commands import Commands
from edge.uplink.credentials import Credentials
from edge.uplink.desired import DesiredSite
from edge.uplink.heads import HeadsFile
from edge.uplink.inbox import Inbox
from edge.uplink.keys import Keys, device_keys, platform_ring, rotate
from edge.uplink.mqtt import Address
from edge.uplink.notary import Notary
from edge.uplink.pacing import DayBudget, TokenBucket
from edge.uplink.presence import Presence, Session
from edge.uplink.pump import POLL_S, Parts, Pump
from edge.uplink.records import Records
from edge.uplink.reviews import Reviews
from edge.uplink.transfer import Mode, Transfers
from edge.uplink.trust import Trust
from edge.uplink.wire import CHUNK_MAX, KINDS, VERSION, Topics, fault_data, fault_key, utc_text
from edge.values import EvidenceFile

log = logging.getLogger("edge.uplinkd")

STATUS_EVERY_S = 2.0
STUCK_S = 45.0
BOOT_SPREAD_S = 60.0
# Power came back to a whole district: only a board that has just booted waits at first.
JUST_BOOTED_S = 180.0
BYTES_PER_KBIT_S = 125.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie; relative paths start at the configuration's folder."""

    base: Path
    state: Path
    run: Path

    @property
    def outbox(self) -> Path:
        return self.state / "outbox.db"


def places(device: Device, base: Path) -> Places:
    return Places(base, base / device.folders.state, base / device.folders.run)


class Uplinkd:
    """One run of the daemon."""

    def __init__(
        self, device: Device, where: Places, files: Files, stop: Stop, *, boot_spread_s: float
    ) -> None:
        self._device, self._where, self._files = device, where, files
        self._clock = SystemClock()
        self._started = time.monotonic()
        self._status_due = 0.0
        self._keys = device_keys(device.trust, device.device, where.state / "keys", where.base)
        ring = platform_ring(device.trust, where.base)
        self._credentials = Credentials(device.broker, where.base)
        salvage = check_and_salvage(where.outbox)
        self._outbox = Outbox(where.outbox)
        self._dispatch = Dispatch(where.outbox)
        self._heads = HeadsFile(where.state / "uplink" / "heads.json")
        jumped = self._heads.restore(self._dispatch)
        self._topics = Topics(device.tenant, device.device)
        self._alarms = Alarms(self._clock.now)
        if salvage is not None:
            text = f"{salvage.rows} rows carried over, {salvage.from_evidence} from evidence"
            kept_as = salvage.kept_as.name
            self._alarms.once("outbox_salvaged", "outbox", text, file=kept_as, chains=jumped)
        self._reviews = Reviews(where.state / "reviews")
        self._commands = Commands(
            where.run, where.state / "requests", tell=self._tell_result, restart=stop.set
        )
        self._commands.recover(time.monotonic())
        self._desired = DesiredSite(
            files.site,
            where.state / "config",
            where.run,
            check=lambda path: site_sha256(path, files.device),
            report=lambda payload: self._parts.presence.keep("cfg/reported", payload),
            now=time.monotonic(),
        )
        self._parts = self._build(Trust(device.device, ring), self._keys)
        self._pump = Pump(
            self._parts,
            self._address(),
            birth=self._birth,
            clock=self._clock.now,
            puback_deadline_s=device.broker.ack_deadline_s,
            first_wait_s=boot_spread_s if time.monotonic() < JUST_BOOTED_S else 0.0,
        )

    def _build(self, trust: Trust, keys: Keys) -> Parts:
        device, broker = self._device, self._device.broker
        notary = Notary(keys.signer, self._topics, self._dispatch, time.time)
        by_broker = device.trust.release == "puback"
        records = Records(
            self._dispatch,
            self._topics,
            notary.seal,
            self._alarms,
            receipt=notary.broker_receipt,
            by_broker=by_broker,
        )
        self._bucket = TokenBucket(_bytes_s(broker.evidence_kbit_s))
        limit = broker.evidence_mb_day
        transfers = Transfers(
            self._dispatch,
            self._topics,
            self._alarms,
            mode=Mode(emqx=broker.file_transfer == "emqx", by_broker=by_broker),
            bucket=self._bucket,
            budget=DayBudget(limit * 1_000_000 if limit else None),
            wall=time.time,
        )
        inbox = Inbox(
            self._dispatch,
            self._topics,
            trust,
            notary=notary,
            records=records,
            transfers=transfers,
            alarms=self._alarms,
            obey={"review": self._review, "command": self._command, "desired": self._want},
            pace=self._pace,
        )
        session = Session(self._outbox.boot())
        presence = Presence(self._topics, notary, self._dispatch, session, self._heads)
        return Parts(self._dispatch, records, transfers, inbox, presence, self._alarms, session)

    def _address(self) -> Address:
        broker = self._device.broker
        return Address(
            broker.host,
            broker.port,
            client_id=f"cm-{self._device.tenant}-{self._device.device}",
            keepalive_s=broker.keepalive_s,
            tls=self._credentials.tls,
            username=broker.username,
            password=self._credentials.password,
        )

    def _birth(self) -> dict[str, Any]:
        """Called on every connection, so everything in it is of now."""
        self._credentials.accepted()
        self._desired.tell()
        at = self._clock.now()
        return {
            **self._scene(),
            "device": self._device.device,
            "tenant": self._device.tenant,
            "time": utc_text(at.wall),
            "software": __version__,
            "contract": VERSION,
            "platform": f"{platform.system()} {platform.machine()}",
            "clock": {"quality": at.quality, "error_ms": at.error_ms},
            "trust": {
                "release": self._device.trust.release,
                "down": self._device.trust.down,
                "tls": self._device.broker.tls,
            },
            "keys": msgspec.to_builtins(self._keys.public),
            "schemas": [f"urn:cm:schema:{kind}:{VERSION}" for kind in KINDS],
        }

    def _scene(self) -> dict[str, Any]:
        """What the other daemons say they watch, and with which model."""
        vision = read_status(self._where.run, "visiond")
        sensors = read_status(self._where.run, "sensord")
        return {
            "cameras": [{"id": name} for name in vision.get("cameras", {})],
            "sensors": [{"id": name} for name in sensors.get("sensors", {})],
            "models": vision.get("models", {}),
            "config_sha256": vision.get("config", ""),
            "config_rev": self._desired.rev,
            "limits": {"chunk_max": CHUNK_MAX, "keep": msgspec.to_builtins(self._device.keep)},
        }

    def _command(self, message: m.Down) -> None:
        assert isinstance(message, m.Command)
        self._commands.obey(message, time.monotonic())

    def _want(self, message: m.Down) -> None:
        assert isinstance(message, m.Desired)
        self._desired.obey(message, time.monotonic())

    def _tell_result(
        self, result: m.CommandResult, folder: Path | None, files: list[EvidenceFile]
    ) -> None:
        self._outbox.put(
            lane="fault",
            kind="cmd_res",
            key=f"{result.cmd_id}:{result.state}",
            body=msgspec.to_builtins(result),
            folder=folder,
            files=files,
        )

    def _review(self, message: m.Down) -> None:
        assert isinstance(message, m.Review)
        self._reviews.keep(message)

    def _pace(self, pace: m.Pace) -> None:
        """The slower of the platform's wish and our own configuration."""
        rates = [r for r in (pace.kbit_s, self._device.broker.evidence_kbit_s) if r is not None]
        self._bucket.set_rate(_bytes_s(min(rates, default=None)))
        self._parts.transfers.clips = pace.clips
        self._parts.transfers.changed()

    def run(self, stop: Stop, notify: Notify) -> None:
        progress = Progress(notify)
        progress.register("pump", STUCK_S)
        stats = Stats(log)
        notify.ready("delivering")
        while not stop:
            self._pump.step(POLL_S)
            if not self._pump.online:
                stop.wait(POLL_S)
            self._commands.step(time.monotonic(), self._clock.now())
            self._desired.step(time.monotonic())
            self._put_faults()
            self._tell(stats)
            progress.mark("pump")
            progress.feed()
        self._pump.close()
        self._heads.keep(self._dispatch)
        self._dispatch.close()
        self._outbox.close()

    def _put_faults(self) -> None:
        raised, self._alarms.raised = self._alarms.raised, []
        for fault in raised:
            self._outbox.put(
                lane="fault", kind="fault", key=fault_key(fault), body=fault_data(fault)
            )

    def _tell(self, stats: Stats) -> None:
        now = time.monotonic()
        if now < self._status_due:
            return
        self._status_due = now + STATUS_EVERY_S
        status = self._status()
        write_status(self._where.run, "uplinkd", status)
        if self._pump.online and self._parts.presence.health_due(now):
            self._health(status)
        stats.tell(lambda _: [_line(status)])

    def _status(self) -> dict[str, Any]:
        parts = self._parts
        return {
            "online": self._pump.online,
            "connects": self._pump.counts["connects"],
            "outstanding": parts.records.outstanding,
            "transfers": parts.transfers.active,
            "outbox": self._dispatch.status(),
            "records": dict(parts.records.counts),
            "evidence": dict(parts.transfers.counts),
            "refused": dict(parts.inbox.counts),
            "alarms": self._alarms.open,
            "uptime_s": time.monotonic() - self._started,
        }

    def _health(self, status: dict[str, Any]) -> None:
        connection = self._pump.link.connection
        if connection is None:
            return
        at = self._clock.now()
        body = {
            "device": self._device.device,
            "boot": self._parts.session.boot,
            "conn": self._parts.session.conn,
            "time": utc_text(at.wall),
            "uptime_s": status["uptime_s"],
            "clock": {"quality": at.quality, "error_ms": at.error_ms},
            "outbox": status["outbox"],
            "uplink": {key: status[key] for key in ("records", "evidence", "refused", "connects")},
            "faults": status["alarms"],
            "ladder": ladder.current_step(self._where.run),
        }
        self._parts.presence.health(connection, body)


def _bytes_s(kbit_s: float | None) -> float | None:
    return None if kbit_s is None else kbit_s * BYTES_PER_KBIT_S


def _line(status: dict[str, Any]) -> dict[str, Any]:
    return {
        "online": int(status["online"]),
        "outstanding": status["outstanding"],
        "transfers": status["transfers"],
        **status["records"],
        **status["evidence"],
    }


@dataclass(frozen=True, slots=True)
class Files:
    """The configuration's own files."""

    site: Path
    device: Path | None


def site_sha256(site: Path, device: Path | None) -> str:
    """Check a site file as `edge check` does; returns the hash it would have in force."""
    from edge.daemons.settings import load_settings

    return load_settings(site, device).sha256


def read_status(run: Path, daemon: str) -> dict[str, Any]:
    """Another daemon's status file; {} where there is none."""
    try:
        told = msgspec.json.decode((run / "status" / f"{daemon}.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return told if isinstance(told, dict) else {}


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
    site = Path(site_path or "site.yaml").resolve()
    base = Path(site_path or device_path or "x").resolve().parent
    files = Files(site, Path(device_path).resolve() if device_path else None)
    where = places(device, base)
    Uplinkd(device, where, files, stop, boot_spread_s=boot_spread_s).run(stop, notify)
    return 0


def new_key(site_path: str, device_path: str) -> str:
    """Make the device's next signing key; returns its id. Raises ConfigError."""
    device = load(Path(device_path), Device)
    if device.trust.signing_key:
        raise ConfigError(
            f"{device_path}: trust.signing_key = {device.trust.signing_key!r}: this key is not"
            " made here; replace the file, or leave the entry out"
        )
    where = places(device, Path(site_path).resolve().parent)
    return rotate(where.state / "keys", device.device)
