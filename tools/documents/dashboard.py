# SPDX-License-Identifier: AGPL-3.0-or-later
"""config/grafana/city-edge.json: a Grafana dashboard of what /metrics gives, made from one table.

tools/python -m tools.documents.dashboard            writes it
tools/python -m tools.documents.dashboard --check    1 where it is another
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[2] / "config" / "grafana" / "city-edge.json"
SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT, ACROSS = 8, 7, 3

# Title, kind of panel, unit of Grafana, and the queries with their legends.
PANELS: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Daemons up 服务", "stat", "none", (("edge_daemon_up{$box}", "{{daemon}}"),)),
    ("Open faults 故障", "stat", "none", (("edge_open_faults{$box}", "{{daemon}}"),)),
    ("Platform link 平台", "stat", "none", (("edge_broker_online{$box}", "online"),)),
    (
        "Violations an hour 每小时疑似违规",
        "timeseries",
        "none",
        (("increase(edge_violations_total{$box}[1h])", "{{instance}}"),),
    ),
    (
        "Pictures analysed a second 每秒分析帧数",
        "timeseries",
        "hertz",
        (("rate(edge_camera_looks_total{$box}[2m])", "{{camera}}"),),
    ),
    (
        "Age of the last picture 画面时差",
        "timeseries",
        "s",
        (("edge_camera_picture_age_seconds{$box}", "{{camera}}"),),
    ),
    (
        "Open cases, running clocks 未结案与计时",
        "timeseries",
        "none",
        (
            ("sum by (camera) (edge_camera_open_cases{$box})", "{{camera}} open"),
            ("sum by (camera) (edge_camera_candidates{$box})", "{{camera}} clocks"),
        ),
    ),
    (
        "Waiting for the platform 待发",
        "timeseries",
        "none",
        (
            ("edge_outbox_waiting_records{$box}", "{{kind}}"),
            ("edge_outbox_dead_records{$box}", "{{kind}} refused"),
        ),
    ),
    (
        "Oldest that waits 最久待发",
        "timeseries",
        "s",
        (("edge_outbox_oldest_seconds{$box}", "{{instance}}"),),
    ),
    (
        "Evidence waiting 待发证据",
        "timeseries",
        "decbytes",
        (("edge_outbox_waiting_bytes{$box}", "{{instance}}"),),
    ),
    (
        "Uplink 上行",
        "timeseries",
        "Bps",
        (("rate(edge_evidence_bytes_total{$box}[5m])", "{{instance}}"),),
    ),
    (
        "Published, acknowledged 已发与回执",
        "timeseries",
        "none",
        (
            ("increase(edge_published_total{$box}[10m])", "published"),
            ("increase(edge_acknowledged_total{$box}[10m])", "acknowledged"),
        ),
    ),
    (
        "Temperature 温度",
        "timeseries",
        "celsius",
        (("edge_temperature_celsius{$box}", "{{instance}}"),),
    ),
    (
        "Disk 存储",
        "timeseries",
        "decbytes",
        (("edge_disk_free_bytes{$box}", "free"),),
    ),
    (
        "Heat and disk steps 降级",
        "timeseries",
        "none",
        (("edge_heat_step{$box}", "heat"), ("edge_disk_step{$box}", "disk")),
    ),
    ("Sensors heard 传感器", "stat", "none", (("edge_sensor_heard{$box}", "{{sensor}}"),)),
    (
        "Sessions an hour 重连",
        "timeseries",
        "none",
        (("increase(edge_broker_connects_total{$box}[1h])", "{{instance}}"),),
    ),
    (
        "Lost rows 丢失",
        "timeseries",
        "none",
        (("increase(edge_rows_dropped_total{$box}[1h])", "{{instance}}"),),
    ),
)


def panel(number: int) -> dict[str, Any]:
    """One panel of the Grafana dashboard, at its place in the grid."""
    title, kind, unit, queries = PANELS[number]
    down, right = divmod(number, ACROSS)
    return {
        "id": number + 1,
        "title": title,
        "type": kind,
        "datasource": SOURCE,
        "gridPos": {"x": right * WIDTH, "y": down * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + i),
                "datasource": SOURCE,
                "expr": query.replace("$box", 'instance=~"$box"'),
                "legendFormat": legend,
            }
            for i, (query, legend) in enumerate(queries)
        ],
    }


def dashboard() -> dict[str, Any]:
    """Importable as it is: it asks for the Prometheus source and offers the boxes it finds."""
    box = {
        "name": "box",
        "type": "query",
        "datasource": SOURCE,
        "query": "label_values(edge_daemon_up, instance)",
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }
    source = {"name": "source", "type": "datasource", "query": "prometheus"}
    return {
        "uid": "city-edge",
        "title": "City Edge",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source, box]},
        "panels": [panel(number) for number in range(len(PANELS))],
    }


def text() -> str:
    return json.dumps(dashboard(), ensure_ascii=False, indent=1) + "\n"


def main() -> int:
    """Writes the dashboard; with --check 1 where the file is not what the code makes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only compare")
    if parser.parse_args().check:
        return 0 if PATH.is_file() and PATH.read_text("utf-8") == text() else 1
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
