# SPDX-License-Identifier: AGPL-3.0-or-later
"""Truck register, fences, blind time, ledgers."""

import csv
import io
import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from stage_judge import ROOT

from edge import ledger
from edge.cli import main
from edge.config import ConfigError, convert
from edge.config.dated import Calendar
from edge.register import load_register
from edge.rules.blind import BlindTime, rolled_up
from edge.rules.fence import Route, off_line_m, station_of
from edge.rules.trucks import (
    Register,
    Truck,
    best_match,
    joined,
    match_plate,
    match_rear,
    register_from_rows,
)
from edge.rules.vetting import CameraPosition, vet
from edge.rules.zones import LocalMoment
from edge.sensors.ledgers import Ledgers
from edge.sensors.settings import Shop
from edge.values import Stamp

SHANGHAI = ZoneInfo("Asia/Shanghai")
ROWS = [
    {
        "plate": "鲁B 12345",
        "company": "甲",
        "rear_number": "A-017",
        "permit": "渣2026-1",
        "from_date": "2026-01-01",
        "to_date": "2026-12-31",
        "hours": "22:00-06:00",
        "loading": "site-7",
    },
    {"plate": "鲁BD12345", "company": "乙", "permit": "渣2026-2", "hours": "08:00-17:00"},
    {"plate": "鲁B·88800", "company": "丙"},
]
REGISTER = register_from_rows(ROWS, "trucks.csv")


@pytest.mark.parametrize(
    ("text", "score", "status", "plate"),
    [
        ("鲁B12345", 0.9, "registered", "鲁B12345"),
        ("鲁b·123 45", 0.5, "registered", "鲁B12345"),
        ("鲁Ｂ１２３４５", 0.5, "registered", "鲁B12345"),
        ("魯B12345", 0.9, "registered", "鲁B12345"),
        ("鲁B8880O", 0.9, "registered", "鲁B88800"),
        ("鲁B99999", 0.9, "unregistered", "鲁B99999"),
        ("鲁B99999", 0.6, "unknown", None),
        ("鲁B999", 0.99, "unknown", None),
        ("", 0.99, "unknown", None),
        ("ABC", 0.99, "unknown", None),
    ],
)
def test_plates(text, score, status, plate):
    match = match_plate(text, score, REGISTER)
    assert (match.status, match.plate) == (status, plate)
    assert match.truck is not None if status == "registered" else match.why


def test_rear_numbers():
    assert match_rear("A017", REGISTER).plate == "鲁B12345"
    assert match_rear("A018", REGISTER).status == "unknown"


def at(local):
    wall = datetime.fromisoformat(local).replace(tzinfo=SHANGHAI).timestamp()
    return LocalMoment.of(Stamp(0, wall), SHANGHAI, Calendar())


@pytest.mark.parametrize(
    ("plate", "local", "premises", "state"),
    [
        ("鲁B12345", "2026-05-01T23:00", "site-7", "valid"),
        ("鲁B12345", "2026-05-02T05:59", "site-7", "valid"),
        ("鲁B12345", "2027-01-01T03:00", "site-7", "valid"),  # the night of the last day
        ("鲁B12345", "2026-05-01T12:00", "site-7", "out_of_hours"),
        ("鲁B12345", "2026-05-01T23:00", "site-8", "elsewhere"),
        ("鲁B12345", "2026-05-01T23:00", None, "valid"),
        ("鲁B12345", "2027-05-01T23:00", "site-7", "expired"),
        ("鲁B12345", "2025-05-01T23:00", "site-7", "not_yet"),
        ("鲁BD12345", "2026-05-01T12:00", "site-8", "valid"),
        ("鲁B88800", "2026-05-01T12:00", None, "no_permit"),
    ],
)
def test_permits(plate, local, premises, state):
    vetted = vet(match_plate(plate, 1.0, REGISTER), at(local), CameraPosition(premises))
    assert vetted.state == state
    assert vetted.breach is (state != "valid")
    assert vetted.facts()["review"] is False


@pytest.mark.parametrize(
    ("lines", "status", "plate"),
    [
        ([("鲁B12345", 0.9)], "registered", "鲁B12345"),
        ([("鲁B", 0.9), ("12345", 0.8)], "registered", "鲁B12345"),
        ([("某某渣土", 0.9), ("B12345", 0.7), ("禁止超载", 0.9)], "registered", "鲁B12345"),
        ([("A017", 0.9)], "registered", "鲁B12345"),
        ([("鲁B12345", 0.3)], "unknown", None),
        ([("鲁B12345", 0.9), ("鲁B88800", 0.9)], "unknown", None),
        ([("鲁B99999", 0.9), ("大件", 0.9)], "unregistered", "鲁B99999"),
        ([("鲁B99999", 0.9), ("鲁C99999", 0.9)], "unknown", None),
        ([("鲁B99999", 0.7)], "unknown", None),
        ([("45", 0.9)], "unknown", None),
        ([], "unknown", None),
    ],
)
def test_lines_of_a_truck_come_to_one_answer(lines, status, plate):
    match = best_match(joined(lines), REGISTER)
    assert (match.status, match.plate) == (status, plate)


def test_the_example_is_sound_and_a_truck_may_have_two_permits():
    register = load_register(ROOT / "config/trucks.example.csv")
    first = register.trucks[0]
    assert (first.plate, len(first.permits)) == ("鲁B12345", 2)
    assert len(register.trucks) == 3
    vetted = vet(match_plate("鲁B12345", 1.0, register), at("2026-06-01T21:00"), CameraPosition())
    assert (vetted.state, vetted.permit.number) == ("valid", "渣2026-0342")


def test_what_is_not_registered_is_said_to_be_for_the_reviewer():
    for lines, state in (([("鲁B99999", 0.9)], "unregistered"), ([], "unknown")):
        vetted = vet(best_match(lines, REGISTER), at("2026-05-01T12:00"), CameraPosition())
        facts = vetted.facts()
        assert (facts["status"], facts["review"], facts["permit_state"]) == (state, True, None)
        assert not vetted.breach


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"plate": ""}, "line 2: plate is empty"),
        ({"plat": "x"}, "column 'plat' is unknown"),
        ({"plate": "x", "permit": "1", "hours": "25:00-26:00"}, "line 2"),
    ],
)
def test_a_wrong_register_is_refused(row, says):
    with pytest.raises(ConfigError, match=says):
        register_from_rows([row], "trucks.csv")


@pytest.mark.parametrize(
    ("lat", "lon", "state", "station"),
    [
        (36.005, 120.006, "valid", "loading"),
        (36.05, 120.0052, "valid", "route"),
        (36.05, 120.0065, "off_route", "off"),
        (None, None, "valid", None),
    ],
)
def test_a_permit_with_a_route_holds_on_it_only(lat, lon, state, station):
    permit = {"number": "1", "route": ROUTE}
    register = Register(
        trucks=(convert({"plate": "鲁B77777", "permits": [permit]}, Truck, "truck"),)
    )
    match = match_plate("鲁B77777", 0.9, register)
    vetted = vet(match, at("2026-05-01T12:00"), CameraPosition(None, lat, lon))
    assert (vetted.state, vetted.station) == (state, station)


def test_an_empty_register_knows_nobody():
    assert match_plate("鲁B12345", 1.0, Register()).status == "unregistered"


ROUTE = convert(
    {
        "loading": [[36.00, 120.00], [36.00, 120.01], [36.01, 120.01], [36.01, 120.00]],
        "dumping": [[36.10, 120.00], [36.10, 120.01], [36.11, 120.01], [36.11, 120.00]],
        "line": [[36.005, 120.005], [36.05, 120.005], [36.105, 120.005]],
        "width_m": 80,
    },
    Route,
    "route",
)


@pytest.mark.parametrize(
    ("lat", "lon", "station", "away"),
    [
        (36.005, 120.006, "loading", 0.0),
        (36.105, 120.006, "dumping", 0.0),
        (36.05, 120.0052, "route", 18.0),
        (36.05, 120.0065, "off", 135.0),
    ],
)
def test_two_points_one_line(lat, lon, station, away):
    where, off = station_of(lat, lon, ROUTE)
    assert where == station
    assert off == (0.0 if away == 0.0 else pytest.approx(away, abs=1.0))


def test_distance_beyond_the_ends_of_a_line():
    assert off_line_m(36.0, 120.0, [(36.001, 120.0), (36.002, 120.0)]) == pytest.approx(
        111.2, abs=1
    )


def test_minutes_watched_and_blind():
    start = datetime(2026, 5, 1, 23, 50, tzinfo=SHANGHAI).timestamp()

    def at(minute):
        return Stamp(minute * 60.0, start + minute * 60.0, "ntp")

    time = BlindTime("gate", at(0))
    rows = [*time.mark(at(0), None), *time.mark(at(5), "stall"), *time.mark(at(15), None)]
    rows += [*time.mark(at(18), None), *time.mark(at(30), "covered"), *time.close(at(31))]
    days = rolled_up([span.row() for span in rows], "day", SHANGHAI)
    assert [(d["period"], d["watched_min"], d["blind_min"]) for d in days] == [
        ("2026-05-01", 5.0, 5.0),
        ("2026-05-02", 15.0, 6.0),
    ]
    assert days[1]["why"] == "covered:1.0 stall:5.0"
    (week,) = rolled_up([span.row() for span in rows], "week", SHANGHAI)
    assert (week["period"], week["watched_share"]) == ("2026-W18", pytest.approx(20 / 31, abs=1e-3))
    (month,) = rolled_up([span.row() for span in rows], "month", SHANGHAI)
    assert month["period"] == "2026-05"


def test_a_long_watch_is_stored_every_five_minutes():
    time = BlindTime("gate", Stamp(0.0, 0.0), "off")
    spans = [s for t in range(0, 1200, 10) for s in time.mark(Stamp(t, t), None)]
    assert [s.seconds for s in spans] == [300.0, 300.0, 300.0]


def test_a_torn_line_is_left_out_and_counted(tmp_path):
    ledger.append(tmp_path, "cleaning", [{"wall": 1.0, "shop": "a"}], 1.0)
    (path,) = ledger.files(tmp_path, "cleaning")
    with path.open("ab") as file:
        file.write(b'{"wall": 2.0, "sh')
    ledger.append(tmp_path, "cleaning", [{"wall": 3.0, "shop": "c"}], 3.0)
    rows, torn = ledger.read(tmp_path, "cleaning")
    assert [row["shop"] for row in rows] == ["a", "c"]
    assert torn == 1


def test_a_cleaning_entered_by_hand_is_one_that_sensord_knows(tmp_path):
    shops = [Shop(id="老张面馆"), Shop(id="b")]
    sensord = Ledgers(tmp_path)
    now = datetime(2026, 5, 20, 12, 0, tzinfo=SHANGHAI).timestamp()
    assert sensord.cleaning(shops, now)["overdue"] == 2
    add = ["ledger", "add", "cleaning", "--state", str(tmp_path), "--shop", "老张面馆"]
    assert main([*add, "--time", "2026-05-01T09:30"]) == 0
    assert sensord.cleaning(shops, now)["overdue_shops"] == ["b"]
    assert main([*add, "--time", "2025-05-01T09:30"]) == 0
    assert sensord.cleaning(shops, now)["in_time"] == 1, "an older one that was entered late"
    assert Ledgers(tmp_path).cleaning(shops, now)["in_time"] == 1


def test_ledgers_by_command(tmp_path, capsys):
    state = ["--state", str(tmp_path)]
    add = ["ledger", "add", "cleaning", *state, "--shop", "老张面馆", "--by", "=cmd()"]
    assert main([*add, "--time", "2026-05-01T09:30"]) == 0
    wall = datetime(2026, 5, 2, 12, 0, tzinfo=SHANGHAI).timestamp()
    case = {
        "wall": wall,
        "id": "v-1",
        "category": "street-vendor",
        "name": "无照经营游商",
        "place": "老张面馆门前",
        "occurrence": 1,
        "outcome": "self_corrected",
    }
    ledger.append(tmp_path, "handling", [case], wall)
    ledger.append(
        tmp_path,
        "inspection",
        [{"camera": "c1", "start": wall, "seconds": 600, "reason": ""}],
        wall,
    )
    capsys.readouterr()
    assert main(["ledger", "cleaning", *state, "--csv", str(tmp_path / "c.csv")]) == 0
    text = (tmp_path / "c.csv").read_text(encoding="utf-8")
    assert text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text.lstrip("\ufeff"))))
    assert rows[1] == ["2026-05-01 09:30:00+08:00", "老张面馆", "'=cmd()", ""]
    capsys.readouterr()
    assert main(["ledger", "inspection", *state, "--by", "month", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["watched_min"] == 10.0
    assert main(["ledger", "handling", *state, "--to", "2026-05-01", "--json"]) == 0
    assert capsys.readouterr().out == ""
    notice = tmp_path / "n.html"
    assert main(["ledger", "notice", *state, "--place", "老张面馆", "--out", str(notice)]) == 0
    assert "本期无经核实属实的问题" in notice.read_text(encoding="utf-8")
    assert "=cmd()" in notice.read_text(encoding="utf-8")


def test_rows_as_the_daemons_write_them_are_read_back(tmp_path, capsys):
    """visiond tells a case by its UTC text, sensord keeps days of levels in a folder of its own."""
    told = {"time": "2026-05-01T16:30:00.5Z", "id": "v-1", "name": "道路遗撒", "place": "北门"}
    ended = {**told, "time": "2026-05-01T16:40:00Z", "phase": "end", "outcome": "settled"}
    ledger.append(tmp_path, "handling", [told, ended], 1_777_000_000.0)
    instruments = Ledgers(tmp_path)
    instruments.add("levels", {"point": "gate", "date": "2026-05-02", "ld_db": 61.5, "ln_db": None})
    instruments.add("usage", {"shop": "noodles", "date": "2026-05-02", "usage": 0.8})
    instruments.add("cleaning", {"wall": 1_777_700_000.0, "shop": "noodles", "by": "洁净公司"})
    state = ["--state", str(tmp_path), "--from", "2026-05-02", "--to", "2026-05-02", "--json"]

    def rows(name):
        assert main(["ledger", name, *state]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [row["time"][:16] for row in rows("handling")] == [
        "2026-05-02 00:30",
        "2026-05-02 00:40",
    ]
    assert [(r["sensor"], r["value"]) for r in rows("measurement")] == [
        ("gate", 61.5),
        ("noodles", 0.8),
    ]
    assert [row["by"] for row in rows("cleaning")] == ["洁净公司"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--from", "yesterday"], "expected a day"),
        (["--timezone", "Mars/Base"], "Mars/Base"),
        ([], "no ledger here"),
    ],
)
def test_wrong_words_are_one_line(tmp_path, capsys, more, says):
    if more:
        (tmp_path / "ledger").mkdir()
    assert main(["ledger", "handling", "--state", str(tmp_path), *more]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_register_from_a_spreadsheet(tmp_path, encoding):
    path = tmp_path / "trucks.csv"
    text = "plate,company,permit,hours\n鲁B12345,甲公司,渣1,22:00-06:00 12:00-13:00\n"
    path.write_bytes(text.encode(encoding))
    (truck,) = load_register(path).trucks
    assert truck.company == "甲公司"
    assert truck.permits[0].when.hours == ("22:00-06:00", "12:00-13:00")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"plate\na,b\n", "line 2: more cells"),
        (b"\xff\xff\x81", "neither"),
        (b"plat\nx\n", "'plat' is unknown"),
        (b'plate,company\nA1,"x\nA2,y\nA3,z\n', "line 2: unexpected end of data"),
        (b'plate,company\nA1,"x"y\n', "line 2: ',' expected after"),
        (b"plate\n" + b"x" * 150_000, "t.csv: line 2: field larger"),
    ],
)
def test_a_damaged_spreadsheet_is_one_line(tmp_path, data, says):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(ConfigError, match=says):
        load_register(tmp_path / "t.csv")


def test_a_register_in_yaml(tmp_path):
    (tmp_path / "t.yaml").write_text("trucks: [{plate: 鲁B12345, permits: [{number: '1'}]}]")
    assert load_register(tmp_path / "t.yaml").trucks[0].permits[0].number == "1"


def test_a_truck_that_stands_twice_in_yaml_keeps_the_permits_of_both(tmp_path):
    (tmp_path / "t.yaml").write_text(
        """
trucks:
  - {plate: 鲁B12345, permits: [{number: "1", when: {hours: ["08:00-17:00"]}}]}
  - {plate: 鲁B88800}
  - {plate: 鲁b·12345, company: 甲, permits: [{number: "2", when: {hours: ["20:00-23:00"]}}]}
  - {plate: 鲁B 12345}
""",
        "utf-8",
    )
    register = load_register(tmp_path / "t.yaml")
    assert [(truck.plate, truck.company) for truck in register.trucks] == [
        ("鲁B12345", "甲"),
        ("鲁B88800", None),
    ]
    match = best_match([("鲁B12345", 0.9)], register)
    states = {
        hour: vet(
            match,
            LocalMoment(datetime(2026, 6, 1, hour, tzinfo=SHANGHAI), Calendar()),
            CameraPosition(),
        ).state
        for hour in (9, 18, 21)
    }
    assert states == {9: "valid", 18: "out_of_hours", 21: "valid"}


def test_a_line_of_dots_names_no_truck_even_where_the_register_has_an_empty_plate():
    register = register_from_rows([{"plate": "·"}, {"plate": "鲁B12345"}], "trucks.csv")
    assert match_plate("——", 0.95, register).status == "unknown"
    assert best_match([("...", 0.95)], register).status == "unknown"
