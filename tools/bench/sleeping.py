# SPDX-License-Identifier: AGPL-3.0-or-later
"""How much of the time a camera is awake, and what it looks at: the reader, the gate, the judge and
the policy of edge visiond on a film, as fast as the CPU can, its packets arriving by their stamps.

    tools/python -m tools.bench.sleeping [--seconds 240] [--key 2] [--only rain,flicker]
    tools/python -m tools.bench.sleeping --hidden           the smallest change that wakes it
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import av
import cv2

from edge.camera.grabber import Grabber
from edge.camera.libav import packets_of
from edge.camera.live import LiveSource, decode_s
from edge.camera.mailbox import Mailbox
from edge.camera.source import SourceError
from edge.camera.url import parse_source
from edge.config import Camera, Category, convert
from edge.config.catalogue import load_calendar, load_categories, shipped_packs
from edge.pipeline.analyzer import Analyzer
from edge.pipeline.camera_worker import streaming_of
from edge.pipeline.decode_policy import DecodePolicy, look_every_s
from edge.rules.judge import Judge
from edge.values import Finding, Frame, Image, Stamp, Track
from edge.vision.key_change import KeyChange
from edge.vision.model import Model, load_model
from tools.bench.arena import ROOT
from tools.bench.disturbances import DISTURBANCES, disturbed_clip
from tools.bench.film_cache import KeptAnswers, kept_film
from tools.bench.live_clips import Coding
from tools.bench.rows import DEFAULT, Row, tell
from tools.fakes.camera import Clip

FPS = 5.0
# Learning what is usual takes so long.
WARM_S = 60.0
# When the first picture comes.
FIRST_S = 1.0
WALL_S = 1_780_000_000.0
# Squares that are put on the street between two key pictures: when, how bright, of what sides and
# where (pixels of 640 x 360): on the road, before the wall, on the pavement.
HIDDEN_S, HIDDEN_LEVEL = 45.3, 225
HIDDEN_SIDES, HIDDEN_AT = (3, 4, 5, 6, 8, 12, 20, 40), ((400, 250), (210, 110), (120, 300))
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

    def _packets(self) -> Iterator[tuple[Any, Stamp]]:
        first_s: float | None = None
        for packet in packets_of(self._input):
            if not packet.size:
                return
            stamped_s = decode_s(packet)
            assert stamped_s is not None
            first_s = stamped_s if first_s is None else first_s
            self.film_clock.at_s = stamped_s - first_s + FIRST_S
            at = self.film_clock.now()
            self.statistics.add(at.mono, stamped_s, stamped_s, packet.is_keyframe)
            yield packet, at
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

    def __init__(
        self, analyzer: Analyzer, policy: DecodePolicy, clock: FilmClock, fps: float
    ) -> None:
        super().__init__()
        self._analyzer, self._policy, self._fps = analyzer, policy, fps
        self.grabber: Grabber | None = None
        self.clock = clock
        self.looks: list[Look] = []

    def post(self, frame: Frame) -> None:
        """Look at it as edge.pipeline.camera_worker does, and set what the reader decodes next."""
        assert self.grabber is not None
        look = self._analyzer.analyze(frame)
        self.looks.append(
            Look(
                frame.at.mono,
                self.clock.at_s,
                look.detected,
                look.stirs,
                look.tracks,
                tuple(one for one in look.judgement.findings if one.phase == "new"),
            )
        )
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
        self.grabber.still = self._policy.still(frame.at.mono)
        need_s = self._policy.need_s(frame.at.mono, look.need_s)
        self.grabber.every_s = look_every_s(self._fps, need_s, want=self.grabber.want)

    def wait_empty(self, timeout_s: float) -> None:
        """Nothing ever waits here."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: seconds of the film, whether the detector was asked, what is tracked, and the cases
    that it opens."""

    at_s: float
    given_s: float
    detected: bool
    stirs: bool
    tracks: tuple[Track, ...]
    cases: tuple[Finding, ...]


@dataclass(slots=True)
class Night:
    """What one run came to. awake: (from, to) in seconds of the film."""

    looks: list[Look]
    awake: list[tuple[float, float]]
    wakes: list[tuple[float, str]]
    seconds: float
    why: str
    for_nothing: int

    def awake_share(self, since_s: float) -> float:
        """Share of the time after `since_s` in which all was decoded."""
        spent = sum(max(0.0, b - max(a, since_s)) for a, b in self.awake)
        return spent / (self.seconds - since_s)


def film(clip: Clip, path: Path) -> Path:
    """The clip as a file with its own times."""
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


VENDORS: dict[str, Any] = {
    "zones": [{"id": "pavement", "kind": "watch", "polygon": PAVEMENT}],
    "rules": [{"category": "street-vendor", "zones": ["pavement"], "dwell_s": 3000}],
}


def watch(
    path: Path,
    model: Model,
    *,
    decode: str = "auto",
    rules: dict[str, Any] = VENDORS,
    categories: Sequence[Category] = (),
    fps: float = FPS,
) -> Night:
    """The film seen by one camera that decodes so. rules: its zones and rules; categories: those of
    its own; fps: looks a second at most."""
    camera = convert({"id": "c", "source": "rtsp://c", **rules}, Camera, "bench")
    known = load_categories([ROOT / "config/categories.yaml"])
    judge = Judge(
        camera,
        categories=known | {one.id: one for one in categories},
        calendar=load_calendar([], shipped_packs()),
        timezone=ZoneInfo("Asia/Shanghai"),
    )
    policy = DecodePolicy(fps, whole=decode == "whole", brief=judge.brief, faint=judge.faint)
    clock = FilmClock()
    looker = Looker(Analyzer(camera, model, judge), policy, clock, fps)
    source = FilmSource(path, clock, KeyChange() if decode != "whole" else None)
    looker.grabber = Grabber("c", lambda: source, fps=fps, mailbox=looker, clock=clock)
    try:
        looker.grabber._pump(source)
    except SourceError as error:
        if error.cause != "ended":
            raise
    nothing = source.quiet.for_nothing if source.quiet else 0
    return Night(looker.looks, source.awake(), source.wakes, clock.at_s, policy.plan.why, nothing)


def hidden(side: int, place: tuple[int, int], under: str, coding: Coding, model: Model) -> Night:
    """A street on which a square is put between two key pictures, and stays. side, place: pixels
    of a picture 360 high."""

    def put(image: Image, at_s: float) -> Image:
        if at_s >= HIDDEN_S:
            (x, y), level = place, (HIDDEN_LEVEL,) * 3
            cv2.rectangle(image, (x, y), (x + side - 1, y + side - 1), level, -1)
        return image

    def make(path: Path) -> Path:
        return film(disturbed_clip(under, HIDDEN_S + 7.0, coding, put=put), path)

    return watch(kept_film(("hidden", side, place, under, coding), make), model)


def _hidden_row(side: int, under: str, coding: Coding, model: Model) -> Row:
    """After how long each of the squares woke it; None: not by itself."""
    after: list[float | None] = []
    for place in HIDDEN_AT:
        night, put_s = hidden(side, place, under, coding, model), HIDDEN_S + FIRST_S
        woke = [round(at - put_s, 1) for at, by in night.wakes if at >= put_s and by != "asked"]
        after.append(woke[0] if woke else None)
    told = sum(at is not None and at <= coding.key_s + 0.1 for at in after)
    return {
        "hidden": side,
        "of_the_height": f"1/{round(360 / side)}",
        "under": under,
        "places": len(HIDDEN_AT),
        "told_by_the_next_key_picture": told,
        "after_s": after,
    }


def _awake_row(name: str, seed: int, seconds: float, coding: Coding, model: Model) -> Row:
    """How long one film kept the camera awake, after what it learns in."""
    made_of = ("still", name, seed, seconds, coding)
    path = kept_film(
        made_of, lambda path: film(disturbed_clip(name, seconds, coding, seed=seed), path)
    )
    night = watch(path, model)
    since_s = min(WARM_S, seconds / 3.0)
    return {
        "disturbance": name,
        "seed": seed,
        "awake": round(night.awake_share(since_s), 3),
        "wakes": len([at for at, _ in night.wakes if at >= since_s]),
        "detections_per_s": round(sum(k.detected for k in night.looks) / seconds, 2),
        "why": night.why,
    }


def _measured(asked: argparse.Namespace) -> Iterator[Row]:
    coding = Coding(asked.codec, asked.key, asked.b_pictures, fps=asked.fps)
    model = KeptAnswers(load_model(DEFAULT, provider="cpu", workers=1))
    usual = ["nothing"] if asked.hidden else [*DISTURBANCES]
    names = asked.only.split(",") if asked.only else usual
    for seed, name in itertools.product(map(int, asked.seeds.split(",")), names):
        if asked.hidden:
            yield from (_hidden_row(side, name, coding, model) for side in HIDDEN_SIDES)
        else:
            yield _awake_row(name, seed, asked.seconds, coding, model)


def main() -> int:
    """A line for each film."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", help="names, with commas (default: all, or nothing)")
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--key", type=float, default=2.0, help="s between key pictures")
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--b-pictures", type=int, default=0)
    parser.add_argument("--seeds", default="0", help="films of each, with commas (default: 0)")
    parser.add_argument("--hidden", action="store_true", help="squares put on a still street")
    parser.add_argument("--out", type=Path, help="write the lines there too")
    asked = parser.parse_args()
    tell(_measured(asked), asked.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
