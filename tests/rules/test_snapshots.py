# SPDX-License-Identifier: AGPL-3.0-or-later
"""Checkpoints of a judge: what an earlier program wrote is read, or refused in words."""

import copy
import json

import msgspec
import pytest
from stage_judge import judge, rule

from edge.rules.snapshots import FORM, HeapRow, SpotSnapshot
from edge.rules.spot import OldHeaps
from edge.values import Stamp

KEY = "c1/street-vendor/501-756/1767229205.000"
SPOT = {
    "key": KEY,
    "label": "vendor_stall",
    "anchor": [0.5, 0.75],
    "home": [0.45, 0.6, 0.55, 0.75],
    "size": [0.17, 0.5],
    "began": [5.0, 1767229205.0, "recording", 0.0],
    "hold": {"now": 129.5, "held": 115.0, "since": [9.5, 9.5, 0.0], "runs": [[20.0, True]]},
    "seen": [120.0, 1767229320.0, "recording", 0.0],
    "box": [0.45, 0.6, 0.55, 0.75],
    "state": "open",
    "decided": [55.0, 1767229255.0, "recording", 0.0],
    "told": 55.0,
    "zone": [True, False, "in the watch zone", ["pavement"], None, None],
    "occurrence": 1,
    "outcome": "to_report",
    "reminded": "",
    "counts": [1, 0, 0.8],
    "lawful": [False, False],
    "tallies": {"seen": 115.0, "attended": 118.0},
    "look": None,
    "patch": None,
    "zone_id": "",
}
PAST = ["street-vendor", [0.5, 0.75], 0.17, 1, KEY, 1767229255.0, 0.0, [KEY]]
# As the first program of form 1 left it on the disk.
WRITTEN = {
    "version": 1,
    "now": [129.5, 1767229329.5, "recording", 0.0],
    "memory": {
        "past": [PAST],
        "open": {KEY: ["g-1", "street-vendor", [0.45, 0.6, 0.55, 0.75]]},
        "suppressed": {"market/street-vendor": 2},
    },
    "rules": {"street-vendor": [SPOT]},
}
NOW = Stamp(3.0, 1767229339.5, "recording")


def restored(data):
    sitting = judge(rule("street-vendor"))
    sitting.restore(json.loads(json.dumps(data)), NOW)
    return sitting


def test_what_this_form_says_on_the_disk_stays_as_it_was():
    assert FORM == 1
    written = msgspec.json.encode(msgspec.convert(SPOT, SpotSnapshot))
    assert json.loads(written) == SPOT and list(json.loads(written)) == list(SPOT)
    assert msgspec.json.encode(HeapRow(3.0, (0.1, 0.2, 0.3, 0.4))) == b"[3.0,[0.1,0.2,0.3,0.4]]"


def test_a_checkpoint_on_the_disk_is_taken_up_by_the_clock_of_this_boot():
    sitting = restored(WRITTEN)
    kept = json.loads(json.dumps(sitting.snapshot()))
    assert kept["memory"] == WRITTEN["memory"]
    (spot,) = kept["rules"]["street-vendor"]
    shift_s = 3.0 - 10.0 - 129.5
    moved = {
        **SPOT,
        "began": [5.0 + shift_s, *SPOT["began"][1:]],
        "seen": [120.0 + shift_s, *SPOT["seen"][1:]],
        "decided": [55.0 + shift_s, *SPOT["decided"][1:]],
        "told": 55.0 + shift_s,
        "hold": {**SPOT["hold"], "now": 129.5 + shift_s},
    }
    assert spot == moved
    assert sitting.memory.open_in("g-1", "street-vendor") == 1


def test_what_programs_before_reminders_and_verdicts_wrote_is_read():
    early = copy.deepcopy(WRITTEN)
    del early["rules"]["street-vendor"][0]["reminded"]
    del early["rules"]["street-vendor"][0]["zone_id"]
    del early["memory"]["past"][0][7]
    kept = json.loads(json.dumps(restored(early).snapshot()))
    assert kept["rules"]["street-vendor"][0]["reminded"] == ""
    assert kept["memory"]["past"] == [PAST]


def changed(path, value):
    data = copy.deepcopy(WRITTEN)
    place = data
    for part in path[:-1]:
        place = place[part]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return data


PLACE = ("rules", "street-vendor", 0)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("version",), 2, "no snapshot of form 1"),
        (("memory",), None, "missing required field `memory`"),
        (("memory", "past", 0), ["street-vendor"], r"\$.memory.past\[0\]"),
        (("memory", "open", KEY), ["g", "c"], r"\$.memory.open"),
        ((*PLACE, "hold", "runs"), [[20.0, "yes"]], r"Expected `bool`.*hold.runs\[0\]\[1\]"),
        ((*PLACE, "hold", "since"), [1.0], "hold.since"),
        ((*PLACE, "size"), [0.17], r"\.size"),
        ((*PLACE, "began"), [5.0, 1.0, "sundial", 0.0], r"Invalid enum value 'sundial'"),
        ((*PLACE, "state"), "shut", "Invalid enum value 'shut'"),
        ((*PLACE, "zone"), [True], r"\.zone"),
        ((*PLACE, "counts"), "many", r"\.counts"),
        ((*PLACE, "told"), None, "missing required field `told`"),
    ],
)
def test_another_shape_is_refused_in_words_that_name_the_place(path, value, said):
    with pytest.raises(ValueError, match=said):
        restored(changed(path, value))


def test_matter_that_was_lost_is_remembered_for_two_hours_and_over_a_restart():
    old = OldHeaps()
    boxes = [(n / 1000, 0.5, n / 1000 + 0.1, 0.6) for n in range(201)]
    old.keep(0.0, boxes[0])
    old.keep(7200.0, boxes[1])
    assert old.boxes == boxes[:2]
    old.keep(7200.1, boxes[2])
    assert old.boxes == boxes[1:3], "two hours are over"
    again = OldHeaps()
    again.restore(msgspec.convert(old.snapshot(), list[HeapRow]), -7000.0)
    again.keep(7400.0, boxes[3])
    assert again.boxes == boxes[1:4], "by the seconds of this boot"
    for box in boxes:
        again.keep(7400.0, box)
    assert again.boxes == boxes[1:], "the newest two hundred"
