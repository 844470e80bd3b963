# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every language: good frames to values, damaged ones to nothing, and how they are counted."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import ConfigError
from edge.sensors.frames import Stream
from edge.sensors.hj212 import Hj212Packet, crc, encode, modbus_crc
from edge.sensors.hj212_link import replies
from edge.sensors.hj212_stream import Hj212
from edge.sensors.kinds import KINDS, Options
from edge.sensors.maps import Block, Entry, load_map, readings
from tests.sensors import mutation
from tests.sensors.frames_of import (
    KINDS_WITH_CHECK,
    MN,
    hj212_frame,
    modbus_answer,
    nmea_sentence,
    plantower_frame,
    random_frame,
    sds_frame,
)


def told(kind: str, data: bytes, **options):
    stream = Stream(KINDS[kind](Options(**options)))
    readings = stream.feed(data) + stream.feed(b"", final=True)
    return {r.channel: r.value for r in readings}, stream.totals


def counts(totals):
    return totals.good, totals.bad, totals.bytes_skipped


MODBUS = [
    ("01 03 02 02 99 79 4E", "noise-rs485", {"LA": 66.5}),
    ("01 03 02 02 26 38 FE", "noise-rs485", {"LA": 55.0}),
    ("01 03 02 03 59 78 8E", "noise-rs485", {"LA": 85.7}),
    ("01 03 00 00 00 02 C4 0B 01 03 04 02 99 00 00 2B A4", "noise-rs485", {"LA": 66.5}),
    ("01 03 00 09 00 01 54 08 01 03 02 00 98 B9 EE", "pm-rs485", {"pm10": 152.0}),
    ("01 03 00 09 00 01 54 08 01 03 02 00 98 B9 EE", None, {"0x0009": 152.0}),
    ("01 03 02 02 99 79 4E", None, {"+0": 665.0}),
    (
        "02 03 00 00 00 04 44 3A 02 03 08 00 A2 00 30 03 3E 00 01 F9 15",
        "fume-generic",
        {"fume": 1.62, "pm": 4.8, "nmhc": 8.3, "fan": 1.0, "purifier": 0.0},
    ),
    ("01 83 02 C0 F1", None, {}),
    ("01 83 04 40 F3", None, {}),
    ("01 06 07 D0 00 02 08 86", None, {}),
    ("01 06 07 D1 00 02 59 46", None, {}),
]


@pytest.mark.parametrize(("text", "map_name", "expected"), MODBUS)
def test_modbus_frames(text, map_name, expected):
    found = load_map(map_name) if map_name else None
    values, totals = told("modbus", bytes.fromhex(text), map=found)
    assert values == pytest.approx(expected)
    assert totals.bad == totals.bytes_skipped == 0


def test_modbus_answer_after_a_lost_request_is_not_given_the_older_requests_channels():
    older = bytes.fromhex("01 03 00 04 00 01 C5 CB")
    lost = bytes.fromhex("01 03 00 09 00 01 54 09")
    values, _ = told("modbus", older + lost + modbus_answer([152]))
    assert values == {"+0": 152.0}


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (plantower_frame((30, 52, 160)), {"pm1": 30, "pm25": 52, "pm10": 160}),
        (plantower_frame((1, 2, 3), short=True), {"pm1": 1, "pm25": 2, "pm10": 3}),
        (bytes.fromhex("424d0004e1000174"), {}),
    ],
)
def test_plantower_frames(frame, expected):
    values, totals = told("plantower", frame)
    assert values == expected
    assert totals.good == 1


def test_plantower_error_and_range_are_flagged():
    failing = bytearray(plantower_frame((1, 2, 3)))
    failing[29] = 4
    failing[30:] = (sum(failing[:30])).to_bytes(2, "big")
    stream = Stream(KINDS["plantower"](Options()))
    readings = stream.feed(bytes(failing) + plantower_frame((1, 2, 2000)))
    assert [r.flag for r in readings] == ["fault"] * 3 + ["ok", "ok", "over_range"]


def test_sds_frames():
    values, totals = told("sds", sds_frame(1236, 2618))
    assert values == {"pm25": 123.6, "pm10": 261.8}
    assert counts(totals) == (1, 0, 0)


def test_nmea_without_a_fix_gives_neither_place_nor_time():
    body = "GNRMC,141531.00,V,,,,,,,010326,,,N"
    assert told("nmea", nmea_sentence(body))[0] == {}
    values, totals = told("nmea", nmea_sentence("GNGGA,141530.00,,,,,0,00,99.9,,M,,M,,"))
    assert (values, totals.good) == ({}, 1)


def test_nmea_position_and_time():
    body = "GNRMC,141530.00,A,3623.35800,N,12026.83200,W,10.0,084.4,010326,,,A"
    values, _ = told("nmea", nmea_sentence(body))
    assert values == pytest.approx(
        {"lat": 36.3893, "lon": -120.4472, "speed": 5.14444, "course": 84.4, "time": 1772374530.0}
    )


@pytest.mark.parametrize("field", ["9123.35800,N", "3661.35800,N", "3623.35800,X", ",N"])
def test_nmea_nonsense_with_a_right_sum_is_bad(field):
    body = f"GNRMC,141530.00,A,{field},12026.83200,E,0.0,,010326,,,A"
    values, totals = told("nmea", nmea_sentence(body))
    assert (values, totals.bad) == ({}, 1)


@pytest.mark.parametrize("date", ["01,01,9999999999", "01,01,20261", "32,01,2026", "9" * 30])
def test_nmea_dates_that_are_none_are_bad(date):
    assert told("nmea", nmea_sentence(f"GPZDA,120000.00,{date},00,00"))[0] == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [("MN", "A" * 1200), ("PW", "1" * 1200), ("QN", "1" * 1200), ("Flag", "1" * 4400),
     ("PNUM", "1" * 4400), ("ST", "x" * 1000), ("CN", "2" * 1000)],
)  # fmt: skip
def test_hj212_headers_without_end_are_bad_frames(key, value):
    """Also on a tolerant line: the answer has to fit into a frame, a number has few digits."""
    fields = {"QN": "20260101000000000", "ST": "22", "CN": "2011", "PW": "1", "MN": "A",
              "Flag": "5", "PNUM": "1", "PNO": "1", key: value}  # fmt: skip
    head = ";".join(f"{name}={text}" for name, text in fields.items())
    segment = f"{head};CP=&&DataTime=20260101000000;a=1&&".encode()
    decoder = Hj212(tolerant=True)
    stream = Stream(decoder)
    found = stream.feed(b"##%04d" % len(segment) + segment + crc(segment).encode() + b"\r\n")
    assert [encode(reply) for packet in decoder.packets for reply in replies(packet)] == []
    assert (found, stream.totals.good, stream.totals.bad) == ((), 0, 1)


def test_lines_by_a_map_fit_whole_or_not_at_all():
    found = load_map("meter-lines")
    data = b".4,LAFmax=71.0,LAFmin=52.2\r\nLAeq=63.4,LAFmax=71.0,LAFmin=52.2\r\nLAeq=6"
    values, totals = told("line", data, map=found)
    assert values == {"LA": 63.4, "LMx": 71.0, "LMn": 52.2}
    assert (totals.good, totals.bad) == (1, 2)


def test_hj212_flags_units_and_header():
    frame = hj212_frame({"LA-Rtd": "63.4", "LA-Flag": "D"})
    (reading,) = Stream(Hj212()).feed(frame)
    assert (reading.value, reading.unit, reading.flag) == (63.4, "dB", "fault")
    assert reading.extra == {
        "ST": "39", "CN": "2011", "QN": "20260301221500000", "MN": MN, "hj_flag": "D",
    }  # fmt: skip
    assert reading.at_wall == 1772374500.0


@pytest.mark.parametrize("version", ["2017", "2025"])
def test_hj212_versions_differ_in_the_flag_only(version):
    flag = {"2017": 5, "2025": 9}[version]
    decoder = Hj212()
    Stream(decoder).feed(hj212_frame({"LA-Rtd": "50.1"}, flag=flag))
    assert decoder.packets[0].version == version
    assert decoder.packets[0].wants_answer


def _parts(texts, flag=7):
    return [
        encode(
            Hj212Packet("20260301221530000", "39", "2051", MN, flag, cp, "123456", len(texts), n)
        )
        for n, cp in enumerate(texts, 1)
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 0, 1, 2)])
def test_hj212_split_message_is_told_once_whole(order):
    texts = ["DataTime=20260301221500;a34001-Avg=0.4", "a34002-Avg=0.2", "LA-Leq=60.9"]
    parts = _parts(texts)
    alien = hj212_frame({"LA-Rtd": "50.0"}, second=1)
    values, totals = told("hj212", alien.join(parts[n] for n in order))
    assert values == {"LA-Rtd": 50.0, "a34001-Avg": 0.4, "a34002-Avg": 0.2, "LA-Leq": 60.9}
    assert totals.good == 2 * len(order) - 1


@pytest.mark.parametrize("at", range(1, 60))
def test_hj212_message_cut_anywhere(at):
    cp = "DataTime=20260301221500;a34001-Min=0.301,a34001-Avg=0.436;LA-Leq=60.9"
    values, _ = told("hj212", b"".join(_parts([cp[:at], cp[at:]])))
    assert values == {"a34001-Min": 0.301, "a34001-Avg": 0.436, "LA-Leq": 60.9}


def test_hj212_missing_part_gives_nothing():
    decoder = Hj212()
    stream = Stream(decoder)
    assert stream.feed(_parts(["LA-Rtd=50.1", "LA-Flag=N"])[0], final=True) == ()
    assert (stream.totals.good, decoder.unfinished) == (1, 1)


GOOD = hj212_frame({"LA-Rtd": "50.1"})
SEGMENT = GOOD[6:-6]
NEGATIVE = {
    "modbus check": b"##%04d" % len(SEGMENT) + SEGMENT + modbus_crc(SEGMENT).encode() + b"\r\n",
    "length one short": b"##%04d" % (len(SEGMENT) - 1) + GOOD[6:],
    "length one long": b"##%04d" % (len(SEGMENT) + 1) + GOOD[6:],
    "length far too long": b"##0999" + GOOD[6:],
    "cut": GOOD[: GOOD.index(b"LA-Rtd=5") + 8],
    "cut in the head": GOOD[:4],
    "no QN": encode(Hj212Packet("", "39", "2011", MN, 5, "LA-Rtd=1")),
    "no time": encode(Hj212Packet("20261301221530000", "39", "2011", MN, 5, "LA-Rtd=1")),
    "group without a value": encode(Hj212Packet("20260301221530000", "39", "2011", MN, 5, "LA")),
}


@pytest.mark.parametrize("name", NEGATIVE)
def test_hj212_bad_frame_is_counted_and_the_next_one_read(name):
    after = hj212_frame({"LA-Rtd": "61.7"}, second=7)
    values, totals = told("hj212", NEGATIVE[name] + after)
    assert values == {"LA-Rtd": 61.7}
    assert counts(totals) == (1, 1, len(NEGATIVE[name]))


@pytest.mark.parametrize("name", NEGATIVE)
def test_hj212_bad_frame_does_not_hold_up_the_next_one(name):
    stream = Stream(Hj212())
    stream.feed(NEGATIVE[name])
    readings = stream.feed(hj212_frame({"LA-Rtd": "61.7"}, second=7))
    assert [r.value for r in readings] == [61.7]


def _segment(head: str, cp: str = "DataTime=20260301221530;LA-Rtd=50.1") -> bytes:
    data = f"{head}CP=&&{cp}&&".encode()
    return b"##%04d" % len(data) + data + crc(data).encode() + b"\r\n"


WILD = {
    "no QN": _segment("ST=32;CN=2011;PW=123456;MN=C201801010001;Flag=5;"),
    "comma after QN": _segment("QN=20260301221530000,ST=39;CN=2011;PW=1;MN=M1;Flag=5;"),
    "no semicolon before CP": _segment("QN=20260301221530000;ST=39;CN=2011;PW=1;MN=M1;Flag=5"),
    "blanks": _segment("QN=20260301221530000; ST=39; CN=2011;PW=1;MN=M1;Flag=5;"),
    "lone line feed": GOOD[:-2] + b"\n",
    "no line end": GOOD[:-2],
}


@pytest.mark.parametrize("name", WILD)
def test_hj212_from_the_wild_needs_tolerance(name):
    data = WILD[name] + hj212_frame({"LA-Rtd": "61.7"}, second=7)
    assert told("hj212", data)[1].good == 1
    stream = Stream(Hj212(tolerant=True))
    assert [r.value for r in stream.feed(data)] == [50.1, 61.7]


def test_hj212_text_length_in_characters_is_taken_and_bytes_are_sent():
    cp = "i22001-Info=维护"
    frame = encode(Hj212Packet("20260301221530000", "39", "3020", MN, 5, cp))
    assert told("hj212", frame)[1].good == 1
    shorter = b"##%04d" % (len(frame) - 12 - 4) + frame[6:]
    assert told("hj212", shorter)[0] == {"i22001-Info": "维护"}


def test_hj212_impossible_minimum_is_suspect():
    cp = "a34001-Min=3.0,a34001-Avg=2.0,a34001-Max=1.0,a34001-Flag=N"
    frame = encode(Hj212Packet("20260301221530000", "39", "2051", MN, 5, cp))
    assert {r.flag for r in Stream(Hj212()).feed(frame)} == {"suspect"}


def test_hj212_check_matches_the_standards_own_example():
    data = (
        b"QN=20160801085857223;ST=32;CN=1062;PW=100000;"
        b"MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&"
    )
    assert crc(data) == "1C80"


@pytest.mark.parametrize("kind", KINDS_WITH_CHECK)
def test_pieces_of_any_size_give_the_same(kind):
    rng = random.Random(5)
    data = b"".join(random_frame(kind, rng) for _ in range(20))
    whole = mutation.values(kind, data)
    stream = Stream(KINDS[kind](Options()))
    bytewise = [r for i in range(len(data)) for r in stream.feed(data[i : i + 1])]
    assert len(whole) == len(bytewise) > 20
    assert stream.totals.bad == stream.totals.bytes_skipped == 0


@pytest.mark.parametrize("kind", KINDS_WITH_CHECK)
def test_any_one_changed_byte_is_caught(kind):
    rng = random.Random(7)
    frame = random_frame(kind, rng)
    true = set(mutation.values(kind, frame))
    for at in range(len(frame)):
        damaged = bytearray(frame)
        damaged[at] ^= rng.randrange(1, 256)
        assert set(mutation.values(kind, bytes(damaged))) <= true


def test_damaged_streams_give_no_wrong_value_and_lose_no_later_frame():
    found = mutation.measure(1500, seed=3, pool_size=60)
    assert {kind: (c["wrong"], c["lost"]) for kind, c in found.items()} == dict.fromkeys(
        KINDS_WITH_CHECK, (0, 0)
    )


def test_the_measure_of_damage_can_see_wrong_values(monkeypatch):
    monkeypatch.setattr("edge.sensors.sds.checksum", lambda data: data and 0x3D)
    monkeypatch.setattr("tests.sensors.frames_of.sds.checksum", lambda data: 0x3D)
    found = mutation.measure(1500, seed=3, pool_size=60)
    assert found["sds"]["wrong"] > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_million_damaged_frames():
    """None where the check has sixteen bits or the grammar helps; chance is left in eight."""
    found = mutation.measure(1_000_000, seed=20261122)
    wrong = {kind: counts["wrong"] for kind, counts in found.items()}
    assert (wrong["hj212"], wrong["plantower"], wrong["modbus"]) == (0, 0, 0)
    assert wrong["sds"] + wrong["nmea"] <= 5
    assert sum(counts["lost"] for counts in found.values()) == 0


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), data=st.binary(max_size=400))
def test_noise_never_raises_and_every_byte_is_accounted_for(kind, data):
    stream = Stream(KINDS[kind](Options(tolerant=True)))
    stream.feed(data)
    stream.feed(b"", final=True)
    assert stream.waiting == 0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_flood_of_nothing_keeps_memory_bounded(kind):
    stream = Stream(KINDS[kind](Options()), bound=2048)
    for _ in range(30):
        stream.feed(b"##0999" + b"A" * 500)
        assert stream.waiting <= 2048


RMC = nmea_sentence("GNRMC,141530.00,A,3623.35800,N,12026.83200,E,0.042,,010326,,,A")


@pytest.mark.parametrize(
    ("before", "good"),
    [(b"", 2), (b"\x00\xff12:01:07 ", 2), (b"3.042,,010326,,,A*68\r\n", 2), (RMC, 3),
     (RMC.rstrip(), 3), (b"$GNRMC,1415", 1)],
)  # fmt: skip
def test_nmea_sentence_run_into_a_torn_one_is_not_trusted(before, good):
    for pieces in (1, 7, 400):
        stream = Stream(KINDS["nmea"](Options()))
        data = before + RMC + RMC
        for at in range(0, len(data), pieces):
            stream.feed(data[at : at + pieces])
        assert stream.totals.good == good


@pytest.mark.parametrize("field", ["3623.358,N,12026.83200", "3623.35800,N,2026.83200"])
def test_nmea_lost_digits_show_in_their_number(field):
    body = f"GNRMC,141530.00,A,{field},E,0.042,,010326,,,A"
    assert told("nmea", nmea_sentence(body))[1].bad == 1


def test_modbus_answer_that_nobody_asked_for_is_chance():
    ask = bytes.fromhex("010300000001840a")
    values, totals = told("modbus", ask + modbus_answer([665]) + modbus_answer([1, 2], address=7))
    assert values == {"0x0000": 665.0}
    assert totals.bad == 1


def test_two_cut_particle_frames_run_together_are_one_bad_frame():
    body = plantower_frame((1, 2, 3))[:22] + plantower_frame((1, 2, 3))[:8]
    joined = body + (sum(body) & 0xFFFF).to_bytes(2, "big")
    assert told("plantower", joined)[0] == {}


@pytest.mark.parametrize("quality", ["0", "6", "7", "8", ""])
def test_nmea_places_that_nobody_measured_are_none(quality):
    body = f"GNGGA,141530.00,3623.35800,N,12026.83200,E,{quality},18,0.62,24.3,M,7.9,M,,"
    assert told("nmea", nmea_sentence(body))[0] == {}


@pytest.mark.parametrize("mode", "EMSN")
def test_nmea_modes_that_are_no_fix(mode):
    body = f"GNRMC,141530.00,A,3623.35800,N,12026.83200,E,0.042,,010326,,,{mode}"
    assert told("nmea", nmea_sentence(body))[0] == {}


def test_nmea_nought_nought_and_old_dates():
    zero = "GNRMC,141530.00,A,0000.00000,N,00000.00000,E,0.042,,010326,,,A"
    assert told("nmea", nmea_sentence(zero))[0] == {}
    rolled = "GNRMC,141530.00,A,3623.35800,N,12026.83200,E,0.042,,150706,,,A"
    found = Stream(KINDS["nmea"](Options())).feed(nmea_sentence(rolled))
    assert {r.channel: (r.flag, r.at_wall) for r in found}["time"] == ("suspect", None)
    assert all(r.at_wall is None for r in found)


def test_hj212_values_of_two_times_keep_their_own():
    cp = "DataTime=20260301221500;LA-Rtd=50.1,LA-Flag=N;DataTime=20260301221600;LA-Rtd=70.2"
    data = encode(Hj212Packet("20260301221600000", "39", "2011", MN, 4, cp))
    found = Stream(KINDS["hj212"](Options())).feed(data)
    assert [(r.value, r.at_wall) for r in found] == [(50.1, 1772374500.0), (70.2, 1772374560.0)]


@pytest.mark.parametrize(
    "cp",
    [
        "LA-Rtd=50.1;DataTime=20260301221500;LA-Rtd=50.2;DataTime=20260301221600",
        "DataTime=20260301221500;LA-Rtd=50.1;LA-Rtd=50.2",
        "DataTime=20260301221500;LA-Rtd=50.1;DataTime=20260301221500;LA-Rtd=50.2",
    ],
)
def test_hj212_values_whose_time_is_open_are_refused(cp):
    stream = Stream(KINDS["hj212"](Options()))
    data = encode(Hj212Packet("20260301221600000", "39", "2011", MN, 4, cp))
    assert stream.feed(data) == ()
    assert stream.totals.bad == 1


@pytest.mark.parametrize(
    ("type_", "absent", "data"),
    [("s16", 65535, "ffff"), ("s16", -1, "ffff"), ("s16", 32768, "8000"), ("u16", 65535, "ffff"),
     ("s32", 4294967295, "ffffffff"), ("f32", -9999, "c61c3c00")],
)  # fmt: skip
def test_modbus_absent_values_match_as_makers_print_them(type_, absent, data):
    entry = Entry(channel="a", address=0, type=type_, scale=0.1, absent=(absent,))
    block = Block(3, 0, entry.size)
    (found,) = readings((entry,), block, bytes.fromhex(data), "")
    assert found.flag == "fault"


def test_modbus_absent_values_that_cannot_come_are_refused(tmp_path):
    file = tmp_path / "meter.yaml"
    entry = "{channel: a, address: 0, type: s16, absent: [70000]}"
    file.write_text(f"name: m\nkind: modbus\nregisters:\n  - {entry}\n")
    with pytest.raises(ConfigError, match="absent = 70000"):
        load_map(str(file))


@pytest.mark.parametrize(
    ("first", "address", "at"), [(0, 11, 11), (1, 12, 11), (30001, 30012, 11), (40001, 40001, 0)]
)
def test_registers_as_their_maker_counts_them(tmp_path, first, address, at):
    file = tmp_path / "meter.yaml"
    entry = f"{{channel: LA, address: {address}, absent: ['0x7FFF']}}"
    file.write_text(f"name: m\nkind: modbus\nfirst: {first}\nregisters:\n  - {entry}\n")
    (found,) = load_map(str(file)).registers
    assert (found.at, found.none) == (at, {0x7FFF})
    file.write_text(file.read_text().replace(f"address: {address}", "address: 0"))
    if first:
        with pytest.raises(ConfigError, match="before the first register"):
            load_map(str(file))


@pytest.mark.parametrize("time", ["00010101000000", "19691231235959", "20261301000000", "2026"])
def test_hj212_times_before_there_were_stations_are_none(time):
    data = encode(
        Hj212Packet("20260301221600000", "39", "2011", MN, 4, f"DataTime={time};LA-Rtd=50")
    )
    assert told("hj212", data)[0] == {}
