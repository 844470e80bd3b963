# SPDX-License-Identifier: AGPL-3.0-or-later
"""One bad item stays one fault: wrong items of a site, and bugs thrown at every seam."""

from __future__ import annotations

import copy
import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.config import ConfigError
from edge.daemons import supervisor, visiond
from edge.isolation import ItemGuard
from edge.outbox import OutboxFull
from edge.pipeline.soundness import load_sound
from edge.runtime import Notify, Stop
from tests.daemons import box
from tools.faultlab.mutated_sites import (
    CAMERAS,
    Mutant,
    base_site,
    foretold,
    kept,
    make_home,
    mutants,
)

SENSED = frozenset({"meter-1", "meter-2", "point-1", "point-2"})
SHORT = 30


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("mutated") / "home")


def test_the_site_that_is_mutated_is_sound(home: Path) -> None:
    assert foretold(home, Mutant("", base_site(), "", "", frozenset())) is None
    assert kept(home) == (frozenset(CAMERAS), SENSED, ())


@pytest.mark.parametrize("mutant", list(mutants(SHORT, seed=7)), ids=lambda m: m.label)
def test_check_foretells_one_wrong_item_and_only_that_is_left_out(
    home: Path, mutant: Mutant
) -> None:
    said = foretold(home, mutant)
    assert said is not None
    assert "\n" not in said
    cameras, sensed, aside = kept(home)
    assert cameras >= set(CAMERAS) - mutant.without
    assert sensed >= SENSED - mutant.without
    assert any(item.startswith(mutant.kind) for item in aside)
    assert len(aside) <= 1 + (mutant.kind == "sensor")


def test_a_wrong_mask_blinds_its_camera_and_never_shows_a_window(home: Path) -> None:
    site = base_site()
    site["cameras"][0]["zones"][1]["polygon"] = [[0, 0], [1, 1]]
    foretold(home, Mutant("", site, "", "", frozenset()))
    settings = load_sound(home / "site.yaml", home / "device.yaml")
    assert not {c.id: c.enabled for c in settings.site.cameras}["north"]


def test_a_key_beside_the_items_is_the_files_fault(home: Path) -> None:
    site = {**base_site(), "langage": "zh"}
    foretold(home, Mutant("", site, "", "", frozenset()))
    with pytest.raises(ConfigError, match="did you mean 'language'"):
        load_sound(home / "site.yaml", home / "device.yaml")


# --- a real visiond with one wrong and one good camera ------------------------------------------


def two_cameras(folder: Path, **wrong: Any) -> Path:
    """A home whose camera `south` is as `north`, but for what is wrong with it."""
    made = box.make(folder, seconds=20.0, stands=(0.0, 20.0))
    site = yaml.safe_load((made / "site.yaml").read_text("utf-8"))
    site["cameras"][0]["playback"] = "loop"
    south = {**copy.deepcopy(site["cameras"][0]), "id": "south", **wrong}
    site["cameras"] = [south, site["cameras"][0]]
    (made / "site.yaml").write_text(yaml.safe_dump(site, allow_unicode=True), "utf-8")
    return made


def status(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "run/status/visiond.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def until(true: Callable[[], bool], folder: Path, within_s: float = 120.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, (folder / "log").read_text()[-3000:]
        time.sleep(0.1)


def faults(folder: Path) -> set[tuple[str, str]]:
    return {(f["kind"], f["subject"]) for f in status(folder).get("faults", [])}


def looks(folder: Path, camera: str) -> int:
    return int(status(folder).get("cameras", {}).get(camera, {}).get("looks", 0))


@pytest.mark.parametrize(
    "wrong", [{"source": "192.168.1.64"}, {"source": "log"}, {"zones": [{"id": "a"}]}]
)
def test_a_wrong_camera_is_one_fault_and_the_other_works(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    folder = two_cameras(tmp_path / "home", **wrong)
    child = box.start(folder)
    try:
        until(lambda: looks(folder, "north") > 5, folder)
        assert faults(folder) == {("not_sound", "south")}
        assert [row["id"] for row in status(folder)["set_aside"]] == ["south"]
        assert child.poll() is None
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(90) == 0


SEAMS = ("build", "start", "read", "look", "evidence", "health", "status")


@pytest.mark.parametrize("seam", SEAMS)
def test_a_bug_ends_the_process_once_and_then_sets_its_camera_aside(
    tmp_path: Path, seam: str
) -> None:
    folder = two_cameras(tmp_path / "home")
    (folder / "throw").write_text(f"south {seam}")
    assert box.start(folder, "tests.daemons.throwing_box").wait(120) == 1
    assert "a bug" in (folder / "log").read_text()
    child = box.start(folder, "tests.daemons.throwing_box")
    try:
        until(lambda: ("item_set_aside", "south") in faults(folder), folder)
        before = looks(folder, "north")
        until(lambda: looks(folder, "north") > before + 3, folder)
        assert child.poll() is None
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(90) == 0


def test_a_fault_is_in_the_status_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not with the next regular writing, which never comes here."""
    folder = two_cameras(tmp_path / "home", source="rtsp://127.0.0.1:9/s")
    monkeypatch.setattr(visiond, "STATUS_EVERY_S", 1e6)
    monkeypatch.setattr("edge.pipeline.camera_worker.STALL_S", 1.0)
    monkeypatch.setattr("edge.daemons.visiond.on_thread_bug", lambda taken: None)
    monkeypatch.setattr(
        visiond, "load_models", lambda settings, unsound: {settings.site.model: box.SquareModel()}
    )
    stop = Stop()
    files = {"site_path": folder / "site.yaml", "device_path": folder / "device.yaml"}
    daemon = threading.Thread(target=visiond.main, args=(stop, Notify({})), kwargs=files)
    daemon.start()
    try:
        (folder / "log").touch()
        until(lambda: ("stream_stall", "south") in faults(folder), folder)
        (fault,) = (f for f in status(folder)["faults"] if f["subject"] == "south")
        written = (folder / "run/status/visiond.json").stat().st_mtime
        assert written - fault["wall"] < 30.0
    finally:
        stop.set()
        daemon.join(90)


def test_another_configuration_tries_every_item_again(tmp_path: Path) -> None:
    aside: list[str] = []
    path = tmp_path / "ended.json"

    def guard(config: str) -> ItemGuard:
        return ItemGuard(path, config, lambda item, text: aside.append(f"{item}: {text}"))

    with pytest.raises(ZeroDivisionError):
        guard("a").failed("north", ZeroDivisionError("x"))
    guard("a").failed("north", ZeroDivisionError("x"))
    assert aside == ["north: ZeroDivisionError: x"]
    with pytest.raises(ZeroDivisionError):
        guard("b").failed("north", ZeroDivisionError("x"))
    path.write_text("[]")
    with pytest.raises(ZeroDivisionError):
        guard("b").failed("north", ZeroDivisionError("x"))


def test_only_threads_of_one_item_are_given_up(tmp_path: Path) -> None:
    aside: list[str] = []
    guard = ItemGuard(tmp_path / "e.json", "a", lambda item, text: aside.append(item))
    assert not guard.thread_failed("camera north", ValueError())
    assert guard.thread_failed("camera north", ValueError())
    assert guard.thread_failed("camera north record", ValueError())
    assert not guard.thread_failed("analysis 0", ValueError())
    assert not guard.thread_failed("analysis 0", ValueError())
    assert aside == ["north", "north"]


def test_a_thread_whose_item_cannot_be_set_aside_for_lack_of_room_is_not_given_up(
    tmp_path: Path,
) -> None:
    def no_room(item: str, text: str) -> None:
        raise OutboxFull("no room")

    guard = ItemGuard(tmp_path / "e.json", "a", no_room)
    assert not guard.thread_failed("camera north", ValueError())
    with pytest.raises(OutboxFull):
        guard.thread_failed("camera north", ValueError())


def test_the_page_outlives_a_daemon_with_a_wrong_configuration() -> None:
    children = [supervisor.Child(name, []) for name in ("visiond", "sensord", "consoled")]
    assert not supervisor.hopeless(children)
    children[0].wrong = children[1].wrong = True
    assert not supervisor.hopeless(children)
    children[2].wrong = True
    assert supervisor.hopeless(children)
