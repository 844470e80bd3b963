# SPDX-License-Identifier: AGPL-3.0-or-later
"""The soak itself: its sums on made-up readings, and its short form with real faults."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest

from tools.field import account, gauge, harms, soak
from tools.field.gauge import Reading


def life(pid, start, seconds, *, rss=lambda t: 100.0, fds=lambda t: 10):
    return [
        Reading(start + t, pid, rss(t), fds(t), 5, t * 0.1, t * 1000) for t in range(0, seconds, 2)
    ]


def test_a_flat_life_has_no_slope():
    row = gauge.slopes("d", life(1, 0, 1800))
    assert row.judged and row.rss_mb_h == row.fds_grown == row.threads_grown == 0
    assert row.cpu_share == pytest.approx(0.1) and row.written_mb_day == pytest.approx(86.4)


def test_a_leak_is_found_and_its_warm_up_is_not():
    row = gauge.slopes("d", life(1, 0, 1800, rss=lambda t: 100 + t * 2 / 3600))
    assert row.rss_mb_h == pytest.approx(2.0, abs=0.01)
    row = gauge.slopes("d", life(1, 0, 1800, rss=lambda t: min(t, 100.0)))
    assert row.rss_mb_h == 0


def test_growing_descriptors_are_found_and_a_wave_is_not():
    assert gauge.slopes("d", life(1, 0, 1800, fds=lambda t: 10 + t // 60)).fds_grown > 3
    assert gauge.slopes("d", life(1, 0, 1800, fds=lambda t: 10 + t // 2 % 2)).fds_grown == 0


def test_the_longest_life_counts_and_a_short_one_is_not_judged():
    rows = life(1, 0, 60) + life(2, 70, 1700) + life(3, 1800, 30)
    row = gauge.slopes("d", rows)
    assert row.lives == 3 and 1050 < row.life_s < 1100 and row.judged
    assert not gauge.slopes("d", life(1, 0, 100)).judged
    assert gauge.slopes("d", []) is None


def test_this_process_can_be_read():
    import os

    reading = gauge.read(os.getpid(), 1.0)
    assert reading.rss_mb > 5 and reading.fds >= 3 and reading.threads >= 1
    assert gauge.read(2**22 + 1, 1.0) is None


def test_nothing_decided_nothing_stored(tmp_path):
    assert account.decided(tmp_path) == account.stored(tmp_path) == set()


def test_what_the_platform_does_not_have_is_lost(tmp_path):
    home = tmp_path / "state/evidence/v-1/r1"
    home.mkdir(parents=True)
    (home / "manifest.json").write_text(json.dumps({"id": "v-1", "revision": 1}))
    assert account.decided(tmp_path) - account.stored(tmp_path) == {"v-1/r1"}


def ear(folder, *rows):
    """What the box would say, with these keys in its outbox."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "state/outbox.db")) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS record (kind, key)")
        db.executemany("INSERT INTO record VALUES ('fault', ?)", [(row,) for row in rows])
    db.close()
    return harms.Ear(folder, folder)


def test_a_fault_told_in_time_late_and_never(tmp_path):
    heard = ear(tmp_path, "stream_stall:gate:start:a", "stream_stall:gate:end:b")
    silent, out = harms.HARMS["camera silent"], harms.HARMS["adapter out"]
    assert heard.begin(silent, 100.0) and heard.expected_of(110.0) == {"visiond"}
    heard.listen(105.0)
    ear(tmp_path, "stream_stall:gate:start:c")
    heard.listen(112.0)
    assert heard.heard[0].told_s == 12.0 and heard.late() == []
    assert not heard.begin(silent, 120.0), "it is open: it would not be told again"
    assert heard.begin(out, 200.0) and heard.late() == ["adapter out at 200 s: never"]
    ear(tmp_path, "sensor_stale:noise-1:start:d")
    heard.listen(260.0)
    assert heard.late() == ["adapter out at 200 s: 60.0"]


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.timeout(500)
def test_a_minute_of_faults_loses_nothing(tmp_path, capsys):
    if shutil.which("mosquitto") is None and shutil.which("mosquitto", path="/usr/sbin") is None:
        pytest.skip("mosquitto is missing: apt-get install mosquitto")
    code = soak.main(["--seconds", "60", "--every", "8", "--out", str(tmp_path)])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 0 and told["lost"] == [] and told["faults"] > 0
    assert (tmp_path / "soak.png").stat().st_size > 1000
