# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a reviewer, a court or a restart relies on in the evidence, to the pixel and the second."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timezone
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.config import Recipe
from edge.evidence import store
from edge.evidence.album import Album, RecentFrames, jpeg
from edge.evidence.casebook import Casebook, named, track_json, violation_id, what_stands
from edge.evidence.pictures import (
    RED,
    STRIP_MIN_PX,
    STRIP_SHARE,
    STRIP_WIDTH_PX,
    Caption,
    PictureQuality,
    Shot,
    crop,
    gate,
    head,
    measure,
    plate,
    public_copy,
    sharpness,
    spacing_s,
    when_text,
    where_text,
    with_strip,
    with_ticks,
)
from edge.evidence.store import Draft, Revision, clean, file_from_json, file_json, revisions
from edge.evidence.thumbnail import BYTES_MOST, HEIGHT, WIDTH, make, thumbnail
from edge.values import EvidenceFile, Place, Stamp, Track
from tests.evidence.conftest import candidate, finding, frame, picture, stamp

GOOD = PictureQuality(1280, 720, 100.0, 0.0, 0.5)


@pytest.mark.parametrize(
    ("changed", "failings"),
    [
        ({"mean": 22.0}, ()),
        ({"mean": 21.9}, ("dark",)),
        ({"clipped_share": 0.6}, ()),
        ({"clipped_share": 0.61}, ("overexposed",)),
        ({"sharpness": 0.22}, ()),
        ({"sharpness": 0.21}, ("blurred",)),
    ],
)
def test_a_picture_is_refused_just_beyond_the_limit(changed, failings):
    assert replace(GOOD, **changed).failings() == failings


def test_a_picture_smeared_one_way_is_blurred():
    """A lamp post in a film of a shaking camera is sharp along itself only."""
    smeared = np.repeat(picture()[:, :1], 1280, axis=1)
    for turned in (smeared, np.ascontiguousarray(smeared.transpose(1, 0, 2))):
        assert measure(turned).failings() == ("blurred",)
    assert sharpness(np.full((90, 160), 128, np.uint8)) == 0.0, "nothing to see is not sharp"


def overviews(*times, **stamps):
    return [Shot("overview", replace(stamp(t), **stamps), GOOD) for t in times]


def failed(shots, files=("close",), recipe=None, *, stay_s=30.0, clip_due=False, native=None):
    listed = [EvidenceFile(role, role, "0" * 64, 1, stamp(0)) for role in files]
    wanted = recipe or Recipe()
    return gate(shots, listed, wanted, stay_s=stay_s, clip_due=clip_due, native=native)


@pytest.mark.parametrize(("error_ms", "words"), [(1000.0, ()), (1001.0, ("clock",))])
def test_a_clock_may_be_wrong_by_a_second(error_ms, words):
    assert failed(overviews(0, 12, 31, error_ms=error_ms)) == words


def test_a_recording_is_not_blamed_for_a_clock_that_it_has_not():
    assert failed(overviews(0, 12, 31, quality="recording", error_ms=9e9)) == ()


def test_before_after_and_plate_are_asked_for_by_the_recipe():
    wanted = Recipe(before_after=True, plate=True)
    assert failed(overviews(0, 12, 31), recipe=wanted) == ("before_after", "plate")
    assert failed(overviews(0, 12, 31), ("close", "after"), wanted) == ("before_after", "plate")
    assert failed(overviews(0, 12, 31), ("close", "before", "after", "plate"), wanted) == ()


def test_without_an_allowed_stay_only_the_spacing_of_the_recipe_counts():
    assert spacing_s(Recipe(), 0.0) == Recipe().spacing_s
    assert spacing_s(Recipe(), 4.0) == 2.0
    assert failed(overviews(0, 12, 13), stay_s=0.0) == ()
    assert failed(overviews(0, 12, 30), stay_s=30.0) == (), "exactly the allowed stay"


@pytest.mark.parametrize(
    ("size", "native", "words"),
    [
        ((1280, 720), None, ()),
        ((1279, 720), None, ("resolution",)),
        ((1280, 719), None, ("resolution",)),
        ((704, 576), (704, 576), ()),
        ((640, 576), (704, 576), ("resolution",)),
        ((1280, 720), (3840, 2160), ()),
    ],
)
def test_the_size_asked_for_is_the_least_of_ours_and_the_camera_s(size, native, words):
    small = replace(GOOD, width=size[0], height=size[1])
    shots = [replace(shot, quality=small) for shot in overviews(0, 12, 31)]
    assert failed(shots, native=native) == words


@pytest.mark.parametrize(("height", "line_px"), [(360, 20), (720, 24), (1440, 49)])
def test_a_line_of_the_strip_is_a_thirtieth_of_the_picture_and_readable(height, line_px):
    image = picture(0, height, 1280)
    out = with_strip(image, ["X", ""])
    assert out.shape == (height + 2 * line_px, 1280, 3)
    assert np.array_equal(out[:height], image)
    first, second = out[height : height + line_px], out[height + line_px :]
    assert 225 <= first.max() <= 235
    assert (second == 24).all(), "the first line stays in its place"
    rows = np.nonzero((first > 100).any(axis=(1, 2)))[0]
    assert 0.3 * line_px < np.ptp(rows) < 0.8 * line_px
    assert rows[0] > 0.1 * line_px, "no letter is cut off at its top"


def test_a_text_that_is_too_long_shrinks_until_its_end_is_seen():
    text = "解放路口北口 " * 14 + "|"
    strip = with_strip(picture(), [text])[720:]
    columns = np.nonzero((strip > 100).any(axis=(0, 2)))[0]
    assert columns[0] >= 8
    assert 1000 < columns[-1] <= 1280 - 8


def test_a_narrow_close_up_is_set_in_the_middle_of_a_readable_strip():
    small = picture()[:200, :301]
    out = with_strip(small, ["2026"])
    assert out.shape[1] == 560
    assert np.array_equal(out[:200, 129 : 129 + small.shape[1]], small)
    assert (out[:200, :129] == 24).all()
    assert (out[:200, 129 + small.shape[1] :] == 24).all()


def test_ticks_stand_at_each_corner_just_outside_the_box():
    image = np.zeros((720, 1280, 3), np.uint8)
    out = with_ticks(image, (0.25, 0.25, 0.5, 0.5))
    marked = (out == RED).all(axis=2)
    rows, columns = np.nonzero(marked)
    assert (rows.min(), rows.max()) == pytest.approx((177, 363), abs=2)
    assert (columns.min(), columns.max()) == pytest.approx((317, 643), abs=2)
    assert not marked[180:360, 320:640].any(), "never on the subject"
    arm = 46
    for y in (178, 362):
        assert marked[y, 318 : 318 + arm].all()
        assert marked[y, 642 - arm : 642].all()
        assert not marked[y, 318 + arm + 4 : 642 - arm - 4].any()
    assert 2 <= np.count_nonzero(marked[:, 400 - 200 // 2 + 30]) <= 8


def test_ticks_of_a_tiny_box_are_still_seen():
    marked = (with_ticks(np.zeros((360, 640, 3), np.uint8), (0.5, 0.5, 0.502, 0.502)) == RED).all(2)
    assert marked.sum() > 40


def test_a_crop_shows_a_quarter_of_the_subject_around_it():
    assert crop(picture(), (0.4, 0.4, 0.6, 0.6)).shape[:2] == (217, 385)
    assert crop(picture(), (0.4, 0.4, 0.6, 0.6), margin=0.0).shape[:2] == (145, 257)
    assert crop(picture(), (0.5, 0.5, 0.5, 0.5)).shape[:2] == (97, 97)
    corner = crop(picture(), (0.9, 0.9, 1.0, 1.0))
    assert np.array_equal(corner, picture()[630:, 1120:])
    first = crop(picture(), (0.0, 0.0, 0.1, 0.1))
    assert np.array_equal(first, picture()[: first.shape[0], : first.shape[1]])
    assert first.shape[:2] == (91, 161)


@pytest.mark.parametrize("width", [100, 101])
def test_a_narrow_close_up_stands_untouched_in_the_middle_above_its_strip(width):
    small = np.ascontiguousarray(picture()[:200, :width])
    whole = with_strip(small, ["one", "two"])
    beside = (STRIP_WIDTH_PX - width) // 2
    assert whole.shape == (200 + 2 * max(STRIP_MIN_PX, round(200 * STRIP_SHARE)),
                           STRIP_WIDTH_PX, 3)  # fmt: skip
    assert np.array_equal(whole[:200, beside : beside + width], small)
    assert (whole[:200, :beside] == 24).all() and (whole[:200, beside + width :] == 24).all()
    wide = np.ascontiguousarray(picture()[:200])
    assert np.array_equal(with_strip(wide, ["one"])[:200], wide)


def vehicle(label, box):
    return Track(1, label, box, 0.9, stamp(0), stamp(0))


def test_a_head_and_a_plate_lie_where_they_are_hidden():
    assert head((0.4, 0.2, 0.5, 0.7)) == pytest.approx((0.39, 0.19, 0.51, 0.34))
    assert plate((0.4, 0.2, 0.5, 0.6)) == pytest.approx((0.4, 0.38, 0.5, 0.6))


@pytest.mark.parametrize("label", ["car", "truck", "bus", "motorcycle", "muck_truck"])
def test_plates_of_others_are_hidden_and_that_of_the_vehicle_meant_is_not(label):
    image, box = picture(), (0.4, 0.4, 0.6, 0.8)
    hidden = public_copy(image, [vehicle(label, box)], None)
    lower = np.s_[418:576, 514:766]
    assert not np.array_equal(hidden[lower], image[lower])
    assert np.array_equal(hidden[288:412], image[288:412]), "only its plate"
    assert np.array_equal(public_copy(image, [vehicle(label, box)], box), image)
    beside = (0.5, 0.4, 0.7, 0.8)
    assert not np.array_equal(public_copy(image, [vehicle(label, box)], beside), image)
    assert np.array_equal(public_copy(image, [vehicle("vendor_stall", box)], None), image)


def test_a_hidden_face_keeps_too_few_cells_to_be_known():
    out = public_copy(picture(), [vehicle("person", (0.4, 0.2, 0.5, 0.8))], None)
    part = out[145:265, 501:651]
    assert len({tuple(pixel) for pixel in part.reshape(-1, 3)}) <= 36
    assert len({tuple(pixel) for pixel in part.reshape(-1, 3)}) > 8
    edge = public_copy(picture(), [vehicle("person", (1.2, 0.2, 1.3, 0.8))], None)
    assert np.array_equal(edge, picture()), "nobody in the picture"


def test_what_is_hidden_ends_at_the_pixel_after_the_box():
    image = np.random.default_rng(2).integers(0, 256, (720, 1280, 3)).astype(np.uint8)
    hidden = public_copy(image, [vehicle("person", (0.4, 0.2, 0.5, 0.8))], None)
    rows, columns = np.nonzero((hidden != image).any(axis=2))
    x1, y1, x2, y2 = head((0.4, 0.2, 0.5, 0.8))
    assert (columns.min(), columns.max()) == (int(x1 * 1280), int(x2 * 1280))
    assert (rows.min(), rows.max()) == (int(y1 * 720), int(y2 * 720))


class DatedPacks:
    """The packs of that day, as they are asked for."""

    def codes(self, category, wall):
        return {"local": f"{category.id} {wall:.0f}"}

    def named(self, category, wall, standard):
        return [category.id, wall, standard]


@pytest.mark.parametrize(("facts", "standard"), [({"standard": "GB 1"}, "GB 1"), ({}, "")])
def test_the_packs_of_the_day_it_began_are_named(tmp_path, categories, origin, facts, standard):
    book = Casebook(tmp_path, origin, categories, lambda v: {"facts": v.facts}, DatedPacks())
    found = replace(finding("new", 30.0), facts=facts)
    violation = book.write(found, [Draft("overview", "o.jpg", stamp(1.0), b"o")], []).violation
    assert violation.facts["packs"] == [found.category, found.began.wall, standard]
    assert violation.codes == {"local": f"{found.category} {found.began.wall:.0f}"}


def test_the_caption_says_what_is_known_and_no_more(categories):
    caption = Caption("路口 c1", Place(), timezone.utc, categories)
    who, when = caption.lines(Stamp(0, 0.96, "holdover", 40.4), "street_vending")
    assert who == "路口 c1  疑似 suspected: 无照经营游商 street vendor 0501"
    assert when == "1970-01-01 00:00:00.9 +00:00  守时 holdover ±40 ms"
    assert caption.lines(stamp(0), "unheard_of")[0] == "路口 c1"
    assert "±" not in when_text(Stamp(0, 0, "recording", 3.0))
    assert where_text(Place(30.0, 120.0, None, "GCJ-02", None, "南门")) == (
        "30.00000, 120.00000 GCJ-02  南门"
    )
    assert where_text(Place(30.0, None)) == ""


def test_a_before_picture_reaches_back_a_minute_at_one_a_second():
    frames = RecentFrames(bytes_most=1 << 30)
    assert frames.nearest(0.0) is None
    for step in range(141):
        frames.look(frame(step * 0.5, seed=step % 3))
    kept = [frames.nearest(mono)[0].mono for mono in np.arange(0.0, 70.5, 0.5)]
    assert sorted(set(kept)) == [float(second) for second in range(10, 71)]
    assert frames.nearest(30.4)[0].mono == 30.0
    assert frames.nearest(30.0)[1].shape == (720, 1280, 3)


def test_pictures_of_a_candidate_survive_a_restart_by_name_and_instant(tmp_path):
    album = Album(tmp_path, lambda at, category: [category])
    for mono in (0.0, 1.0):
        album.take("a", "overview", stamp(mono), picture(), None, "street_vending")
    album.take("a", "close", stamp(2.0), picture(), (0.4, 0.3, 0.6, 0.8), candidate(2.0))
    again = Album(tmp_path, lambda at, category: [category])
    # The box was started anew: its monotonic clock is at 5, the wall clock an hour on.
    assert again.restore(Stamp(5.0, stamp(3600.0).wall, "ntp", 1.0)) == ["a"]
    assert [p.shot.at.mono for p in again.pictures("a")] == [-3595.0, -3594.0, -3593.0]
    assert again.pictures("a")[0].shot == replace(
        album.pictures("a")[0].shot, at=again.pictures("a")[0].shot.at
    )
    added = again.take("a", "overview", stamp(9.0), picture(), None, "street_vending")
    assert added.path.name == "004-overview.jpg", "no picture is written over"
    assert [draft.name for draft in named(again.pictures("a"))] == [
        *("overview-1.jpg", "overview-2.jpg", "close-1.jpg", "overview-3.jpg")
    ]
    again.keep_only(["b"])
    assert list(tmp_path.iterdir()) == []
    assert again.pictures("a") == ()


def test_a_page_that_was_half_written_is_thrown_away_alone(tmp_path):
    album = Album(tmp_path, lambda at, category: [category])
    for key in ("a", "b"):
        album.take(key, "overview", stamp(0.0), picture(), None, "street_vending")
    torn = album.pictures("a")[0].path.parent
    (torn / "album.json").write_text('{"key": "a"')
    album.pictures("b")[0].path.unlink()
    again = Album(tmp_path, lambda at, category: [category])
    assert again.restore(stamp(1.0)) == ["b"]
    assert not torn.exists()
    assert again.pictures("b") == ()


@pytest.mark.parametrize("left", [0, 700])
def test_a_picture_that_a_power_cut_left_empty_or_short_is_left_out(tmp_path, left):
    album = Album(tmp_path, lambda at, category: [category])
    for mono in (0.0, 1.0):
        album.take("a", "overview", stamp(mono), picture(), None, "street_vending")
    album.look(frame(2.0), candidate(2.0, key="a"), Recipe())
    for lost in album.pictures("a")[1:]:
        os.truncate(lost.path, left)
    again = Album(tmp_path, lambda at, category: [category])
    again.restore(stamp(3.0))
    assert [one.path.name for one in again.pictures("a")] == ["001-overview.jpg"]
    again.look(frame(4.0), candidate(4.0, key="a"), Recipe())
    roles = [one.shot.role for one in again.pictures("a")]
    assert roles == ["overview", "close"], "the lost close-up is taken again"


def test_a_shot_says_where_the_scene_lies_in_the_file(tmp_path):
    album = Album(tmp_path, lambda at, category: ["one", "two"])
    whole = album.take("a", "overview", stamp(0.0), picture(), (0.1, 0.1, 0.2, 0.2), "c").shot
    assert (whole.scene, whole.box) == ((0, 1280, 720), (0.1, 0.1, 0.2, 0.2))
    close = album.take("a", "close", stamp(0.0), picture(), (0.4, 0.4, 0.6, 0.6), "c").shot
    assert close.scene == (87, 385, 217)
    plated = album.take("a", "plate", stamp(0.0), picture(), (0.4, 0.4, 0.6, 0.8), "c").shot
    assert plated.scene[1:] == (282, 175)
    grey = np.full((720, 1280, 3), 128, np.uint8)
    nobody = album.take("a", "after", stamp(0.0), grey, None, "c").shot
    assert nobody.box == (0.0, 0.0, 1.0, 1.0), "where nobody knows where it stood: anywhere"
    before = album.take("a", "before", stamp(0.0), grey, (0.1, 0.1, 0.2, 0.2), "c")
    assert (abs(cv2.imread(str(before.path))[:720].astype(int) - 128) < 9).all(), "no ticks on it"


def test_the_same_case_made_again_is_the_same_and_another_is_not():
    one = finding("new", 30.0)
    assert violation_id("edge-1", one) == violation_id("edge-1", replace(one, phase="end"))
    assert len(violation_id("edge-1", one)) == 28
    later = replace(one, began=replace(one.began, wall=one.began.wall + 0.001))
    assert violation_id("edge-1", later) != violation_id("edge-1", one)
    nearly = replace(one, began=replace(one.began, wall=one.began.wall + 0.0001))
    assert violation_id("edge-1", nearly) == violation_id("edge-1", one)


def test_the_subject_s_way_is_told_in_wall_seconds():
    path = ((10.0004, 0.123456, 0.5), (11.0, 0.2, 0.6))
    seen = replace(vehicle("car", (0.1, 0.2, 0.3, 0.4)), path=path, score=0.87654)
    told = json.loads(track_json(replace(finding("new", 30.0), subject=seen)))
    assert told["path"] == [
        [stamp(10.0).wall, 0.1235, 0.5],
        [stamp(11.0).wall, 0.2, 0.6],
    ]
    assert (told["label"], told["score"]) == ("car", 0.877)
    nobody = json.loads(track_json(finding("new", 30.0)))
    assert (nobody["label"], nobody["score"], nobody["path"]) == (None, None, [])


def test_what_stands_now_is_what_the_truck_left():
    one = finding("new", 30.0)
    assert what_stands(one) == one.box
    heap = replace(one, facts={"heap_box": [0.1, 0.2, 0.3, 0.4]})
    assert what_stands(heap) == (0.1, 0.2, 0.3, 0.4)


def test_a_case_goes_on_after_a_restart_as_it_was(tmp_path, categories, origin):
    book = Casebook(tmp_path, origin, categories, lambda violation: {"id": violation.id})
    first = replace(finding("new", 30.0), occurrence=3, parent=None, priority="lead")
    book.write(first, [Draft("overview", "o.jpg", stamp(1.0), b"bytes")], overviews(1.0))
    again = Casebook(tmp_path, origin, categories, lambda violation: {"id": violation.id})
    ((folder, manifest),) = again.recover(stamp(40.0))
    assert folder.name == "r1"
    assert (manifest["manifest"], manifest["phase"], manifest["key"]) == (1, "new", first.key)
    case = again.case(first.key)
    assert case.finding == first
    assert (case.revision, case.shots) == (1, tuple(overviews(1.0)))
    assert case.files == book.case(first.key).files
    assert not again.settled(first)
    ended = again.write(replace(first, phase="end", ended=stamp(50.0)), [], [])
    assert ended.violation.revision == 2
    assert again.settled(first)
    assert (
        Casebook(tmp_path, replace(origin, source={"id": "south"}), categories, dict).recover(
            stamp(60.0)
        )
        == []
    )


def test_a_manifest_has_the_bytes_that_it_always_had(tmp_path, categories, origin):
    book = Casebook(tmp_path, origin, categories, lambda violation: {"id": violation.id})
    one = replace(
        finding("new", 30.0),
        facts={"n": 1, "box": (0.1, 0.2)},
        subject=vehicle("car", (0, 0, 1, 1)),
    )
    folder = book.write(
        one, [Draft("overview", "o.jpg", stamp(30.0), b"o")], overviews(30.0)
    ).folder
    manifest = json.loads((folder / "manifest.json").read_bytes())
    at = json.loads(json.dumps(vars_of(stamp(30.0))))
    assert list(manifest["finding"]) == [
        *("category", "rule", "began", "decided", "ended", "place", "box", "zone"),
        *("facts", "occurrence", "parent", "priority"),
    ]
    assert manifest["finding"]["facts"] == {"n": 1, "box": [0.1, 0.2]}
    assert manifest["finding"]["ended"] is None
    assert list(manifest["finding"]["decided"].items()) == list(at.items())
    (row,) = manifest["files"]
    assert list(row) == ["role", "path", "sha256", "size", "at", "masked"]
    assert list(row["at"].items()) == list(at.items())
    (shot,) = manifest["shots"]
    assert list(shot) == ["role", "at", "quality", "box", "scene"]
    assert list(shot["quality"]) == ["width", "height", "mean", "clipped_share", "sharpness"]


def vars_of(at):
    return {"mono": at.mono, "wall": at.wall, "quality": at.quality, "error_ms": at.error_ms}


@pytest.mark.parametrize("wrong", [b"[1]", b"{" * 5000, b'{"camera": "north", "id": "v-1"}'])
def test_a_damaged_manifest_is_passed_over_at_the_start(tmp_path, categories, origin, wrong):
    book = Casebook(tmp_path, origin, categories, lambda violation: {"id": violation.id})
    one = finding("new", 30.0)
    book.write(one, [Draft("overview", "o.jpg", stamp(30.0), b"o")], [])
    damaged = tmp_path / "v-1" / "r1"
    damaged.mkdir(parents=True)
    named = wrong.replace(b"north", str(origin.source["id"]).encode())
    (damaged / "manifest.json").write_bytes(named)
    again = Casebook(tmp_path, origin, categories, lambda violation: {"id": violation.id})
    assert [folder.parent.name for folder, _ in again.recover(stamp(40.0))] != ["v-1"]
    assert again.case(one.key) is not None


def test_a_manifest_of_another_shape_is_refused_by_name():
    row = file_json(EvidenceFile("close", "r1-a.jpg", "0" * 64, 1, stamp(0)))
    for wrong in ({**row, "size": "1"}, {**row, "role": "photo"}, {"role": "close"}):
        with pytest.raises(ValueError, match=r"size|role|path"):
            file_from_json(wrong)


def test_a_revision_that_fails_leaves_nothing_and_one_that_stands_is_not_replaced(tmp_path):
    with pytest.raises(RuntimeError), Revision(tmp_path, "v-1", 1) as revision:
        revision.add(Draft("overview", "o.jpg", stamp(0), b"half"))
        raise RuntimeError("power")
    assert list((tmp_path / "v-1").iterdir()) == []
    source = tmp_path / "clip.mp4"
    source.write_bytes(os.urandom((1 << 20) + 77))
    with Revision(tmp_path, "v-1", 1) as revision:
        kept = revision.add(Draft("clip", "c.mp4", stamp(0), source=source, masked=True))
        final = revision.seal({"files": [file_json(kept)], "字": "中文"})
    assert (kept.size, kept.masked) == ((1 << 20) + 77, True)
    assert (final / "r1-c.mp4").read_bytes() == source.read_bytes()
    assert "中文" in (final / "manifest.json").read_text("utf-8")
    assert store.located(tmp_path / "v-1" / "r3", "r1-c.mp4") == final / "r1-c.mp4"
    row = file_json(kept)
    assert file_from_json(row) == kept
    del row["masked"]
    assert file_from_json(row).masked is False, "lists of before had no such word"


def test_the_start_clears_up_after_the_dead_only(tmp_path):
    """A daemon that writes right now keeps its folder, whoever else starts."""
    argv = [sys.executable, "-c", "import time; time.sleep(60)", "edge"]
    with subprocess.Popen(argv) as other:
        for folder in ("v-1/.r1.999999999.tmp", f"v-2/.r1.{other.pid}.tmp", "v-3"):
            (tmp_path / folder).mkdir(parents=True)
        for folder in (f"v-4/.r2.{os.getpid()}.tmp", "v-5/.r1.x.tmp"):
            (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "note.txt").write_text("not a folder")
        # For a moment after its start a process has no command line yet.
        until_s = time.monotonic() + 90.0
        while b"edge" not in Path(f"/proc/{other.pid}/cmdline").read_bytes():
            assert time.monotonic() < until_s
        counts = clean(tmp_path), clean(tmp_path)
        other.kill()
    assert counts == (3, 0)
    assert {path.name for path in tmp_path.iterdir()} == {"note.txt", "v-2"}


def test_revisions_come_in_their_order_and_a_torn_manifest_is_passed_over(tmp_path):
    for number in (10, 9, 2):
        folder = tmp_path / "v-1" / f"r{number}"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"revision": number}))
    torn = tmp_path / "v-0" / "r1"
    torn.mkdir(parents=True)
    (torn / "manifest.json").write_text("{")
    assert [manifest["revision"] for _, manifest in revisions(tmp_path)] == [2, 9, 10]


def case_with(folder, role, image, box=None, scene=None, **more):
    path = folder / "r2"
    path.mkdir(parents=True)
    (path / "r2-one.jpg").write_bytes(jpeg(image, 95))
    shot = {"role": role, "box": box, "scene": scene}
    files = [{"role": role, "path": "r2-one.jpg", **more}]
    (path / "manifest.json").write_text(json.dumps({"files": files, "shots": [shot]}))
    return folder


def marked(box):
    """A grey street with a red thing in the box."""
    image = np.full((720, 1280, 3), 128, np.uint8)
    x1, y1, x2, y2 = (round(v * s) for v, s in zip(box, (1280, 720, 1280, 720), strict=True))
    image[y1:y2, x1:x2] = (0, 0, 255)
    return image


def red_of(data):
    small = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert small.shape == (HEIGHT, WIDTH, 3)
    red = (small[:, :, 2] > 200) & (small[:, :, 1] < 90)
    rows, columns = np.nonzero(red)
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_a_thumbnail_shows_the_subject_with_a_third_of_it_around(tmp_path):
    box = (0.5, 0.5, 0.6, 0.7)
    top, low, left, right = red_of(thumbnail(case_with(tmp_path, "overview", marked(box), box)))
    # 144 px high in the picture, 245 px shown, so 118 of 200; in the middle.
    assert low - top == pytest.approx(118, abs=3)
    assert (top + low) / 2 == pytest.approx(100, abs=3)
    assert right - left == pytest.approx(104, abs=4)
    assert (left + right) / 2 == pytest.approx(160, abs=3)


def test_a_thumbnail_at_the_rim_stays_in_the_picture_and_leaves_out_the_strip(tmp_path):
    box = (0.9, 0.0, 1.0, 0.2)
    image = np.vstack([marked(box), np.full((200, 1280, 3), (0, 255, 0), np.uint8)])
    shown = thumbnail(case_with(tmp_path / "a", "after", image, box, (0, 1280, 720)))
    top, _, _, right = red_of(shown)
    assert (top, right) == (0, WIDTH - 1)
    whole = thumbnail(
        case_with(tmp_path / "b", "overview", image, (0.0, 0.0, 1.0, 1.0), (0, 1280, 720))
    )
    small = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR)
    assert not ((small[:, :, 1] > 200) & (small[:, :, 0] < 90)).any(), "no strip"


@pytest.mark.parametrize("box", [None, [0.5, 0.5, 0.4, 0.6], [0.1, 0.1, 1.2, 0.2], ["a", 0, 1, 1]])
def test_a_box_that_is_none_shows_the_whole_picture(tmp_path, box):
    shown = thumbnail(case_with(tmp_path, "overview", marked((0.0, 0.25, 0.5, 0.75)), box))
    assert red_of(shown) == pytest.approx((50, 150, 0, 160), abs=4)


def test_a_close_up_is_shown_whole_and_masked_copies_never(tmp_path):
    image = marked((0.0, 0.25, 0.5, 0.75))
    shown = thumbnail(case_with(tmp_path / "a", "close", image, (0.8, 0.8, 0.9, 0.9)))
    assert red_of(shown) == pytest.approx((50, 150, 0, 160), abs=4)
    assert thumbnail(case_with(tmp_path / "b", "close", image, masked=True)) == b""
    assert thumbnail(tmp_path / "nothing") == b""


LADDER = (82, 74, 66, 58, 50, 40, 30, 20, 12)


@pytest.mark.parametrize("share", [0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.16, 0.22, 0.3])
def test_a_thumbnail_is_as_good_as_twelve_kilobytes_allow(tmp_path, share):
    noise = np.random.default_rng(1).normal(128, 255 * share, (HEIGHT, WIDTH, 3))
    image = np.clip(noise, 0, 255).astype(np.uint8)
    case = case_with(tmp_path, "close", image)
    stored = cv2.imread(str(case / "r2/r2-one.jpg"))
    tried = [jpeg(stored, quality) for quality in LADDER]
    assert thumbnail(case) == next(data for data in tried if len(data) <= BYTES_MOST)


def test_the_noisiest_picture_fits_into_twelve_kilobytes(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (400, 640, 3), np.uint8)
    data = thumbnail(case_with(tmp_path / "case", "close", noise))
    assert 2_000 < len(data) <= BYTES_MOST
    make([(tmp_path / "case", tmp_path / "small.jpg"), (tmp_path / "none", tmp_path / "no.jpg")])
    assert (tmp_path / "small.jpg").read_bytes() == data
    assert (tmp_path / "no.jpg").read_bytes() == b""
    assert not list(tmp_path.glob("*.tmp"))


def test_a_casebook_makes_its_folder_and_a_picture_is_of_the_whole_scene(tmp_path):
    root = tmp_path / "not" / "there"
    Casebook(root, {"name": "x"}, {}, lambda violation: {})
    assert root.is_dir()
    shot = Shot("overview", Stamp(0, 0), GOOD)
    assert (shot.box, shot.scene) == ((0.0, 0.0, 1.0, 1.0), (0, 0, 0))
