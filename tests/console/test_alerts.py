# SPDX-License-Identifier: AGPL-3.0-or-later
"""Alert rules: each fires when its condition is made in the statuses of daemons, and not before.

The condition goes the whole way: a status as a daemon writes it, /metrics, the rules as
Prometheus's own promtool judges them.
"""

import copy
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from edge.console.metrics import METRICS, render

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config/prometheus/city-edge.rules.yaml"
WELL = {
    "visiond": {
        "wall": 10_000.0,
        "alive": True,
        "cameras": {"north": {"last_wall": 9_999.0, "blind": None}},
        "board": {"step": 0},
    },
    "uplinkd": {
        "wall": 10_000.0,
        "alive": True,
        "online": True,
        "clock": {"quality": "ntp"},
        "outbox": {"records": {"violation": {"new": 1, "dead": 0}}, "oldest_wall": 9_000.0},
        "software": {"stage": "idle", "at": 0.0, "before": 3, "outcome": "settled"},
    },
    "janitord": {"alive": True, "ladder": 0},
}
# Alert -> (where in the statuses, the value that makes the condition).
MADE = {
    "EdgeDaemonDown": (("visiond", "alive"), False),
    "EdgeClockNotSet": (("uplinkd", "clock", "quality"), "unsynced"),
    "EdgePlatformAway": (("uplinkd", "online"), False),
    "EdgeOutboxGrows": (("uplinkd", "outbox", "oldest_wall"), 6_000.0),
    "EdgeRecordsDead": (("uplinkd", "outbox", "records", "violation", "dead"), 1),
    "EdgeCameraBlind": (("visiond", "cameras", "north", "blind"), "stream_stall"),
    "EdgeDiskShort": (("janitord", "ladder"), 2),
    "EdgeHot": (("visiond", "board", "step"), 1),
    "EdgeSoftwareStuck": (("uplinkd", "software"), {"stage": "checked", "at": 1_000.0}),
    "EdgeSoftwareNotHeld": (("uplinkd", "software", "outcome"), "rolled_back"),
}
MINUTES = 90


def rules():
    return yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]


def test_every_alert_has_a_condition_a_page_and_words_in_both_languages():
    names = [rule["alert"] for rule in rules()]
    assert sorted(names) == sorted([*MADE, "EdgeBoxSilent"])
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    for rule in rules():
        told = rule["annotations"]
        assert told["page"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert f"### {rule['alert']}\n" in page and re.search("[一-鿿]", told["zh"]) and told["en"]


def test_every_number_that_is_asked_for_is_given():
    known = {metric.name for metric in METRICS}
    asked = {name for rule in rules() for name in re.findall(r"\bedge_\w+", rule["expr"])}
    assert asked and asked <= known


def made(alert):
    statuses = copy.deepcopy(WELL)
    if alert in MADE:
        path, value = MADE[alert]
        at = statuses
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
    return statuses


def series(statuses, up=1):
    """What Prometheus has of a box whose numbers stand for an hour and a half."""
    rows = [{"series": 'up{job="city-edge",instance="box"}', "values": f"{up}x{MINUTES}"}]
    for line in render(statuses).splitlines():
        if not line.startswith("#") and up:
            name, value = line.rsplit(" ", 1)
            labels = name.partition("{")[2].rstrip("}")
            own = ",".join(filter(None, (labels, 'instance="box"')))
            rows.append(
                {"series": f"{name.partition('{')[0]}{{{own}}}", "values": f"{value}x{MINUTES}"}
            )
    return rows


def case(alert, statuses, fires, up=1):
    rule = next(rule for rule in rules() if rule["alert"] == alert)
    return {
        "name": f"{alert} {fires}",
        "interval": "1m",
        "input_series": series(statuses, up),
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": "{}", "value": value}],
            }
            for minute, value in ((_minutes(rule["for"]) - 1, 0), (MINUTES - 5, int(fires)))
        ],
    }


def _minutes(text):
    return int(text.removesuffix("m"))


@pytest.fixture(scope="module")
def promtool():
    found = shutil.which("promtool")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("promtool is missing: apt-get install prometheus")
        pytest.skip("promtool is missing: apt-get install prometheus")
    return found


def test_prometheus_takes_the_rules(promtool):
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_when_its_condition_is_made_and_never_on_a_sound_box(promtool, tmp_path):
    cases = [case(alert, made(alert), True) for alert in MADE]
    cases += [case(alert, WELL, False) for alert in MADE]
    cases += [case("EdgeBoxSilent", WELL, False), case("EdgeBoxSilent", WELL, True, up=0)]
    path = tmp_path / "tests.yaml"
    told = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": cases}
    path.write_text(yaml.safe_dump(told, allow_unicode=True))
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_can_fail(promtool, tmp_path):
    """A condition that is not made is told as a failure."""
    path = tmp_path / "tests.yaml"
    told = {"rule_files": [str(RULES)], "evaluation_interval": "1m",
            "tests": [case("EdgeHot", WELL, True)]}  # fmt: skip
    path.write_text(yaml.safe_dump(told))
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True)
    assert done.returncode != 0
