# SPDX-License-Identifier: AGPL-3.0-or-later
"""/metrics from the statuses as daemons write them; the dashboard asks for nothing that is not."""

import json
import re

import pytest
from starlette.testclient import TestClient

from edge.console.metrics import METRICS, render
from tools.documents import dashboard

STATUSES = {
    "visiond": {
        "wall": 1000.0, "alive": True, "faults": [{}],
        "cameras": {
            'n"1': {"looks": 5, "open": 1, "candidates": 2, "last_wall": 998.5,
                    "blind": "stream_stall"},
            "file": {"looks": 7, "open": 0, "candidates": 0, "last_wall": 5.0, "recording": True},
            "new": {"looks": 0, "last_wall": None},
        },
        "counts": {"violations": 2, "revisions": 4, "faults": 1, "dropped": 0},
        "board": {"temperature_c": 61.5, "step": 1},
    },
    "sensord": {"alive": False, "faults": [],
                "sensors": {"west": {"state": "heard"}, "east": {"state": "unknown"}}},
    "uplinkd": {
        "wall": 1000.0, "alive": True, "online": True, "connects": 3,
        "outbox": {
            "records": {"violation": {"new": 2, "inflight": 1, "platform_ack": 9, "dead": 1}},
            "waiting_bytes": 123_456_789_012, "oldest_wall": 940.0,
        },
        "records": {"published": 3, "acknowledged": 2}, "evidence": {"bytes": 2_507_130},
        "clock": {"quality": "ntp", "error_ms": 3.0},
        "software": {"stage": "trial", "at": 900.0, "before": 7, "outcome": ""},
    },
    "janitord": {"alive": True, "ladder": 0, "free_mb": 69190, "evicted": 4,
                 "cases": {"states": {"filed": 3}, "overdue": 2}},
}  # fmt: skip

LINES = [
    'edge_cases{state="filed"} 3', "edge_cases_overdue 2",
    'edge_daemon_up{daemon="sensord"} 0', 'edge_open_faults{daemon="visiond"} 1',
    'edge_camera_looks_total{camera="n\\"1"} 5', "edge_violations_total 2",
    'edge_camera_picture_age_seconds{camera="n\\"1"} 1.5', "edge_temperature_celsius 61.5",
    "edge_broker_online 1", 'edge_outbox_waiting_records{kind="violation"} 3',
    'edge_outbox_dead_records{kind="violation"} 1', "edge_outbox_oldest_seconds 60",
    "edge_outbox_waiting_bytes 123456789012", "edge_disk_free_bytes 69190000000",
    'edge_camera_blind{camera="n\\"1"} 1', "edge_clock_set 1", "edge_software_release 7",
    "edge_software_step_seconds 100", "edge_software_not_held 0",
    'edge_sensor_heard{sensor="west"} 1', 'edge_sensor_heard{sensor="east"} 0', "edge_disk_step 0",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_number_of_a_status_is_a_line(line):
    assert line in render(STATUSES).splitlines()


def test_every_metric_has_a_sample_here_and_the_format_holds():
    """Prometheus's text format: HELP and TYPE once before the samples of a name."""
    text, seen = render(STATUSES), set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in seen
            seen.add(name)
            continue
        match = re.fullmatch(r"(?:# TYPE )?([a-z_]+)(?:\{.*\})? (?:counter|gauge|-?[\d.e+]+)", line)
        assert match and match[1] == name, line
    assert seen == {metric.name for metric in METRICS}


@pytest.mark.parametrize("status", [{}, {"cameras": 3, "counts": [], "outbox": 1, "sensors": [1]}])
def test_what_is_not_told_is_left_out_and_nonsense_harms_nothing(status):
    text = render(dict.fromkeys(STATUSES, status))
    assert "edge_violations_total" not in text and text.endswith("\n")
    assert 'camera="file"' not in render(STATUSES).partition("picture_age")[2].partition("#")[0]


def test_the_dashboard_is_the_one_that_is_made_and_names_only_what_is_exported():
    assert dashboard.PATH.read_text("utf-8") == dashboard.text(), "run tools.documents.dashboard"
    asked = " ".join(
        target["expr"] for panel in dashboard.dashboard()["panels"] for target in panel["targets"]
    )
    named = set(re.findall(r"edge_[a-z_]+", asked))
    assert named <= {metric.name for metric in METRICS}
    assert len(json.loads(dashboard.text())["panels"]) == len(dashboard.PANELS)


def test_metrics_need_a_login_unless_the_device_file_opens_them(box):
    client = TestClient(box.app, follow_redirects=False)
    assert client.get("/metrics").status_code == 303
    box.open_metrics()
    box.status(cameras={"north": {"looks": 3}})
    answer = client.get("/metrics")
    assert answer.status_code == 200 and 'looks_total{camera="north"} 3' in answer.text
    assert client.get("/live").status_code == 303
    assert client.get("/healthz").text == "ok"
