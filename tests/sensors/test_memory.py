# SPDX-License-Identifier: AGPL-3.0-or-later
"""sensord's memory on the disk: what an earlier program wrote is read, or refused in words."""

import json
import logging
from types import SimpleNamespace

import pytest

from edge.isolation import ItemGuard
from edge.pipeline.sensor_memory import SensorMemory
from edge.sensors.screening import Screening
from edge.values import Stamp
from tests.sensors.test_judges import LOCAL, NIGHT, noise

BEGAN = {"mono": 100.0, "wall": NIGHT, "quality": "ntp", "error_ms": 1.0}
NEVER = {"began": None, "told": None, "ended_wall": None, "count": 0}
OPEN = {"began": BEGAN, "told": {**BEGAN, "mono": 130.0, "wall": NIGHT + 30}, "ended_wall": None,
        "count": 3}  # fmt: skip
SUMS = {"date": "2026-03-02", "energy": {"day": 0.0, "night": 9e6}, "seconds": {"day": 0.0,
        "night": 9.0}}  # fmt: skip
POINT = {"over": OPEN, "work": NEVER, "day": SUMS}
NIGHTS = [["noise", "LA", "dB", [["2026-03-01", 41.5], ["2026-03-02", 42.0]]]]
# As the first programs left it: without a version.
WRITTEN = {"judges": {"west": POINT}, "sound": {}, "shops": {}, "nights": NIGHTS}
NOW = Stamp(5.0, NIGHT + 60, "ntp", 1.0)


class Box:
    """One noise point at its start, with what lies on the disk."""

    def __init__(self, folder, written):
        self.path = folder / "memory/sensord.json"
        self.path.parent.mkdir()
        self.path.write_text(written if isinstance(written, str) else json.dumps(written))
        self.judge, self.screening = noise(window_s=60), Screening(LOCAL, {})
        parts = SimpleNamespace(fast=[self.judge], loudspeakers={}, shops=[])
        guard = ItemGuard(folder / "ended.json", "", lambda *_: None)
        self.memory = SensorMemory(self.path, parts, self.screening, guard)
        self.memory.restore(NOW)

    def kept(self):
        self.memory.keep()
        return json.loads(self.path.read_bytes())


POINT_ID = noise().point.id


def written(**more):
    return {**WRITTEN, "judges": {POINT_ID: POINT}, **more}


def test_what_the_first_programs_wrote_is_taken_up_by_the_clock_of_this_boot(tmp_path):
    box = Box(tmp_path, written())
    assert box.judge.status()["open"] == ["noise.over-limit"]
    kept = box.kept()
    began = {**BEGAN, "mono": 5.0 - 60.0}
    reported = {**OPEN["told"], "mono": 5.0 - 30.0}
    over = {**OPEN, "began": began, "told": reported}
    assert kept == written(version=1, judges={POINT_ID: {**POINT, "over": over}})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 2}, "of form 2, this program reads 1; starting afresh"),
        ({"nights": [["noise", "LA"]]}, "$.nights[0]`; starting afresh"),
        ({"nights": [["noise", "LA", "dB", [["2026-03-01", "quiet"]]]]}, "Expected `float`"),
        ({"judges": [POINT]}, "$.judges"),
        ({"judges": {POINT_ID: {**POINT, "over": None}}}, f"{POINT_ID}: Expected `object`"),
        ({"judges": {POINT_ID: {"over": OPEN}}}, "missing required field `work`"),
        ({"judges": {POINT_ID: {**POINT, "work": {**NEVER, "count": "1"}}}}, "$.work.count"),
    ],
)
def test_another_shape_is_refused_in_words_and_nothing_of_it_is_taken(
    tmp_path, caplog, changes, said
):
    with caplog.at_level(logging.WARNING):
        box = Box(tmp_path, written(**changes))
    assert said in caplog.text, caplog.text
    assert box.judge.status()["open"] == []


def test_one_damaged_point_costs_itself_alone(tmp_path, caplog):
    box = Box(tmp_path, written(judges={POINT_ID: {}}, nights=NIGHTS))
    assert "sensord.json" in caplog.text
    assert box.kept()["nights"] == NIGHTS


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_what_is_no_memory_is_none(tmp_path, caplog, text):
    assert Box(tmp_path, text).judge.status()["open"] == []
    assert "starting afresh" in caplog.text
