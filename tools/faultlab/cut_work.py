# SPDX-License-Identifier: AGPL-3.0-or-later
"""A box at work under the shim: what it promises and says is noted in the record, in order.

    tools/python -m tools.faultlab.cut_work install FOLDER
    tools/python -m tools.faultlab.cut_work writer FOLDER FROM TO
    tools/python -m tools.faultlab.cut_work uplinkd FOLDER ['after publish' COUNT]

A note is a line of `<folder>/marks`; being written below the folder it stands in the shim's record
between the operations before and after it. Notes are the outside world: no power cut undoes them.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from edge import runtime
from edge.config import Device, load
from edge.daemons import uplinkd
from edge.daemons.janitord import Janitor
from edge.evidence.store import Draft, Revision, file_json
from edge.outbox import Outbox
from edge.uplink import commands, desired, mqtt, reviews, wire
from tools.faultlab import crash
from tools.faultlab.rig import AT, make_violation

MARKS = "marks"
EXIT_DISK = 3
JANITOR_EVERY = 7
PAUSE_S = 0.02


def mark(folder: Path, **told: Any) -> None:
    """One write of one line, so that it is one operation of the record."""
    handle = os.open(folder / MARKS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, json.dumps(told).encode() + b"\n")
    finally:
        os.close(handle)


def capture(folder: Path, outbox: Outbox, number: int) -> None:
    """One violation as visiond does it: files, manifest, folder, row; then it is promised."""
    name, rng = f"v-{number:05d}", random.Random(number)
    drafts = [
        Draft("overview", "overview.jpg", AT, data=rng.randbytes(rng.randint(1, 9000))),
        Draft("clip", "clip.mp4", AT, data=rng.randbytes(20_000)),
    ]
    with Revision(folder / "state" / "evidence", name, 1) as revision:
        files = [revision.add(draft) for draft in drafts]
        body = wire.violation_data(make_violation(name, tuple(files)))
        listed = [file_json(file) for file in files]
        sealed = revision.seal({"id": name, "revision": 1, "files": listed, "violation": body})
    key = wire.violation_key(name, 1)
    outbox.put(lane="violation", kind="violation", key=key, body=body, folder=sealed, files=files)
    mark(folder, promised=name, files={file.path: file.sha256 for file in files})


def writer(folder: Path, first: int, end: int) -> int:
    """Capture violations, and tidy now and then as janitord does; 3 where the disk refuses."""
    device = load(folder / "device.yaml", Device)
    try:
        with closing(Outbox(folder / "state" / "outbox.db")) as outbox:
            for number in range(first, end):
                mark(folder, begun=number)
                capture(folder, outbox, number)
                if number % JANITOR_EVERY == 0:
                    Janitor(device, folder / "state", folder / "run").work(time.time())
                time.sleep(PAUSE_S)
    except (OSError, sqlite3.OperationalError) as error:
        print(f"writer: {error}", file=sys.stderr)
        return EXIT_DISK
    return 0


def told(work: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
    """The same function, with a note of its arguments made before it runs."""

    @functools.wraps(work)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        note(*args)
        return work(*args, **kwargs)

    return wrapped


def watch(folder: Path) -> None:
    """Note each record that is about to leave, and each message that is about to be obeyed."""

    def sends(_: Any, topic: str, payload: bytes, *__: Any) -> None:
        if "/evt/" in topic:
            body, sha256 = json.loads(payload), hashlib.sha256(payload).hexdigest()
            kept = {"seq": body["seq"], "kid": body["kid"], "kind": body["type"].split(".")[1]}
            mark(folder, sent=body["id"], sha256=sha256, **kept)

    def obeys(_: Any, message: Any, *__: Any) -> None:
        kind = type(message).__name__.lower()
        mark(folder, obeyed=kind, n=message.n, iss=message.iss, rev=getattr(message, "rev", 0))

    for owner, name, note in (
        (mqtt.MqttConnection, "publish", sends),
        (mqtt.MqttConnection, "acknowledge", lambda _, mid: mark(folder, taken=mid)),
        (commands.Commands, "obey", obeys),
        (desired.DesiredSite, "obey", obeys),
        (reviews.ReviewLog, "keep", obeys),
    ):
        setattr(owner, name, told(getattr(owner, name), note))


def watched_uplinkd(folder: Path, step: str, count: int) -> int:
    """uplinkd with its disk calls recorded, killed at `step` if one is given."""
    watch(folder)
    mark(folder, started=os.getpid())
    if step:
        moment, _, name = step.partition(" ")
        crash.arm(moment, name, count)
    return runtime.run(
        lambda stop, notify: uplinkd.main(
            stop,
            notify,
            site_path=folder / "site.yaml",
            device_path=folder / "device.yaml",
            boot_spread_s=0.0,
        )
    )


def install(folder: Path) -> int:
    """The state folder, as the installer made it long before any power cut."""
    (folder / "state").mkdir()
    runtime.sync_folder(folder)
    return 0


def main() -> int:
    """The part of a power-cut test that dies: install, writer, or the daemon."""
    what, folder, *rest = sys.argv[1:]
    if what == "install":
        return install(Path(folder))
    if what == "writer":
        return writer(Path(folder), int(rest[0]), int(rest[1]))
    return watched_uplinkd(Path(folder), rest[0] if rest else "", int(rest[1]) if rest else 0)


if __name__ == "__main__":
    sys.exit(main())
