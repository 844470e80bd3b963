# SPDX-License-Identifier: AGPL-3.0-or-later
"""Software updates of a booted box: made releases, good and bad, from a real mirror by the
platform's signed command, with kills and hard stops on the way.

    tools/systemtest --updates N        N updates of one box, half of them killed or cut off at a
                                        named stage or a random moment, each tenth a bad release
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from city_platform.store import Store
from edge.release.software.steps import SoftwareState
from edge.uplink import seal
from tools.system import trials
from tools.system.box import ROOT, SEEN, UNITS, Box
from tools.system.container import Failed, until
from tools.system.update_releases import BAD, GOOD, KINDS, Publisher

UPDATED_S = 900.0
STEADY_S, PROVE_S = 10, 240
PROMISES_S = 1.0
# So often is the platform's store compared with what was promised, and the progress kept.
COUNT_EACH = 4
# Where a kill or a hard stop waits for: stages as they stand in state.json, and a random moment.
STAGES = ("asked", "checked", "staged", "tested", "switched", "trial", "held")
BACK_STAGES = ("back", "stopped", "lowered", "returned")
# Stages that an update goes through, by how it has to end.
WAYS = {
    "settled": STAGES,
    "refused": STAGES[:3],
    "rolled_back": (*STAGES[:6], *BACK_STAGES),
}
RANDOM = "a random moment"


@dataclass(frozen=True, slots=True)
class Updated:
    """One update as it was seen. blind_s: from the last that the old visiond wrote to the first
    look that the new one did; None where no visiond took over from another."""

    kind: str
    struck: str
    outcome: str
    took_s: float
    blind_s: float | None
    sent: int


@dataclass(slots=True)
class UpdatesRun:
    """Everything that was seen of a run."""

    updates: list[Updated] = field(default_factory=list)
    promised: int = 0
    missing: int = 0
    gaps: int = 0
    breaks: int = 0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """The figure, as JSON."""
        good = [one for one in self.updates if KINDS[one.kind][1] == "settled"]
        calm = [one for one in good if not one.struck]
        kinds = sorted({one.kind for one in self.updates})
        told = {
            "updates": len(self.updates),
            "struck": sum(bool(one.struck) for one in self.updates),
            "bad": len(self.updates) - len(good),
            "by_kind": {kind: sum(one.kind == kind for one in self.updates) for kind in kinds},
            "wrong": len(self.wrong),
            "promised": self.promised,
            "missing": self.missing,
            "gaps": self.gaps,
            "chain_breaks": self.breaks,
            "took_s": _middle([one.took_s for one in calm]),
            "blind_s_most": max(
                (one.blind_s for one in calm if one.blind_s is not None), default=None
            ),
            "blind_of": sum(one.blind_s is not None for one in calm),
            "bytes_first": self.updates[0].sent if self.updates else None,
            "bytes_next": _middle([float(one.sent) for one in calm[1:]]),
        }
        return json.dumps(told)


def _come(stage: str, at: str) -> bool:
    """Whether a stage has come; one that was too short to be seen has with the next."""
    ways = (STAGES, BACK_STAGES)
    return any(at in way and stage in way[way.index(at) :] for way in ways)


class BlindTime:
    """How long a camera is not looked at while one visiond takes over from another. The clock of a
    recording says nothing about it: it begins anew with every visiond."""

    def __init__(self) -> None:
        self.most_s: float | None = None
        self._pid, self._changed_s = 0, 0.0
        self._before: tuple[int, float] | None = None

    def see(self, pid: int, looked: float, now_s: float) -> None:
        """One reading of visiond's status: its process, its camera's last look or 0, and when."""
        if (pid, looked) == self._before or not pid:
            return
        if looked and self._pid and pid != self._pid:
            self.most_s = max(self.most_s or 0.0, now_s - self._changed_s)
        if looked:
            self._pid, self._changed_s = pid, now_s
        self._before = (pid, looked)


def _middle(values: list[float]) -> float | None:
    return sorted(values)[len(values) // 2] if values else None


class UpdatedBox:
    """One box under updates."""

    def __init__(self, box: Box, publisher: Publisher) -> None:
        self.box, self.publisher = box, publisher
        self._desk = box.city.desk()

    def close(self) -> None:
        self._desk.close()
        self.publisher.mirror.close()

    def prepare(self) -> None:
        """The release key is pinned and the mirror named, as docs/install.md says."""
        root = self.box.root
        public = seal.public_pem(self.publisher.private.public_key())
        (root / "etc/edge/release/software.pub.pem").write_bytes(public)
        path = root / "etc/edge/device.yaml"
        text = path.read_text("utf-8")
        text += (
            "\nupdates:\n  software_key: /etc/edge/release/software.pub.pem\n"
            f"  url: http://127.0.0.1:{self.publisher.mirror.port}\n"
            f"  steady_s: {STEADY_S}\n  prove_s: {PROVE_S}\n"
        )
        path.write_text(text, "utf-8")
        self.box.container.run("systemctl restart edge.target")
        until(self.box.all_run, "every unit is active", 300)

    def state(self) -> SoftwareState:
        try:
            data = (self.box.root / "var/lib/edge-update/state.json").read_bytes()
            return msgspec.json.decode(data, type=SoftwareState)
        except FileNotFoundError:
            return SoftwareState()

    def looked(self) -> float:
        """When the camera was last looked at, by its own clock; 0 where visiond tells none."""
        return self._status()[1]

    def _status(self) -> tuple[int, float]:
        """visiond's process and its camera's last look; zeros where it tells none."""
        run = self.box.container.inside / "run/edge/status/visiond.json"
        try:
            told = json.loads(run.read_bytes())
            return int(told["pid"]), float(told["cameras"]["street"]["last_wall"] or 0.0)
        except (OSError, ValueError, KeyError, TypeError):
            return 0, 0.0

    def update(self, kind: str, strike: Callable[[UpdatedBox], None] | None = None, at: str = "",
               **changes: Any) -> Updated:  # fmt: skip
        """Order one and wait for its end; `strike` is done once, when `at` has come."""
        until(lambda: self.looked() > 0, "the camera is looked at", 300)
        sent, began = self.publisher.mirror.sent, time.monotonic()
        named = self.publisher.publish(kind, **changes)
        self._desk.order("update_software", **named)
        moment = began + random.uniform(0.0, 60.0)
        blind = BlindTime()
        while True:
            state, now = self.state(), time.monotonic()
            mine = state.number == named["number"]
            if strike and ((mine and _come(state.stage, at)) or (at == RANDOM and now > moment)):
                strike(self)
                strike, struck = None, at
            if mine and state.stage == "idle":
                break
            if now - began > UPDATED_S:
                raise Failed(f"release {named['number']} ({kind}): still {state.stage}")
            blind.see(*self._status(), now)
            time.sleep(0.02)
        self._check(kind, state, named["number"])
        # One that was taken back is idle before the camera is looked at again.
        until(lambda: self._looked_again(blind), "the camera is looked at again", 300)
        return Updated(
            kind,
            "" if at == "" or strike else struck,
            state.outcome,
            round(now - began, 1),
            None if blind.most_s is None else round(blind.most_s, 1),
            self.publisher.mirror.sent - sent,
        )

    def _looked_again(self, blind: BlindTime) -> bool:
        pid, looked = self._status()
        blind.see(pid, looked, time.monotonic())
        return looked > 0

    def _check(self, kind: str, state: SoftwareState, number: int) -> None:
        wanted = KINDS[kind][1]
        if state.outcome != wanted:
            raise Failed(f"{kind}: {state.outcome} ({state.why}), wanted {wanted}")
        until(self.box.all_run, f"every unit is active after {kind}", 300)
        said = json.loads(self.box.container.run("edge software status --json"))
        right = number if wanted == "settled" else state.before
        if said["release"] != right:
            raise Failed(f"{kind}: release {said['release']} is in force, wanted {right}")


def _fresh(box: Box) -> UpdatedBox:
    return UpdatedBox(box, Publisher(box.city.folder / "publisher", box.container.python))


def updated(box: Box) -> None:
    """A good release, one that follows it, and every bad one taken back or refused; what was
    promised on the way arrives."""
    one, run = _fresh(box), UpdatesRun()
    try:
        one.prepare()
        promise(box)
        run.updates += [one.update("next"), one.update("same")]
        run.updates += [one.update(kind) for kind in BAD]
        run.updates.append(one.update("next", kill, "trial"))
        run.updates.append(one.update("same", cut, "switched"))
        # While a slot is laid anew: each of the two, whichever is in force now, on a box that an
        # older version enabled.
        _pin(box)
        run.updates += [one.update("next", cut, "checked"), one.update("same", cut, "checked")]
        trials.enabled(box)
    finally:
        one.close()
    box.delivers(SEEN)
    _account(box, run)
    for row in run.updates:
        print(f"     {json.dumps(asdict(row))}", flush=True)
    if run.missing or run.gaps or run.breaks:
        raise Failed(f"{run.missing} missing, {run.gaps} gaps, {run.breaks} breaks")


def _pin(box: Box) -> None:
    """As version 0.1.0 was enabled at first: every unit a link, written down where it ended."""
    for name in ("edge.target", "edge-updaterd.path"):
        unit = f"/usr/lib/systemd/system/{name}"
        box.container.run(
            f"systemctl disable {name} && rm {unit} && systemctl daemon-reload &&"
            f" ln -s /opt/city-edge/current/share/edge/systemd/{name} {unit} &&"
            f" systemctl enable {name}"
        )


def kill(one: UpdatedBox) -> None:
    """kill -9 of the updater; now and then of every daemon besides."""
    units = "edge-updaterd.service"
    if random.random() < 0.3:
        units += f" {' '.join(UNITS)}"
    one.box.container.ask(f"systemctl kill --signal=KILL {units}", limit_s=60)


def cut(one: UpdatedBox) -> None:
    """Everything dies at once, and the box boots."""
    one.box.container.cut()
    one.box.container.boot()
    one.box.plug_in()
    promise(one.box)


def promise(box: Box) -> None:
    """Records are put all the time, and each is written down once it is promised."""
    shutil.copy(ROOT / "tools/system/promises.py", box.root / "usr/local/share")
    log = box.root / "var/log/promised"
    log.touch()
    log.chmod(0o666)
    unit = "systemd-run --quiet --unit=promises -p Restart=always -p RestartSec=1 -p UMask=0007"
    unit += " -p User=edge-sense -p Group=edge /opt/city-edge/current/bin/python"
    box.container.run(f"{unit} /usr/local/share/promises.py /var/log/promised {PROMISES_S}")


def many(
    box: Box,
    turns: range,
    seed: int,
    told: Callable[[Updated], None],
    counted: Callable[[UpdatesRun], None],
    *,
    bad_each: int = 10,
) -> UpdatesRun:
    """These turns of a long run on one box, one after the other; goes on after one that ends wrong
    only where the box still works. `counted` is told everything so far each time the platform's
    store was compared with what was promised. Raises Failed where the box does not work."""
    random.seed(seed + turns.start)
    one, run = _fresh(box), UpdatesRun()
    try:
        one.prepare()
        promise(box)
        for turn in turns:
            kind, strike, at = planned(turn, bad_each)
            try:
                row = one.update(kind, strike, at)
            except Failed as error:
                run.wrong.append(f"{turn}: {kind}, {at}: {error}")
                print(f"FAILED {run.wrong[-1]}", flush=True)
                until(box.all_run, f"every unit is active after: {error}", 300)
                continue
            run.updates.append(row)
            told(row)
            if (turn + 1) % COUNT_EACH == 0 and turn + 1 < turns.stop:
                _account(box, run)
                counted(run)
                promise(box)
    finally:
        one.close()
    _account(box, run)
    counted(run)
    return run


def planned(turn: int, bad_each: int) -> tuple[str, Callable[[UpdatedBox], None] | None, str]:
    """What the update of this turn is: its kind, how it is struck and when."""
    bad = turn % bad_each == bad_each - 1
    kind = BAD[turn // bad_each % len(BAD)] if bad else GOOD[turn % 2]
    strike = random.choice((kill, cut)) if turn % 2 else None
    return kind, strike, random.choice((*WAYS[KINDS[kind][1]], RANDOM)) if strike else ""


class UpdatesKept:
    """What runs of one version of the program saw, in a file that the next run goes on with."""

    def __init__(self, folder: Path, version: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{version}.jsonl"
        self._run = time.strftime("%Y%m%dT%H%M%S")

    def keep(self, run: UpdatesRun) -> None:
        """Everything of this run so far; the last line of a run is what counts of it."""
        line = json.dumps({"run": self._run, **asdict(run)})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def sum(self) -> UpdatesRun:
        """All runs of this version together."""
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        last = {told["run"]: told for told in map(json.loads, lines)}
        total = UpdatesRun()
        for told in last.values():
            total.updates += [Updated(**row) for row in told["updates"]]
            total.wrong += told["wrong"]
            for name in ("promised", "missing", "gaps", "breaks"):
                setattr(total, name, getattr(total, name) + told[name])
        return total


def _account(box: Box, run: UpdatesRun) -> None:
    """Everything that was promised is at the platform, and the chains have no hole."""
    box.container.ask("systemctl stop promises")
    promised = _promised(box.root / "var/log/promised")
    until(lambda: promised <= _subjects(box.city.received), "every promised record arrives", 600)
    run.promised, run.missing = len(promised), len(promised - _subjects(box.city.received))
    with closing(Store(box.city.received)) as store:
        run.gaps, run.breaks = len(store.sequence_gaps()), len(store.chain_breaks())


def _promised(path: Path) -> set[str]:
    lines = path.read_text("ascii", "replace").splitlines()
    return {line.removeprefix("put ") for line in lines if line.startswith("put ")}


def _subjects(received: Path) -> set[str]:
    with closing(sqlite3.connect(received / "platform.db", timeout=30)) as db:
        rows = db.execute("SELECT payload FROM record WHERE kind = 'fault'")
        return {str(json.loads(row[0])["data"].get("subject")) for row in rows}
