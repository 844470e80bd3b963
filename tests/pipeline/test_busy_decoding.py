# SPDX-License-Identifier: AGPL-3.0-or-later
"""Busy cameras are decoded between their key pictures where processors are idle, and only there."""

from edge.board import processor_time
from edge.pipeline.busy_decoding import AGAIN, FULL, ROOM, STEP_S, BusyDecoding

WANTING = ["a", "b", "c", "d"]


class Machine:
    """Processors that are at work by `own` of their time, and by `each` more for a camera that is
    decoded whole."""

    def __init__(self, own, each=0.05, wanting=WANTING):
        self.own, self.each, self.wanting = own, each, wanting
        self.room, self.now_s, self.at_work, self.all = BusyDecoding(), 0.0, 0.0, 0.0
        self.given = frozenset()

    def run(self, seconds):
        for _ in range(round(seconds * 4)):
            self.now_s += 0.25
            self.all += 0.5
            self.at_work += 0.5 * min(1.0, self.own + self.each * len(self.given))
            self.given = self.room.step(self.now_s, (self.at_work, self.all), self.wanting)
        return self.given


def test_with_room_one_camera_after_the_other():
    machine = Machine(0.1)
    assert machine.run(STEP_S + 1) <= {"a"} and machine.run(30) == set(WANTING)


def test_never_beyond_what_the_machine_has_and_without_swinging():
    machine = Machine(ROOM - 0.08)
    first = machine.run(60)
    assert first == {"a", "b"} and machine.run(60) == first


def test_a_full_machine_stays_with_key_pictures():
    assert Machine(0.9).run(60) == set()
    machine = Machine(0.1)
    machine.run(40)
    machine.own = FULL
    assert machine.run(60) == set()


def test_who_no_longer_asks_gives_its_room_back():
    machine = Machine(0.1)
    machine.run(40)
    machine.wanting = ["d"]
    assert machine.run(1) == {"d"}


def test_a_full_machine_gives_no_look_that_no_rule_asks_for():
    """14 cameras with looks for arrivals are more than two cores; without them they are not."""
    machine = Machine(FULL + 0.05, wanting=[])
    assert machine.room.spare, "nothing is known yet"
    machine.run(2 * STEP_S + 1)
    assert not machine.room.spare
    machine.own = (AGAIN + FULL) / 2  # as full as it is without them
    machine.run(60)
    assert not machine.room.spare, "else it would swing"
    machine.own = AGAIN - 0.05
    machine.run(2 * STEP_S + 1)
    assert machine.room.spare


def test_where_the_load_is_not_known_there_is_no_room():
    decoding = BusyDecoding()
    assert decoding.step(1.0, None, WANTING) == set() and not decoding.spare


def test_the_kernel_says_how_long_the_processors_worked(tmp_path):
    (tmp_path / "proc").mkdir()
    text = "cpu  100 5 20 800 30 1 4 0 0 0\ncpu0 1 1 1 1\n"
    (tmp_path / "proc/stat").write_text(text, "ascii")
    assert processor_time(tmp_path) == (130.0, 960.0)
    (tmp_path / "proc/stat").write_text("intr 1 2 3", "ascii")
    assert processor_time(tmp_path) is None
    assert processor_time(tmp_path / "nowhere") is None
    at_work, in_all = processor_time()
    assert 0.0 < at_work < in_all
