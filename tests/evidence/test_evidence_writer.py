# SPDX-License-Identifier: AGPL-3.0-or-later
"""From judgements to sealed revisions: pictures at the right times, the clip later, an end."""

import hashlib
import json
from dataclasses import asdict, replace

import cv2
import pytest

from edge.config import Camera, convert
from edge.evidence.album import Album
from edge.evidence.casebook import Casebook
from edge.evidence.store import located
from edge.pipeline.evidence_writer import EvidenceOutputs, EvidenceWriter
from edge.values import Judgement
from tests.evidence.conftest import candidate, finding, frame, stamp


class Ring:
    """A clip source that writes what it was asked for."""

    def __init__(self, missing=False):
        self.missing, self.asked = missing, []

    def write_clip(self, path, start, end):
        self.asked.append((start, end))
        if self.missing:
            return None
        path.write_bytes(b"clip of %d..%d" % (start, end))
        return start, end


class Box:
    """The evidence_writer with everything round it."""

    def __init__(self, root, categories, origin, clips=None, camera=None, step=0):
        self.sealed, self.bare, self.troubles = [], [], []
        outputs = EvidenceOutputs(
            sealed=self.sealed.append,
            bare=self.bare.append,
            trouble=lambda kind, text: self.troubles.append(kind),
            healed=self._healed,
        )
        self.root = root
        self.album = Album(root / "album", lambda at, category: ["解放路口", category])
        self.book = Casebook(root / "evidence", origin, categories, asdict)
        self.evidence_writer = EvidenceWriter(
            convert(camera or CAMERA, Camera, "test"),
            album=self.album,
            book=self.book,
            categories=categories,
            outputs=outputs,
            clips=clips,
            step=lambda: step,
        )

    def _healed(self, kind):
        self.troubles = [standing for standing in self.troubles if standing != kind]

    def play(self, until, *, ends=None, every=1.0, decide=30.0):
        """A stall arrives at 0, is decided at `decide` and leaves at `ends`."""
        for step in range(int(until / every) + 1):
            mono = step * every
            gone = ends is not None and mono > ends
            wait = () if gone else (candidate(mono),)
            found = ()
            if mono == decide:
                found = (finding("new", mono),)
            if ends is not None and mono == ends:
                found = (finding("end", mono),)
            self.evidence_writer.handle(frame(mono), Judgement(found, wait))


CAMERA = {"id": "north", "source": "x.mp4", "rules": [{"category": "street_vending"}]}


@pytest.fixture
def box(tmp_path, categories, origin):
    return Box(tmp_path, categories, origin, Ring())


def roles(sealed):
    return [f.role for f in sealed.violation.evidence]


def test_a_dwell_gives_three_spaced_overviews_and_a_close_up(box):
    box.play(30)
    (new,) = box.sealed
    assert roles(new).count("overview") == 4  # three and the masked public copy
    times = [f.at.mono for f in new.violation.evidence if f.role == "overview" and not f.masked]
    assert times[1] - times[0] >= 10.0
    assert times[-1] - times[0] >= 30.0
    assert "close" in roles(new)
    assert new.violation.gate == "complete", new.violation.gate_failed


def test_the_clip_comes_in_a_later_revision_and_listed_hashes_never_change(box):
    box.play(50)
    first, second = box.sealed
    assert "clip" not in roles(first)
    assert "clip" in roles(second)
    assert second.violation.revision == 2
    assert second.violation.id == first.violation.id
    assert second.violation.evidence[: len(first.violation.evidence)] == first.violation.evidence


def test_the_end_takes_an_after_picture_and_closes_the_case(box):
    box.play(60, ends=45.0)
    last = box.sealed[-1].violation
    assert last.phase == "end"
    assert "after" in [f.role for f in last.evidence]
    assert box.book.open_keys() == set()


def test_an_end_before_the_clip_was_due_still_brings_the_clip(box):
    box.play(40, ends=32.0)
    assert [s.violation.phase for s in box.sealed] == ["new", "end"]
    assert "clip" in roles(box.sealed[-1])


def test_a_lost_clip_makes_the_package_incomplete(tmp_path, categories, origin):
    box = Box(tmp_path, categories, origin, Ring(missing=True))
    box.play(50)
    assert box.sealed[-1].violation.gate_failed == ("clip",)


def test_a_masked_camera_says_that_its_clip_was_encoded_again(tmp_path, categories, origin):
    mask = {"id": "m", "kind": "mask", "polygon": [[0, 0], [0.1, 0], [0.1, 0.1]]}
    box = Box(tmp_path, categories, origin, Ring(), {**CAMERA, "zones": [mask]})
    box.play(50)
    told = box.sealed[-1].violation
    assert told.gate == "complete"
    assert told.facts["clip"] == {"made": "encoded again", "masked": True}
    assert [f.masked for f in told.evidence if f.role == "clip"] == [True]


def test_manifest_lists_every_file_with_its_true_hash(box):
    box.play(50)
    folder = box.sealed[-1].folder
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["revision"] == 2
    for row in manifest["files"]:
        data = located(folder, row["path"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (row["sha256"], row["size"])


def test_pictures_carry_a_strip_below_and_the_scene_above_untouched(box):
    box.play(30)
    close = next(f for f in box.sealed[0].violation.evidence if f.path.endswith("overview-1.jpg"))
    image = cv2.imread(str(box.sealed[0].folder / close.path))
    assert image.shape[1] == 1280
    assert image.shape[0] > 720


def test_a_candidate_that_comes_to_nothing_leaves_nothing(box):
    for mono in range(10):
        box.evidence_writer.handle(frame(mono), Judgement((), (candidate(mono),)))
    assert list((box.root / "album").iterdir())
    box.evidence_writer.handle(frame(10), Judgement())
    assert list((box.root / "album").iterdir()) == []
    assert box.sealed == []


def test_a_restart_keeps_the_first_picture_and_the_case(tmp_path, categories, origin):
    before = Box(tmp_path, categories, origin, Ring())
    before.play(12)
    after = Box(tmp_path, categories, origin, Ring())
    assert after.album.restore(stamp(13)) == ["vending@1"]
    for mono in range(13, 31):
        found = (finding("new", mono),) if mono == 30 else ()
        after.evidence_writer.handle(frame(mono), Judgement(found, (candidate(mono),)))
    times = [f.at.mono for f in after.sealed[0].violation.evidence if f.path.startswith("r1-over")]
    assert times[0] == pytest.approx(0.0)
    third = Box(tmp_path, categories, origin, Ring())
    third.book.recover(stamp(31))
    assert third.book.open_keys() == {"vending@1"}
    third.evidence_writer.handle(frame(40), Judgement((finding("end", 40),), ()))
    assert third.sealed[0].violation.id == after.sealed[0].violation.id
    assert third.sealed[0].violation.revision == 2


def test_the_disk_is_well_again_with_the_next_picture_it_takes(box, monkeypatch):
    """A street without an offence has pictures of candidates alone, for days."""

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as refuses:
        refuses.setattr(box.album, "look", full)
        box.play(0)
    assert box.troubles == ["disk"]
    box.evidence_writer.handle(frame(1.0), Judgement())
    assert box.troubles == ["disk"], "nothing was written since"
    box.evidence_writer.handle(frame(2.0), Judgement((), (candidate(2.0),)))
    assert box.troubles == []


def test_a_disk_that_refuses_loses_no_violation(box, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(box.book, "write", full)
    box.play(30)
    (bare,) = box.bare
    assert bare.gate_failed[0] == "disk"
    assert box.troubles == ["disk"]


def test_an_unfinished_folder_is_discarded_at_start(box):
    partial = box.root / "evidence/v-1/.r1.77.tmp"
    partial.mkdir(parents=True)
    (partial / "overview-1.jpg").write_bytes(b"half")
    assert box.book.recover(stamp(0)) == []
    assert not (box.root / "evidence/v-1").exists()


LADDER = [(0, True, True), (2, False, True), (3, False, True), (4, False, False)]


@pytest.mark.parametrize(("step", "clip", "pictures"), LADDER)
def test_a_full_disk_gives_up_clips_then_pictures_never_the_violation(
    tmp_path, categories, origin, step, clip, pictures
):
    ring = Ring()
    box = Box(tmp_path, categories, origin, ring, step=step)
    box.play(50)
    assert bool(ring.asked) == clip
    assert bool(box.sealed) == pictures
    assert len(box.sealed) + len(box.bare) >= 1


def test_small_pictures_are_smaller(tmp_path, categories, origin):
    sizes = []
    for step in (2, 3):
        box = Box(tmp_path / str(step), categories, origin, step=step)
        box.play(30)
        sizes.append(max(f.size for f in box.sealed[0].violation.evidence if f.role == "overview"))
    assert sizes[1] < 0.8 * sizes[0]


def test_a_close_up_is_replaced_only_by_a_clearly_larger_look(box, categories):
    """Each small step nearer would otherwise write another picture that is hardly better."""
    recipe = categories["street_vending"].recipe
    album = box.album

    def look(mono, width):
        own = replace(candidate(mono), box=(0.4, 0.3, 0.4 + width, 0.8))
        album.look(frame(mono), own, recipe)
        shots = [picture.shot for picture in album.pictures(own.key)]
        return [shot.at.mono for shot in shots if shot.role == "close"]

    assert look(1.0, 0.2) == [1.0]
    assert look(2.0, 0.22) == [1.0]
    assert look(3.0, 0.26) == [3.0]


def test_every_folder_above_a_sealed_revision_is_synced(box, monkeypatch):
    """A rename lasts only once its folder is synced, and a new case's folder once the root is."""
    synced = []
    monkeypatch.setattr("edge.evidence.store.sync_folder", lambda path: synced.append(path))
    box.play(40.0)
    final = box.sealed[0].folder
    assert synced[1:3] == [final.parent, final.parent.parent]
    assert synced[0].parent == final.parent
