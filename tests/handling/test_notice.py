# SPDX-License-Identifier: AGPL-3.0-or-later
"""The sheet put up at a place: its four ledgers, and nobody's name, number or plate on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from box_of_cases import TEN, Box

from edge import ledger
from edge.cli import main
from edge.rules.notice import masked, masked_name

HOUR = 3600.0


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("车牌鲁D12345", "车牌鲁D****5"),
        ("鲁D·12345，渣土车", "鲁D·****5，渣土车"),
        ("京AD12345", "京A*****5"),
        ("电话13812345678", "电话138****5678"),
        ("0632-6612345 值班", "0632-****345 值班"),
        ("身份证370602199001011234", "身份证3706**********1234"),
        ("37060219900101123X", "3706**********123X"),
        ("负责人：张三丰，已告知", "负责人：张某，已告知"),
        ("联系人李四", "联系人李某"),
        ("王小明先生到场", "王某先生到场"),
        ("老张面馆 61.5 dB", "老张面馆 61.5 dB"),
        ("2026-05-01 09:30", "2026-05-01 09:30"),
    ],
)
def test_what_names_a_person_is_masked(text: str, seen: str) -> None:
    assert masked(text) == seen


@pytest.mark.parametrize(
    ("who", "seen"),
    [("张三", "张某"), ("洁净公司", "洁净公司"), ("李师傅清洗队", "李师傅清洗队"), ("", "")],
)
def test_a_firm_is_named_and_a_person_is_not(who: str, seen: str) -> None:
    assert masked_name(who) == seen


def test_the_sheet_tells_what_was_confirmed_and_counts_what_waits(tmp_path: Path) -> None:
    box = Box(tmp_path / "state", tmp_path / "run")
    for number, verdict in enumerate(("confirmed", "rejected", "", "confirmed"), 1):
        case, at = f"v-{number:06d}", TEN + number * 60
        box.found(case, at, camera="east" if number < 4 else "west")
        if verdict:
            box.reviewed(case, verdict, at + HOUR, by="console:赵检查")
    box.reviewed("v-000001", "confirmed", TEN + 2 * HOUR, outcome="filed", by="console:赵检查")
    box.work(TEN + 3 * HOUR)
    box.close()
    spans = [
        {"camera": name, "start": TEN, "seconds": 600.0, "reason": ""} for name in ("east", "far")
    ]
    ledger.append(box.state, "inspection", spans, TEN)
    cleaned = {"wall": TEN, "shop": "鼓楼东街面馆", "by": "孙小云", "note": "电话13812345678"}
    ledger.append(box.state, "cleaning", [cleaned], TEN)
    out = tmp_path / "notice.html"
    words = ["--state", str(box.state), "--place", "鼓楼东街", "--out", str(out)]
    assert main(["ledger", "notice", *words, "--from", "2026-03-09", "--to", "2026-03-09"]) == 0
    page = out.read_text("utf-8")
    for title in (
        "一、巡查记录",
        "二、检测结果记录",
        "三、油烟净化设备清洗记录",
        "四、处理、处罚记录",
    ):
        assert title in page
    # All four cases are of this street; the misdetection is not there, the open one is a number.
    assert page.count("<td>游商</td>") == 2
    assert page.count("立案查处") == 1
    assert page.count("待处理") == 1
    assert "另有 1 起疑似情况待执法人员核实" in page
    assert "<td>east</td>" in page
    assert "<td>far</td>" not in page
    assert "孙某" in page
    for hidden in ("赵检查", "孙小云", "13812345678", "v-000002"):
        assert hidden not in page
