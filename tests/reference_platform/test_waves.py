# SPDX-License-Identifier: AGPL-3.0-or-later
"""Waves of releases: small shares first, halted by failures, stopped by a person, never two of one
grid; the process that orders, with real commands; the page."""

import json
import threading
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import replace

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from city_platform.files import Box
from city_platform.page import Page
from city_platform.store import Store, open_database
from city_platform.wave_run import Orders, step
from city_platform.wave_store import NoWave, WaveStore
from city_platform.waves import ENDED, BoxRow, Wave, chosen, heard, place, plan, progress
from edge.uplink import seal, wire
from edge.uplink.trust import DownlinkTrust
from edge.values import Fault, Stamp

WAVE = Wave(name="w", number=7, sha256="a" * 64, soak_s=100.0)
ROWS = [BoxRow(Box("city", f"b{n:04d}")) for n in range(1000)]


def walk(wave, rows, ends, *, limit=10_000):
    """Boxes end as `ends` says, ten seconds after they were ordered; the last plan."""
    rows, now, state = {row.box: row for row in rows}, 0.0, "running"
    shares, busiest = [], 0
    for _ in range(limit):
        now += 10.0
        found = plan(wave, state, rows.values(), now)
        state = found.state
        if state != "running":
            return found, list(rows.values()), shares, busiest
        shares.append(found.share)
        for row in found.fell:
            rows[row.box] = row
        busiest = max(busiest, len(found.due))
        for row in rows.values():
            if row.stage == "ordered":
                rows[row.box] = replace(row, stage=ends(row), at=now, why="why")
        for row in found.due:
            rows[row.box] = replace(row, stage="ordered", at=now, orders=row.orders + 1)
    raise AssertionError("never ends")


def test_shares_rise_one_after_the_other_and_everybody_gets_it():
    found, rows, shares, busiest = walk(WAVE, ROWS, lambda _: "settled")
    assert found.state == "done" and {row.stage for row in rows} == {"settled"}
    assert sorted(set(shares)) == list(WAVE.shares) and shares == sorted(shares)
    assert busiest <= WAVE.at_most


@pytest.mark.parametrize("fails", [1.0, 0.5, 0.25])
def test_a_bad_release_stays_within_a_fiftieth(fails):
    def ends(row):
        return "rolled_back" if place(99, row.box) < fails else "settled"

    found, rows, _, _ = walk(WAVE, ROWS, ends)
    touched = [row for row in rows if row.stage != "waiting"]
    assert found.state == "halted" and "did not hold: why" in found.why
    assert 0 < len(touched) <= 0.02 * len(ROWS)


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_a_small_fleet_begins_with_one_and_one_failure_is_enough(count):
    found, rows, _, _ = walk(WAVE, ROWS[:count], lambda _: "refused")
    assert found.state == "halted" and sum(row.stage != "waiting" for row in rows) == 1


def test_few_failures_among_many_do_not_halt():
    found, rows, _, _ = walk(
        WAVE, ROWS, lambda r: "refused" if place(5, r.box) < 0.02 else "settled"
    )
    assert found.state == "done" and all(row.stage in ENDED for row in rows)


def test_the_order_is_stable_for_a_release_and_another_for_the_next():
    first = [row.box for row in chosen(WAVE, ROWS)]
    assert first == [row.box for row in chosen(WAVE, reversed(ROWS))]
    other = chosen(msgspec.structs.replace(WAVE, number=8), ROWS)
    assert first[:20] != [row.box for row in other][:20]


def test_only_whom_it_is_for():
    rows = [BoxRow(Box("a", "x"), tags=frozenset({"school"})), BoxRow(Box("a", "y")),
            BoxRow(Box("b", "x"), tags=frozenset({"school"}))]  # fmt: skip
    wave = msgspec.structs.replace(WAVE, tenant="a", tag="school")
    assert [row.box for row in chosen(wave, rows)] == [Box("a", "x")]


def test_never_two_of_one_grid_where_asked():
    rows = [replace(row, grid=f"g{n % 3}") for n, row in enumerate(ROWS[:30])]
    wave = msgspec.structs.replace(WAVE, one_per_grid=True, shares=(1.0,))
    due = plan(wave, "running", rows, 0.0).due
    assert sorted(row.grid for row in due) == ["g0", "g1", "g2"]
    busy = [replace(row, stage="trial") if row in due[:1] else row for row in rows]
    assert due[0].grid not in {row.grid for row in plan(wave, "running", busy, 0.0).due}
    assert (
        len(plan(msgspec.structs.replace(wave, one_per_grid=False), "running", rows, 0.0).due) == 30
    )


def test_silence_after_the_switch_is_a_failure_and_before_it_another_try():
    trial = BoxRow(Box("c", "t"), "trial", at=0.0)
    (fell,) = plan(WAVE, "running", [trial], WAVE.silent_s).fell
    assert fell.stage == "silent"
    ordered = BoxRow(Box("c", "o"), "ordered", at=0.0, orders=1)
    found = plan(WAVE, "running", [ordered], WAVE.unreached_s)
    assert [row.box.device for row in found.due] == ["o"]
    (fell,) = plan(WAVE, "running", [replace(ordered, orders=5)], WAVE.unreached_s).fell
    assert fell.stage == "unreached"


def test_the_progress_of_a_share_that_is_watched_says_until_when():
    first = chosen(WAVE, ROWS)[:5]
    rows = [replace(row, stage="settled", at=50.0) if row in first else row for row in ROWS]
    told = progress(WAVE, rows, 60.0)
    assert [len(one.boxes) for one in told] == [5, 20, 100, 300, 1000]
    assert [one.turn for one in told] == [True, False, False, False, False]
    assert told[0].soaks_until == 150.0 and told[1].soaks_until is None
    assert [one.turn for one in progress(WAVE, rows, 150.0)][:2] == [False, True]


def test_a_stopped_wave_goes_on_only_while_no_other_runs(platform):
    waves = WaveStore(platform.database)
    with platform.database.transaction():
        waves.create(WAVE, 1.0)
        waves.stop("w")
        waves.create(msgspec.structs.replace(WAVE, name="v"), 2.0)
    with pytest.raises(NoWave, match="v: is running"):
        waves.go("w", 3.0)
    assert waves.one("w").state == "stopped"


def test_a_halted_wave_goes_on_by_a_persons_word_and_old_failures_do_not_count():
    rows = [BoxRow(Box("c", f"b{n}"), "rolled_back", at=5.0) for n in range(3)] + ROWS
    assert plan(WAVE, "running", rows, 10.0).state == "halted"
    assert plan(WAVE, "running", rows, 10.0, since=6.0).state == "running"
    assert plan(WAVE, "stopped", rows, 10.0, since=6.0).due == ()


@pytest.mark.parametrize(
    ("kind", "phase", "facts", "stage"),
    [
        ("software_on_trial", "start", {"release": 7}, "trial"),
        ("software_on_trial", "end", {"release": 7, "outcome": "settled"}, "settled"),
        ("software_on_trial", "end", {"release": 7}, "ordered"),
        ("software_on_trial", "start", {"release": 6}, "ordered"),
        ("software_rolled_back", "start", {"release": 7}, "rolled_back"),
        ("software_refused", "start", {"release": 7}, "refused"),
        ("software_refused", "end", {"release": 7}, "ordered"),
        ("software_refused", "start", "nonsense", "ordered"),
    ],
)
def test_what_a_box_says_moves_it(kind, phase, facts, stage):
    row = BoxRow(Box("c", "b"), "ordered")
    fault = {"kind": kind, "phase": phase, "facts": facts, "text": "t"}
    assert heard(WAVE, row, fault, 1.0).stage == stage


@pytest.fixture
def platform(tmp_path):
    """A store that knows five boxes."""
    with closing(Store(tmp_path)) as store:
        with store.commit():
            for n in range(5):
                store.add_key(Box("city", f"b{n}"), f"k{n}", "pem")
        yield store


def report(store, device, kind, phase, **facts):
    fault = Fault(kind, "software", phase, Stamp(1.0, 1.8e9, "ntp", 1.0), "text", facts)
    told = wire.envelope("fault", wire.fault_data(fault), device=device, tenant="city", boot=1,
                         seq=report.seq, prev="0" * 64, kid="k")  # fmt: skip
    report.seq += 1
    payload = json.dumps({**told, "sig": "", "data": told["data"]}).encode()
    with store.commit():
        store.add_record(Box("city", device), "fault", wire.parse_envelope(payload), payload)


report.seq = 1


def test_ordered_by_signed_commands_that_a_box_believes(platform, tmp_path):
    private = Ed25519PrivateKey.generate()
    orders, sent = Orders(seal.Signer(seal.fingerprint(private.public_key()), private)), []
    waves = WaveStore(platform.database)
    wave = Wave(name="w", number=7, sha256="a" * 64, soak_s=0.0, shares=(0.2, 1.0))
    import time

    now = time.time()
    with platform.database.transaction():
        waves.create(wave, now - 1)
    with pytest.raises(NoWave, match="is running"), platform.database.transaction():
        waves.create(msgspec.structs.replace(wave, name="other"), now)
    step(platform.database, orders, lambda *one: sent.append(one), now)
    ((topic, payload),) = sent
    device = topic.split("/")[3]
    trust = DownlinkTrust(device, seal.ring([private.public_key()]))
    told = trust.read("command", payload, {}, Stamp(1.0, now, "ntp", 1.0))
    assert told.command == "update_software" and told.arguments == {"number": 7, "sha256": "a" * 64}
    step(platform.database, orders, lambda *one: sent.append(one), now)
    assert len(sent) == 1, "the first has not ended"
    report(platform, device, "software_on_trial", "start", release=7)
    report(platform, device, "software_on_trial", "end", release=7, outcome="settled")
    step(platform.database, orders, lambda *one: sent.append(one), time.time() + 1)
    assert len(sent) == 5
    for n in range(5):
        report(platform, f"b{n}", "software_rolled_back", "start", release=7)
    step(platform.database, orders, lambda *one: sent.append(one), time.time() + 1)
    assert waves.one("w").state == "halted" and len(sent) == 5


def test_the_page_shows_it_and_stops_it_but_not_for_another_site(platform, tmp_path):
    with platform.database.transaction():
        WaveStore(platform.database).create(WAVE, 1.0)
    page = Page(lambda: Store(tmp_path), 0)
    own = f"http://127.0.0.1:{page.port}"
    try:
        shown = urllib.request.urlopen(f"{own}/waves").read().decode()
        assert "待升级 5" in shown and "进行中" in shown
        asked = urllib.request.Request(f"{own}/waves/w", headers={"Cookie": "lang=en"})
        shown = urllib.request.urlopen(asked).read().decode()
        assert "waiting 5" in shown and "running" in shown and "Stop" in shown

        def press(origin):
            asked = urllib.request.Request(
                f"{own}/waves",
                data=b"what=stop&wave=w",
                headers={"Origin": origin, "Cookie": "lang=en"},
            )
            return urllib.request.urlopen(asked).read().decode()

        with pytest.raises(urllib.error.HTTPError, match="403"):
            press("http://elsewhere.example")
        assert WaveStore(platform.database).one("w").state == "running"
        assert "stopped by a person" in press(own)
        assert WaveStore(platform.database).one("w").state == "stopped"
    finally:
        page.close()
        for thread in threading.enumerate():
            if thread.name.startswith("Thread-"):
                thread.join(0.1)


def test_the_command_line(tmp_path, monkeypatch, capsys):
    from city_platform import wave_run

    def said(*words):
        monkeypatch.setattr("sys.argv", ["waves", "--out", str(tmp_path), *words])
        code = wave_run.main()
        out, err = capsys.readouterr()
        return code, (json.loads(out.splitlines()[-1]) if out else {}), err

    with closing(Store(tmp_path)) as store, store.commit():
        store.add_key(Box("city", "b1"), "k", "pem")
    start = ("start", "w", "--number", "7", "--sha256", "a" * 64)
    assert said(*start, "--tag", "school")[1]["boxes"] == {}
    assert said("label", "city/b1", "--grid", "330102001000101", "--tag", "school")[0] == 0
    assert said("show", "w")[1]["boxes"] == {"waiting": 1}
    told = said("show", "w", "--boxes")[1]
    assert told["each"][0]["box"] == "city/b1" and told["each"][0]["tags"] == ["school"]
    assert told["progress"][0] == {"share": 0.005, "boxes": 1, "ended": 0, "now": True}
    assert said("stop", "w")[1]["state"] == "stopped" and said("go", "w")[1]["state"] == "running"
    assert said("list")[1]["name"] == "w"
    for words, why in (
        (("show", "x"), "no such wave"),
        (start, "of this name"),
        (("label", "b1"), "TENANT/DEVICE"),
        (("start", "v", "--number", "7", "--sha256", "a"), "sha256"),
        (("start", "v", "--number", "7", "--sha256", "a" * 64, "--shares", "1", "0.1"), "rise"),
        (("start", "v", "--number", "7", "--sha256", "a" * 64, "--soak-s", "inf"), "finite"),
    ):
        code, _, err = said(*words)
        assert code == 2 and why in err and len(err.splitlines()) == 1
    with closing(open_database(tmp_path, None)) as database:
        assert database is not None
