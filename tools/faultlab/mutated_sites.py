# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sites with one wrong item each: what `edge check` says, and whether all other items work.

    nice -n 19 tools/python -m tools.faultlab.mutated_sites --count 200 --rows out/sites.jsonl

Real visiond and sensord run in this process with the shipped model, on a made-up street and on
meters that answer on TCP; the page is asked over HTTP. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import random
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import yaml

from edge import journal
from edge.config import ConfigError
from edge.pipeline.soundness import load_settings, load_sound
from edge.progress import ProgressBar
from edge.runtime import Notify, Stop, make_folder, write_atomic
from tools.demonstration.processes import free_port
from tools.fakes.camera import drawing
from tools.faultlab.wrong_sites import CAMERAS, Mutant, base_site, mutants

WAIT_S = 40.0
OUT = Path("out/mutated-sites.json")

DEVICE = """\
device: box-1
broker: {host: 127.0.0.1, port: 1, tls: off}
trust: {down: tls, release: puback}
folders: {state: state, run: run}
compute: {workers: 1}
"""


def make_home(folder: Path) -> Path:
    """A folder with the recording, the device file and what wrong items may name."""
    folder.mkdir(parents=True, exist_ok=True)
    with av.open(str(folder / "street.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(100):
            frame = av.VideoFrame.from_ndarray(drawing(320, 180, number), format="bgr24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    (folder / "notes.txt").write_text("no video\n" * 50)
    (folder / "empty.mp4").write_bytes(b"")
    whole = (folder / "street.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "broken.yaml").write_text("file: [")
    (folder / "other.yaml").write_text("file: a.onnx\nclasses: [a]\n")
    text = "file: hash.onnx\nclasses: [person]\ninput: {height: 384, width: 640}\n"
    (folder / "hash.yaml").write_text(f'{text}sha256: "{"0" * 64}"\n')
    (folder / "hash.onnx").write_bytes(b"no model")
    (folder / "device.yaml").write_text(DEVICE)
    return folder


def foretold(home: Path, mutant: Mutant) -> str | None:
    """What `edge check` says of the site; None where it calls it sound."""
    write_site(home, mutant)
    try:
        load_settings(home / "site.yaml", home / "device.yaml", sources=True)
    except ConfigError as error:
        return str(error)
    return None


def write_site(home: Path, mutant: Mutant) -> None:
    text = yaml.safe_dump(mutant.site, allow_unicode=True, sort_keys=False)
    (home / "site.yaml").write_text(text, encoding="utf-8")


def kept(home: Path) -> tuple[frozenset[str], frozenset[str], tuple[str, ...]]:
    """(cameras, sensors and points) that a daemon would work with, and what it sets aside."""
    settings = load_sound(home / "site.yaml", home / "device.yaml")
    cameras = frozenset(c.id for c in settings.site.cameras if c.enabled)
    rows = (*settings.site.sensors, *settings.site.noise)
    aside = tuple(f"{item.kind} {item.id}" for item in settings.aside)
    return cameras, frozenset(str(row["id"]) for row in rows), aside


class Meter:
    """A sound-level meter that writes a line a few times a second to whoever connects."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while True:
                level = 55.0 + random.random() * 5.0
                line = f"LAeq={level:.1f},LAFmax={level + 5:.1f},LAFmin={level - 5:.1f}\r\n"
                client.sendall(line.encode())
                time.sleep(0.25)


def _serve(daemon: Any, home: Path, stop: Stop) -> threading.Thread:
    files = {"site_path": home / "site.yaml", "device_path": home / "device.yaml"}

    def work() -> None:
        with contextlib.suppress(ConfigError):
            daemon.main(stop, Notify({}), **files)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _status(home: Path, daemon: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((home / f"run/status/{daemon}.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def works(home: Path, mutant: Mutant) -> list[str]:
    """Runs visiond and sensord with the site; the items that should work and did not."""
    from edge.daemons import sensord, visiond

    write_site(home, mutant)
    for daemon in ("visiond", "sensord"):
        (home / f"run/status/{daemon}.json").unlink(missing_ok=True)
    stop = Stop()
    threads = [_serve(daemon, home, stop) for daemon in (visiond, sensord)]
    wanted = {*CAMERAS, "meter-1", "meter-2"} - mutant.without
    until, idle = time.monotonic() + WAIT_S, set(wanted)
    while idle and time.monotonic() < until:
        time.sleep(0.2)
        cameras = _status(home, "visiond").get("cameras", {})
        sensors = _status(home, "sensord").get("sensors", {})
        idle -= {name for name, row in cameras.items() if row["looks"] > 1}
        idle -= {name for name, row in sensors.items() if row["state"] == "heard"}
    stop.set()
    for thread in threads:
        thread.join(30.0)
    return sorted(idle)


def page_answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@dataclass(frozen=True)
class Outcome:
    """What came of one site: what was foretold, which items stood idle, whether the page came."""

    number: int
    label: str
    said: str | None
    idle: tuple[str, ...]
    page: bool
    took_s: float

    @property
    def well(self) -> bool:
        return self.said is not None and not self.idle and self.page


def measure(count: int, seed: int, folder: Path, done: Sequence[Outcome]) -> Iterator[Outcome]:
    """Those of `count` sites that are not among `done`, each run for real, as they finish."""
    from edge.daemons import consoled

    meters = Meter(), Meter()
    home, page = make_home(folder), free_port()
    (home / "device.yaml").write_text(f"{DEVICE}console: {{host: 127.0.0.1, port: {page}}}\n")
    stop, known = Stop(), {one.number for one in done}
    foretold(home, Mutant("", base_site((meters[0].port, meters[1].port)), "", "", frozenset()))
    _serve(consoled, home, stop)
    for number, mutant in enumerate(mutants(count, seed, (meters[0].port, meters[1].port)), 1):
        if number in known:
            continue
        began = time.monotonic()
        said, idle = foretold(home, mutant), works(home, mutant)
        answers, took_s = page_answers(page), round(time.monotonic() - began, 1)
        yield Outcome(number, mutant.label, said, tuple(idle), answers, took_s)
    stop.set()


def kept_outcomes(path: Path) -> list[Outcome]:
    """Those of an earlier run."""
    return [Outcome(**{**row, "idle": tuple(row["idle"])}) for row in journal.read(path)[0]]


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What came of all sites, with each that failed in words."""
    failed = [one for one in outcomes if not one.well]
    return {
        "sites": len(outcomes),
        "foretold": sum(one.said is not None for one in outcomes),
        "others_work": sum(not one.idle for one in outcomes),
        "page_answers": sum(one.page for one in outcomes),
        "slowest_s": max((one.took_s for one in outcomes), default=0.0),
        "failed": [
            f"{one.number} {one.label}: told {one.said!r}, idle {one.idle}, page {one.page}"
            for one in failed
        ],
    }


def main() -> int:
    """Prints one JSON object; 1 where any site failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=Path, help="kept here; a run that was ended goes on")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    make_folder(OUT.parent)
    outcomes = kept_outcomes(args.rows) if args.rows else []
    bar = ProgressBar("sites")
    with tempfile.TemporaryDirectory() as folder:
        for one in measure(args.count, args.seed, Path(folder) / "home", tuple(outcomes)):
            outcomes.append(one)
            if args.rows:
                journal.append(args.rows, [asdict(one)])
            bar.update(len(outcomes) / args.count)
    bar.close()
    found = summary(outcomes)
    text = json.dumps(found, ensure_ascii=False)
    write_atomic(OUT, text.encode())
    print(text)
    return 1 if found["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
