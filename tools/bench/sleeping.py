# SPDX-License-Identifier: AGPL-3.0-or-later
"""How much of the time a camera is awake, and what it looks at: the reader, the gate, the judge and
the policy of edge visiond on a film, as fast as the CPU can, its packets arriving by their stamps.

    tools/python -m tools.bench.sleeping [--seconds 240] [--key 2] [--only rain,flicker]
    tools/python -m tools.bench.sleeping --arrivals 100     cases lost against decoding everything
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import av

from edge.camera.grabber import Grabber
from edge.camera.libav import packets_of
from edge.camera.live import LiveSource, decode_s
from edge.camera.mailbox import Mailbox
from edge.camera.source import SourceError
from edge.camera.url import parse_source
from edge.config import Camera, convert
from edge.config.catalogue import load_calendar, load_categories, shipped_packs
from edge.pipeline.analyzer import Analyzer
from edge.pipeline.camera_worker import streaming_of
from edge.pipeline.decode_policy import DecodePolicy, look_every_s
from edge.rules.judge import Judge
from edge.values import Frame, Stamp, Track
from edge.vision.key_change import KeyChange
from edge.vision.model import Model, load_model
from tools.bench.arena import ROOT
from tools.bench.disturbances import DISTURBANCES, disturbed_clip
from tools.bench.live_clips import Coding
from tools.fakes.camera import Clip

FPS = 5.0
# Learning what is usual takes so long.
WARM_S = 60.0
WALL_S = 1_780_000_000.0
DEFAULT = ROOT / "models" / "city-v1.yaml"
PAVEMENT = [[0.001, 0.999], [0.001, 0.6], [0.5, 0.27], [0.734, 0.288], [0.259, 0.978]]


class FilmClock:
    """Tells the time that the film has reached."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def now(self) -> Stamp:
        return Stamp(self.at_s, WALL_S + self.at_s)

    def sleep(self, seconds: float) -> None:
        self.at_s += seconds


class FilmSource(LiveSource):
    """A file whose packets arrive when they are stamped."""

    def __init__(self, path: Path, clock: FilmClock, differs: KeyChange | None) -> None:
        super().__init__(parse_source(str(path)), clock, differs=differs)
        self.film_clock = clock
        self._states: list[tuple[float, bool]] = []
        self.wakes: list[tuple[float, str]] = []

    def _packets(self) -> Iterator[tuple[Any, Stamp, float]]:
        first_s: float | None = None
        for packet in packets_of(self._input):
            if not packet.size:
                return
            stamped_s = decode_s(packet)
            assert stamped_s is not None
            first_s = stamped_s if first_s is None else first_s
            self.film_clock.at_s = stamped_s - first_s + 1.0
            at = self.film_clock.now()
            self.statistics.add(at.mono, stamped_s, stamped_s, packet.is_keyframe)
            yield packet, at, 0.02
            self._note(at.mono)

    def _note(self, now_s: float) -> None:
        asleep = self.quiet is not None and self.quiet.asleep
        if not self._states or self._states[-1][1] != asleep:
            if self._states and not asleep:
                assert self.quiet is not None
                self.wakes.append((now_s, self.quiet.woken_by))
            self._states.append((now_s, asleep))

    def awake(self) -> list[tuple[float, float]]:
        """From when to when all was decoded."""
        ends = [*(at for at, _ in self._states[1:]), self.film_clock.at_s]
        return [(a, b) for (a, asleep), b in zip(self._states, ends, strict=True) if not asleep]


class Looker(Mailbox):
    """Looks at once at what is posted, and says what is to be decoded from now on."""

    def __init__(self, analyzer: Analyzer, policy: DecodePolicy) -> None:
        super().__init__()
        self._analyzer, self._policy = analyzer, policy
        self.grabber: Grabber | None = None
        self.looks: list[Look] = []

    def post(self, frame: Frame) -> None:
        assert self.grabber is not None
        look = self._analyzer.analyze(frame)
        self.looks.append(Look(frame.at.mono, look.detected, look.stirs, look.tracks))
        self.grabber.want = self._policy.step(
            frame.at.mono,
            stirs=look.stirs,
            moves=look.moves,
            came=look.came,
            searching=look.searching,
            watched=False,
            look_s=look.look_s,
            every_s=look.need_s,
            stream=streaming_of(self.grabber),
            asleep=False,
        )
        self.grabber.every_s = look_every_s(FPS, look.need_s, want=self.grabber.want)

    def wait_empty(self, timeout_s: float) -> None:
        """Nothing ever waits here."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: seconds of the film, whether the detector was asked, and what is tracked."""

    at_s: float
    detected: bool
    stirs: bool
    tracks: tuple[Track, ...]


@dataclass(slots=True)
class Night:
    """What one run came to. awake: (from, to) in seconds of the film."""

    looks: list[Look]
    awake: list[tuple[float, float]]
    wakes: list[tuple[float, str]]
    seconds: float
    why: str

    def awake_share(self, since_s: float) -> float:
        """Share of the time after `since_s` in which all was decoded."""
        spent = sum(max(0.0, b - max(a, since_s)) for a, b in self.awake)
        return spent / (self.seconds - since_s)


def film(clip: Clip, path: Path) -> Path:
    """The clip as a transport stream with its own times."""
    with av.open(str(path), "w", format="mpegts") as out:
        stream = out.add_stream({"h264": "libx264", "hevc": "libx265"}[clip.codec], rate=clip.fps)
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        shown = clip.shown or tuple(range(len(clip.units)))
        late = max(n - s for n, s in enumerate(shown))
        for number, unit in enumerate(clip.units):
            packet = av.Packet(unit)
            packet.stream, packet.time_base = stream, Fraction(1, clip.fps)
            packet.dts, packet.pts = number, shown[number] + late
            out.mux(packet)
    return path


def watch(path: Path, model: Model, *, decode: str = "keys", rules: Any = None) -> Night:
    """The film seen by one camera that decodes so."""
    body = {
        "id": "c",
        "source": "rtsp://c",
        "zones": [{"id": "pavement", "kind": "watch", "polygon": PAVEMENT}],
        "rules": rules or [{"category": "street-vendor", "zones": ["pavement"], "dwell_s": 3000}],
    }
    camera = convert(body, Camera, "bench")
    judge = Judge(
        camera,
        categories=load_categories([ROOT / "config/categories.yaml"]),
        calendar=load_calendar([], shipped_packs()),
        timezone=ZoneInfo("Asia/Shanghai"),
    )
    policy = DecodePolicy(FPS, whole=decode == "whole", sleeps=True, brief=judge.brief)
    looker = Looker(Analyzer(camera, model, judge), policy)
    clock = FilmClock()
    source = FilmSource(path, clock, KeyChange() if decode != "whole" else None)
    looker.grabber = Grabber("c", lambda: source, fps=FPS, mailbox=looker, clock=clock)
    try:
        looker.grabber._pump(source)
    except SourceError as error:
        if error.cause != "ended":
            raise
    return Night(looker.looks, source.awake(), source.wakes, clock.at_s, policy.plan.why)


def main() -> int:
    """A line for each disturbance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", default=",".join(DISTURBANCES), help="names, with commas")
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--key", type=float, default=2.0, help="s between key pictures")
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--b-pictures", type=int, default=0)
    asked = parser.parse_args()
    coding = Coding(asked.codec, asked.key, asked.b_pictures, fps=asked.fps)
    model = load_model(DEFAULT, provider="cpu", workers=1)
    for name in asked.only.split(","):
        with tempfile.TemporaryDirectory(prefix="edge-sleep-") as folder:
            path = film(disturbed_clip(name, asked.seconds, coding), Path(folder) / "film.ts")
            night = watch(path, model)
        since_s = min(WARM_S, asked.seconds / 3.0)
        row = {
            "disturbance": name,
            "awake": round(night.awake_share(since_s), 3),
            "wakes": len([at for at, _ in night.wakes if at >= since_s]),
            "detections_per_s": round(sum(k.detected for k in night.looks) / asked.seconds, 2),
            "why": night.why,
        }
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
