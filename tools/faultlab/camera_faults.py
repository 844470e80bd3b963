# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cameras of every kind of clock before a real visiond: false faults of those that work, and how
soon those that fall silent are a fault and blind time.

    nice -n 19 tools/python -m tools.faultlab.camera_faults --seconds 600

All cameras at once; only the model is a small one made here. Prints one JSON object; 1 where a
camera that works had a fault, or one that does not had none in time.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from edge.config import ConfigError
from edge.daemons import visiond
from edge.progress import ProgressBar
from edge.runtime import Notify, Stop, make_folder, write_atomic
from tools.fakes import onnx_files
from tools.fakes.camera import clip
from tools.fakes.camera_variants import VARIANTS
from tools.fakes.listening import LoopbackServer
from tools.fakes.mjpeg_camera import MjpegCamera
from tools.fakes.rtsp_camera import Manners, RtspCamera

# From the last picture to the fault and the blind time.
WITHIN_S = 12.0
# After the start: cameras are opened, the model is proved.
SETTLE_S = 20.0
FPS = 2.0
OUT = Path("out/camera-faults.json")
DEVICE = """\
device: box-1
broker: {host: 127.0.0.1, port: 1, tls: off}
trust: {down: tls, release: puback}
folders: {state: state, run: run}
compute: {workers: 1}
"""


class MuteCamera(RtspCamera):
    """Sends pictures for a while, and from then on nothing to anybody."""

    def packets(self, closing: threading.Event) -> Iterator[bytes]:
        """As of any camera, while it speaks."""
        for packet in super().packets(closing):
            if time.monotonic() > self.born_s + SETTLE_S:
                self.closing.wait()
                return
            yield packet


class DeafCamera(LoopbackServer):
    """Takes the connection and says nothing. asked_s: when it was asked first."""

    asked_s: float | None = None

    def serve(self, client: Any) -> None:
        self.asked_s = self.asked_s or time.monotonic()
        with client:
            self.closing.wait()


@dataclass
class Watch:
    """What was seen of one camera: its faults, and for a bad one when each sign came (monotonic).

    last_good_s: when it sent a sound picture last; None of a camera that works.
    """

    last_good_s: Callable[[], float] | None
    faults: set[str] = field(default_factory=set)
    first: tuple[float, int] | None = None
    last: tuple[float, int] = (0.0, 0)
    signs: dict[str, float] = field(default_factory=dict)

    @property
    def looks_s(self) -> float:
        """Looks a second, from the first on."""
        first = self.first or self.last
        return (self.last[1] - first[1]) / max(1.0, self.last[0] - first[0])

    def see(self, row: dict[str, Any], kinds: set[str], now: float) -> None:
        """Note one status of the camera: its looks, its faults, and when a silent one first
        shows."""
        self.faults |= kinds
        self.last = now, int(row.get("looks", 0))
        if self.first is None and self.last[1]:
            self.first = self.last
        if self.last_good_s is None or now - self.last_good_s() < 1.0:
            return
        for sign, there in (("fault", bool(kinds)), ("blind", bool(row.get("blind")))):
            if there:
                self.signs.setdefault(sign, now - self.last_good_s())


@contextmanager
def cameras() -> Iterator[dict[str, tuple[str, Callable[[], float] | None]]]:
    """{id: (address, when its last sound picture went out)}, good ones and bad ones."""
    made: dict[str, tuple[str, Callable[[], float] | None]] = {}
    kinds = {(key_s, b) for _, key_s, b in VARIANTS.values()}
    contents = {k: clip("h264", 240, 136, seconds=30.0, key_s=k[0], bframes=k[1]) for k in kinds}
    with ExitStack() as stack:
        for name, (manners, key_s, b) in VARIANTS.items():
            camera = stack.enter_context(RtspCamera(contents[key_s, b], manners))
            made[_id(name)] = camera.url, None
        made["motion-jpeg"] = stack.enter_context(MjpegCamera(fps=10)).url, None
        for name, bad in (
            ("falls-silent", MuteCamera(contents[1.0, 0])),
            ("spoilt", RtspCamera(contents[1.0, 0], Manners(spoilt_s=SETTLE_S))),
        ):
            made[name] = stack.enter_context(bad).url, partial(_last_good, bad)
        deaf = stack.enter_context(DeafCamera())
        made["deaf"] = f"rtsp://127.0.0.1:{deaf.port}/s", lambda: deaf.asked_s or time.monotonic()
        yield made


def _last_good(camera: RtspCamera) -> float:
    return camera.born_s + SETTLE_S


def _id(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name).replace("--", "-")


def make_home(folder: Path, addresses: dict[str, str]) -> Path:
    """Site, device and model files."""
    onnx_files.write(
        folder,
        onnx_files.bright(64, 64, ("person", "car"), classes=2),
        ("person", "car"),
        input={"height": 64, "width": 64},
    )
    rows = [
        {"id": name, "source": url, "fps": FPS, "rate": "fixed"} for name, url in addresses.items()
    ]
    site = {"name": "测试点位", "model": "m.yaml", "cameras": rows}
    (folder / "site.yaml").write_text(yaml.safe_dump(site, allow_unicode=True), "utf-8")
    (folder / "device.yaml").write_text(DEVICE)
    return folder


def watch(seconds: float, folder: Path) -> Iterator[dict[str, Watch]]:
    """Everything seen so far, again and again, for so many seconds after the start."""
    with cameras() as made:
        home = make_home(folder, {name: url for name, (url, _) in made.items()})
        stop, seen = Stop(), {name: Watch(last) for name, (_, last) in made.items()}
        files = {"site_path": home / "site.yaml", "device_path": home / "device.yaml"}
        daemon = threading.Thread(target=_serve, args=(stop, files), daemon=True)
        daemon.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until and daemon.is_alive():
            time.sleep(0.2)
            with suppress(OSError, ValueError):
                _note(json.loads((home / "run/status/visiond.json").read_bytes()), seen)
            yield seen
        stop.set()
        daemon.join(30.0)


def _serve(stop: Stop, files: dict[str, Path]) -> None:
    with suppress(ConfigError):
        visiond.main(stop, Notify({}), **files)


def _note(status: dict[str, Any], seen: dict[str, Watch]) -> None:
    now = time.monotonic()
    for name, one in seen.items():
        kinds = {str(f["kind"]) for f in status.get("faults", []) if f["subject"] == name}
        one.see(status.get("cameras", {}).get(name, {}), kinds, now)


def summary(seen: dict[str, Watch], seconds: float) -> dict[str, Any]:
    """One object of numbers, as it is printed."""
    good = {name: one for name, one in seen.items() if one.last_good_s is None}
    bad = {name: one for name, one in seen.items() if one.last_good_s is not None}
    late = {n: {k: round(v, 1) for k, v in sorted(one.signs.items())} for n, one in bad.items()}
    every = [one.signs.get(sign, 1e9) for one in bad.values() for sign in ("fault", "blind")]
    return {
        "seconds": round(seconds),
        "cameras": len(good),
        "false_faults": sum(len(one.faults) for one in good.values()),
        "false": {name: sorted(one.faults) for name, one in good.items() if one.faults},
        "least_looks_share": round(min(one.looks_s for one in good.values()) / FPS, 3),
        "silent_cameras": len(bad),
        "signs_s": late,
        "worst_sign_s": round(max(every), 1),
    }


def main() -> int:
    """1 where a bound is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=600.0)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    bar, began, seen = ProgressBar("cameras"), time.monotonic(), dict[str, Watch]()
    with tempfile.TemporaryDirectory() as folder:
        for found_so_far in watch(args.seconds, Path(folder)):
            seen = found_so_far
            bar.update((time.monotonic() - began) / args.seconds)
    bar.close()
    found = summary(seen, args.seconds)
    make_folder(OUT.parent)
    write_atomic(OUT, json.dumps(found).encode())
    print(json.dumps(found))
    return 1 if found["false_faults"] or found["worst_sign_s"] > WITHIN_S else 0


if __name__ == "__main__":
    sys.exit(main())
