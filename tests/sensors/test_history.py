# SPDX-License-Identifier: AGPL-3.0-or-later
"""The minutes that the page plots: written in batches, shown at once, bounded; torn lines."""

import pytest

from edge.sensors import history, raw
from edge.sensors.frames import InstrumentValue
from edge.sensors.heard import BYTES_MAX, KEPT, Heard
from edge.sensors.history import History, MinuteRow, read
from edge.sensors.minutes import Minute, Minutes
from edge.values import Sample, Stamp

NOON = 1_777_608_000.0
DAY_S = 86_400.0


def minute(wall, *, mean=61.25, sensor="noise", channel="LA"):
    at = Stamp(0.0, wall, "ntp", 1.0)
    levels = {"L5": 64.0, "L10": 63.5, "L50": 60.1, "L90": 55.0} if mean else {}
    ends = (mean - 5, mean + 5) if mean else (None, None)
    return Minute(sensor, channel, "dB", at, at, 60, 60 if mean else 0, mean, *ends, {}, levels)


@pytest.fixture
def places(tmp_path):
    return tmp_path / "state", tmp_path / "run"


def rows(places, from_wall=NOON - DAY_S, to_wall=NOON + DAY_S):
    return list(read(*places, from_wall, to_wall))


def test_minutes_are_read_at_once_and_written_in_batches(places):
    kept = History(*places, flush_s=1e9)
    kept.add([minute(NOON), minute(NOON + 60, mean=None)])
    assert kept.flush()
    assert list(kept.folder.glob("*.csv")) == []
    first, second = rows(places)
    assert first == MinuteRow(
        NOON, "noise", "LA", "dB", 60, 60, 61.25, 56.25, 66.25, l10=63.5, l50=60.1, l90=55.0
    )
    assert (second.mean, second.n, second.l90) == (None, 60, None)
    kept.flush(force=True)
    assert [path.name for path in kept.folder.glob("*.csv")] == ["20260501.csv"]
    assert rows(places) == [first, second]


def test_a_restart_writes_what_the_process_before_had_not(places):
    History(*places, flush_s=1e9).add([minute(NOON)])
    again = History(*places, flush_s=1e9)
    again.add([minute(NOON + 60)])
    again.flush(force=True)
    assert [row.wall for row in rows(places)] == [NOON, NOON + 60]
    assert len((again.folder / "20260501.csv").read_text().splitlines()) == 2


def test_a_torn_line_and_nonsense_are_left_out(places):
    kept = History(*places)
    kept.add([minute(NOON)])
    kept.flush(force=True)
    with (kept.folder / "20260501.csv").open("ab") as file:
        file.write(b"17776080\xff\n" + b"x,noise,LA,dB,60,60,1,2,3,4,5,6\n" + b"1777608060,noi")
    assert [row.wall for row in rows(places)] == [NOON]


def test_zeros_of_a_power_cut_hide_no_later_line(places):
    """A file system may leave a long row of zeros where the power went; what is appended after a
    restart is read all the same, of minutes and of samples."""
    zeros = b"\0" * 150_000
    kept = History(*places)
    for wall in (NOON, NOON + 60):
        kept.add([minute(wall)])
        kept.flush(force=True)
        with (kept.folder / "20260501.csv").open("ab") as file:
            file.write(zeros)
    assert [row.wall for row in rows(places)] == [NOON, NOON + 60]
    store = raw.SampleStore(places[0])
    for wall in (NOON, NOON + 60):
        store.add([Sample("noise", "LA", 61.0, "dB", "ok", Stamp(0.0, wall))])
        store.flush(force=True)
        with (store.folder / raw.hour_name(NOON)).open("ab") as file:
            file.write(zeros)
    files = raw.store_files(places[0], NOON, NOON + 60)
    assert [s.at.wall for s in raw.read(files, {"noise"}, 0.0, 1e12)] == [NOON, NOON + 60]


def test_a_row_seen_in_both_files_counts_once(places):
    kept = History(*places)
    kept.add([minute(NOON)])
    recent = history.recent_path(places[1]).read_bytes()
    kept.flush(force=True)
    history.recent_path(places[1]).write_bytes(recent)
    assert len(rows(places)) == 1


def test_days_are_bounded_and_today_stays(places):
    kept = History(*places, days=3)
    for day in range(6):
        kept.add([minute(NOON + day * DAY_S)])
        kept.flush(force=True)
    assert [p.stem for p in sorted(kept.folder.glob("*.csv"))] == [
        "20260504", "20260505", "20260506"
    ]  # fmt: skip
    assert [row.wall for row in rows(places, 0.0, 2e9)] == [NOON + n * DAY_S for n in (3, 4, 5)]


def test_a_disk_that_refuses_keeps_the_minutes_for_later(places, caplog):
    caplog.set_level("INFO")
    kept = History(*places)
    kept.folder.rmdir()
    kept.folder.write_text("in the way")
    kept.add([minute(NOON)])
    assert kept.flush(force=True) is False
    kept.folder.unlink()
    kept.folder.mkdir()
    assert kept.flush(force=True)
    assert len(rows(places)) == 1
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]  # and well again


def test_a_channel_costs_less_than_a_hundred_kilobytes_a_day(places):
    minutes, kept = Minutes(), History(*places)
    for second in range(3600):
        at = Stamp(float(second), NOON + second, "ntp", 1.0)
        level = 55.0 + second * 7919 % 1000 / 100
        kept.add(minutes.step([Sample("noise-north-gate", "LA", level, "dB", "ok", at)], at))
    kept.flush(force=True)
    size = sum(path.stat().st_size for path in kept.folder.glob("*.csv"))
    assert 59 * 24 * 60 < size * 24 < 130_000


def test_the_last_bytes_of_a_line_and_what_they_meant():
    heard = Heard()
    heard.stream(b"\x42\x4d", (), 1.0)
    assert heard.rows == ()
    heard.stream(
        b"\x00\x1c",
        (InstrumentValue("pm10", 61.0, "ug/m3"), InstrumentValue("x", 1.0, "", "fault")),
        2.0,
    )
    assert heard.rows[0].as_json() == {
        "wall": 2.0, "asked": "", "hex": "42 4d 00 1c", "note": "",
        "values": ["pm10 61.0 ug/m3", "x 1.0 [fault]"],
    }  # fmt: skip
    for n in range(10):
        heard.answer(b"\x01\x03", b"", (), float(n), "no answer")
    assert (len(heard.rows), heard.rows[-1].note) == (KEPT, "no answer")


def test_bytes_without_a_frame_are_shown_as_such_and_bounded():
    heard = Heard()
    heard.stream(bytes(1000), (), 1.0)
    assert (len(heard.rows[0].data), heard.rows[0].note) == (BYTES_MAX, "no frame in these bytes")
