# SPDX-License-Identifier: AGPL-3.0-or-later
"""What live streams cost here: memory a stream, CPU a picture, age of frames, clips, healing.

    tools/python -m tools.fakes.camera_measure [--streams 4] [--codec h264] [--size 1920x1080]

Prints one JSON object. The streams come from the fake camera, so that its CPU is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path

from edge.camera.grabber import Grabber
from edge.camera.live import LiveSource
from edge.camera.mailbox import Mailbox
from edge.camera.ring import PacketRing
from edge.camera.url import parse_source
from edge.clock import SystemClock
from tools.fakes.camera import FakeCamera, clip
from tools.fakes.camera_wire import Wire

CLOCK = SystemClock()
WATCH_S = 12.0
FPS = 5.0


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def start(url: str, number: int, bell: threading.Condition) -> tuple[Grabber, PacketRing]:
    """A grabber and its packet ring on one stream, as the daemon would set them up."""
    ring, address = PacketRing(seconds=40.0, bytes_max=24_000_000), parse_source(url)
    grabber = Grabber(
        f"camera-{number}",
        lambda: LiveSource(address, CLOCK, keep=ring.add),
        fps=FPS,
        mailbox=Mailbox(bell),
        clock=CLOCK,
    )
    grabber.start()
    return grabber, ring


def watch(grabbers: list[Grabber], bell: threading.Condition, seconds: float) -> list[float]:
    """Ages of the frames when taken, in ms, as the one thinking thread of visiond would."""
    ages, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        with bell:
            bell.wait_for(lambda: any(g.mailbox.peek() for g in grabbers), 0.5)
        for grabber in grabbers:
            frame = grabber.mailbox.take()
            if frame is not None:
                ages.append((CLOCK.now().mono - frame.at.mono) * 1000)
    return ages


def clip_cpu_ms(ring: PacketRing) -> float:
    """CPU ms of cutting a clip of 10 s, median of seven."""
    spent, end = [], (ring.span() or (0.0, 0.0))[1]
    with tempfile.TemporaryDirectory() as folder:
        for index in range(7):
            began = time.thread_time()
            ring.write_clip(Path(folder) / f"{index}.mp4", end - 10.0, end)
            spent.append((time.thread_time() - began) * 1000)
    return statistics.median(spent)


def heal_s(camera: FakeCamera, path: str) -> float:
    """Seconds from the end of a 25-second outage to the first frame, with everything as shipped."""
    bell = threading.Condition()
    with Wire(camera.port) as wire:
        grabber, _ = start(wire.url(path), 99, bell)
        watch([grabber], bell, 4.0)
        wire.set("mute")
        time.sleep(25.0)
        grabber.mailbox.take()
        wire.set("pass")
        began = time.monotonic()
        while grabber.mailbox.take(0.1) is None:
            if time.monotonic() - began > 60:
                break
        grabber.stop()
        return time.monotonic() - began


def measure(camera: FakeCamera, codec: str, size: str, streams: int) -> dict[str, object]:
    """Memory, CPU, ages and the time to heal, of so many streams in this process."""
    width, height = map(int, size.split("x"))
    content = clip(codec, width, height)
    bell, grabbers, rings, resident = threading.Condition(), [], [], [resident_mb()]
    for number in range(streams):
        grabber, ring = start(camera.stream(f"/{number}", content), number, bell)
        grabbers.append(grabber)
        rings.append(ring)
        watch(grabbers, bell, WATCH_S)
        resident.append(resident_mb())
    facts = {
        "resident_mb_first": round(resident[1] - resident[0], 1),
        "resident_mb_each_further": round((resident[-1] - resident[1]) / max(1, streams - 1), 1),
        "ring_mb": [round(ring.bytes / 1e6, 1) for ring in rings],
        **pace(grabbers, bell),
        "clip_10_s_cpu_ms": round(clip_cpu_ms(rings[0]), 1),
    }
    for grabber in grabbers:
        grabber.stop()
    return {**facts, "pictures_again_s": round(heal_s(camera, "/0"), 1)}


def pace(grabbers: list[Grabber], bell: threading.Condition) -> dict[str, object]:
    """Pictures a second, CPU of a picture, and the age in ms of frames when they are taken."""
    before, read, wall = time.process_time(), [g.read for g in grabbers], time.monotonic()
    ages = sorted(watch(grabbers, bell, WATCH_S))
    spent, lasted = time.process_time() - before, time.monotonic() - wall
    counts = [g.read - r for g, r in zip(grabbers, read, strict=True)]
    return {
        "pictures_per_s": [round(count / lasted, 1) for count in counts],
        "cpu_ms_per_picture": round(1000 * spent / max(1, sum(counts)), 2),
        "age_ms_p50": round(statistics.median(ages), 1),
        "age_ms_p95": round(ages[int(0.95 * (len(ages) - 1))], 1),
    }


def main() -> None:
    """Prints one JSON of what was asked for and what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--codec", choices=("h264", "hevc"), default="h264")
    parser.add_argument("--size", default="1920x1080")
    args = parser.parse_args()
    with FakeCamera() as camera:
        facts = measure(camera, args.codec, args.size, args.streams)
    print(json.dumps({**vars(args), **facts}))


if __name__ == "__main__":
    main()
