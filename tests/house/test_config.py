# SPDX-License-Identifier: AGPL-3.0-or-later
"""Configuration errors name file, key, value and what is allowed; good files come out frozen."""

from types import SimpleNamespace

import pytest

from edge.config import ConfigError, Device, Site, config_sha256, convert, load
from edge.config.neighbours import Doubt, doubts
from edge.config.paths import box_files
from edge.daemons import janitord
from edge.pipeline.settings import read_settings
from edge.runtime import Notify, Stop

ZONE = "polygon: [[0, 0], [1, 0], [1, 1]]"

BAD = [
    ("nam: x", "unknown key 'nam' (did you mean 'name'?)"),
    ("cameras: [{id: n, source: a.mp4, fps: 0}]", "cameras[0].fps = 0: must be"),
    ("cameras: [{id: N!, source: a.mp4}]", "cameras[0].id = 'N!': must be written like gate-2"),
    ("cameras: [{id: n}]", "cameras[0]: the key 'source' is missing"),
    ("cameras: [{id: n, source: a, zones: [{id: z, polygn: []}]}]", "did you mean 'polygon'?"),
    ("cameras: [{id: n, source: a, zones: [{id: z, polygon: [[0, 0]]}]}]", "polygon"),
    ("cameras: [{id: n, source: a, fps: fast}]", "fps = 'fast': must be a number, not text"),
    ("cameras: [{id: n, source: a, rules: {}}]", "rules: must be a list, not keys with values"),
    (
        "cameras: [{id: n, source: a, zones: [{id: z, kind: gaet, " + ZONE + "}]}]",
        "(did you mean 'gate'?)",
    ),
    (
        "cameras: [{id: n, source: a, zones: [{id: z, when: {hours: ['7-22']}, " + ZONE + "}]}]",
        "hours[0] = '7-22': must be written like 06:30-22:00",
    ),
    (
        "cameras: [{id: n, source: a, zones: [{id: z, polygon: [[0, 0], [1, 1]]}]}]",
        "must have at least 3 entries",
    ),
    ("position: {lat: 120.4}", "position.lat = 120.4: must be at most 90"),
    ("name: a\nname: b", "'name' stands twice"),
    ("name: [", "line 1"),
    ("? [1, 2]\n: x", "line 1"),
    ("name: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
    ("- 1", "must be keys with values, not a list"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_bad_site_file_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "site.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, Site)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize("make", [lambda p: p.write_bytes(b"\xff\xfe"), lambda p: p.mkdir()])
def test_an_unreadable_file_is_one_line(tmp_path, make):
    make(tmp_path / "site.yaml")
    with pytest.raises(ConfigError, match=r"site\.yaml: (not UTF-8|Is a directory)"):
        load(tmp_path / "site.yaml", Site)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.yaml", Site)


def test_words_stay_words(tmp_path):
    """`off`, 22:00 and a date are what they look like, not False, 1320 and an object."""
    path = tmp_path / "device.yaml"
    path.write_text("device: box-7\nbroker: {tls: off, port: 1883}\n")
    assert load(path, Device).broker.tls == "off"


def test_an_empty_file_is_all_defaults(tmp_path):
    path = tmp_path / "device.yaml"
    path.write_text("# nothing yet\n")
    assert load(path, Device) == Device()


def test_the_hash_tells_configurations_apart():
    one, other = Device(), convert({"device": "box-2"}, Device, "x")
    assert config_sha256(one) == config_sha256(Device())
    assert config_sha256(one) != config_sha256(other)


def test_relative_folders_start_at_the_device_file_for_every_daemon(tmp_path, monkeypatch):
    """Site and device file need not lie together: else each daemon had an outbox of its own."""
    for name, text in (("here/site.yaml", "name: x"), ("there/device.yaml", FOLDERS)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    files = tmp_path / "here/site.yaml", tmp_path / "there/device.yaml"
    settings = read_settings(*files)
    found = box_files(settings.device, *files)
    tidied = []
    monkeypatch.setattr(janitord, "Janitor", lambda _, *folders: tidied.append(folders) or IDLE)
    janitord.main(Stop(), Notify({}), site_path=files[0], device_path=files[1])
    assert settings.state == found.state == tidied[0][0] == tmp_path / "there/state"
    assert settings.run == found.run == tidied[0][1] == tmp_path / "there/run"


FOLDERS = "folders: {state: state, run: run}"
IDLE = SimpleNamespace(work=lambda now, date_known: None, done={})


PLACED = "name: x\nposition: {lat: 36.39, lon: 120.45, grid: '370282001001001'}\ncameras:\n"

DOUBTS = [
    (
        "- {id: a, source: r, position: {lat: 39.9, lon: 116.4}}",
        Doubt("camera a", "far_place", "527"),
    ),
    ("- {id: a, source: r, position: {lat: 36.4}}", Doubt("camera a", "half_place")),
    ("- {id: a, source: r, position: {lat: 0, lon: 0}}", Doubt("camera a", "zero_place")),
    ("- {id: a, source: r}\n- {id: b, source: r}", Doubt("camera b", "same_stream", "a")),
    (
        "- {id: a, source: r, position: {grid: '110101001001001'}}",
        Doubt("camera a", "other_grid", "110101001001001"),
    ),
    (
        "- {id: a, source: r, zones: [{id: z, grid: '110101001001001', " + ZONE + "}]}",
        Doubt("camera a: zone z", "other_grid", "110101001001001"),
    ),
]


@pytest.mark.parametrize(("cameras", "doubt"), DOUBTS)
def test_what_contradicts_its_neighbours_is_asked_about(tmp_path, cameras, doubt):
    path = tmp_path / "site.yaml"
    path.write_text(PLACED + cameras)
    assert doubts(load(path, Site)) == [doubt]
    assert all(doubt.about in words and "{" not in words for words in doubt.words())


def test_neighbours_that_agree_are_not_asked_about(tmp_path):
    path = tmp_path / "site.yaml"
    near = "- {id: a, source: r, position: {lat: 36.4, lon: 120.5, grid: '370282001001007'}}\n"
    off = "- {id: b, source: r, enabled: false}\n- {id: c, source: s}"
    path.write_text(PLACED + near + off)
    assert doubts(load(path, Site)) == []
