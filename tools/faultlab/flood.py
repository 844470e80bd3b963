# SPDX-License-Identifier: AGPL-3.0-or-later
"""Attackers at every door at once: what memory it costs, and what honest devices get meanwhile.

    tools/flood --seconds 600 --json

Real daemons as processes, a real broker and the reference platform, all on the loopback. Honest
beside the attackers: records with a file, a visitor of the page, a looped camera, a noise meter.
The limit of each unit is `MemoryMax` of its file in systemd/; the receiver has none there and is
held to RECEIVER_MB. Memory is the resident set of the process, which is what counts first.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import http.server
import itertools
import json
import os
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from city_platform import golden
from edge.outbox import Outbox, State
from edge.uplink import seal
from tools.demonstration.processes import free_port
from tools.fakes.instruments import noise_meter
from tools.fakes.instruments_line import Fault, Line
from tools.faultlab.rig import Process, Rig

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "tests" / "clips" / "street" / "street.mp4"
UNITS = ("visiond", "sensord", "uplinkd", "consoled")
RECEIVER_MB = 240
RECORD_EVERY_S = 2.0
VISIT_EVERY_S = 1.0
SETTLE_S = 90.0
START_S = 120.0
JUNK = "x" * 20_000


def limits_mb() -> dict[str, int]:
    """Unit -> MemoryMax in MB, as its file says."""
    found = {"receiver": RECEIVER_MB}
    for unit in UNITS:
        text = (ROOT / "systemd" / f"edge-{unit}.service").read_text()
        match = re.search(r"^MemoryMax=(\d+)M$", text, re.M)
        assert match, f"edge-{unit}.service says no MemoryMax in MB"
        found[unit] = int(match[1])
    return found


def resident_mb(pid: int) -> float:
    """Resident set of a process, 0 where it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    match = re.search(r"VmRSS:\s+(\d+)", text)
    return int(match[1]) / 1000 if match else 0.0


class Scene:
    """A box with its platform in a folder, and the attackers' and honest ones' counters."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.stop, self.counts = rig, threading.Event(), Counter[str]()
        self.page, self.camera = free_port(), HostileCamera()
        self.port = rig.broker(extra="max_packet_size 1000000").port
        self.processes = {"receiver": rig.receiver(self.port)}
        ports = rig.folder / "ports"
        ports.mkdir()
        self.lines = [
            Line(ports / "noise", [noise_meter(lambda t: 60.0 + (t * 7) % 3)]),
            Line(ports / "rogue", [noise_meter(lambda t: 60.0)], [Fault("flood", 0.0, 1e9)]),
        ]
        for line in self.lines:
            line.start()
        self._configure(ports)
        for unit in UNITS:
            self.processes[unit] = rig.own(Process(self._command(unit), rig.folder / f"{unit}.log"))

    def _command(self, unit: str) -> list[str]:
        words = [
            sys.executable,
            "-m",
            "edge",
            unit,
            "--device",
            str(self.rig.folder / "device.yaml"),
        ]
        return [*words, "--site", str(self.rig.folder / "site.yaml")]

    def _configure(self, ports: Path) -> None:
        device = yaml.safe_load(self.rig.device_file(self.port, down="tls").read_text())
        # YAML 1.1 reads `off` as false; JSON says what is meant.
        device["broker"]["tls"] = "off"
        device["console"] = {"host": "127.0.0.1", "port": self.page}
        device["folders"]["models"] = str(ROOT / "models")
        zone = {"id": "pavement", "polygon": [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9]]}
        rules = [{"category": "street-vendor"}]
        sources = {"honest": str(CLIP), "rogue": f"http://127.0.0.1:{self.camera.port}/endless"}
        cameras = [
            {"id": name, "source": source, "fps": 1, "zones": [zone], "rules": rules}
            for name, source in sources.items()
        ]
        cameras[0]["playback"] = "loop"
        sensors = [
            {"id": name, "kind": "modbus", "map": "noise-rs485", "port": str(ports / name),
             "every_s": 1.0, "baud": 9600}
            for name in ("noise", "rogue")
        ]  # fmt: skip
        site = {"name": "flood", "cameras": cameras, "sensors": sensors}
        (self.rig.folder / "device.yaml").write_text(json.dumps(device))
        (self.rig.folder / "site.yaml").write_text(json.dumps(site))

    def status(self, unit: str) -> dict[str, Any]:
        path = self.rig.folder / "run" / "status" / f"{unit}.json"
        try:
            return dict(json.loads(path.read_bytes()))
        except (OSError, ValueError):
            return {}

    def wait(self) -> None:
        """Until every unit has told how it is. Raises RuntimeError with the last words of one that
        ended."""
        end = time.monotonic() + START_S
        while not all(self.status(unit) for unit in UNITS):
            for unit, process in self.processes.items():
                if process.child.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{unit}: {process.log.read_text()[-500:]}")
            time.sleep(0.2)

    def close(self) -> None:
        self.camera.close()
        for line in self.lines:
            line.stop()


class HostileCamera:
    """Answers HTTP with boundaries that never come, as fast as it is read."""

    def __init__(self) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """An MJPEG stream without end and without a picture."""
                self.send_response(200)
                kind = "multipart/x-mixed-replace; boundary=x"
                self.send_header("Content-Type", kind)
                self.end_headers()
                with contextlib.suppress(OSError):
                    while True:
                        self.wfile.write(b"A" * 65_536)
                        time.sleep(0.01)

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


# --------------------------------------------------------------------------- attackers


def post(port: int, path: str, body: str, *headers: str) -> int:
    """Status of one form."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    told = {"Content-Type": "application/x-www-form-urlencoded"}
    told |= dict(header.split(": ", 1) for header in headers)
    try:
        client.request("POST", path, body, told)
        return client.getresponse().status
    finally:
        client.close()


def at_the_page(scene: Scene) -> None:
    """Log-ins and codes with invented addresses, forms that are too large."""
    for number in itertools.count():
        if scene.stop.is_set():
            return
        spoofed = f"X-Forwarded-For: 10.{number % 250}.{number // 250 % 250}.1"
        form = f"code={number:08d}&name=eve&password=evilevilevil"
        with contextlib.suppress(OSError, http.client.HTTPException):
            post(scene.page, "/first" if number % 2 else "/login", form, spoofed)
            if number % 10 == 0:
                post(scene.page, "/login", "name=" + "x" * 1_400_000, spoofed)
        scene.counts["page"] += 1


def slow_heads(scene: Scene) -> None:
    """Connections that never finish their head."""
    while not scene.stop.is_set():
        held = []
        with contextlib.suppress(OSError):
            for _ in range(20):
                held.append(socket.create_connection(("127.0.0.1", scene.page), 5))
                held[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        scene.counts["slow heads"] += len(held)
        scene.stop.wait(3.0)
        for sock in held:
            sock.close()


@contextlib.contextmanager
def at_broker(port: int) -> Iterator[paho.Client]:
    """A client of the broker with a network thread."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def as_a_registered_device(scene: Scene) -> None:
    """box-9 with a key of its own: ids that climb, announcements, crumbs, garbage."""
    key = Ed25519PrivateKey.generate()
    signer = seal.Signer(seal.fingerprint(key.public_key()), key)
    body = json.loads(next(o.payload for o in golden.golden() if o.name == "birth"))
    pem = seal.public_pem(key.public_key()).decode()
    birth = {**body, "device": "box-9", "keys": [{"kid": signer.kid, "pem": pem}]}
    sound = json.loads(next(o.payload for o in golden.golden() if o.name == "violation-new"))
    with at_broker(scene.port) as client:

        def publish(suffix: str, payload: bytes | str) -> None:
            client.publish(f"cm/v1/city/box-9/{suffix}", payload, 1).wait_for_publish(10)
            scene.counts["device"] += 1

        publish("birth", signer.sign(birth))
        for number in itertools.count(1):
            if scene.stop.is_set():
                return
            name = ("../box-1/v-00000", ".", "", "v" * 306, f"v-{number}")[number % 5]
            told = {**sound, "id": f"box-9:1:{number}", "seq": number}
            told["source"] = "urn:cm:city:box-9/north"
            told["data"] = {**sound["data"], "id": name, "evidence": [], "manifest": None}
            publish("evt/violation", signer.sign(told))
            announced = {"name": "x", "size": 1_999_999_999, "sha256": f"{number:064x}",
                         "role": "clip", "records": []}  # fmt: skip
            publish(f"evd/{number:064x}/init", json.dumps(announced))
            publish(f"evd/{1:064x}/c/{number * 8}", b"x")
            publish("evt/violation", "{" + JUNK)


def down_to_the_box(scene: Scene) -> None:
    """Whoever may publish invents issuers, counters and configurations for box-1."""
    with at_broker(scene.port) as client:
        for number in itertools.count(1):
            if scene.stop.is_set():
                return
            n = time.time_ns() // 1000
            told = {"type": "ack", "device": "box-1", "iss": f"flood{number % 1000}", "n": n}
            wanted = {"type": "desired", "device": "box-1", "iss": "x", "n": 2**53 - 1, "exp": 9e9,
                      "rev": 2**53 - 1, "site": {}}  # fmt: skip
            for suffix, body in (("ack", told), ("ack", {**told, "n": 2**53 - 1}),
                                 ("cfg/desired", wanted), ("cmd/req", {"type": JUNK})):  # fmt: skip
                topic = f"cm/v1/city/box-1/{suffix}"
                client.publish(topic, json.dumps(body), 1).wait_for_publish(10)
                scene.counts["downlink"] += 1


ATTACKS: tuple[Callable[[Scene], None], ...] = (
    at_the_page, at_the_page, slow_heads, as_a_registered_device, down_to_the_box,
)  # fmt: skip


# ----------------------------------------------------------------------------- honest


def records(scene: Scene) -> None:
    """One violation with a file every few seconds, as visiond puts them."""
    outbox = scene.rig.outbox()
    for number in itertools.count():
        if scene.stop.wait(RECORD_EVERY_S):
            return
        scene.rig.put(outbox, f"v-{number:05d}", {"r1-a.jpg": os.urandom(20_000)})
        scene.counts["records"] += 1


def visits(scene: Scene) -> None:
    """Somebody who opens the page again and again, from another address than the attackers."""
    while not scene.stop.wait(VISIT_EVERY_S):
        scene.counts["visits"] += 1
        client = http.client.HTTPConnection(
            "127.0.0.1", scene.page, timeout=10, source_address=("127.0.0.2", 0)
        )
        with contextlib.suppress(OSError, http.client.HTTPException):
            client.request("GET", "/first")
            scene.counts["visits answered"] += client.getresponse().status == 200
        client.close()


HONEST: tuple[Callable[[Scene], None], ...] = (records, visits)


def flood(folder: Path, seconds: float) -> dict[str, Any]:
    """All of it for so long; what it cost and who was served."""
    rig = Rig(folder)
    scene = Scene(rig)
    peaks: Counter[str] = Counter()
    try:
        scene.wait()
        before = {unit: scene.status(unit)["pid"] for unit in UNITS}
        workers = [threading.Thread(target=work, args=(scene,)) for work in (*ATTACKS, *HONEST)]
        for worker in workers:
            worker.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for unit, process in scene.processes.items():
                peaks[unit] = max(peaks[unit], round(resident_mb(process.pid)))
            time.sleep(0.2)
        looks = scene.status("visiond"), scene.status("sensord")
        scene.stop.set()
        for worker in workers:
            worker.join(60)
        released = settle(rig.outbox(), scene.counts["records"])
        after = {unit: scene.status(unit).get("pid") for unit in UNITS}
        return {
            "seconds": seconds,
            "tries": {name: scene.counts[name]
                      for name in ("page", "slow heads", "device", "downlink")},
            "peak_mb": dict(peaks),
            "limit_mb": limits_mb(),
            "restarted": sorted(unit for unit in UNITS if before[unit] != after[unit]),
            "records": scene.counts["records"],
            "released": released,
            "visits": scene.counts["visits"],
            "visits_answered": scene.counts["visits answered"],
            "camera_fps": looks[0].get("cameras", {}).get("honest", {}).get("fps"),
            "instrument": looks[1].get("sensors", {}).get("noise", {}).get("state"),
        }  # fmt: skip
    finally:
        scene.stop.set()
        scene.close()
        rig.close()


def settle(outbox: Outbox, promised: int) -> int:
    """Records that the platform acknowledged, once it had its time to."""
    end, name = time.monotonic() + SETTLE_S, State.PLATFORM_ACK.name.lower()
    while True:
        done = int(outbox.status()["records"].get("violation", {}).get(name, 0))
        if done >= promised or time.monotonic() > end:
            return done
        time.sleep(0.2)


def wrong(told: dict[str, Any]) -> list[str]:
    """What must hold and does not, one line each."""
    found = [
        f"{unit}: {peak} MB, its limit is {told['limit_mb'][unit]}"
        for unit, peak in told["peak_mb"].items()
        if peak > told["limit_mb"][unit]
    ]
    found += [f"{unit} was started again" for unit in told["restarted"]]
    if told["released"] < told["records"]:
        found.append(f"{told['records'] - told['released']} honest records not acknowledged")
    if told["visits_answered"] < 0.95 * told["visits"]:
        found.append(f"{told['visits'] - told['visits_answered']} honest visits not answered")
    if not told["camera_fps"]:
        found.append("the honest camera was not looked at")
    if told["instrument"] != "heard":
        found.append("the honest instrument was not read")
    return found


def main() -> int:
    """Print the figures; 1 where something that must hold does not."""
    parser = argparse.ArgumentParser(prog="tools/flood", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = flood(Path(folder), args.seconds)
    print(json.dumps(told) if args.json else yaml.safe_dump(told, sort_keys=False))
    found = wrong(told)
    for line in found:
        print(f"flood: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
