# SPDX-License-Identifier: AGPL-3.0-or-later
"""One source that nothing can be made of sets its camera aside; every other camera is kept."""

import json
from pathlib import Path

import numpy as np
import pytest

from edge.camera import opening
from edge.config import ConfigError
from edge.pipeline.reminder import split_hook
from edge.pipeline.settings import Settings
from edge.pipeline.soundness import load_sound
from tools.fakes import photographs

PICTURE = photographs.jpeg(np.zeros((64, 64, 3), np.uint8))


def folder_with(folder: Path, name: str, data: bytes) -> str:
    folder.mkdir()
    (folder / "a.jpg").write_bytes(PICTURE)
    (folder / name).write_bytes(data)
    return str(folder)


def beside_a_sound_camera(home: Path, source: str) -> Settings:
    folders = {"state": str(home / "state"), "run": str(home / "run")}
    (home / "device.yaml").write_text(json.dumps({"folders": folders}))
    cameras = [
        {"id": "gate", "source": "rtsp://192.168.1.9/live"},
        {"id": "yard", "source": source},
    ]
    (home / "site.yaml").write_text(json.dumps({"cameras": cameras}))
    return load_sound(home / "site.yaml", home / "device.yaml")


def aside_alone(settings: Settings) -> str:
    """What is said of the one camera that is set aside."""
    assert {c.id: c.enabled for c in settings.site.cameras} == {"gate": True, "yard": False}
    (item,) = settings.aside
    assert (item.kind, item.id) == ("camera", "yard")
    assert "\n" not in item.text
    return item.text


def test_a_home_folder_that_nobody_has(tmp_path: Path) -> None:
    said = aside_alone(beside_a_sound_camera(tmp_path, "~nobody-of-that-name/street.mp4"))
    assert "~nobody-of-that-name/street.mp4" in said


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("times.json", b'{"times_s": {"a.jpg": 1' + b"0" * 400 + b"}}"),
        ("times.json", b"[" * 200_000),
        ("frames.csv", b"name,time_s\na.jpg,0\n" + b"x" * 140_000),
    ],
)
def test_a_folder_whose_times_cannot_be_read(tmp_path: Path, name: str, data: bytes) -> None:
    source = folder_with(tmp_path / "photographs", name, data)
    assert name in aside_alone(beside_a_sound_camera(tmp_path, source))


def test_a_bug_that_one_recording_sets_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a picture\nwithout lines")

    monkeypatch.setattr(opening, "read_file_frames", broken)
    source = folder_with(tmp_path / "photographs", "b.jpg", PICTURE)
    said = aside_alone(beside_a_sound_camera(tmp_path, source))
    assert "ZeroDivisionError: a picture without lines" in said


@pytest.mark.parametrize("hook", ["http://[fe80::1/bell", "gpio:gpiochip0/\u00b2"])
def test_a_hook_that_is_no_address_is_one_line(hook: str) -> None:
    with pytest.raises(ConfigError, match="remind"):
        split_hook(hook, "site")
