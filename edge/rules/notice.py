# SPDX-License-Identifier: AGPL-3.0-or-later
"""The notice put up at a site or shop (记录公示), its four ledgers on one sheet. Pure.

What is put up for everybody to read names no person: plates, telephone and identity numbers and
names of persons are masked in every cell. Only what a person has confirmed is published case by
case; what waits for review is a number, and a misdetection is not there at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Rows = Sequence[Mapping[str, Any]]

STYLE = """body{font-family:'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei',sans-serif;
margin:2cm;color:#111}
h1{font-size:22pt;text-align:center}h2{font-size:14pt;margin-top:1.2em}
table{width:100%;border-collapse:collapse;font-size:11pt}thead{display:table-header-group}
td,th{border:1px solid #444;padding:4px 6px;text-align:left}tr{break-inside:avoid}
p.when{text-align:center;color:#444}p.small{font-size:9pt;color:#444}
@page{size:A4;margin:1.5cm}@media print{body{margin:0}}"""

OUTCOMES = {
    "": "待处理",
    "filed": "立案查处",
    "on_the_spot": "现场整改",
    "permitted": "核实有许可",
    "duplicate": "与另案合并",
    "not_pursued": "不予处理",
    "settled": "已整改销号",
    "self_corrected": "提示后自行整改",
}

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PLATE = re.compile(rf"([{_PROVINCES}][A-Z])([·•\s]?)([A-Z0-9]{{4,6}}[A-Z0-9挂学警港澳])")
_IDENTITY = re.compile(r"(?<!\d)(\d{4})\d{10}(\d{3}[\dXx])(?!\d)")
_MOBILE = re.compile(r"(?<!\d)(1[3-9]\d)\d{4}(\d{4})(?!\d)")
_LANDLINE = re.compile(r"(?<!\d)(0\d{2,3}-?)\d{4,5}(\d{3})(?!\d)")
_ROLES = "负责人|经营者|当事人|联系人|驾驶员|司机|业主|店主|老板|清洗人|经办人|姓名"
_NAMED = re.compile(rf"((?:{_ROLES})\s*[:：为是]?\s*)([\u4e00-\u9fff])[\u4e00-\u9fff]{{1,2}}")
_TITLED = re.compile(r"([\u4e00-\u9fff])[\u4e00-\u9fff]{1,2}(?=(?:先生|女士|师傅))")
_FIRM = re.compile(r"[公司店厂中心队行部馆院所站]")
_PERSON = re.compile(r"[\u4e00-\u9fff]{2,4}")


def masked(text: str) -> str:
    """The text without what names a person: plates, identity and telephone numbers, names behind a
    word such as 负责人 or before 先生."""
    text = _IDENTITY.sub(r"\1**********\2", text)
    text = _MOBILE.sub(r"\1****\2", text)
    text = _LANDLINE.sub(r"\1****\2", text)
    text = _PLATE.sub(lambda m: m[1] + m[2] + "*" * (len(m[3]) - 1) + m[3][-1], text)
    return _TITLED.sub(r"\1某", _NAMED.sub(r"\1\2某", text))


def masked_name(text: str) -> str:
    """Who did something: a firm as it is, a person by the family name alone."""
    if _PERSON.fullmatch(text) and not _FIRM.search(text):
        return f"{text[0]}某"
    return masked(text)


def notice_html(
    place: str,
    *,
    when: str,
    inspected: Rows,
    measured: Rows,
    cleaned: Rows,
    handled: Rows,
    waiting: int,
) -> str:
    """A4 pages to put up. when: the days in words; waiting: cases that nobody has reviewed yet."""
    waits = f"<p>另有 {waiting} 起疑似情况待执法人员核实。</p>" if waiting else ""
    parts = [
        f"<h1>{escape(masked(place))}　监管记录公示</h1>",
        f'<p class="when">{escape(when)}</p>',
        _table("一、巡查记录", _INSPECTED, inspected, "本期无巡查记录。"),
        _table("二、检测结果记录", _LEVELS, measured, "本期无检测记录。"),
        _table("三、油烟净化设备清洗记录", _CLEANING, cleaned, "本期无清洗记录。"),
        _table("四、处理、处罚记录", _CASES, handled, "本期无经核实属实的问题。") + waits,
        '<p class="small">巡查、检测由设备自动记录；'
        "处理结果以执法人员核实结论和行政处罚决定书为准。"
        "号牌、姓名、电话等个人信息已作遮盖。"
        "对记录有异议的，可向所在地综合行政执法机构申请查询、陈述和申辩。</p>",
    ]
    body = "\n".join(parts)
    title = escape(masked(place))
    return (
        f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style><body>\n{body}\n</body></html>\n"
    )


_INSPECTED = {
    "period": "日期",
    "camera": "监看点",
    "watched_min": "监看(分钟)",
    "blind_min": "失视(分钟)",
}
_CASES = {
    "time": "发现时间",
    "name": "事项",
    "occurrence": "此处第几次",
    "outcome": "处理结果",
    "due": "应办结",
    "ended": "办结",
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
    return (
        f"<h2>{title}</h2><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def _cell(key: str, value: Any) -> str:
    if key == "outcome":
        return escape(OUTCOMES.get(str(value or ""), masked(str(value))))
    if key == "by":
        return escape(masked_name(str(value or "")))
    if key in ("time", "due", "ended") and value:
        return escape(str(value)[:16])
    return "" if value is None else escape(masked(str(value)))
