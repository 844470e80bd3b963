# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is wrong with a picture, and what is not: events played over learned scenes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edge.camera.health import HEIGHT, KINDS, WIDTH, CameraHealth, Sustained, thumbnail
from edge.camera.source import SourceError
from edge.camera.stall import StallWatch
from edge.values import Fault, Stamp
from tests.machine_time import in_real_time

SHARED = Path(__file__).parents[3] / "shared" / "data" / "video"
Gray = np.ndarray
Event = Callable[[Gray, float], Gray]

rng = np.random.default_rng(3)
NOISE = rng.normal(0.0, 3.0, (HEIGHT, WIDTH)).astype(np.int16)
LEARNED_S = 300.0
EVERY_S = 4.0


def street(seed: int) -> Gray:
    """Houses with windows, a road with markings, some texture everywhere."""
    draw = np.random.default_rng(seed)
    image = np.full((HEIGHT, WIDTH), 150, np.uint8)
    for left in range(0, WIDTH, 60):
        wall = int(draw.integers(70, 200))
        top = int(draw.integers(10, 70))
        image[top:150, left : left + 58] = wall
        for y in range(top + 8, 140, 22):
            for x in range(left + 6, left + 52, 15):
                image[y : y + 12, x : x + 8] = int(draw.integers(20, 240))
    image[150:] = 95
    for x in range(0, WIDTH, 70):
        cv2.line(image, (x, HEIGHT), (WIDTH // 2 + (x - WIDTH // 2) // 3, 150), 220, 2)
    for _ in range(60):
        x, y = int(draw.integers(WIDTH)), int(draw.integers(150, HEIGHT))
        cv2.circle(image, (x, y), int(draw.integers(2, 7)), int(draw.integers(40, 180)), -1)
    return image


def noisy(image: Gray) -> Gray:
    noise = np.roll(NOISE, int(rng.integers(NOISE.size)))
    return cv2.add(image, noise, dtype=cv2.CV_8U)


def shifted(dx: float, dy: float = 0.0, *, turn: float = 0.0, zoom: float = 1.0) -> Event:
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), turn, zoom)
    matrix[:, 2] += (dx * WIDTH, dy * HEIGHT)
    return lambda image, _: cv2.warpAffine(
        image, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT
    )


@functools.cache
def bell(x: float, y: float, wide: float, high: float) -> Gray:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.exp(
        -(((columns - x * WIDTH) / (wide * WIDTH)) ** 2)
        - ((rows - y * HEIGHT) / (high * HEIGHT)) ** 2
    )


def by_lamps(image: Gray, _: float) -> Gray:
    light = 0.12 + 0.6 * bell(0.25, 0.5, 0.18, 0.3) + 0.6 * bell(0.7, 0.6, 0.18, 0.3)
    dark = image * light.astype(np.float32)
    for x in (0.25, 0.7):
        cv2.circle(dark, (int(x * WIDTH), 40), 6, 255.0, -1)
    return np.clip(dark, 0, 255).astype(np.uint8)


def headlights(image: Gray, at: float) -> Gray:
    beam = 200.0 * bell(round(at * 0.08 % 1.0, 1), 0.75, 0.12, 0.15)
    return np.clip(by_lamps(image, at) + beam, 0, 255).astype(np.uint8)


def dusk(image: Gray, at: float) -> Gray:
    share = min(1.0, at / 700.0)
    return cv2.addWeighted(image, 1.0 - share, by_lamps(image, at), share, 0.0)


def rain(image: Gray, at: float) -> Gray:
    wet = cv2.addWeighted(image, 0.75, np.full_like(image, 150), 0.25, 0.0)
    drops = np.random.default_rng(int(at))
    for _ in range(200):
        x, y = int(drops.integers(WIDTH)), int(drops.integers(HEIGHT))
        cv2.line(wet, (x, y), (x + 2, y + 20), 205, 1)
    return wet


def bus(left: Callable[[float], float]) -> Event:
    def draw(image: Gray, at: float) -> Gray:
        image = image.copy()
        x = int(left(at) * WIDTH)
        cv2.rectangle(image, (x, 60), (x + int(0.55 * WIDTH), 240), 90, -1)
        return image

    return draw


def crowd(image: Gray, at: float) -> Gray:
    """People over half of the picture, on the move."""
    image, people = image.copy(), np.random.default_rng(9)
    for _ in range(50):
        x, y, pace = people.integers(WIDTH), people.integers(HEIGHT), people.normal(0, 15)
        x, y, high = int(x + at * pace) % WIDTH, int(y), int(people.integers(60, 100))
        grey = int(people.integers(0, 255))
        cv2.rectangle(image, (x - 12, y - high // 2), (x + 12, y + high // 2), grey, -1)
    return image


def unchanged(image: Gray, _: float) -> Gray:
    return image


# name: (what happens, for how long, which faults may tell of it; none: nothing is wrong)
EVENTS: dict[str, tuple[Event, float, set[str]]] = {
    "nothing": (unchanged, 400, set()),
    "dusk": (dusk, 1000, set()),
    "street lamps at once": (by_lamps, 500, set()),
    "headlights": (headlights, 500, set()),
    "rain": (rain, 500, set()),
    "a passing bus": (bus(lambda at: (at % 30) / 15 - 0.6), 400, set()),
    "a parked bus": (bus(lambda _: 0.2), 500, set()),
    "a crowd": (crowd, 500, set()),
    "a mast that sways": (lambda im, t: shifted((t // 4 % 3 - 1) / WIDTH)(im, t), 400, set()),
    "brighter": (lambda im, _: cv2.convertScaleAbs(im, alpha=1.3, beta=10), 400, set()),
    "black": (lambda im, _: np.zeros_like(im), 60, {"picture_black"}),
    "a bag over it": (lambda im, _: np.full_like(im, 90), 90, {"picture_covered"}),
    "a board before most of it": (
        lambda im, _: np.vstack([np.full_like(im[:240], 70), im[240:]]),
        90,
        {"picture_covered"},
    ),
    "out of focus": (lambda im, _: cv2.GaussianBlur(im, (0, 0), 3.0), 200, {"picture_blurred"}),
    "turned by 3 %": (shifted(0.03), 120, {"camera_moved"}),
    "turned by 8 %": (shifted(0.08, -0.04), 120, {"camera_moved"}),
    "turned far away": (shifted(0.45, 0.2), 500, {"view_changed", "camera_moved"}),
    "turned round": (shifted(0, turn=25), 500, {"view_changed", "camera_moved"}),
    "zoomed in": (shifted(0, zoom=1.6), 500, {"view_changed", "camera_moved"}),
}


def play(scene: Gray, event: Event, lasts_s: float) -> Iterator[tuple[float, Fault]]:
    """(seconds since the event began, fault): learning first, then the event, then normal again."""
    health, steps = CameraHealth("gate"), int((LEARNED_S + lasts_s + 120.0) / EVERY_S)
    for step in range(steps):
        now_s = step * EVERY_S
        at = now_s - LEARNED_S
        image = event(scene, at) if 0 <= at < lasts_s else scene
        for fault in health.step(noisy(image), Stamp(now_s, now_s)):
            yield at, fault


@pytest.mark.parametrize("name", EVENTS)
def test_events_over_a_street(name: str) -> None:
    event, lasts_s, kinds = EVENTS[name]
    faults = list(play(street(1), event, lasts_s))
    assert {fault.kind for _, fault in faults} <= kinds | {"view_changed"} if kinds else not faults
    if not kinds:
        return
    starts = [(at, f) for at, f in faults if f.phase == "start"]
    ends = [at for at, f in faults if f.phase == "end"]
    assert starts
    assert starts[0][1].kind in kinds
    assert 0 < starts[0][0] <= KINDS[starts[0][1].kind][0] + 40.0
    assert len(ends) == len(starts)
    assert all(at >= lasts_s for at in ends)


def test_a_frozen_picture_whose_clock_runs_on() -> None:
    health, scene = CameraHealth("gate"), noisy(street(2))
    kinds = []
    for second in range(100):
        image = scene.copy()
        cv2.putText(image, f"22:14:{second:02}", (10, 20), 0, 0.6, 255, 2)
        kinds += [(second, f.kind) for f in health.step(image, Stamp(second, second))]
    assert kinds == [(61, "picture_frozen")]
    for second in range(100, 110):
        kinds += [(second, f.phase) for f in health.step(noisy(scene), Stamp(second, second))]
    assert kinds[1] == (102, "end")


@pytest.mark.shared
@pytest.mark.parametrize("name", ["intel_car-detection.mp4", "rf_walking_tracked.mp4"])
def test_a_real_street_has_nothing_wrong_until_it_is_moved(name: str) -> None:
    if not SHARED.is_dir():
        pytest.skip("../shared is not there")
    with av.open(str(SHARED / name)) as file:
        frames = [f.to_ndarray(format="bgr24") for f in file.decode(video=0)][::10]
    frames = [thumbnail(frame) for frame in frames]
    health, faults = CameraHealth("gate"), []
    for step in range(160):
        image = frames[step % len(frames)]
        moved = np.roll(image, WIDTH // 20, axis=1) if step >= 80 else image
        faults += [(step, f.kind) for f in health.step(moved, Stamp(4.0 * step, 0.0))]
    assert all(step >= 80 for step, _ in faults)
    assert {kind for _, kind in faults} <= {"camera_moved", "view_changed"}
    assert name != "intel_car-detection.mp4" or faults


@pytest.mark.parametrize("size", [(1080, 1920), (270, 480), (90, 160), (481, 641), (4, 3)])
def test_a_thumbnail_of_any_picture(size: tuple[int, int]) -> None:
    assert thumbnail(np.zeros((*size, 3), np.uint8)).shape == (HEIGHT, WIDTH)


def test_looks_are_spared() -> None:
    health, image = CameraHealth("gate"), np.zeros((90, 160, 3), np.uint8)
    for step in range(100):
        health.look(image, Stamp(step / 10, 0.0))
    assert health._last_s == pytest.approx(9.0, abs=0.11)


@in_real_time()
def test_a_look_costs_little() -> None:
    health, scene = CameraHealth("gate"), street(3)
    began = time.thread_time()
    for second in range(100):
        health.step(scene, Stamp(second, second))
    assert (time.thread_time() - began) / 100 < 0.005


@pytest.mark.parametrize(
    ("seen", "changes"),
    [
        ("0001111100", [(6, True)]),
        ("0001101110", []),
        ("111110001111", [(3, True), (7, False), (11, True)]),
        ("11111010011", [(3, True)]),
        ("01--1-10", [(4, True)]),
    ],
)
def test_a_state_must_last(seen: str, changes: list[tuple[int, bool]]) -> None:
    state, got = Sustained(3.0, 2.0), []
    for second, mark in enumerate(seen):
        if state.step({"1": True, "0": False, "-": None}[mark], float(second)):
            got.append((second, state.on))
    assert got == changes


# now, last picture, error -> phase of the fault or None
STALL = [
    (0.0, 0.0, None, None),
    (9.9, 0.0, None, None),
    (10.1, 0.0, "login", "start"),
    (30.0, 0.0, "refused", None),
    (40.0, 0.0, None, None),
    (41.0, 40.9, None, "end"),
    (42.0, 41.9, None, None),
    (52.5, 41.9, "stall", "start"),
]


def test_one_fault_from_the_last_picture_to_the_next() -> None:
    watch = StallWatch("gate")
    for now_s, last_s, cause, phase in STALL:
        error = SourceError(cause, "why") if cause else None
        fault = watch.step(Stamp(now_s, now_s), last_s, error)
        assert (fault.phase if fault else None) == phase, now_s
        if fault and phase == "start":
            assert fault.facts["cause"] == cause
            assert " / " in fault.text


def test_a_lens_that_is_covered_at_a_restart_stays_covered_until_it_is_not() -> None:
    health = CameraHealth("gate", ["picture_covered"])
    hand, now = np.full((HEIGHT, WIDTH), 90, np.uint8), 0.0
    for image, lasts_s in ((hand, 600.0), (street(1), 60.0)):
        ends = []
        until = now + lasts_s
        while now < until:
            ends += [f.phase for f in health.step(noisy(image), Stamp(now, now))]
            now += EVERY_S
        assert ends == ([] if image is hand else ["end"])


def test_a_time_without_looks_is_no_time_of_what_the_looks_show() -> None:
    health, day = CameraHealth("gate"), street(1)
    black = np.full((HEIGHT, WIDTH), 3, np.uint8)
    found: list[Fault] = []
    # One black look, eight hours away, one more.
    looks = [(0.0, day), (1.0, day), (2.0, black), (28_800.0, black), (28_801.0, day)]
    for now, image in looks:
        found += health.step(noisy(image), Stamp(now, now))
    assert found == []
    for second in range(31):
        now = 30_000.0 + second
        found += health.step(noisy(black), Stamp(now, now))
    assert [(f.kind, f.phase, f.at.mono) for f in found] == [("picture_black", "start", 30_030.0)]
