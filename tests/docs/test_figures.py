# SPDX-License-Identifier: AGPL-3.0-or-later
"""docs/figures.md is what was measured: read from tools' own output, compared with its noise."""

import json

import pytest

from tools.documents import figures
from tools.documents.figure import Figure
from tools.documents.flights import compared, summed
from tools.documents.measures import MEASURES, ROOT
from tools.documents.shape import measure as measure_shape


def test_the_page_is_made_from_what_is_stored():
    assert figures.PAGE.read_text("utf-8") == figures.page(), "run tools/figures"


@pytest.mark.parametrize("language", figures.READMES)
def test_the_readmes_show_the_same(language):
    text = figures.READMES[language].read_text("utf-8")
    assert text == figures.with_highlights(text, language), "run tools/figures"


@pytest.mark.parametrize("name", [n for n in MEASURES if figures.stored(n)])
def test_a_stored_measurement_says_by_what_when_and_where(name):
    told = figures.stored(name)
    assert told["command"] == figures.command(MEASURES[name]), "measured by another command"
    assert told["date"] >= "2026-01-01" and told["machine"]
    assert [Figure(**row) for row in told["figures"]]


@pytest.mark.parametrize("name", MEASURES)
def test_every_command_is_there(name):
    word = MEASURES[name].argv[0]
    assert "/" not in word or (ROOT / word).exists() or word.startswith(".venv/")


@pytest.mark.parametrize(
    ("now", "worse"),
    [(0.95, False), (0.9, False), (0.85, True), (1.0, False)],
)
def test_only_more_than_noise_is_worse(now, worse):
    before = Figure("f1", 0.95, noise=0.05)
    assert Figure("f1", now).worse_than(before) is worse
    less = Figure("lost", 1 - 0.95, better="less", noise=0.05)
    assert Figure("lost", 1 - now, better="less").worse_than(less) is worse


def test_the_guard_tells_what_fell_and_what_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "STORE", tmp_path)
    rows = [Figure("a", 1.0), Figure("b", 2.0, noise=1.0), Figure("c", 3.0)]
    told = {"figures": [figures.asdict(row) for row in rows]}
    (tmp_path / "shape.json").write_text(json.dumps(told))
    said = figures.fallen("shape", [Figure("a", 0.5), Figure("b", 1.5)])
    assert said == ["shape: a was 1, is 0.5", "shape: c is not measured any more"]


def test_a_broken_promise_is_told_though_nothing_fell(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "STORE", tmp_path)
    rows = [Figure("F1", 0.83, asked=0.9), Figure("lost", 0, better="less", asked=0)]
    told = {"figures": [figures.asdict(row) for row in rows]}
    told |= {"date": "2026-01-01", "machine": "m", "load": 0}
    (tmp_path / "clips.json").write_text(json.dumps(told))
    assert figures.unmet("clips") == ["clips: F1 is 0.83, asked 0.9"]
    assert figures.unmet("shape") == []
    page = figures.page()
    assert "| F1 | 0.83 (**asked ≥ 0.9: not met 未达到**) |" in page
    assert "| lost | 0 (asked ≤ 0) |" in page


READINGS = {
    "replay": ('{"x":1}\n{"cases": 3, "wrong": 1, "all": {"f1": 0.5}}', [3, 1, 0.5]),
    "exposure": ("→ Overall exposure level for edge-visiond.service: 1.6 OK", [1.6]),
    "speed": (
        '{"verdicts": [{"what": "peak", "limit": "<= 240", "value": 185.2, "met": true}]}',
        [185.2],
    ),
    "faults": (
        '{"test": "black_hole", "obligations": 20, "missing": 1, "spurious": 2,'
        ' "false_releases": 0, "worst_recovery_s": 3.5, "ok": false}',
        [3, 3.5],
    ),
    "arm": (
        '{"debian": 12, "packages": 81, "cases": {"a": 3, "b": 2}, "same_as_x86": true,'
        ' "tests": "9 passed in 3 s", "passed": 9, "took_s": 3.0}\n'
        '{"debian": 13, "packages": 80, "cases": {"a": 3}, "same_as_x86": false, "passed": 8}',
        [81, 5, 9, 80, 0, 8],
    ),
    "fleet": ('{"devices": 100, "lost": 0, "ok": true}', [100, 0]),
    "uplink": ('{"figure": "idle latency", "p50_ms": 40, "p95_ms": 60}', [60]),
    "clips": (
        '{"clip": "street", "all": {"f1": 0.8}}\n'
        '{"all clips": {"f1": 0.7, "tp": 5, "fn": 1, "fp": 2, "hours": 0.2}}',
        [0.8, 0.7, 5, 1, 2, 0.2],
    ),
    "flights": (
        '{"flight": "one", "tp": 3, "fp": 1, "fn": 2, "errors_m": [0.5]}\n'
        '{"all flights": {"precision": 0.75, "recall": 0.6, "place_error_m_median": 0.5,'
        ' "place_error_m_worst": 0.5}}',
        [3, 2, 0.75, 0.6, 0.5, 0.5],
    ),
    "accuracy": (
        '{"name": "dust", "source": "dust_photos", "ap50": 0.776, "truths": 8, "pictures": 8}',
        [0.776],
    ),
    "corner": (
        '{"camera": "a", "verdicts": 40, "speaks": 1.0, "judged": 9, "false_left": 0.25,'
        ' "right_left": 1.0}\n{"camera": "b", "verdicts": 40, "speaks": 0.0, "judged": 8,'
        ' "false_left": 0.75, "right_left": 0.94}\n{"all cameras, 40 verdicts":'
        ' {"false_left": 0.5, "right_left": 0.97, "teach_s": 0.01, "teach_mb": 0.4}}',
        [2, 17, 1, 0.5, 0.75, 0.97, 0.94, 0.01, 0.4],
    ),
    "corners": (
        '{"clip": "corner-x", "all": {"tp": 1, "fn": 0, "fp": 1}}\n{"all clips": {"clips": 1,'
        ' "hours": 0.25, "tp": 1, "fp": 1, "fn": 0, "f1": 0.667}}',
        [15.0, 0.667, 1, 1, 8.0, 1],
    ),
    "realclips": (
        '{"all clips": {"clips": 29, "minutes": 31.0, "shipped dwell": 0, "short dwell": 1,'
        ' "tippers": 6, "tippers found": 5}}',
        [29, 31.0, 0, 1, 5],
    ),
    "mutation": (
        '{"changes": 4, "score": 0.75, "interval": [0.3, 0.95],'
        ' "packages": {"edge/rules": 0.75}, "survivors": []}',
        [4, 0.75, 0.3, 0.95, 0.75],
    ),
    "fuzzing": (
        '{"ts": {"inputs": 30, "spent_s": 120.0, "findings": 1, "outlived": 2, "slowest_s": 0.5,'
        ' "peak_mb": 90}}',
        [30, 2.0, 1, 2, 0.5, 90],
    ),
    "cameras": (
        '{"cameras": 13, "false_faults": 0, "least_looks_share": 0.99, "silent_cameras": 3,'
        ' "worst_sign_s": 11.2}',
        [13, 0, 0.99, 3, 11.2],
    ),
    "sites": (
        '{"sites": 200, "foretold": 200, "others_work": 199, "page_answers": 200}',
        [200, 200, 199, 200],
    ),
    "power": (
        '{"cuts": 25, "promised": 9, "missing": 1, "invented": 2, "sensed": 4,'
        ' "sensed_missing": 0, "slowest_return_s": 8.5}',
        [25, 9, 1, 2, 4, 0, 8.5],
    ),
    "flood": (
        '{"seconds": 60, "tries": {"a": 2, "b": 3}, "peak_mb": {"u": 99.0},'
        ' "limit_mb": {"u": 240}, "restarted": [], "records": 9, "released": 8,'
        ' "visits_answered": 4, "visits": 5}',
        [60, 5, 99.0, 0, 1, 4],
    ),
    "waves": (
        '{"devices": 200, "bad": {"touched_share": 0.005}, "now_and_then":'
        ' {"touched_share": 0.02}, "good": {"touched_share": 1.0}}',
        [200, 0.005, 0.02, 1.0],
    ),
    "cluster": (
        '{"boxes": 200, "promised": 10000, "files": 200, "steps": {"1": 0, "2": 1}, "missing": 3,'
        ' "torn": 2, "doubled": 1, "invented": 1, "gaps": 1, "breaks": 1, "quarantined": 1,'
        ' "given_up": 1, "drained_s": 41.5}',
        [200, 10000, 200, 2, 3, 2, 6, 41.5],
    ),
    "outage": (
        '{"devices": 2000, "put": 7377, "back": 1999, "peak_share_s": 0.02, "all_back_s": 92.5,'
        ' "drained_s": 140.0, "stored": 7370}',
        [2000, 1999, 0.02, 92.5, 140.0, 7377, 7],
    ),
    "store": (
        '{"mb": 40.0, "whole": true, "sent_again": 1, "upload_parts": 5, "torn_refused": false}',
        [40.0, 1.0, 1, 5, 0.0],
    ),
    "slots": (
        '{"first_travels_mb": 160.1, "one_slot_mb": 520.2, "free_asked_for_first_mb": 1000.3,'
        ' "free_taken_by_first_mb": 680.4, "changed_program_travels_mb": 1.5,'
        ' "changed_program_takes_mb": 4.6, "both_slots_mb": 525.7}',
        [160.1, 520.2, 1000.3, 680.4, 1.5, 525.7],
    ),
    "throughput": ('{"per_core_s": 356.1, "lost_or_doubled": 0}', [356.1, 0]),
    "updates": (
        '{"updates": 9, "struck": 4, "bad": 2, "wrong": 1, "promised": 50, "missing": 3,'
        ' "gaps": 1, "chain_breaks": 1, "blind_s_most": 3.5, "blind_of": 8, "took_s": 40.5,'
        ' "bytes_first": 161e6, "bytes_next": 1e6}',
        [9, 4, 2, 1, 50, 5, 3.5, 8, 40.5, 161.0, 1.0],
    ),
    "places": (
        '{"f1": 0.98, "f1_all": 0.95, "untold_in_front": 0.99, "others_f1": 0.97,'
        ' "others_f1_all": 0.93, "others_untold_in_front": 0.96, "hours": 24.0,'
        ' "cases_of_unchanging_places": 1}',
        [0.98, 0.95, 0.99, 0.97, 0.93, 0.96, 24.0, 1],
    ),
    "still": (
        "\n".join(
            json.dumps(
                {
                    "scene": "still",
                    "policy": name,
                    "coding": "h264 25/s, key 2 s, 0 B",
                    "cameras": 4,
                    "core": core,
                    "arrivals": came,
                    "followed": 3,
                    "first_look_p95_s": 0.5,
                    "distrust": late,
                }
            )
            for name, core, came, late in (
                ("whole", 0.2, 0, ""),
                ("auto", 0.03, 4, ""),
                ("boxes", 0.1, 0, ""),
                ("boxes", 0.9, 0, "senders were late"),
            )
        ),
        [0.2, 0.03, 0.5, 0.75, 0.1, 0.15, 0.3],
    ),
    "asleep": ('{"disturbance": "rain", "seed": 1, "awake": 0.02, "release": 11}', [11, 0.02]),
    "hidden": (
        '{"hidden": 8, "of_the_height": "1/45", "under": "rain", "places": 3,'
        ' "told_by_the_next_key_picture": 2, "release": 11}',
        [11, 2],
    ),
    "arrivals": (
        '{"arrivals": 100, "kind": "stall", "under": "rain", "seed": 1, "followed_whole": 90,'
        ' "cases_whole": 80, "cases_lost": 1, "lost": 2, "by_chance": 3, "first_look_p95_s": 0.8}',
        [100, 80, 1, 90, 2, 3, 0.8],
    ),
    "spills": (
        '{"arrivals": 25, "kind": "spill", "under": "nothing", "seed": 1, "followed_whole": 25,'
        ' "cases_whole": 24, "cases_lost": 0, "lost": 1, "by_chance": null,'
        ' "first_look_p95_s": 0.8}',
        [25, 24, 0, 25, 1, 0.8],
    ),
    "loops": ('{"loops": 64, "found_share": 0.97}', [64, 0.97]),
    "streets": (
        '{"street_hours": 24.0, "false_loops": 2, "false_cases": 1, "cpu_share": 0.004}',
        [24.0, 2, 1, 0.004],
    ),
    "page": (
        '{"what": "first_paint_ms /live phone", "value": 150.0, "bound": 250.0}\n'
        '{"what": "live_core_share", "value": 0.03, "bound": 0.1}\n'
        '{"what": "live_kbit_s", "value": 3.0, "bound": null}\n'
        '{"what": "rss_mb", "value": 75.1, "bound": 80.0}',
        [150.0, 0.03, 75.1],
    ),
    "shape": (json.dumps(measure_shape([ROOT / "edge" / "config"])), None),
}


@pytest.mark.parametrize("name", MEASURES)
def test_the_output_of_a_command_is_read(name):
    text, values = READINGS[name]
    found = [figure.value for figure in MEASURES[name].read(text)]
    assert found == values if values else len(found) == 7


@pytest.mark.parametrize("text", ["", "not JSON", "{}"])
def test_an_output_without_figures_is_not_a_measurement(text, monkeypatch):
    monkeypatch.setattr(figures, "_run", lambda _: text)
    with pytest.raises(figures.NotMeasured):
        figures.measure("faults" if text != "{}" else "replay")


def test_a_finding_is_right_once_by_category_and_within_its_own_radius():
    def finding(name, category, north_m, radius):
        return {"id": name, "category": category, "lat": 30.0 + north_m / 110_852, "lon": 114.0,
                "ce90_m": radius}  # fmt: skip

    targets = [{"name": n, "category": "street-vendor", "lat": 30.0 + m / 110_852, "lon": 114.0}
               for n, m in (("a", 0), ("b", 40))]  # fmt: skip
    findings = [
        finding("1", "street-vendor", 2.0, 5.0),
        finding("2", "street-vendor", 1.0, 5.0),
        finding("3", "street-vendor", 46.0, 5.0),
        finding("4", "road-spillage", 40.0, 5.0),
    ]
    told = compared({"findings": findings}, {"targets": targets})
    assert (told["tp"], told["fp"], told["fn"]) == (1, 3, 1)
    assert told["errors_m"] == pytest.approx([1.0], abs=0.01)
    assert summed([told])["precision"] == 0.25
