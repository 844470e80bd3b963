# SPDX-License-Identifier: AGPL-3.0-or-later
"""A configuration from afar: checked, tried, and taken back by itself."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.config import ConfigError, Site, load
from edge.uplink.desired import HEALTHY_WITHIN_S, STEADY_S, DesiredSite
from edge.uplink.downward import Desired
from edge.uplink.messages import Reported
from edge.uplink.remote_config_policy import dangers

OLD = "name: 旧\ncameras: []\n"
NEW = {"name": "新", "cameras": [{"id": "north", "source": "rtsp://10.0.0.7/main"}]}


class Desk:
    """A site file, a run folder, and the daemons in it."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "site.yaml"
        self.site.write_text(OLD)
        self.run = folder / "run"
        (self.run / "status").mkdir(parents=True)
        self.folder = folder
        self.reported: list[Reported] = []
        self.desired = self.open(0.0)

    def open(self, now: float) -> DesiredSite:
        return DesiredSite(
            self.site,
            self.folder / "config",
            self.run,
            check=self.check,
            report=lambda data: self.reported.append(msgspec.json.decode(data, type=Reported)),
            now=now,
        )

    def check(self, path: Path) -> str:
        load(path, Site)
        return "0" * 64

    def alive(self, name: str, pid: int) -> None:
        told = {"pid": pid, "wall": time.time()}
        (self.run / "status" / f"{name}.json").write_text(json.dumps(told))

    def want(self, rev: int, site: dict[str, Any], now: float = 0.0) -> None:
        told = Desired(device="box-1", iss="desk", n=rev, rev=rev, exp=9e9, site=site)
        self.desired.obey(told, now)

    @property
    def last(self) -> tuple[int, str]:
        return self.reported[-1].rev, self.reported[-1].status


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_sound_one_is_applied_once_the_daemons_are_back(desk: Desk) -> None:
    desk.alive("visiond", 11)
    desk.want(3, NEW)
    assert desk.last == (3, "applying")
    assert load(desk.site, Site).cameras[0].id == "north"
    desk.desired.step(1.0)
    assert desk.last == (3, "applying")
    desk.alive("visiond", 22)
    desk.desired.step(5.0)
    desk.desired.step(5.0 + STEADY_S + 1)
    assert desk.last == (3, "applied")


def test_one_that_comes_during_a_trial_has_its_turn_and_the_newest_counts(desk: Desk) -> None:
    desk.alive("visiond", 11)
    desk.want(3, NEW)
    desk.want(5, {**NEW, "name": "fifth"})
    desk.want(4, {**NEW, "name": "fourth"})
    assert desk.last == (3, "applying")
    assert load(desk.site, Site).name == NEW["name"]
    desk.alive("visiond", 22)
    desk.desired.step(5.0)
    desk.desired.step(5.0 + STEADY_S + 1)
    assert desk.last == (3, "applied")
    desk.desired = desk.open(20.0)
    desk.desired.step(21.0)
    assert [(told.rev, told.status) for told in desk.reported[-2:]] == [
        (3, "applied"),
        (5, "applying"),
    ]
    assert load(desk.site, Site).name == "fifth"


def test_it_is_taken_back_within_the_minute_when_a_daemon_does_not_return(desk: Desk) -> None:
    desk.alive("visiond", 11)
    desk.alive("sensord", 12)
    desk.want(3, NEW)
    desk.alive("sensord", 13)
    desk.desired.step(HEALTHY_WITHIN_S + 0.1)
    assert HEALTHY_WITHIN_S < 60
    assert desk.last == (3, "rolled_back")
    assert "visiond" in desk.reported[-1].errors[0]
    assert "sensord" not in desk.reported[-1].errors[0]
    assert desk.site.read_text() == OLD


def test_a_daemon_that_crashes_again_and_again_is_not_back(desk: Desk) -> None:
    desk.alive("visiond", 1)
    desk.want(3, NEW)
    for second in range(1, int(HEALTHY_WITHIN_S) + 2, 2):
        desk.alive("visiond", 100 + second)
        desk.desired.step(float(second))
    assert desk.last == (3, "rolled_back")


def test_a_power_cut_in_the_middle_ends_in_one_of_the_two(desk: Desk) -> None:
    desk.alive("visiond", 11)
    desk.want(3, NEW)
    os.utime(desk.run / "status" / "visiond.json", (1.0, 1.0))
    desk.desired = desk.open(1000.0)
    desk.desired.step(1010.0)
    assert desk.last == (3, "applying")
    desk.desired.step(1000.0 + HEALTHY_WITHIN_S + 1)
    assert desk.last == (3, "rolled_back")
    assert desk.site.read_text() == OLD


def test_without_daemons_there_is_nobody_to_wait_for(desk: Desk) -> None:
    desk.want(1, NEW)
    desk.desired.step(2.0)
    assert desk.last == (1, "applied")


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ({"cameras": [{"id": "a", "source": "rtsp://x/1", "colour": 1}]}, "colour"),
        ({"cameras": [{"id": "../a", "source": "rtsp://x/1"}]}, "id"),
        ({"cameras": [{"id": "a", "source": "file:///etc/passwd"}]}, "not allowed from afar"),
        ({"cameras": [{"id": "a", "source": "/etc/passwd"}]}, "not allowed from afar"),
        ({"cameras": [{"id": "a", "source": "-i"}]}, "not allowed from afar"),
        ({"cameras": [{"id": "a", "source": "pipeline:sh"}]}, "not allowed from afar"),
        ({"cameras": [{"id": "a", "source": "rtsp://-x/1"}]}, "not allowed from afar"),
        ({"model": "../../tmp/evil.yaml"}, "not allowed from afar"),
        ({"calendar": ["/etc/passwd"]}, "not allowed from afar"),
        ({"name": "!!python/object/apply:os.system"}, "not allowed from afar"),
        ({"sensors": [{"id": "s", "port": "/dev/sda"}]}, "not allowed from afar"),
        ({"cameras": 7}, "cameras"),
    ],
)
def test_what_does_not_pass_leaves_everything_as_it_was(
    desk: Desk, site: dict[str, Any], words: str
) -> None:
    desk.want(1, site)
    assert desk.last == (0, "rejected")
    assert any(words in line for line in desk.reported[-1].errors), desk.reported[-1]
    assert desk.site.read_text() == OLD
    assert [p.name for p in desk.folder.iterdir()].count(".site.yaml.desired") == 0


def test_a_revision_never_goes_back(desk: Desk) -> None:
    desk.want(5, NEW)
    desk.desired.step(2.0)
    for rev in (5, 4):
        desk.want(rev, {"name": "older"})
        assert desk.last == (5, "rejected")
    desk.desired = desk.open(0.0)
    desk.want(3, {"name": "older"})
    assert desk.last == (5, "rejected")
    assert load(desk.site, Site).name == "新"


def test_what_the_installer_put_there_may_stay() -> None:
    present = {"cameras": [{"source": "pipeline:rpicam", "pipeline_arg": "--camera 0"}]}
    assert dangers(present, present) == []
    moved = {"cameras": [{"source": "--camera 0"}]}
    assert len(dangers(moved, present)) == 1


def test_strange_words_come_through_unchanged(desk: Desk) -> None:
    site = {"name": "off: 22:00 #1 'x'", "name_en": "1e5", "timezone": "Asia/Shanghai"}
    desk.want(1, site)
    assert desk.last == (1, "applying")
    assert msgspec.structs.asdict(load(desk.site, Site))["name"] == site["name"]
    with pytest.raises(ConfigError):
        desk.check(desk.folder / "none.yaml")


@pytest.mark.parametrize(
    "text",
    [b"name: x\n  cameras: [\n", bytes(64), "名".encode("gbk"), b""],
    ids=["torn", "zeros", "gbk", "empty"],
)
def test_a_sound_one_takes_the_place_of_a_file_that_nobody_can_read(
    desk: Desk, text: bytes
) -> None:
    desk.site.write_bytes(text)
    desk.want(3, NEW)
    assert desk.last == (3, "applying")
    assert load(desk.site, Site).cameras[0].id == "north"


def test_what_cannot_be_read_allows_nothing(desk: Desk) -> None:
    desk.site.write_bytes(b"cameras: [{source: file:///etc/passwd\n")
    desk.want(3, {"name": "新", "cameras": [{"id": "north", "source": "file:///etc/passwd"}]})
    assert desk.last[1] == "rejected"


def test_a_long_refusal_is_known_after_a_restart(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsound(_: Path) -> str:
        raise ConfigError("premises: none of " + "经开区第9标段" * 1000)

    monkeypatch.setattr(desk, "check", unsound)
    desk.open(0.0).obey(Desired(device="b", iss="d", n=7, rev=7, exp=9e9, site=NEW), 0.0)
    again = desk.open(1.0)
    again.report()
    assert desk.reported[-1].status == "rejected" and desk.reported[-1].errors[0] == "rev 7"
