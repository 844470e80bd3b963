# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/demo: the whole chain on the project's own clips, from pixels to the platform's answer.

visiond judges the clip, uplinkd signs and delivers over Mosquitto, the reference receiver stores,
checks and acknowledges; then everything is verified once more from disk and shown on one page.
Exits 1 where anything was not acknowledged or does not verify. Last line of stdout: one JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edge.outbox import State
from tools.demonstration import page, senses
from tools.demonstration.processes import Missing, broker, edge, running, wait_for

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "tests" / "clips" / "street"
FLIGHT = ROOT / "tests" / "clips" / "flyover"
LIMIT_S = 170.0

DEVICE = {
    "device": "edge-demo",
    "tenant": "city",
    "broker": {"host": "127.0.0.1", "tls": "off"},
    "trust": {"release": "platform", "down": "signed"},
    "folders": {"state": "state", "run": "run"},
}


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one demonstration."""

    path: Path

    @property
    def site(self) -> Path:
        return self.path / "site.yaml"

    @property
    def device(self) -> Path:
        return self.path / "device.yaml"

    @property
    def evidence(self) -> Path:
        return self.path / "state" / "evidence"

    @property
    def received(self) -> Path:
        return self.path / "received"


def make_home(folder: Path, clip: Path, port: int, *, sensed: bool) -> Home:
    """A fresh home with the clip's own site file, its source made absolute."""
    home = Home(folder)
    site = yaml.safe_load((clip / "site.yaml").read_text(encoding="utf-8"))
    for camera in site["cameras"]:
        camera["source"] = str((clip / camera["source"]).resolve())
        camera["playback"] = "fast"
    if sensed:
        senses.add_senses(site, folder / "ports")
    device: dict[str, Any] = json.loads(json.dumps(DEVICE))
    device["broker"]["port"] = port
    device["trust"]["platform_key"] = str(home.received / "platform.pub.pem")
    home.site.write_text(yaml.safe_dump(site, allow_unicode=True, sort_keys=False), "utf-8")
    home.device.write_text(yaml.safe_dump(device, sort_keys=False), "utf-8")
    for name in ("categories.yaml",):
        if (clip / name).exists():
            shutil.copy(clip / name, folder / name)
    return home


def run_chain(folder: Path, clip: Path, told: Any, *, sensed: bool) -> Home:
    """Everything from the first frame to the last acknowledgement. Raises TimeoutError."""
    with ExitStack() as stack:
        port = stack.enter_context(broker(folder))
        home = make_home(folder, clip, port, sensed=sensed)
        receive = [sys.executable, "-m", "city_platform.receiver", "--out", str(home.received)]
        receiver = stack.enter_context(
            running([*receive, "--port", str(port)], folder / "receiver.log")
        )
        key = home.received / "platform.pub.pem"
        wait_for(key.exists, 20.0, "the receiver", receiver)
        files = ["--site", str(home.site), "--device", str(home.device)]
        uplinkd = running(edge("uplinkd", *files), folder / "uplinkd.log")
        visiond = running(edge("visiond", *files), folder / "visiond.log")
        stack.enter_context(uplinkd)
        process = stack.enter_context(visiond)
        wait_for(lambda: _watched(home, told), LIMIT_S, "visiond", process)
        if sensed:
            told("listening and smelling")
            stack.enter_context(senses.instruments(folder / "ports"))
            sensord = stack.enter_context(running(edge("sensord", *files), folder / "sensord.log"))
            wait_for(lambda: shown_by(home) >= senses.EXPECTED, LIMIT_S, "sensord", sensord)
        told("delivering")
        wait_for(lambda: waiting(home) == 0, LIMIT_S, "the acknowledgement", process)
    return home


def _watched(home: Home, told: Any) -> bool:
    """Whether every recording is over and its last revision is written."""
    status = _status(home)
    cameras, over = status.get("cameras", {}), status.get("recordings_over", [])
    told(f"watching: {sum(c['looks'] for c in cameras.values())} pictures")
    return bool(cameras) and set(cameras) == set(over)


def shown_by(home: Home) -> set[str]:
    """Categories of the cases that have a picture."""
    found = set()
    for path in home.evidence.glob("v-*/r*/manifest.json"):
        manifest = json.loads(path.read_bytes())
        if any(file["role"] == "overview" for file in manifest["files"]):
            found.add(str(manifest["violation"]["category"]))
    return found


def _status(home: Home) -> dict[str, Any]:
    try:
        return dict(json.loads((home.path / "run/status/visiond.json").read_bytes()))
    except FileNotFoundError:
        return {}


def waiting(home: Home) -> int:
    """Records and files that the platform has not yet said it has."""
    with closing(sqlite3.connect(f"file:{home.path}/state/outbox.db?mode=ro", uri=True)) as db:
        counts = [
            db.execute(f"SELECT count(*) FROM {table} WHERE state < ?", (State.PLATFORM_ACK,))  # noqa: S608
            for table in ("record", "file")
        ]
        return sum(int(row.fetchone()[0]) for row in counts)


def acknowledged(home: Home) -> set[str]:
    """Keys ("<violation id>/r<revision>") that the platform says it has stored."""
    with closing(sqlite3.connect(f"file:{home.path}/state/outbox.db?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT key FROM record WHERE state >= ?", (State.PLATFORM_ACK,))
        return {str(row[0]) for row in rows}


def verify(folder: Path) -> dict[str, bool]:
    """Violation id -> whether `edge evidence verify` finds it whole."""
    result = {}
    for case in sorted(p for p in folder.glob("*") if p.is_dir()):
        done = subprocess.run(edge("evidence", "verify", str(case)), capture_output=True)
        result[case.name] = done.returncode == 0
    return result


def fly(home: Home) -> tuple[Path, int] | None:
    """The project's own fly-over into a ledger: its page and how many findings it has."""
    out = home.path / "flight"
    words = [str(FLIGHT / "flyover.mp4"), "--telemetry", str(FLIGHT / "flyover.SRT")]
    done = subprocess.run(edge("fly", *words, "--out", str(out)), capture_output=True, text=True)
    if done.returncode != 0:
        print(f"edge fly: {done.stderr.strip()}", file=sys.stderr)
        return None
    ledger = json.loads((out / "flight.json").read_bytes())
    return out / "report.html", len(ledger["findings"])


def summary(home: Home, began: float, flight: tuple[Path, int] | None) -> dict[str, Any]:
    """What is on the box, what the platform has, what verifies; and the page that shows it."""
    on_box = verify(home.evidence)
    at_platform = {p.name for p in home.received.glob("**/v-*") if p.is_dir()}
    shown = page.collect(home.evidence, acknowledged(home), on_box)
    seconds = round(time.monotonic() - began, 1)
    result = {
        "violations": len(shown),
        "acknowledged": sum(s.acknowledged for s in shown),
        "verified": sum(on_box.values()),
        "missing": len({s.folder.name for s in shown} - at_platform),
        "flight_findings": flight[1] if flight else None,
        "seconds": seconds,
        "page": str(home.path / "index.html"),
    }
    facts = {
        "疑似违规 suspected": str(result["violations"]),
        "平台已接收 acknowledged": str(result["acknowledged"]),
        "校验通过 verified": str(result["verified"]),
        "用时 seconds": str(seconds),
    }
    links = {"巡飞台账 ledger of the drone flight": flight[0]} if flight else {}
    page.write_page(home.path / "index.html", shown, facts, links)
    return result


def main() -> int:
    """0 where everything found was acknowledged and verifies; 1 else, naming the folder of logs."""
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "demo")
    parser.add_argument("--clip", type=Path, default=CLIP, help="folder with site.yaml and a clip")
    parser.add_argument("--fast", action="store_true", help="the roadside clip only")
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    began = time.monotonic()
    try:
        home = run_chain(args.out.resolve(), args.clip, _Progress(), sensed=not args.fast)
    except (Missing, TimeoutError) as error:
        print(f"\ntools/demo: {error}; logs are in {args.out}", file=sys.stderr)
        return 1
    flight = None if args.fast else fly(home)
    result = summary(home, began, flight)
    _tell(home)
    print(json.dumps(result), flush=True)
    whole = result["violations"] == result["acknowledged"] == result["verified"]
    good = whole and result["missing"] == 0 and result["violations"]
    return 0 if good and (flight or args.fast) else 1


class _Progress:
    """One line that is written over on a terminal; changes only, elsewhere."""

    def __init__(self) -> None:
        self._last, self._at = "", 0.0

    def __call__(self, text: str) -> None:
        if text == self._last or time.monotonic() - self._at < 1.0:
            return
        self._last, self._at = text, time.monotonic()
        end = "\r" if sys.stderr.isatty() else "\n"
        print(f"{text:60}", end=end, file=sys.stderr, flush=True)


def _tell(home: Home) -> None:
    """Each violation in a line, as a person wants to read it."""
    print("\nDwell times at the demonstration site are shortened; see its site.yaml.")
    print("演示点位的停留时限已缩短，见 site.yaml。\n")
    for shown in page.collect(home.evidence, set(), {}):
        data = shown.manifest["violation"]
        codes = " ".join(f"{k}:{v}" for k, v in data["codes"].items())
        print(
            f"  疑似 {data['names']['zh']} / suspected {data['names']['en']}  [{codes}]  "
            f"{_when(data['began'])} .. {_when(data['ended'])}  {data['gate']}  {data['id']}"
        )
    print(f"\npage: {home.path / 'index.html'}")


def _when(at: dict[str, Any] | None) -> str:
    """Seconds of a recording, time of day of what was sensed just now."""
    if at is None:
        return "…"
    return f"{at['mono']:.0f} s" if at["quality"] == "recording" else str(at["utc"])[11:19]


if __name__ == "__main__":
    sys.exit(main())
