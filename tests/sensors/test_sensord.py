# SPDX-License-Identifier: AGPL-3.0-or-later
"""The daemon whole: fake instruments on ptys in, sealed evidence and outbox rows out."""

from __future__ import annotations

import importlib
import json
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
import yaml

from edge.commands import sensors as command
from edge.config import ConfigError, Site, convert
from edge.daemons import sensord
from edge.ipc import Spool
from edge.pipeline.soundness import load_sound
from edge.runtime import Notify, Stop
from edge.sensors import live, raw, table
from edge.sensors.check import check_sensors
from edge.sensors.ledgers import Ledgers
from edge.sensors.maps import load_map
from edge.sensors.minutes import Minutes
from edge.sensors.settings import Sensor, SensorSettings, Shop
from edge.values import Sample, Stamp
from tests.sensors.limits_today import DAY, PACKS
from tools.fakes.instruments import fume_monitor, noise_meter, pm_sensor
from tools.fakes.instruments_line import Fault, Line

EVENING = ((0.0, 1, 1, 0.4), (2.0, 1, 0, 2.6))


class Camera(threading.Thread):
    """Stands in for visiond: answers requests with a picture and a clip, as it does."""

    def __init__(self, run: Path, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.spool, self.stop, self.asked = Spool(run, "visiond"), stop, []

    def run(self) -> None:
        picture = np.random.default_rng(1).integers(40, 220, (720, 1280, 3), np.uint8)
        while not self.stop.wait(0.05):
            for request in self.spool.take():
                self.asked.append(request)
                into = Path(request["into"])
                into.mkdir(parents=True)
                cv2.imwrite(str(into / "overview-1.jpg"), picture)
                (into / "clip.mp4").write_bytes(b"clip")
                (into / "answer.json").write_text("{}")


@pytest.fixture
def box(tmp_path):
    ports = tmp_path / "ports"
    ports.mkdir()
    site = {
        "sensors": [
            {"id": "noise", "kind": "modbus", "map": "noise-rs485", "port": str(ports / "noise"),
             "every_s": 0.2, "baud": 9600},
            {"id": "fume", "kind": "modbus", "map": "fume-generic", "port": str(ports / "fume"),
             "every_s": 0.2, "camera": "gate"},
            {"id": "pm", "kind": "plantower", "port": str(ports / "pm"), "settle_s": 0},
        ],
        "noise": [{"id": "west", "sensor": "noise", "window_s": 2, "camera": "gate",
                   "day_db": 50, "night_db": 50}],
        "fume": [{"id": "shop-17", "sensor": "fume", "not_used_s": 3, "limit": 1.0}],
        "cameras": [{"id": "gate", "source": "usb:0", "enabled": False, "model": "m.yaml"}],
    }  # fmt: skip
    model = {"file": "m.onnx", "sha256": "0" * 64, "classes": ["person"],
             "input": {"height": 320, "width": 320}}  # fmt: skip
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(model))
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    folders = {"state": str(tmp_path / "state"), "run": str(tmp_path / "run")}
    (tmp_path / "device.yaml").write_text(yaml.safe_dump({"folders": folders}))
    lines = [
        Line(ports / "noise", [noise_meter(lambda t: 66.0 + (t * 7) % 3)],
             [Fault("garbage", 3.0, 2.0)]),
        Line(ports / "fume", [fume_monitor(EVENING)]),
        Line(ports / "pm", [pm_sensor(every_s=0.3)]),
    ]  # fmt: skip
    for line in lines:
        line.start()
    ended = threading.Event()
    camera = Camera(tmp_path / "run", ended)
    camera.start()
    yield tmp_path, camera
    ended.set()
    for line in lines:
        line.stop()


def manifests(state: Path) -> list[dict]:
    found = sorted(state.glob("evidence/*/r*/manifest.json"), key=lambda p: p.stat().st_mtime_ns)
    return [json.loads(path.read_text()) for path in found]


def run_daemon(home: Path, until, within_s: float = 150.0) -> list[int]:
    """Run main in a thread until `until()` holds, then stop it in order; what it returned."""
    stop, returned = Stop(), []

    def work():
        files = {"site_path": home / "site.yaml", "device_path": home / "device.yaml"}
        returned.append(sensord.main(stop, Notify({}), **files))

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + within_s
    while thread.is_alive() and not until() and time.monotonic() < deadline:
        time.sleep(0.1)
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    return returned


def test_noise_and_fume_become_violations_with_pictures_and_samples(box, capsys):
    home, camera = box

    def enough():
        found = manifests(home / "state")
        told = {(m["violation"]["category"], bool(m["shots"])) for m in found}
        return {("construction-noise", True), ("fume-not-used", True)} <= told

    assert run_daemon(home, enough) == [0]
    assert enough()
    _check_manifests(manifests(home / "state"))
    assert {request["camera"] for request in camera.asked} == {"gate"}
    _check_rows(home)
    _check_run_directory(home, capsys)


def _check_manifests(found: list[dict]) -> None:
    noise = [m for m in found if m["violation"]["category"] == "construction-noise"]
    first, second = noise[0], noise[1]
    assert first["phase"] == "new"
    assert {f["path"] for f in first["files"]} == {"r1-samples.csv", "r1-samples.png"}
    roles = {f["role"] for f in second["files"]}
    assert roles == {"samples", "overview", "clip"}
    facts = second["violation"]["facts"]
    assert facts["senses"] == {"decided_by": "noise", "camera": "gate: shown"}
    assert 64.0 < facts["leq_db"] < 72.0
    assert second["violation"]["gate_failed"] == ["clock"] or not second["violation"]["gate_failed"]
    # Garbage on the line never became a level.
    assert all(60.0 < w["lmax_db"] < 72.0 for m in noise
               for w in m["violation"]["facts"]["windows"] if "lmax_db" in w)  # fmt: skip


def _check_rows(home: Path) -> None:
    with closing(sqlite3.connect(home / "state" / "outbox.db")) as db:
        rows = db.execute("SELECT kind, key, body FROM record").fetchall()
    db.close()
    assert len([r for r in rows if r[0] == "violation"]) == len(manifests(home / "state"))
    minutes = [json.loads(r[2]) for r in rows if r[0] == "sensor"]
    channels = {(m["sensor"], m["channel"]) for row in minutes for m in row["readings"]}
    assert {("noise", "LA"), ("fume", "purifier"), ("pm", "pm10")} <= channels or not minutes


def _check_run_directory(home: Path, capsys) -> None:
    status = json.loads((home / "run/status/sensord.json").read_text())
    assert {line["state"] for line in status["lines"]} == {"open"}
    assert status["sensors"]["noise"]["metrology"]["standing"] == "indicative"
    heard = json.loads((home / "run/lines/heard.json").read_text())
    said = {value.split()[0] for line in heard for row in line["heard"] for value in row["values"]}
    assert {"LA", "fume", "pm10"} <= said
    assert all(row["hex"] for line in heard for row in line["heard"] if row["values"])
    assert status["points"][0]["state"] == "over"
    now = Stamp(100.0, status["wall"], "ntp", 1.0)
    samples = live.latest(home / "run", ["noise", "nobody"], now)
    assert [(s.channel, s.flag) for s in samples] == [("LA", "ok")]
    old = Stamp(100.0, status["wall"] + 60.0, "ntp", 1.0)
    assert [s.flag for s in live.latest(home / "run", ["noise"], old)] == ["stale"]
    window = live.window_csv(home / "run", ["noise"], status["wall"] - 60.0, status["wall"])
    assert window.startswith(raw.HEADER.encode())
    assert window.count(b"noise,LA") > 10
    text = table.text(home / "run", status["wall"])
    assert "noise" in text
    assert "疑似" in text
    args = ["export", "--device", str(home / "device.yaml"), "--sensor", "noise"]
    assert _command(args) == 0
    assert capsys.readouterr().out.count("noise,LA") > 10


def _command(words: list[str]) -> int:
    import argparse

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(words))


def test_restart_reopens_the_case_and_tells_no_second_one(box):
    home, _ = box

    def told(phase):
        return [m for m in manifests(home / "state") if m["phase"] == phase
                and m["violation"]["category"] == "construction-noise"]  # fmt: skip

    assert run_daemon(home, lambda: told("update")) == [0]
    ids = {m["id"] for m in told("new")}
    count = len(manifests(home / "state"))
    end = time.monotonic() + 5
    assert run_daemon(home, lambda: time.monotonic() > end) == [0]
    assert {m["id"] for m in told("new")} == ids
    assert len(manifests(home / "state")) >= count


def test_it_ends_when_asked_to_start_again(box):
    home, _ = box
    Spool(home / "run", "sensord").ask("restart")
    began = time.monotonic()
    assert run_daemon(home, lambda: False, within_s=120.0) == [0]
    assert time.monotonic() - began < 120.0, "it ended by itself"


def test_a_wrong_sensor_is_left_out_with_one_line_naming_the_key(tmp_path):
    (tmp_path / "site.yaml").write_text("sensors: [{id: a, kind: modbus, port: /dev/x}]\n")
    (tmp_path / "device.yaml").write_text(f"folders: {{state: {tmp_path}, run: {tmp_path}}}\n")
    settings = load_sound(tmp_path / "site.yaml", tmp_path / "device.yaml", sources=False)
    assert settings.site.sensors == ()
    assert "a: map is missing" in settings.aside[0].text


GOOD = {"id": "a", "kind": "plantower", "port": "/dev/a"}


def forwarding(**fields):
    return {"sensors": [{**GOOD, "forward": {"to": "tcp://platform:9001", "mn": "A1", **fields}}]}


WRONG = [
    ({"sensors": [{**GOOD, "prot": "x"}]}, "did you mean 'port'"),
    ({"sensors": [{**GOOD, "kind": "modbuss"}]}, r"sensors\[0\]: kind = 'modbuss'"),
    ({"sensors": [GOOD, GOOD]}, "id = 'a' stands twice"),
    ({"sensors": [GOOD, {**GOOD, "id": "b"}]}, "only modbus and hj212"),
    ({"sensors": [GOOD, {"id": "b", "kind": "sds", "port": "/dev/a"}]}, "different kinds"),
    ({"sensors": [{**GOOD, "port": "listen://0.0.0.0:1"}]}, "only hj212 stations call in"),
    ({"sensors": [{"id": "m", "kind": "modbus", "port": "x", "map": "nope"}]}, "no such map"),
    ({"sensors": [{"id": "m", "kind": "modbus", "port": "x", "map": "meter-lines"}]}, "kind line"),
    (
        {"sensors": [{"id": n, "kind": "modbus", "port": "x", "map": "noise-rs485"} for n in "ab"]},
        "address 1 stands twice",
    ),
    ({"noise": [{"id": "n", "sensor": "zz"}]}, "n: sensor = 'zz': unknown"),
    (
        {"sensors": [GOOD], "noise": [{"id": "n", "sensor": "a", "standard": "GB 22337"}]},
        "zone_class = 'site': not in GB 22337",
    ),
    ({"sensors": [{**GOOD, "camera": "c"}]}, "camera = 'c': unknown"),
    ({"sensors": [GOOD], "dust": [{"id": "d", "sensor": "a", "limit": -1}]}, "dust.*limit = -1"),
    (forwarding(to="tcp://platform:90000"), "to = 'tcp://platform:90000'.*port 1 to 65535"),
    (forwarding(to="tcp://platform:0"), "port 1 to 65535"),
    (forwarding(to=f"tcp://{'p' * 64}.example:9001"), "tcp://host:port"),
    (forwarding(pw="a;CP=&&"), "pw = 'a;CP=&&': at most 16 letters"),
    (forwarding(channels={"pm10": "a" * 500}), "channels: pm10 = 'aaa.*a factor of HJ 212"),
    ({"fume": [{"registry": "no.csv"}]}, "no.csv: No such file"),
    (
        {"sensors": [GOOD], "noise": [{"id": "n", "sensor": "a"}], "fume": [{"id": "n"}]},
        "id = 'n' stands twice",
    ),
]


def test_a_registry_with_a_cell_without_end(tmp_path):
    (tmp_path / "shops.csv").write_text("id,name\na," + "x" * 150_000)
    site = convert({"fume": [{"registry": "shops.csv"}]}, Site, "site.yaml")
    with pytest.raises(ConfigError, match=r"registry: .*shops.csv: field larger"):
        check_sensors(site, base=tmp_path)


@pytest.mark.parametrize(("site", "match"), WRONG)
def test_wrong_sensor_parts(site, match):
    with pytest.raises(ConfigError, match=match) as caught:
        check_sensors(convert(site, Site, "site.yaml"), where="site.yaml", packs=PACKS, today=DAY)
    assert "\n" not in str(caught.value)


def test_a_registry_of_shops_and_its_wrong_row(tmp_path):
    head = "id,name,address,limit,hours,purifier_state\n"
    rows = "".join(f"shop-{n},店{n},路 {n} 号,1.0,10:00-14:00 17:00-23:00,\n" for n in range(600))
    (tmp_path / "shops.csv").write_text(head + rows, encoding="utf-8")
    site = convert({"fume": [{"registry": "shops.csv"}]}, Site, "s")
    found = check_sensors(site, base=tmp_path)
    assert len(found.shops) == 600
    assert found.shops[5].hours.hours == ("10:00-14:00", "17:00-23:00")
    (tmp_path / "shops.csv").write_text(head + rows + "x,y,z,-3,,\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"line 602: limit = .*must be more than 0"):
        check_sensors(site, base=tmp_path)


def test_ledger_of_cleanings(tmp_path):
    ledgers = Ledgers(tmp_path)
    ledgers.add("cleaning", {"shop": "a", "wall": 1000.0, "by": "Li"})
    with (tmp_path / "ledgers" / "cleaning.jsonl").open("a") as file:
        file.write('{"shop": "b", "wa')
    again = Ledgers(tmp_path)
    shops = [Shop(id="a"), Shop(id="b")]
    assert again.cleaning(shops, 1000.0 + 29 * 86_400)["overdue_shops"] == ["b"]
    assert again.cleaning(shops, 1000.0 + 31 * 86_400)["overdue"] == 2


def sample(t: float, value: float = 60.0, flag="ok", channel="LA", unit="dB") -> Sample:
    return Sample("s", channel, value, unit, flag, Stamp(t, 1_767_225_600.0 + t, "ntp", 1.0))


def test_minutes_mean_by_energy_and_tell_silence():
    minutes, told = Minutes(), []
    for t in range(61):
        level = 60.0 if t % 2 else 70.0
        told += minutes.step([sample(float(t), level)], sample(float(t)).at)
    (first,) = told
    assert (first.n, first.valid, first.mean) == (60, 60, pytest.approx(67.4036, abs=1e-3))
    assert first.levels["L50"] == 70.0
    (silent,) = minutes.step([], sample(121.0).at)
    assert silent.n == 1
    (silent,) = minutes.step([], sample(181.0).at)
    assert (silent.n, silent.mean, silent.levels) == (0, None, {})


def test_minute_with_too_few_valid_samples_has_no_mean():
    minutes = Minutes()
    minutes.step([sample(0.0)] * 3 + [sample(0.0, 99.0, "fault")] * 2, sample(0.0).at)
    (minute,) = minutes.step([], sample(60.0).at)
    assert (minute.mean, minute.valid, minute.flags) == (None, 3, {"ok": 3, "fault": 2})


def test_store_is_batched_bounded_and_survives_a_torn_line(tmp_path):
    store = raw.SampleStore(tmp_path, flush_s=1000.0)
    store.add([sample(float(t)) for t in range(7200)])
    assert not list(store.folder.iterdir())
    assert store.flush(force=True)
    names = sorted(path.name for path in store.folder.iterdir())
    assert names == ["20260101-00.csv", "20260101-01.csv"]
    with (store.folder / names[1]).open("a") as file:
        file.write("1767232799.0,s,LA,99.")
    start = 1_767_225_600.0
    found = list(raw.read(raw.store_files(tmp_path, start, start + 9000), {"s"}, 0, 2e9))
    assert len(found) == 7200
    small = raw.SampleStore(tmp_path, flush_s=0.0, most_mb=0)
    small.add([sample(9000.0)])
    small.flush(force=True)
    assert [path.name for path in small.folder.iterdir()] == ["20260101-02.csv"]


def test_store_keeps_its_batch_while_the_disk_refuses(tmp_path):
    store = raw.SampleStore(tmp_path)
    store.add([sample(0.0)])
    store.folder.rmdir()
    store.folder.touch()
    assert not store.flush(force=True)
    store.folder.unlink()
    store.folder.mkdir()
    assert store.flush(force=True)
    assert len(list(store.folder.iterdir())) == 1


def test_recent_files_turn_over(tmp_path):
    recent = raw.Recent(tmp_path)
    for n in range(12):
        recent.add([sample(float(n * 1000 + t)) for t in range(1000)])
    sizes = [path.stat().st_size for path in raw.recent_files(tmp_path, "s") if path.exists()]
    assert len(sizes) == 2
    assert all(size < raw.RECENT_BYTES + 50_000 for size in sizes)


def test_silence_is_told_and_an_older_value_does_not_replace_a_newer(tmp_path):
    sensor = Sensor(id="s", kind="plantower", port="x")
    watched = live.LiveValues(SensorSettings({"s": sensor}, {}, (), (), ()), tmp_path)
    for t in range(130):
        watched.add([sample(float(t), 50.0)])
    watched.add([sample(60.0, 99.0)])
    watched.write(sample(129.0).at)
    told = json.loads((tmp_path / "samples/s.json").read_bytes())
    assert told["channels"]["LA"]["value"] == 50.0
    assert watched.stale(sample(129.0).at) == []
    assert watched.stale(sample(200.0).at) == ["s"]


def test_an_instrument_is_silent_by_the_pace_that_its_map_sets(tmp_path):
    """A map of one's own that asks once a minute: nothing flaps between two answers."""
    slow = msgspec.structs.replace(load_map("fume-generic"), every_s=60.0)
    sensor = Sensor(id="s", kind="modbus", port="x", map="mine")
    own = SensorSettings({"s": sensor}, {"s": slow}, (), (), ())
    watched = live.LiveValues(own, tmp_path)
    for minute in range(3):
        watched.add([sample(60.0 * minute)])
        assert watched.stale(sample(60.0 * minute + 59.5).at) == []
    watched.write(sample(120.0).at)
    assert json.loads((tmp_path / "samples/s.json").read_bytes())["stale_after_s"] == 300.0
    assert watched.stale(sample(421.0).at) == ["s"]
    faster = msgspec.structs.replace(sensor, every_s=2.0)
    assert own.silent_after_s(faster) == 10.0
    assert own.silent_after_s(msgspec.structs.replace(faster, stale_s=3.0)) == 3.0


class Bug(Exception):
    """Nobody expects this one."""


# Seam -> (where the work is done, whether it is for the item, the item). What a line's own thread
# does ends the whole process: tests/daemons/test_isolation.py.
SEAMS = {
    "judge a point": ("edge.sensors.noise.NoiseJudge.step", lambda j, *_: j.point.id, "west"),
    "judge a shop": ("edge.sensors.fume.FumeJudge.step", lambda j, *_: j.shop.id, "shop-17"),
    "screen": ("edge.sensors.screening.Screening.step", lambda _, own: _of(own), "noise"),
    "show": ("edge.sensors.live.LiveValues.write_one", lambda _, name, __: name, "noise"),
    "keep": ("edge.sensors.raw.Recent.add", lambda _, own: _of(own), "fume"),
    "minute": ("edge.pipeline.sensor_intake._reading", lambda minute: minute.sensor, "pm"),
    "evidence": ("edge.pipeline.sensor_evidence.SensorCases.file", lambda _, f, *__: f.camera,
                 "west"),
    "snapshot": ("edge.sensors.fume.FumeJudge.snapshot", lambda j: j.shop.id, "shop-17"),
    "status": ("edge.pipeline.sensor_status.SensorStatus._sensor_status", lambda _, s, *__: s.id,
               "pm"),
}  # fmt: skip


def _of(samples) -> str:
    return samples[0].sensor if samples else ""


@pytest.mark.parametrize("seam", SEAMS)
def test_a_bug_ends_the_process_once_and_then_sets_its_item_aside(box, monkeypatch, seam):
    home, _ = box
    dotted, of, item = SEAMS[seam]
    owner, _, name = dotted.rpartition(".")
    module, _, last = owner.rpartition(".")
    found = getattr(importlib.import_module(module), last)
    real = getattr(found, name)

    def thrown(*args, **named):
        if of(*args) == item:
            raise Bug(item)
        return real(*args, **named)

    monkeypatch.setattr(found, name, thrown)
    monkeypatch.setattr("edge.sensors.minutes.MINUTE_S", 2.0)
    monkeypatch.setattr("edge.daemons.sensord.MEMORY_EVERY_S", 1.0)
    files = {"site_path": home / "site.yaml", "device_path": home / "device.yaml"}
    with pytest.raises(Bug):
        sensord.main(Stop(), Notify({}), **files)

    def told() -> dict:
        try:
            return json.loads((home / "run/status/sensord.json").read_bytes())
        except (OSError, ValueError):
            return {}

    def aside() -> bool:
        faults = {(f["kind"], f["subject"]) for f in told().get("faults", [])}
        heard = {n for n, row in told().get("sensors", {}).items() if row["state"] == "heard"}
        return ("item_set_aside", item) in faults and {"noise", "fume", "pm"} - {item} <= heard

    run_daemon(home, aside)
    assert aside()
