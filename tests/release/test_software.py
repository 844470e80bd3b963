# SPDX-License-Identifier: AGPL-3.0-or-later
"""A release of the program: ended at every step, bad in every way, and taken back by itself."""

import json
import os
import shutil

import pytest

from edge.config import ConfigError
from edge.release.software import steps
from edge.release.software.manifest import read_release
from edge.release.software.steps import STEPS, SoftwareState
from edge.release.software.systemd import Systemd
from edge.runtime import Stop
from tests.release.software_press import ENABLED_UNITS, KEY, OTHER, OUTBOX, PowerCut, SoftBox, press

# How a release may be bad, and where it shows.
TAKEN_BACK = ("crashes", "dead", "blind", "deaf")


@pytest.fixture
def box(tmp_path):
    return SoftBox(tmp_path / "box")


def cut_at(wanted, times=1):
    left = [times]

    def passed(name):
        left[0] -= name == wanted
        if name == wanted and left[0] == 0:
            raise PowerCut(name)

    return passed


def test_installed_watched_and_settled(box, tmp_path):
    state = box.update(press(tmp_path / "r1", 1))
    assert (state.outcome, state.seen, state.before) == ("settled", 1, 1)
    assert box.works() == 1 and box.slots.in_force() == box.slots.confirmed() == "b"
    assert state.cameras == ("n",), "a camera that was blind before is not waited for"
    unit = (box.folder / "units/edge-visiond.service").readlink()
    assert str(unit).endswith("program/current/share/edge/systemd/edge-visiond.service")
    unit = (box.folder / "units/edge-updaterd.service").readlink()
    assert "/confirmed/" in str(unit), "the updater outlives a bad release"
    assert not (box.folder / "update/busy").exists()
    assert box.update(press(tmp_path / "r2", 2)).outcome == "settled"
    assert box.works() == 2 and box.slots.in_force() == "a"


def test_what_a_boot_starts_leads_through_no_slot(box, tmp_path):
    """`systemctl enable` of a link had written down slot a; cut while that was laid anew, the box
    booted without a unit of ours, and nothing but a visit brought it back."""
    box.update(press(tmp_path / "r1", 1))
    assert box.slots.spare() == "a"
    with pytest.raises(PowerCut):
        box.update(press(tmp_path / "r2", 2), cut_at("begin:checked"))
    shutil.rmtree(box.slots.place("a"))
    assert box.works() == 1
    assert not (box.folder / "units/edge.target").is_symlink()


def test_a_box_that_an_earlier_version_enabled_is_mended_before_its_slot_goes(box, tmp_path):
    box.pin()
    box.update(press(tmp_path / "r1", 1))
    with pytest.raises(PowerCut):
        box.update(press(tmp_path / "r2", 2), cut_at("done:checked"))
    assert box.works() == 1
    links = list((box.folder / "etc").rglob("edge*"))
    assert {link.readlink() for link in links} == {box.folder / "units" / n for n in ENABLED_UNITS}
    assert {link.parent.name for link in links} == {"multi-user.target.wants"}


def test_what_the_box_has_is_linked_and_need_not_travel(box, tmp_path):
    first, second = press(tmp_path / "r1", 1), press(tmp_path / "r2", 2)
    box.update(first)
    text = (second["folder"] / "manifest.json").read_bytes()
    release = read_release(text, (KEY.public_key(),), "r2")
    lacking = box.slots.lacking(release)
    assert len(lacking) == 2, "the program's own wheel and one file differ"
    for path in second["folder"].iterdir():
        if path.name not in {*lacking, second["sha256"], "manifest.json"}:
            path.unlink()
    assert box.update(second).outcome == "settled"
    old, new = (box.slots.place(s) / "share/other.txt" for s in ("b", "a"))
    assert old.samefile(new) and box.works() == 2


@pytest.mark.parametrize("how", TAKEN_BACK)
def test_a_bad_release_is_taken_back(box, tmp_path, how):
    box.update(press(tmp_path / "r1", 1))
    state = box.update(press(tmp_path / "r2", 2, behaves=how))
    assert (state.outcome, box.works(), state.seen) == ("rolled_back", 1, 2)
    assert state.why and box.slots.confirmed() == "b"
    assert box.update(press(tmp_path / "r3", 3)).outcome == "settled" and box.works() == 3


def test_a_failed_self_test_switches_nothing(box, tmp_path):
    box.update(press(tmp_path / "r1", 1))
    state = box.update(press(tmp_path / "r2", 2, behaves="no selftest"))
    assert (state.outcome, state.seen, box.works()) == ("refused", 1, 1)
    assert not box.slots.place("a").exists()


def all_points(folder, behaves):
    """Every named point that an update goes past; the later ones depend on how it ends."""
    box, points = SoftBox(folder / "dry"), []
    box.update(press(folder / "d1", 1))
    box.update(press(folder / "d2", 2, behaves=behaves, outbox=OUTBOX + 1), points.append)
    return list(dict.fromkeys(points))


@pytest.mark.parametrize("behaves", ["well", "crashes", "no selftest"])
def test_ended_at_every_point_it_goes_on(tmp_path, behaves):
    points = all_points(tmp_path, behaves)
    assert len(points) >= (12 if behaves == "no selftest" else 24)
    assert behaves == "no selftest" or {"counted", "linked", "watching"} <= set(points)
    first = press(tmp_path / "r1", 1)
    second = press(tmp_path / "r2", 2, behaves=behaves, outbox=OUTBOX + 1)
    third = press(tmp_path / "r3", 3, outbox=OUTBOX + 1)
    for number, point in enumerate(points):
        box = SoftBox(tmp_path / f"box{number}")
        box.update(first)
        with pytest.raises(PowerCut):
            box.update(second, cut_at(point))
        assert box.works() in (1, 2), point
        state = box.updaterd().run(Stop())
        wanted = {"well": "settled", "crashes": "rolled_back", "no selftest": "refused"}[behaves]
        assert (state.stage, state.outcome) == ("idle", wanted), point
        assert box.works() == (2 if behaves == "well" else 1), point
        assert box.schema == OUTBOX + (behaves == "well"), point
        assert box.slots.in_force() == box.slots.confirmed(), point
        assert not (box.folder / "update/busy").exists()
        assert box.update(third).outcome == "settled" and box.works() == 3, point


@pytest.mark.parametrize(
    ("running", "wanted"),
    [("running", ConfigError), ("degraded", ConfigError), ("starting", ConfigError),
     ("stopping", SystemExit), ("offline", SystemExit), ("unknown", SystemExit), ("", SystemExit)],
)  # fmt: skip
def test_an_init_that_ends_is_no_fault_of_a_release(tmp_path, monkeypatch, running, wanted):
    """systemctl fails for whoever is asked to reboot in the middle; the release had been blamed."""
    fake = tmp_path / "systemctl"
    fake.write_text(
        f'#!/bin/sh\n[ "$1" = is-system-running ] && echo {running}\n'
        "echo 'Failed to connect to bus: Connection refused' >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(wanted, match=r"daemon-reload: Failed to connect"):
        Systemd().systemctl("daemon-reload")


@pytest.mark.parametrize("word", ["daemon-reload", "restart", "stop"])
def test_what_the_ending_init_refused_is_done_after_the_boot(box, tmp_path, word):
    box.update(press(tmp_path / "r1", 1))
    asked, left = box.init.systemctl, [1]

    def gone(*words):
        left[0] -= words[0] == word
        if words[0] == word and left[0] == 0:
            raise SystemExit("there is no init any more")
        asked(*words)

    box.init.systemctl = gone
    bad = "crashes" if word == "stop" else "well"
    with pytest.raises(SystemExit):
        box.update(press(tmp_path / "r2", 2, behaves=bad))
    state = box.updaterd().run(Stop())
    assert state.outcome == ("rolled_back" if bad == "crashes" else "settled"), state.why
    assert box.works() == (1 if bad == "crashes" else 2)


def test_a_board_that_does_not_stay_up_takes_it_back(box, tmp_path):
    """Nobody is there to judge when each start ends in the middle of the trial."""
    box.update(press(tmp_path / "r1", 1))
    with pytest.raises(PowerCut):
        box.update(press(tmp_path / "r2", 2), cut_at("watching"))
    for _ in range(steps.STARTS_MOST):
        with pytest.raises(PowerCut):
            box.updaterd(cut_at("watching")).run(Stop())
    state = box.updaterd(cut_at("watching")).run(Stop())
    assert state.outcome == "rolled_back" and "starts" in state.why and box.works() == 1


def test_an_outbox_that_cannot_go_back_stays_with_the_release_that_reads_it(box, tmp_path):
    box.update(press(tmp_path / "r1", 1))

    class Worse(type(box.init)):
        def daemons(self):
            told = super().daemons()
            self.restarts += self.behaves(self.box.slots.in_force()) == "no way back"
            return told

    box.init = Worse(box)
    state = box.update(press(tmp_path / "r2", 2, behaves="no way back", outbox=OUTBOX + 1))
    assert state.outcome == "stuck" and box.works() == 2
    assert box.slots.confirmed() == box.slots.in_force()
    assert box.update(press(tmp_path / "r3", 3, outbox=OUTBOX + 1)).outcome == "settled"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": OTHER}, "not made by the pinned release key"),
        ({"machine": "aarch64" if os.uname().machine == "x86_64" else "x86_64"}, "this board is"),
        ({"python": "3.9"}, "for Python 3.9"),
        ({"least": 5, "most": 9}, "may follow releases 5 to 9; in force is 1"),
        ({"most": 0}, "may follow releases 0 to 0; in force is 1"),
        ({"outbox": OUTBOX - 1}, f"cannot take an outbox of schema {OUTBOX} forwards and back"),
        (
            {"outbox": OUTBOX + 2, "outbox_back": OUTBOX + 1},
            f"cannot take an outbox of schema {OUTBOX}",
        ),
        ({"snapshot": 2}, "running clocks of form 2"),
        ({"files": [{"path": "../x", "sha256": "0" * 64, "size": 1}]}, "leads out"),
        ({"files": [{"path": "x", "sha256": "0" * 64, "size": 10**12}]}, "10"),
    ],
)
def test_what_is_not_for_this_box_is_refused_in_words(box, tmp_path, changes, said):
    box.update(press(tmp_path / "r1", 1))
    state = box.update(press(tmp_path / "r2", 2, **changes))
    assert state.outcome == "refused" and said in state.why, state.why
    assert box.works() == 1 and box.slots.in_force() == box.slots.confirmed()


def test_numbers_only_rise_and_what_was_taken_back_may_be_tried_once_more(box, tmp_path):
    box.update(press(tmp_path / "r5", 5, most=4))
    state = box.update(press(tmp_path / "r3", 3, most=9))
    assert state.outcome == "refused" and "not above 5" in state.why
    bad = press(tmp_path / "r6", 6, behaves="deaf")
    assert box.update(bad).outcome == "rolled_back"
    assert box.update(press(tmp_path / "r6b", 6, version="0.6b")).outcome == "refused"
    assert box.update(bad).outcome == "rolled_back", "the very same bytes"
    assert box.update(press(tmp_path / "r7", 7)).outcome == "settled"


def test_bytes_that_change_after_the_check_are_not_laid(box, tmp_path):
    """uplinkd may be in other hands: what it brought is copied before it is looked at."""
    box.update(press(tmp_path / "r1", 1))
    second = press(tmp_path / "r2", 2)
    incoming = box.folder / "update/incoming"

    def swap(name):
        if name == "begin:checked":
            for path in incoming.iterdir():
                if path.name not in (second["sha256"], "ready.json"):
                    path.write_bytes(b"other bytes")

    state = box.update(second, swap)
    assert state.outcome == "refused" and "not those of" in state.why and box.works() == 1


def test_links_and_foreign_words_in_the_brought_folder_are_no_way_in(box, tmp_path):
    second = press(tmp_path / "r2", 2)
    box.bring(second)
    path = box.folder / "update/incoming" / second["sha256"]
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert box.updaterd().run(Stop()).outcome == "refused"
    ready = box.folder / "update/incoming/ready.json"
    for told in ("{", '{"number": 1}', json.dumps({"number": 1, "sha256": "../../etc/passwd"})):
        ready.write_text(told)
        before = box.updaterd().run(Stop())
        assert before.stage == "idle" and not ready.exists()


def test_a_full_disk_is_refused_before_anything_is_laid(box, tmp_path, monkeypatch):
    monkeypatch.setattr("edge.release.software.room.SPARE_BYTES", 10**15)
    state = box.update(press(tmp_path / "r1", 1))
    assert state.outcome == "refused" and "MB free" in state.why and box.works() == 0


def test_a_program_that_was_not_laid_in_slots_is_left_alone(box, tmp_path):
    (box.folder / "program/current").unlink()
    state = box.update(press(tmp_path / "r1", 1))
    assert state.outcome == "refused" and "apt" in state.why


def test_a_damaged_file_in_force_is_not_linked_into_the_next(box, tmp_path):
    box.update(press(tmp_path / "r1", 1))
    (box.slots.place("b") / "share/other.txt").write_text("rotten")
    state = box.update(press(tmp_path / "r2", 2))
    assert state.outcome == "refused" and "is not what was laid there" in state.why


def test_every_stage_has_a_step_and_leads_home():
    stages = set(STEPS)
    for stage, step in STEPS.items():
        assert step.then in stages | {"idle"} and step.fails in stages | {"idle"}
        for failing in (False, True):
            at, walked = SoftwareState(stage=stage), 0
            while at.stage != "idle" and walked < 20:
                # A step that leads to itself is repeated until the world lets it pass.
                loops = STEPS[at.stage].fails == at.stage
                fail = failing and not loops
                at = steps.failed(at, "why", 0.0) if fail else steps.done(at, 0.0)
                walked += 1
            assert at.stage == "idle" and at.outcome, (stage, failing)


def test_the_first_reason_stays():
    state = steps.failed(SoftwareState(stage="trial"), "crashed", 1.0)
    assert (
        steps.failed(SoftwareState(stage="lowered", why=state.why), "later", 2.0).why == "crashed"
    )


def test_no_key_no_software(box, tmp_path):
    text = (box.folder / "device.yaml").read_text().replace("software_key: key.pem, ", "")
    text = text.replace("software_key: key.pem", "watch_s: 600")
    (box.folder / "device.yaml").write_text(text)
    state = box.update(press(tmp_path / "r1", 1))
    assert state.outcome == "refused" and "updates.software_key" in state.why
    with pytest.raises(ConfigError, match="not JSON"):
        read_release(b"{", (KEY.public_key(),), "x")
