# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every value that crosses a module boundary. Frozen: handed over, never shared.

Times are :class:`Stamp` or seconds; places are fractions of the frame, x to the right and y down,
0..1. An image is uint8 BGR of shape (height, width, 3) and is never written to after creation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
else:
    # Daemons that see no picture read this module too: numpy is fifteen megabytes.
    Image = Any
Box = tuple[float, float, float, float]
Point = tuple[float, float]
Json = Any

ClockQuality = Literal["ntp", "gnss", "holdover", "unsynced", "recording"]
Phase = Literal["new", "update", "end"]
# What a reviewer decides of a confirmed case; "" is nothing yet.
Outcome = Literal[
    "",
    "filed",
    "on_the_spot",
    "permitted",
    "duplicate",
    "not_pursued",
    "paused",
    "resumed",
    "settled",
]
Role = Literal[
    "overview", "close", "before", "after", "clip", "samples", "track", "plate", "report"
]
Gate = Literal["complete", "incomplete"]
Flag = Literal["ok", "calibrating", "maintenance", "fault", "over_range", "suspect", "stale"]
# Whose word the time of a sample is: the box's (it arrived then), the instrument's own, the
# instrument's with a constant error taken off, or the instrument's that nothing confirms yet.
Trust = Literal["arrival", "instrument", "corrected", "unconfirmed"]


def tellable(value: Json) -> Json:
    """The same with `?` for what UTF-8 cannot tell: a file's name in another encoding (GBK) has
    lone surrogates, and one of them in a text makes the whole of it no JSON."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {tellable(str(key)): tellable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [tellable(one) for one in value]
    return value


@dataclass(frozen=True, slots=True)
class Stamp:
    """One instant, twice: `mono` to measure with, `wall` to tell people.

    `mono` is seconds that never step: the monotonic clock when live, presentation time for a
    recording. `wall` is UTC seconds since 1970. `quality` says what disciplines the wall clock
    ("recording": taken from the file or its name) and `error_ms` bounds its error.
    """

    mono: float
    wall: float
    quality: ClockQuality = "unsynced"
    error_ms: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A decoded picture. `seq` counts frames of this camera since the reader was opened."""

    camera: str
    seq: int
    at: Stamp
    image: Image


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a detector saw in one picture.

    boxes: float32 (n, 4), x1 y1 x2 y2 as fractions; scores: float32 (n,), 0..1;
    labels: int32 (n,), indices into `names`.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.boxes)
        if self.boxes.shape != (n, 4) or self.scores.shape != (n,) or self.labels.shape != (n,):
            raise ValueError(
                f"detections do not line up: {self.boxes.shape} {self.scores.shape} "
                f"{self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.boxes)

    @staticmethod
    def none(names: tuple[str, ...]) -> Detections:
        """No detection, for a model with these class names."""
        import numpy as np

        return Detections(
            np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), names
        )


@dataclass(frozen=True, slots=True)
class Track:
    """One object followed through time by one camera's tracker.

    `label` is the class name by vote over the track's life. `path` holds (mono seconds, foot x,
    foot y), oldest first, thinned and bounded by the tracker. `look` is a small appearance vector
    (any fixed length, L2-normalised) or None where nobody computed it. `coasted` is true where
    the box is predicted, not seen, in this frame. `traits` are what a second classifier says of
    the object as it looks now: (name, probability).
    """

    id: int
    label: str
    box: Box
    score: float
    first: Stamp
    seen: Stamp
    path: tuple[tuple[float, float, float], ...] = ()
    look: tuple[float, ...] | None = None
    coasted: bool = False
    traits: tuple[tuple[str, float], ...] = ()

    @property
    def foot(self) -> Point:
        """Where it stands: the middle of the box's lower edge."""
        return ((self.box[0] + self.box[2]) / 2.0, self.box[3])


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of one channel. `flag` other than "ok" is never judged as a valid level.

    `at` is when it was measured, as well as is known, and `trust` whose word that is; `arrived`
    when it came in, None where that is the same. `why` names the reason of a flag
    (edge.sensors.reasons).
    """

    sensor: str
    channel: str
    value: float
    unit: str
    flag: Flag
    at: Stamp
    arrived: Stamp | None = None
    trust: Trust = "arrival"
    why: str = ""

    @property
    def came(self) -> Stamp:
        """When it came in."""
        return self.arrived or self.at


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One analysed instant of one camera, as the judge sees it.

    `aspect` is width / height of the picture, so that rules can measure round distances.
    `image` is the analysed picture, or None when a recording holds detections only.
    `samples` are the latest readings of the sensors bound to this camera.
    """

    camera: str
    at: Stamp
    tracks: tuple[Track, ...]
    aspect: float = 16 / 9
    image: Image | None = None
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may become a violation: its pictures are taken now, provisionally.

    `key` names the place and category while it lasts and is the key of the later Finding.
    `held_s` of `due_s` seconds have been shown; the console draws them as a running clock. `seen`
    is false while only its pictures are kept: `box` tells where it was, so no new one is taken.
    """

    key: str
    camera: str
    category: str
    rule: str
    box: Box
    place: Point
    began: Stamp
    held_s: float
    due_s: float
    seen: bool = True


@dataclass(frozen=True, slots=True)
class ZoneDecision:
    """Which zones were asked and why the answer was "not allowed" (or a suppressed "allowed")."""

    allowed: bool
    reason: str
    zones: tuple[str, ...] = ()
    permit: str | None = None
    hours: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says about one place and category; the only way into evidence.

    One finding per phase: "new" once decided, "update" while it lasts, "end" when it is gone.
    `began` lies before `decided`: a dwell rule knows minutes later. `facts` are the numbers
    behind the judgement (JSON values), `moments` the instants the recipe must have pictures of
    (role, mono seconds), `parent` the key of the finding that caused this one.
    """

    key: str
    camera: str
    category: str
    rule: str
    phase: Phase
    began: Stamp
    decided: Stamp
    ended: Stamp | None
    place: Point
    box: Box
    subject: Track | None
    zone: ZoneDecision
    facts: dict[str, Json] = field(default_factory=dict)
    occurrence: int = 1
    parent: str | None = None
    moments: tuple[tuple[Role, float], ...] = ()
    priority: Literal["normal", "lead"] = "normal"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A reminder to the people at a place before anything is reported. The daemon performs `hook`
    (a GPIO line, a URL, an audio file, as the site names it); the judge rechecks by itself."""

    key: str
    camera: str
    category: str
    at: Stamp
    hook: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that one step of the judge produced."""

    findings: tuple[Finding, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    prompts: tuple[Prompt, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """One finished file of a violation; a listed hash never changes.

    `path` is its name, unique in the violation: "r1-overview-1.jpg" was added by revision 1.
    """

    role: Role
    path: str
    sha256: str
    size: int
    at: Stamp
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where on Earth. `accuracy_m` bounds the error; `crs` names the datum of lat and lon."""

    lat: float | None = None
    lon: float | None = None
    accuracy_m: float | None = None
    crs: str = "WGS-84"
    grid: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """A suspected violation: one revision of it, as published. Never a verdict.

    `data` of the published envelope is made from this and nothing else (edge.uplink.wire).
    """

    id: str
    revision: int
    phase: Phase
    category: str
    codes: dict[str, str]
    names: dict[str, str]
    source: dict[str, Json]
    rule: dict[str, Json]
    began: Stamp
    decided: Stamp
    ended: Stamp | None
    place: Point
    where: Place
    zone: ZoneDecision
    facts: dict[str, Json]
    evidence: tuple[EvidenceFile, ...]
    gate: Gate
    gate_failed: tuple[str, ...]
    occurrence: int
    model_sha256: str | None
    config_sha256: str
    parent: str | None = None
    priority: Literal["normal", "lead"] = "normal"
    status: Literal["suspected"] = "suspected"


# Characters of any words for people in a record; the contract takes no more.
TEXT_MAX = 4000


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that keeps the box from watching, measuring or delivering; has a start and an end.

    `kind` is a word of docs/operations.md, `subject` the camera, sensor, disk or link concerned.
    """

    kind: str
    subject: str
    phase: Literal["start", "end"]
    at: Stamp
    text: str
    facts: dict[str, Json] = field(default_factory=dict)
