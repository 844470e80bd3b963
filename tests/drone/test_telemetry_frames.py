# SPDX-License-Identifier: AGPL-3.0-or-later
"""A million mutated frames of each kind that has a checksum: what its sum lets through is caught by
its neighbours, or moves the aircraft by no more than they allow. `pytest -m slow -s` prints it."""

from __future__ import annotations

import random

import pytest

from edge.drone.earth import distance_m
from edge.drone.telemetry import mavlink, mavlink_wire, misb
from edge.drone.telemetry.pose import Telemetry
from tests.drone.test_telemetry_hostile import LAT, LON, klv, mutated, sound_klv, sound_tlog

FRAMES = 1_000_000
# What a neighbour a second away allows: nobody notices less.
REACH_M = {"mavlink": 2 * 150.0 + 60.0, "misb-0601": 2 * 300.0 + 60.0}


def shaken(frame: bytes, rng: random.Random) -> bytes:
    """As `mutated`, and what a 16-bit sum does not see: two words in each other's place."""
    if rng.random() < 0.1:
        out, words = bytearray(frame), len(frame) // 2
        a, b = 2 * rng.randrange(words), 2 * rng.randrange(words)
        out[a : a + 2], out[b : b + 2] = out[b : b + 2], out[a : a + 2]
        return bytes(out)
    return mutated(frame, rng)


def frames_of(stream: bytes, count: int = 20) -> list[bytes]:
    size = len(stream) // count
    return [stream[n * size : (n + 1) * size] for n in range(count)]


def passes_mavlink(frame: bytes) -> bool:
    packet = mavlink_wire.packet_at(frame, 8)
    return packet is not None and packet.valid is True


def passes_klv(frame: bytes) -> bool:
    return any(True for _ in misb.packets(frame, lambda reason: None))


def far_off(found: Telemetry) -> int:
    """Poses further from the track than their neighbours allow."""
    return sum(
        distance_m((pose.lat, pose.lon), (LAT, LON)) > 100.0 + REACH_M[found.kind]
        for pose in found.poses
        if pose.has_fix
    )


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("sound", "passes", "parse"),
    [(sound_tlog, passes_mavlink, mavlink.parse), (sound_klv, passes_klv, misb.parse)],
    ids=["mavlink", "misb"],
)
def test_a_million_mutated_frames(sound, passes, parse):
    rng = random.Random(20261128)
    frames = frames_of(sound())
    assert all(map(passes, frames))
    accepted = wrong = 0
    for _ in range(FRAMES):
        at = rng.randrange(len(frames))
        frame = shaken(frames[at], rng)
        if frame == frames[at] or not passes(frame):
            continue
        accepted += 1
        wrong += far_off(parse(b"".join([*frames[:at], frame, *frames[at + 1 :]])))
    print(f"\n{parse.__module__}: {FRAMES} frames, {accepted} passed their sum, {wrong} far off")
    assert wrong == 0


def test_words_in_each_others_place_pass_the_sum_of_klv_and_not_its_neighbours():
    """Why the sum alone is not believed: latitude's two halves swapped."""
    frames = frames_of(sound_klv())
    swapped = bytearray(frames[7])
    start = swapped.index(b"\x0d\x04") + 2
    start -= start % 2
    swapped[start : start + 2], swapped[start + 2 : start + 4] = (
        swapped[start + 2 : start + 4],
        swapped[start : start + 2],
    )
    assert passes_klv(bytes(swapped))
    found = misb.parse(b"".join([*frames[:7], bytes(swapped), *frames[8:]]))
    assert far_off(found) == 0
    assert found.fixes in (19, 20)
    assert klv(b"")[:16] == misb.KEY
