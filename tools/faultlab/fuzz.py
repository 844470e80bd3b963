# SPDX-License-Identifier: AGPL-3.0-or-later
"""Fuzzing of everything that reads from the network: acks, commands, configurations, envelopes.

Messages are changed in their structure and then signed with the right key, so that they reach what
lies behind the signature, or changed in their bytes. An input whose outcome is new (kind of
refusal, or what was done) joins the corpus, which is kept in out/fuzz and grown by the next run.
Not guided by coverage: what counts as new is what the product answers.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import logging
import random
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from city_platform import golden
from city_platform.intake import Receiver
from city_platform.store import Store
from edge.clock import SystemClock
from edge.config import Device, Site, load
from edge.config.device import Folders, Trust
from edge.config.paths import box_files
from edge.progress import ProgressBar
from edge.uplink import seal
from edge.uplink.build import build_parts, open_stock
from edge.uplink.commands import Commands
from edge.uplink.desired import DesiredSite
from edge.uplink.mqtt import Arrived
from edge.uplink.pacing import TokenBucket
from edge.uplink.reviews import ReviewLog
from edge.values import Stamp

CORPUS = Path("out/fuzz")
SLOW_S = 2.0
FRESH_EVERY = 4000
# Several times what a packet may be. Without a bound, repeats of repeats grow to hundreds of
# megabytes, and a run does nothing but copy them.
MOST_BYTES = 256 * 1024
KEEP_MAX = 4000
Target = Callable[[str, bytes], str]

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**400, 0.0, -0.0, 1e308,
    5e-324, "", "0", "../../etc/passwd", "-i", "--help", "file:///etc/shadow", "\0", "\ud800",
    "\u202e", "!!python/object/apply:os.system [id]", "*a", "&a", "| sh", "$(id)", "%s%n",
    "a" * 300, "é" * 200, [], {}, [[]], [{}], {"": None}, {"a": {"a": {"a": []}}}, [[0, 2**62]],
    [[5, 1]],
    "NaN", "1970-01-01T00:00:00.000000Z", "9999-99-99T99:99:99.999999Z", "0" * 64, "z" * 64,
)  # fmt: skip


def _places(node: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """(container, key) of everything below a JSON value."""
    if isinstance(node, dict | list):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            found.append((node, key))
            _places(node[key], found)
    return found


def change_tree(body: Any, others: list[Any], rng: random.Random) -> Any:
    """One to four changes of structure: values replaced, removed, repeated, nested, borrowed."""
    body = copy.deepcopy(body)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places_here = _places(body, [])
        if not places_here:
            return rng.choice(NASTY)
        where, key = rng.choice(places_here)
        _change(where, key, others, rng)
    return body


def _change(where: Any, key: Any, others: list[Any], rng: random.Random) -> None:
    what = rng.randrange(7)
    if what == 0:
        del where[key]
    elif what == 1 and isinstance(where, list):
        where.extend([where[key]] * rng.choice((1, 3, 300)))
    elif what == 2:
        where[key] = {"a": where[key]} if rng.random() < 0.5 else [where[key]] * 2
    elif what == 3 and isinstance(where, dict):
        where[f"{key}{rng.choice(('x', '', ' ', '.', chr(0)))}"] = where[key]
    elif what == 4:
        other = _places(rng.choice(others), [])
        if other:
            node, name = rng.choice(other)
            where[key] = copy.deepcopy(node[name])
    elif what == 5:
        for _ in range(rng.choice((10, 40, 400))):
            where[key] = {"a": where[key]}
    else:
        where[key] = rng.choice(NASTY)


def change_bytes(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Flips, cuts, repeats and splices of the bytes themselves."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(out) + 1)
        what = rng.randrange(5)
        if what == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            del out[at : at + rng.choice((1, 4, 50))]
        elif what == 2:
            out[at:at] = out[at : at + rng.choice((1, 8, 2000))] * rng.choice((1, 50))
        elif what == 3:
            other = rng.choice(others)
            out[at:] = other[rng.randrange(len(other) + 1) :]
        else:
            out[at:at] = rng.choice((b"\0", b"\xff", b'"', b"\\u", b"{" * 2000, b"1e999", b"NaN"))
    return bytes(out[:300_000])


def checked(path: Path) -> str:
    """As `edge check` reads a site file; the cross-checks need models and are not the parser."""
    load(path, Site)
    return "0" * 64


class Door:
    """The device's side: the inbox with the real parts behind it, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "platform.pem").write_bytes(seal.public_pem(golden.DESK.public))
        (folder / "device.yaml").write_text("device: box-1\n")
        device = Device(
            device=golden.DEVICE,
            folders=Folders(state="state", run="run"),
            trust=Trust(platform_key="platform.pem"),
        )
        where = box_files(device, folder / "site.yaml", None)
        self.stock = open_stock(device, where, SystemClock())
        commands = Commands(
            where.run,
            where.state / "requests",
            report=lambda *_: None,
            restart=lambda: None,
            update=lambda _: None,
            guard=self.stock.guard,
        )
        desired = DesiredSite(
            where.site_file, where.state / "config", where.run, check=lambda _: "0" * 64,
            report=lambda _: None, now=0.0,
        )  # fmt: skip
        reviews = ReviewLog(where.state / "reviews")
        self.parts = build_parts(
            device,
            self.stock,
            obey={
                "review": reviews.keep,  # type: ignore[dict-item]
                "command": lambda message: commands.obey(message, 0.0),
                "desired": lambda message: desired.obey(message, 0.0),
            },
            bucket=TokenBucket(None),
            pace=lambda _: None,
        )
        self.at = Stamp(1.0, golden.WALL, "ntp", 1.0)

    def __call__(self, topic: str, payload: bytes) -> str:
        """What came of it: the counter that rose, or "taken"."""
        inbox = self.parts.inbox
        inbox._heard.clear()
        before = dict(inbox.counts)
        inbox.take([Arrived(topic, payload, 1, False)], self.at)
        self.stock.raised.clear()
        return ",".join(name for name in inbox.counts if inbox.counts[name] != before.get(name, 0))

    def close(self) -> None:
        self.stock.dispatch.close()
        self.stock.outbox.close()


class Desk:
    """The platform's side: the receiver with its store. Refusals are told by their text."""

    def __init__(self, folder: Path) -> None:
        self._store = Store(folder)
        self._receiver = Receiver(self._store, golden.DESK, "desk", tell=False)
        birth = next(one for one in golden.golden() if one.name == "birth")
        self._receiver.take([Arrived(birth.topic, birth.payload, 1, True)])

    def __call__(self, topic: str, payload: bytes) -> str:
        with contextlib.redirect_stderr(io.StringIO()):
            answers = self._receiver.take([Arrived(topic, payload, 1, False)])
        if answers:
            return "taken"
        rows = self._store._db.rows("SELECT why FROM quarantine ORDER BY received DESC LIMIT 1")
        return rows[0][0] if rows else "nothing"

    def close(self) -> None:
        self._store.close()


# Name -> (kinds of golden messages it starts from, who reads them, whose signature they carry).
TARGETS: dict[str, tuple[tuple[str, ...], Callable[[Path], Any], seal.Signer]] = {
    "ack": (("ack", "review"), Door, golden.DESK),
    "command": (("command",), Door, golden.DESK),
    "config": (("desired",), Door, golden.DESK),
    "envelope": (
        ("violation", "fault", "sensor", "birth", "chain", "evidence-init", "command-result"),
        Desk,
        golden.BOX,
    ),
}


class Fuzzer:
    """One target with its corpus. Deterministic for a seed but for what the clock decides."""

    def __init__(self, name: str, folder: Path, *, seed: int) -> None:
        kinds, self._open, self._signer = TARGETS[name]
        self.name, self._folder = name, folder
        self._rng = random.Random(seed)
        self._topics = [o.topic for o in golden.golden() if o.channel.name in kinds]
        seeds = [(o.topic, o.payload) for o in golden.golden() if o.channel.name in kinds]
        self._corpus = seeds + self._kept()
        self._outcomes: set[str] = set()
        self.runs, self.crashes = 0, 0

    def _kept(self) -> list[tuple[str, bytes]]:
        self._folder.mkdir(parents=True, exist_ok=True)
        found = (path.read_bytes() for path in sorted(self._folder.glob("*.seed")))
        return [(t.decode(), p) for t, _, p in (data.partition(b"\n") for data in found)]

    @property
    def corpus(self) -> int:
        return len(self._corpus)

    def spend(self, seconds: float, tell: Callable[[float], None]) -> None:
        """Try inputs for so long, on a fresh reader now and then."""
        began = time.monotonic()
        while (spent := time.monotonic() - began) < seconds:
            with (
                tempfile.TemporaryDirectory(prefix="edge-fuzz-", dir=_memory()) as folder,
                contextlib.closing(self._open(Path(folder))) as reader,
            ):
                for _ in range(FRESH_EVERY):
                    self._once(reader)
                    if time.monotonic() - began >= seconds:
                        break
            tell(min(1.0, spent / seconds))

    def _once(self, reader: Target) -> None:
        topic, payload = self._input()
        self.runs += 1
        began = time.process_time()
        try:
            outcome = reader(topic, payload)
        except Exception:  # noqa: BLE001  the one thing that is looked for
            self._crashed(topic, payload, traceback.format_exc())
            return
        if time.process_time() - began > SLOW_S:
            self._crashed(topic, payload, f"took more than {SLOW_S:.0f} s")
        shape = re.sub(r"[0-9]+|'[^']*'", "#", outcome)[:200]
        if shape not in self._outcomes:
            self._outcomes.add(shape)
            self._keep(topic, payload, "seed")
            if len(self._corpus) < KEEP_MAX:
                self._corpus.append((topic, payload))

    def _input(self) -> tuple[str, bytes]:
        rng = self._rng
        topic, payload = rng.choice(self._corpus)
        if rng.random() < 0.05:
            topic = rng.choice(self._topics)
        others = [other for _, other in rng.choices(self._corpus, k=2)]
        body = _json(payload)
        if body is not None and rng.random() < 0.75:
            try:
                changed = change_tree(body, [_json(other) or {} for other in others], rng)
                signed = self._sign(changed)
                if len(signed) <= MOST_BYTES:
                    return topic, signed
            except (ValueError, TypeError, RecursionError):
                pass  # too deep or without a canonical form: nobody could have signed it
        return topic, change_bytes(payload, others, rng)

    def _sign(self, body: Any) -> bytes:
        if isinstance(body, dict) and self._rng.random() < 0.9:
            return self._signer.sign({**body, "kid": self._signer.kid})
        return json.dumps(body).encode("utf-8", "surrogatepass")

    def _keep(self, topic: str, payload: bytes, suffix: str) -> Path:
        path = self._folder / f"{hashlib.sha256(payload).hexdigest()[:16]}.{suffix}"
        path.write_bytes(topic.encode() + b"\n" + payload)
        return path

    def _crashed(self, topic: str, payload: bytes, why: str) -> None:
        self.crashes += 1
        path = self._keep(topic, payload, "crash")
        if self.crashes <= 3:
            print(f"{self.name}: {path}:\n{why}", file=sys.stderr)


def _json(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  folders of its own


def run(minutes: float, *, corpus: Path = CORPUS, seed: int | None = None) -> int:
    """Each target for so long; prints a table; 1 where anything crashed or hung."""
    logging.disable(logging.CRITICAL)
    print(f"{'parser':10} {'runs':>10} {'per s':>8} {'corpus':>7} {'crashes':>8}")
    crashes = 0
    for name in TARGETS:
        fuzzer = Fuzzer(name, corpus / name, seed=time.time_ns() if seed is None else seed)
        bar, began = ProgressBar(f"fuzz {name}"), time.monotonic()
        fuzzer.spend(minutes * 60.0, bar.update)
        bar.close()
        rate = fuzzer.runs / (time.monotonic() - began)
        print(f"{name:10} {fuzzer.runs:10} {rate:8.0f} {fuzzer.corpus:7} {fuzzer.crashes:8}")
        crashes += fuzzer.crashes
    return 1 if crashes else 0
