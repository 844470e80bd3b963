# SPDX-License-Identifier: AGPL-3.0-or-later
"""The rule kind `state`: places taught by a few pictures, told apart, or honestly not told."""

import json
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from edge.cli import main
from edge.config import Camera, ConfigError, Rule, Zone
from edge.config.dated import Calendar
from edge.pipeline.settings import read_settings
from edge.pipeline.soundness import check_camera
from edge.pipeline.taught_looks import keep_look, taught_places
from edge.rules.judge import Judge
from edge.rules.taught import TaughtPlace, held_out, square
from edge.values import Scene, Stamp, Track
from tests.daemons.box import DEVICE, MANIFEST, WEIGHTS
from tests.rules.stage_judge import CATEGORIES
from tools.bench.places import CLICKS, cut, taught
from tools.scenery.places import PLACE, View, drawn

X1, Y1, X2, Y2 = PLACE
ZONE = Zone(id="bin", polygon=((X1, Y1), (X2, Y1), (X2, Y2), (X1, Y2)))
CAMERA = Camera(
    id="gate",
    source="rtsp://x",
    zones=(ZONE,),
    rules=(Rule(category="full-bin", zones=("bin",), dwell_s=30.0),),
)


@pytest.fixture(scope="module")
def place():
    return taught("bin", 0, 6, np.random.default_rng(1))


@pytest.mark.parametrize("weather", ["sun", "overcast", "rain", "dusk", "snow"])
def test_a_bin_is_told_full_or_not_in_weathers_that_were_not_all_taught(place, weather):
    rng = np.random.default_rng(5)
    answers = [place.tell(cut("bin", 0, wrong, View(weather), rng)).look for wrong in (0, 1)]
    assert answers[0] in ("right", None) and answers[1] in ("wrong", None)
    assert answers != [None, None]


def test_what_cannot_be_told_says_why(place):
    rng = np.random.default_rng(6)
    seen = cut("bin", 0, False, View("overcast"), rng)
    assert place.tell((seen * 0.04).astype(np.uint8)).why == "dark"
    assert place.tell(np.full_like(seen, 128)).why == "flat"
    assert place.tell(seen, covered=0.5).why == "covered"
    for view, whys in (
        (View("overcast", covered=0.8), {"covered", "moved"}),
        (View("overcast", moved=True), {"covered", "moved", "between"}),
    ):
        assert place.tell(cut("bin", 0, False, view, rng)).why in whys


def test_too_little_is_no_teaching(place):
    rng = np.random.default_rng(2)
    one = [cut("bin", 0, False, View("sun"), rng)] * 3
    for looks in ({"right": one}, {"right": one, "wrong": one[:2]}):
        with pytest.raises(ValueError, match="two looks or more"):
            TaughtPlace(looks)


@pytest.mark.parametrize("grey", [0, 128])
def test_a_blank_picture_among_the_taught_does_not_hide_the_place_for_ever(grey):
    rng = np.random.default_rng(8)
    looks = {
        name: [cut("bin", 0, wrong, View(weather), rng) for weather in CLICKS[:4]]
        for name, wrong in (("right", False), ("wrong", True))
    }
    looks["right"].append(np.full_like(looks["right"][0], grey))
    seen = TaughtPlace(looks).tell(cut("bin", 0, False, View("overcast"), rng))
    assert seen.why != "moved" and seen.margin > 0.0


def test_held_out_accuracy_is_low_where_the_looks_are_the_same():
    """Both looks taught by pictures of the same bin: it must not claim to know them apart."""
    rng = np.random.default_rng(3)
    same = {n: [cut("bin", 0, False, View(w), rng) for w in CLICKS[:5]] for n in ("a", "b")}
    apart = {
        n: [cut("bin", 0, wrong, View(w), rng) for w in CLICKS[:5]]
        for n, wrong in (("right", False), ("wrong", True))
    }
    assert held_out(apart).accuracy >= 0.9 and held_out(apart).right >= 7
    found = held_out(same)
    assert found.right <= 7


def judge(place):
    return Judge(
        CAMERA, categories=CATEGORIES, calendar=Calendar(), timezone=ZoneInfo("Asia/Shanghai"),
        taught={"bin": (PLACE, place)},
    )  # fmt: skip


def scene(t, wrong, view=None, tracks=(), seed=0):
    image = drawn("bin", 0, wrong, view or View("overcast"), np.random.default_rng(seed + int(t)))
    at = Stamp(1000.0 + t, 1_772_330_400.0 + t, "ntp")
    return Scene("gate", at, tracks, 16 / 9, image)


def run(judge_, start, seconds, wrong, **more):
    told = []
    for t in range(start, start + seconds, 2):
        told += judge_.step(scene(t, wrong, **more)).findings
    return told


def test_a_full_bin_is_a_case_after_its_dwell_and_ends_when_it_was_emptied(place):
    sitting = judge(place)
    assert run(sitting, 0, 60, False) == []
    (new,) = [f for f in run(sitting, 60, 80, True) if f.phase == "new"]
    assert new.category == "full-bin" and new.facts["look"] == "wrong"
    assert new.facts["class"] == "wrong"
    assert new.decided.mono - new.began.mono >= 28.0
    ended = run(sitting, 140, 60, False)
    assert [f.phase for f in ended] == ["end"]


def test_people_in_front_neither_begin_nor_end_it(place):
    sitting = judge(place)
    run(sitting, 0, 60, True)
    at = Stamp(1000.0, 1_772_330_400.0, "ntp")
    man = Track(7, "person", (X1, Y1 - 0.05, X2, Y2), 0.9, at, at)
    told = run(sitting, 60, 60, True, view=View("overcast", covered=0.9), tracks=(man,))
    assert [f.phase for f in told if f.phase == "end"] == []
    again = judge(place)
    assert run(again, 0, 80, False, view=View("overcast", covered=0.9), tracks=(man,)) == []


def test_a_rule_whose_zone_nobody_taught_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="edge state teach --camera gate --zone bin"):
        taught_places(CAMERA, CATEGORIES, tmp_path)


def test_a_rule_whose_place_was_taught_no_offending_look_is_refused(tmp_path):
    corners = [[X1, Y1], [X2, Y1], [X2, Y2], [X1, Y2]]
    site = {
        "model": "square.yaml",
        "cameras": [
            {
                "id": "gate",
                "source": "rtsp://127.0.0.1/none",
                "zones": [{"id": "bin", "polygon": corners}],
                "rules": [{"category": "full-bin", "zones": ["bin"]}],
            }
        ],
    }
    texts = {"site.yaml": json.dumps(site), "device.yaml": DEVICE, "square.yaml": MANIFEST}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "square.onnx").write_bytes(WEIGHTS)
    settings = read_settings(tmp_path / "site.yaml", tmp_path / "device.yaml")
    (camera,) = settings.site.cameras
    image = drawn("bin", 0, False, View("sun"), np.random.default_rng(9))
    check_camera(settings, camera, "site.yaml")
    for look in ("empty", "full"):
        keep_look(settings.looks / "gate/bin", look, image, ZONE)
    said = r"rule full-bin: set.offending \[wrong\] is no look .* zone bin .*taught: empty, full"
    with pytest.raises(ConfigError, match=said):
        check_camera(settings, camera, "site.yaml")
    full = Rule(category="full-bin", zones=("bin",), set={"offending": ("full",)})
    check_camera(settings, replace(camera, rules=(full,)), "site.yaml")
    keep_look(settings.looks / "gate/bin", "wrong", image, ZONE)
    check_camera(settings, camera, "site.yaml")


def test_taught_by_command_shown_told_and_forgotten(tmp_path, capsys):
    (tmp_path / "device.yaml").write_text("device: box-1\nfolders: {state: state, run: run}\n")
    corners = [[X1, Y1], [X2, Y1], [X2, Y2], [X1, Y2]]
    (tmp_path / "site.yaml").write_text(
        "cameras:\n  - id: gate\n    source: rtsp://x\n"
        f"    zones: [{{id: bin, polygon: {corners}}}]\n"
    )
    rng = np.random.default_rng(4)
    names = {}
    for look, wrong in (("right", False), ("wrong", True)):
        names[look] = []
        for n, weather in enumerate(CLICKS[:4]):
            path = tmp_path / f"{look}-{n}.png"
            cv2.imwrite(str(path), drawn("bin", 0, wrong, View(weather), rng))
            names[look].append(str(path))
    given = ["--site", str(tmp_path / "site.yaml"), "--device", str(tmp_path / "device.yaml")]
    given += ["--camera", "gate", "--zone", "bin", "--json"]
    assert main(["state", "teach", "--look", "right", *names["right"], *given]) == 0
    assert json.loads(capsys.readouterr().out)["ready"] is False
    assert main(["state", "teach", "--look", "wrong", *names["wrong"], *given]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["ready"] and shown["wrong"] <= 1 and shown["right"] >= 5
    assert main(["state", "tell", names["wrong"][0], *given]) == 0
    assert json.loads(capsys.readouterr().out)["told"][0]["look"] == "wrong"
    assert set(taught_places(CAMERA, CATEGORIES, tmp_path / "state/looks")) == {"bin"}
    assert main(["state", "forget", *given]) == 0
    assert main(["state", "tell", names["wrong"][0], *given]) == 2


def test_only_the_place_is_kept_and_the_same_picture_once(tmp_path):
    image = drawn("bin", 0, False, View("sun"), np.random.default_rng(9))
    paths = {keep_look(tmp_path, "right", image, ZONE) for _ in range(3)}
    (path,) = paths
    assert cv2.imread(str(path)).shape == (96, 96, 3)
    assert np.array_equal(cv2.imread(str(path)), square(image, PLACE))
