# SPDX-License-Identifier: AGPL-3.0-or-later
"""Room for two releases, on a real small disk: refused before a byte of it travels, kept by the
janitor at the cost of acknowledged evidence and of nothing else, said by a command."""

import json
import os

import pytest

from edge.cli import main
from edge.config import Device
from edge.config.device import Keep, Updates
from edge.daemons.janitord import Janitor
from edge.daemons.software_updates import SoftwareNews
from edge.daemons.updaterd import Updaterd
from edge.faults import FaultLog
from edge.outbox import ladder
from edge.release.software import room
from edge.runtime import Stop
from edge.values import Stamp
from tests.outbox.test_janitor import NOW, release
from tests.release.software_press import SoftBox, press
from tests.release.test_software_fetch import fetcher, mirror, published  # noqa: F401 - a fixture
from tests.small_disk import small_disk
from tools.faultlab.rig import Rig

DISK_MB = 400
PICTURE = 20_000_000


@pytest.fixture
def disk(tmp_path):
    """A disk that holds one release with what must stay free beside it, and some evidence."""
    with small_disk(tmp_path / "disk", f"size={DISK_MB}m") as folder:
        yield folder


def evidence(folder, count, *, acknowledged):
    """So many cases of 20 MB, all of them with the platform, or none."""
    rig = Rig(folder)
    outbox = rig.outbox()
    for n in range(count):
        name = f"v-{'done' if acknowledged else 'waits'}-{n}"
        rig.put(outbox, name, {"r1-a.jpg": os.urandom(PICTURE)})
    if acknowledged:
        release(rig.state)
    outbox.close()
    return rig.state / "evidence"


def tidied(box, *, software_mb=320):
    """One pass of the janitor; the step of the ladder after it."""
    keep = Keep(floor_mb=10, ballast_mb=0, software_mb=software_mb)
    device = Device(keep=keep, updates=Updates(software_key="key.pem"))
    program = box.folder / "program"
    janitor = Janitor(device, box.folder / "state", box.folder / "run", program=program)
    return janitor.work(NOW)


def test_refused_before_it_travels_and_the_platform_hears_of_which(disk, mirror, tmp_path):  # noqa: F811
    box = SoftBox(disk / "box")
    fetch, told = fetcher(box, mirror), []
    news = SoftwareNews(box.where, FaultLog(lambda: Stamp(1.0, 1.0, "ntp", 0.0),
                                            lambda fault, _: told.append(fault)))  # fmt: skip
    filler = disk / "filler"
    filler.write_bytes(bytes(room.bytes_free(disk) - room.SPARE_BYTES + 1_000_000))
    for number in (1, 2):
        wanted = published(mirror, press(tmp_path / f"r{number}", number))
        before = len(mirror.sent)
        fetch.want(wanted)
        fetch._stop.set()
        fetch._bring_once(wanted)
        assert len(mirror.sent) == before + 1, "the manifest, and nothing else"
        news.look(fetch.refused)
    assert fetch._read() is None, "not asked for again until the platform names it again"
    facts = [(one.kind, one.phase, one.facts.get("release")) for one in told]
    assert facts == [
        ("software_refused", "start", 1),
        ("software_refused", "end", None),
        ("software_refused", "start", 2),
    ]
    assert "MB free, release 2 needs 300" in told[-1].text and "software_mb" in told[-1].text
    filler.unlink()
    fetch.bring(wanted)
    assert (box.folder / "update/incoming/ready.json").exists()


def test_the_janitor_keeps_the_room_from_what_the_platform_has(disk, mirror, tmp_path):  # noqa: F811
    box = SoftBox(disk / "box")
    folder = evidence(box.folder, 4, acknowledged=True)
    evidence(box.folder, 1, acknowledged=False)
    fetch = fetcher(box, mirror)
    wanted = published(mirror, press(tmp_path / "r1", 1))
    assert room.bytes_free(disk) < room.SPARE_BYTES + 20_000_000
    assert tidied(box) == ladder.STEPS.index("normal"), "nothing is shed for a release"
    left = sorted(path.name for path in folder.iterdir())
    assert "v-waits-0" in left and 1 <= len(left) < 5, left
    assert room.bytes_free(disk) > 320_000_000
    fetch.bring(wanted)
    assert box.updaterd().run(Stop()).outcome == "settled"


def test_what_the_platform_has_not_stays_whatever_is_asked_for(disk):
    box = SoftBox(disk / "box")
    folder = evidence(box.folder, 5, acknowledged=False)
    assert tidied(box) == ladder.STEPS.index("normal")
    assert len(list(folder.iterdir())) == 5


def test_no_room_is_kept_where_no_release_is_taken_or_another_disk_has_the_slots(disk, tmp_path):
    box = SoftBox(disk / "box")
    folder = evidence(box.folder, 4, acknowledged=True)
    tidied(box, software_mb=0)
    assert len(list(folder.iterdir())) == 4
    elsewhere = SoftBox(tmp_path / "elsewhere")
    keep = Keep(floor_mb=10, ballast_mb=0, software_mb=320)
    for key, program in ((None, box.folder), ("key.pem", elsewhere.folder)):
        device = Device(keep=keep, updates=Updates(software_key=key))
        state, run = box.folder / "state", box.folder / "run"
        Janitor(device, state, run, program=program / "program").work(NOW)
        assert len(list(folder.iterdir())) == 4


def test_a_slot_that_is_laid_anew_counts_as_room_and_shared_files_do_not(tmp_path):
    box = SoftBox(tmp_path / "box")
    (box.slots.place("b")).mkdir()
    (box.slots.place("b") / "own").write_bytes(b"x" * 1_000_000)
    (box.slots.place("a") / "shared").write_bytes(b"y" * 500_000)
    os.link(box.slots.place("a") / "shared", box.slots.place("b") / "shared")
    assert 1_000_000 <= room.own_bytes(box.slots.place("b")) < 1_100_000
    both = room.tree_bytes(box.slots.place("a"), box.slots.place("b"))
    assert 1_500_000 <= both < 1_700_000
    need = room.ReleaseNeed(0, 10**15, goes=10**15)
    room.check_room(box.folder / "program", box.folder / "update", 1, need)


def test_the_command_says_the_disk(tmp_path, capsys):
    box = SoftBox(tmp_path / "box")
    box.update(press(tmp_path / "r1", 1))
    (box.slots.place("a") / "big").write_bytes(b"x" * 5_000_000)
    device = str(box.folder / "device.yaml")
    assert main(["software", "status", "--device", device, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["disk"]
    assert told["a_mb"] == told["together_mb"] == 5 and told["b_mb"] == 0
    assert told["next_needs_mb"] >= 295 and told["free_mb"] > 0
    assert main(["software", "status", "--device", device]) == 0
    assert "disk: a_mb 5" in capsys.readouterr().out


def test_one_object_at_a_time_lies_beside_what_was_fetched(tmp_path, monkeypatch):
    box, real, most = SoftBox(tmp_path / "box"), Updaterd._bring, []

    def bring(updaterd, sha256, size):
        real(updaterd, sha256, size)
        most.append(len(list((box.folder / "update/stage").iterdir())))

    monkeypatch.setattr(Updaterd, "_bring", bring)
    box.update(press(tmp_path / "r1", 1))
    assert box.works() == 1 and len(most) > 4 and max(most) == 2, "the manifest and one more"
    assert list((box.folder / "update/incoming").iterdir()) == []
