# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge doctor on the box's own certificate: how long it lasts, in words a technician can act on."""

from datetime import timedelta

import pytest

from edge.board import Board, Storage
from edge.camera.source import SourceError
from edge.cli import main
from edge.config import Camera, Device, Site
from edge.config.device import Broker, Folders
from edge.daemons.supervisor import trial_home
from edge.diagnosis import doctor
from edge.pipeline.settings import Settings
from edge.values import Stamp
from tests.field.test_provision import NOW, Authority
from tools.field import provision


def ask(base, **broker):
    device = Device(broker=Broker(**broker))
    return list(doctor._certificate(Settings(Site(), device, {}, {}, "0" * 64, base)))


@pytest.mark.parametrize(
    ("age_days", "days", "level", "said"),
    [(0, 90, "well", "90 days left"), (0, 20, "remark", "ends in 20"), (9, 5, "wrong", "ended 4")],
)
def test_how_long_the_certificate_lasts(tmp_path, age_days, days, level, said):
    csr = provision.request(tmp_path, "box-1", "hue")
    Authority(tmp_path).sign(csr, start=NOW - timedelta(days=age_days), days=days)
    (advice,) = ask(tmp_path, cert="answer.crt", key="box-1.key")
    assert advice.level == level and said in advice.found
    assert level == "well" or "edge-provision" in advice.do_en


def test_a_missing_or_broken_certificate_is_one_line(tmp_path):
    (tmp_path / "bad.crt").write_text("not a certificate")
    for name in ("none.crt", "bad.crt"):
        (advice,) = ask(tmp_path, cert=name, key="x")
        assert advice.level == "wrong" and name in advice.found


def test_without_tls_or_certificate_nothing_is_said(tmp_path):
    assert ask(tmp_path, tls="off", cert="x") == ask(tmp_path) == []


def box(base, *cameras, **site):
    """Settings of a box whose folders lie below `base`."""
    device = Device(folders=Folders(state="state", run="run"))
    return Settings(Site(cameras=cameras, **site), device, {}, {}, "0" * 64, base)


@pytest.mark.parametrize(
    ("at", "level", "said", "do"),
    [
        (Stamp(1.0, 86_400.0, "unsynced", 1e9), "wrong", "it is 1970 here", "set the time"),
        (Stamp(1.0, 1.79e9, "unsynced", 16_000.0), "remark", "not synchronised", "port 123"),
        (Stamp(1.0, 1.79e9, "ntp", 12.0), "well", "ntp, error below 12 ms", ""),
    ],
)
def test_a_clock_in_1970_unsynced_and_well(tmp_path, monkeypatch, at, level, said, do):
    class Clock:
        def now(self):
            return at

    monkeypatch.setattr(doctor, "SystemClock", Clock)
    (advice,) = doctor._clock(box(tmp_path))
    assert (advice.level, advice.found) == (level, said) and do in advice.do_en


def pi(root, bits, heat):
    """The files of a Raspberry Pi with the firmware's bits and a temperature."""
    zone = root / "sys/class/thermal/thermal_zone0"
    firmware = root / "sys/devices/platform/soc/soc:firmware"
    for folder in (zone, firmware, root / "proc/device-tree"):
        folder.mkdir(parents=True)
    (zone / "temp").write_text(f"{heat}\n")
    (firmware / "get_throttled").write_text(f"{bits:x}\n")
    (root / "proc/device-tree/model").write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    return Board(root)


@pytest.mark.parametrize(
    ("bits", "heat", "told"),
    [
        (0x0, 51_000, {"well": 1}),
        (0x4, 51_000, {"well": 1, "wrong": 1}),
        (0x50005, 86_000, {"wrong": 3}),
        (0x0, 78_000, {"remark": 1}),
    ],
)
def test_a_throttled_board_a_weak_supply_and_heat(tmp_path, monkeypatch, bits, heat, told):
    board = pi(tmp_path, bits, heat)
    monkeypatch.setattr(doctor, "Board", lambda: board)
    found = list(doctor._board(box(tmp_path)))
    levels = [advice.level for advice in found]
    assert {level: levels.count(level) for level in levels} == told
    assert all(advice.do_en and advice.do_zh for advice in found if advice.level != "well")


@pytest.mark.parametrize(
    ("free_mb", "writable", "said"),
    [(9000, False, "cannot be written"), (120, True, "120 MB free")],
)
def test_a_disk_that_is_read_only_or_full(tmp_path, monkeypatch, free_mb, writable, said):
    monkeypatch.setattr(doctor, "storage", lambda path: Storage(path, free_mb, writable))
    found = [a for a in doctor._disk(box(tmp_path)) if a.level == "wrong"]
    assert found and said in found[0].found and found[0].do_zh


def test_a_user_outside_dialout(tmp_path, monkeypatch):
    sensor = {"id": "n", "kind": "modbus", "map": "noise-rs485", "port": "/dev/x", "address": 1}
    settings = box(tmp_path, sensors=(sensor,))
    monkeypatch.setattr(doctor.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(doctor.os, "getgroups", list)
    (advice,) = doctor._groups(settings)
    assert advice.level == "wrong" and "usermod -aG dialout" in advice.do_en
    assert list(doctor._groups(box(tmp_path))) == [], "without sensors nobody needs the group"


def test_a_camera_that_nobody_answers_for(tmp_path):
    camera = Camera(id="north", source="rtsp://admin:geheim@127.0.0.1:1/a")
    (advice,) = doctor._cameras(box(tmp_path, camera))
    assert advice.level == "wrong" and "refused" in advice.found and "port" in advice.do_en
    assert "geheim" not in advice.found


@pytest.mark.parametrize(
    ("cause", "do"),
    [("unsupported", "H.264"), ("login", "password"), ("stall", "restart"), ("broken", "address")],
)
def test_each_ailment_of_a_stream_has_its_own_advice(tmp_path, monkeypatch, cause, do):
    def connector(*_):
        def connect():
            raise SourceError(cause, "codec vp6 is not supported; set H.264 or H.265")

        return connect

    monkeypatch.setattr(doctor, "connector", connector)
    (advice,) = doctor._cameras(box(tmp_path, Camera(id="north", source="rtsp://10.0.0.1/a")))
    assert advice.level == "wrong" and do in advice.do_en and advice.do_zh


def test_no_camera_is_a_remark(tmp_path):
    (advice,) = doctor._cameras(box(tmp_path))
    assert advice.level == "remark"


def test_beside_a_trial_the_doctor_looks_at_the_trial(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edge.config.paths.SITE_FILE", str(tmp_path / "none"))
    monkeypatch.setattr("edge.config.paths.DEVICE_FILE", str(tmp_path / "none"))
    trial_home(tmp_path / "edge-home")
    site = tmp_path / "edge-home/site.yaml"
    site.write_text("cameras: [{id: north, source: 192.168.1.64}]\n", "utf-8")
    assert main(["doctor", "--json"]) == 1
    told = capsys.readouterr()
    assert "edge-home" in told.err
    assert str(tmp_path / "edge-home/state") in told.out
    assert "camera north" in told.out
    assert "rtsp://192.168.1.64" in told.out
