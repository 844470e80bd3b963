# SPDX-License-Identifier: AGPL-3.0-or-later
"""The notice put up at a site or shop (记录公示), filled from the ledgers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Rows = Sequence[Mapping[str, Any]]

STYLE = """body{font-family:'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei',sans-serif;
margin:2cm;color:#111}
h1{font-size:22pt;text-align:center}h2{font-size:14pt;margin-top:1.2em}
table{width:100%;border-collapse:collapse;font-size:11pt}
td,th{border:1px solid #444;padding:4px 6px;
text-align:left}p.small{font-size:9pt;color:#444}@page{size:A4;margin:1.5cm}"""

OUTCOMES = {
    "self_corrected": "已自行整改",
    "settled": "现场处置",
    "to_report": "上报待核",
    "to_file": "上报立案",
}


def notice_html(place: str, handled: Rows, measured: Rows, cleaned: Rows) -> str:
    """One A4 page: cases, measurements, purifier cleanings of one place. Masked by having no
    picture and no name of a person in it at all."""
    parts = [
        f"<h1>{escape(place)}　巡查记录公示</h1>",
        _table("一、巡查发现与处理", _CASES, handled, "本期未发现问题。"),
        _table("二、检测结果", _LEVELS, measured, "本期无检测记录。"),
        _table("三、油烟净化设备清洗", _CLEANING, cleaned, "本期无清洗记录。"),
        '<p class="small">以上由设备自动记录，均为疑似线索，以执法人员核实结果为准。'
        "对记录有异议的，可向所在地综合行政执法机构申请查询、陈述和申辩。</p>",
    ]
    body = "\n".join(parts)
    title = escape(place)
    return (
        f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style><body>\n{body}\n</body></html>\n"
    )


_CASES = {
    "time": "时间",
    "name": "事项",
    "occurrence": "次数",
    "outcome": "处理",
    "deadline_h": "时限(小时)",
}
_LEVELS = {"time": "时间", "channel": "指标", "value": "数值", "unit": "单位", "judgement": "判定"}
_CLEANING = {"time": "时间", "shop": "商户", "by": "清洗单位", "note": "备注"}


def _table(title: str, columns: Mapping[str, str], rows: Rows, empty: str) -> str:
    if not rows:
        return f"<h2>{title}</h2><p>{empty}</p>"
    head = "".join(f"<th>{name}</th>" for name in columns.values())
    lines = [
        "<tr>" + "".join(f"<td>{_cell(key, row.get(key))}</td>" for key in columns) + "</tr>"
        for row in rows
    ]
    return f"<h2>{title}</h2><table><tr>{head}</tr>{''.join(lines)}</table>"


def _cell(key: str, value: Any) -> str:
    if key == "outcome":
        return OUTCOMES.get(str(value), escape(str(value or "")))
    if key == "time" and value:
        return escape(str(value)[:16])
    return "" if value is None else escape(str(value))
