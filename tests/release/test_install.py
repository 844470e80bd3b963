# SPDX-License-Identifier: AGPL-3.0-or-later
"""From package to box: power gone at every step, releases that fall short, and going back."""

import json
import logging

import pytest

from edge.config import ConfigError
from edge.release.install import InstallRequest, install
from edge.release.package import check_folder
from edge.release.store import SHIPPED, ReleaseStore, installed
from edge.release.trial import BOOTS_MOST, at_start
from edge.vision.model import load_model
from tests.release.press import KEY, NAME, box, changed, home, model, pack

KEYS = (KEY.public_key(),)
INSTALL_STEPS = ["unpacking", "unpacked", "counted", "named", "switched"]


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("press")
    return {release: pack(folder, release) for release in (2, 3, 4)}


class PowerCut(BaseException):
    """Nothing catches it: what is on disk is all that is left."""


def cut_at(step, times=1):
    left = [times]

    def passed(now):
        left[0] -= now == step
        if now == step and left[0] == 0:
            raise PowerCut(step)

    return passed


def in_force(place):
    """The release whose model opens, as visiond finds it after a start."""
    store = ReleaseStore(place / "state" / "models", NAME)
    at_start(store, KEYS)
    shipped = place / "shipped" / f"{NAME}.yaml"
    path = installed(place / "state" / "models", NAME, shipped) or shipped
    load_model(path, provider="cpu", workers=1)
    return store.read().current


def test_installed_tried_and_settled(packages, tmp_path):
    place = home(tmp_path)
    done = install(packages[2], box(place))
    assert (done.name, done.release) == (NAME, 2) and "25 of 25 known" in done.said
    store = ReleaseStore(place / "state" / "models", NAME)
    assert in_force(place) == 2 and store.read().trial.boots == 1
    assert store.settle().last == "applied"
    install(packages[3], box(place))
    assert in_force(place) == 3
    store.settle()
    install(packages[4], box(place))
    assert in_force(place) == 4
    store.settle()
    names = {p.name for p in store.folder.iterdir()}
    assert names == {"state.json", "r3", "r4"}, "the release before is kept, older ones go"


@pytest.mark.parametrize("step", INSTALL_STEPS)
def test_power_cut_at_each_step_leaves_a_working_box(packages, tmp_path, step):
    place = home(tmp_path)
    install(packages[2], box(place))
    ReleaseStore(place / "state" / "models", NAME).settle()
    with pytest.raises(PowerCut):
        install(packages[3], box(place), passed=cut_at(step))
    assert in_force(place) == (3 if step == "switched" else 2)
    if step != "switched":
        assert install(packages[3], box(place)).release == 3, "and it can be done again"
        assert in_force(place) == 3


@pytest.mark.parametrize("step", ["booted", "rolled_back", "settled"])
def test_power_cut_while_judging_leaves_a_working_box(packages, tmp_path, step):
    place = home(tmp_path)
    install(packages[2], box(place))
    store = ReleaseStore(place / "state" / "models", NAME, passed=cut_at(step))
    with pytest.raises(PowerCut):
        {"booted": store.booted, "settled": store.settle}.get(step, lambda: store.roll_back("x"))()
    assert in_force(place) == (SHIPPED if step == "rolled_back" else 2)


def test_too_many_starts_take_it_back(packages, tmp_path, caplog):
    place = home(tmp_path)
    install(packages[2], box(place))
    for _ in range(BOOTS_MOST):
        assert in_force(place) == 2
    with caplog.at_level(logging.ERROR):
        assert in_force(place) == SHIPPED
    state = ReleaseStore(place / "state" / "models", NAME).read()
    assert state.last == "rolled_back" and "did not stay up" in state.why
    assert state.seen == 2


@pytest.mark.parametrize("hurt", ["weights", "manifest", "state", "gone"])
def test_damage_on_the_card_falls_back(packages, tmp_path, hurt):
    place = home(tmp_path)
    for release in (2, 3):
        install(packages[release], box(place))
        ReleaseStore(place / "state" / "models", NAME).settle()
    folder = place / "state" / "models" / NAME
    if hurt == "state":
        (folder / "state.json").write_bytes(b"\x00" * 40)
        assert in_force(place) == SHIPPED
        return
    file = folder / "r3" / ("m.onnx" if hurt == "weights" else f"{NAME}.yaml")
    if hurt == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-3] + b"xyz")
    assert in_force(place) == 2


def test_the_key_of_somebody_else_puts_the_shipped_model_back(packages, tmp_path):
    place = home(tmp_path)
    install(packages[2], box(place))
    store = ReleaseStore(place / "state" / "models", NAME)
    at_start(store, ())
    assert store.read().current == SHIPPED


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (InstallRequest(NAME, 3), "asked was lamp release 3"),
        (InstallRequest("other", 2), "asked was other"),
    ],
)
def test_another_package_than_the_platform_named(packages, tmp_path, asked, said):
    with pytest.raises(ConfigError, match=said):
        install(packages[2], box(home(tmp_path)), asked=asked)


def test_releases_only_rise(packages, tmp_path):
    place = home(tmp_path)
    install(packages[3], box(place))
    with pytest.raises(ConfigError, match="still being tried"):
        install(packages[4], box(place))
    store = ReleaseStore(place / "state" / "models", NAME)
    store.settle()
    for release, said in ((2, "is not above 3"), (3, "in force already")):
        with pytest.raises(ConfigError, match=said):
            install(packages[release], box(place))
    store.roll_back("by hand")
    with pytest.raises(ConfigError, match="is not above 3"):
        install(packages[2], box(place))
    assert install(packages[3], box(place)).release == 3, "the highest one may be tried again"


def test_a_release_below_the_shipped_one(tmp_path):
    place = home(tmp_path)
    model(place / "shipped", release=7)
    with pytest.raises(ConfigError, match="is not above 7"):
        install(pack(tmp_path / "press", 6), box(place))


def test_a_program_that_came_with_a_newer_model_wins(packages, tmp_path):
    place = home(tmp_path)
    install(packages[2], box(place))
    shipped = model(place / "shipped", release=3)
    assert installed(place / "state" / "models", NAME, shipped) is None


def test_a_slower_model_is_refused(tmp_path):
    place = home(tmp_path)
    slow = pack(tmp_path / "press", 2, height=768, slower=1.25)
    with pytest.raises(ConfigError, match="times as slow as the model in force"):
        install(slow, box(place))
    assert in_force(place) == SHIPPED
    assert not (place / "state" / "models" / NAME / ".stage").exists()


def move(picture):
    for known in picture["boxes"]:
        known["box"] = [edge / 2 for edge in known["box"]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: [b.update(label="person") for b in p["boxes"]], "0 of 25 known boxes found"),
        (move, "0 of 25 known boxes found"),
        (lambda p: p.update(boxes=[]), "it could not fail"),
        (lambda p: p.update(boxes=p["boxes"] + [{"label": "person", "score": 0.9,
                                                 "box": [0.1, 0.1, 0.2, 0.2]}] * 2),
         "25 of 29 known"),
    ],
)  # fmt: skip
def test_a_model_that_does_not_find_the_known_boxes(packages, tmp_path, change, said):
    """As on a board whose runtime computes something else than the publisher's."""
    place = home(tmp_path)
    bad = changed(packages[2], lambda d: [change(p) for p in d["selftest"]["pictures"]], key=KEY)
    with pytest.raises(ConfigError, match=said):
        install(bad, box(place))
    assert in_force(place) == SHIPPED


def test_classes_that_the_rules_need(packages, tmp_path):
    def fits(name, manifest):
        raise ConfigError(f"{name}: no class muck_truck")

    with pytest.raises(ConfigError, match="no class"):
        install(packages[2], box(home(tmp_path), fits=fits))


def test_a_full_disk_while_unpacking_changes_nothing(packages, tmp_path, monkeypatch):
    place = home(tmp_path)

    def full(path, data, **_):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("edge.release.package.write_atomic", full)
    with pytest.raises(OSError, match="No space"):
        install(packages[2], box(place))
    monkeypatch.undo()
    assert in_force(place) == SHIPPED and install(packages[2], box(place)).release == 2


def test_what_was_unpacked_is_what_was_signed(packages, tmp_path):
    place = home(tmp_path)
    install(packages[2], box(place))
    folder = place / "state" / "models" / NAME
    check_folder(folder / "r2" / f"{NAME}.yaml", KEYS)
    assert json.loads((folder / "state.json").read_bytes())["seen"] == 2
