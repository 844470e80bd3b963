# SPDX-License-Identifier: AGPL-3.0-or-later
"""The words of the work report in Chinese and English, and how its page looks. Data only."""

from __future__ import annotations

STYLE = """
:root{--ink:#14202b;--soft:#5c6b78;--line:#d5dde4;--found:#9db8d2;--confirmed:#1f5f99;--bad:#b3261e}
*{box-sizing:border-box}
body{font:15px/1.5 'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei','PingFang SC',
sans-serif;color:var(--ink);margin:0 auto;max-width:190mm;padding:10mm 6mm}
h1{font-size:24px;margin:0}
h2{font-size:17px;margin:9mm 0 3mm;border-bottom:2px solid var(--confirmed)}
p.sub{color:var(--soft);margin:1mm 0 6mm}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(30mm,1fr));gap:3mm}
p.lead{font-size:16px;margin:0 0 4mm}h2,thead{break-after:avoid}
table.short{break-inside:avoid}td.words{text-align:left}
details a{color:inherit;margin-right:1ex}
.tile{border:1px solid var(--line);border-radius:2mm;padding:3mm}
.tile b{display:block;font-size:28px;line-height:1.1}.tile small{color:var(--soft)}
.tile.bad b{color:var(--bad)}
table{border-collapse:collapse;width:100%;font-size:13px}
th,td{border-bottom:1px solid var(--line);padding:1.2mm 1.6mm;text-align:right;vertical-align:top}
th:first-child,td:first-child{text-align:left;min-width:24mm}
.tiles+table{margin-top:5mm}
.wide table{font-size:11.5px}.wide th,.wide td{padding:1.2mm 1mm}
th{font-weight:600;color:var(--soft)}td.bad,tr.bad td{color:var(--bad);font-weight:600}
details summary{cursor:pointer;list-style:none;text-decoration:underline dotted}
details p{font-size:11px;color:var(--soft);text-align:left;word-break:break-all;margin:0}
svg{width:100%;height:auto;overflow:visible}
svg text{font-size:11px;fill:var(--soft);text-anchor:middle}
svg text.in{fill:#fff}
.key span{print-color-adjust:exact;display:inline-block;width:3mm;height:3mm;margin:0 1mm 0 4mm}
@page{size:A4;margin:12mm;@bottom-center{content:counter(page) " / " counter(pages);
font-size:10px;color:#5c6b78}}
@media print{body{padding:0;font-size:12px}details p{display:none}
h2,.tiles,tr,svg{break-inside:avoid}thead{display:table-header-group}
details summary{text-decoration:none}}
@media (max-width:480px){table{font-size:12px}th,td{padding:1mm}.wide{overflow-x:auto}}
"""

WORDS: dict[str, tuple[str, str]] = {
    "title": ("工作报告", "Work report"),
    "title_week": ("工作周报", "Weekly report"),
    "title_month": ("工作月报", "Monthly report"),
    "from_to": ("{first} 至 {last}，共 {days} 天", "{first} to {last}, {days} days"),
    "made": ("生成于 {at}；未到期末的数字以此时为准", "made {at}; figures stand as of then"),
    "before": ("上期 {n}", "before: {n}"),
    "no_before": ("上期无数据", "no data before"),
    "lead": (
        "本期发现疑似问题 {found} 起。已审核 {reviewed} 起，其中属实 {confirmed} 起、"
        "误识别 {wrong} 起；另有 {unreviewed} 起尚未审核。属实案件中已销号 {settled} 起，"
        "办理中 {open} 起，其他结果 {other} 起；超期 {overdue} 起。",
        "{found} suspected cases were found. {reviewed} were reviewed: {confirmed} confirmed, "
        "{wrong} misdetected; {unreviewed} wait for review. Of the confirmed ones {settled} are "
        "settled, {open} are open and {other} ended otherwise; {overdue} went over their time.",
    ),
    "figure": ("指标", "Figure"),
    "now": ("本期", "This period"),
    "range": ("可信范围（95%）", "95 % interval"),
    "then": ("上期", "Period before"),
    "change": ("比较", "Change"),
    "went": ("提示后离开（离开/提示）", "Left after a reminder (of reminded)"),
    "ended": ("办结", "ended"),
    "how_many": ("次数", "Cases"),
    "terms": ("说明", "What the words mean"),
    "terms_text": (
        "“发现”是设备识别的疑似问题；“属实”“误识别”由人员审核确定。“超期”指过了办结时限仍未销"
        "号，或销号时已过时限。"
        "“复发”指同一地点（渣土车按车辆）在前一起结束后 7 天或 30 天内再次属实。带虚线的数字可"
        "点开查看案件编号。"
        "百分比后的括号是件数；“可信范围”随件数增多而变窄，两期范围不重叠才写“高”或“低”。",
        "Found: suspected by the device. Confirmed and misdetected: decided by a person. "
        "Overdue: not settled "
        "when its time was over, or settled after it. Back within days: confirmed again at "
        "the same place (the "
        "same truck) after the one before had ended. A dotted number opens its cases. Behind "
        "a percentage stand "
        "its counts; a change is told only where the intervals of both periods do not overlap.",
    ),
    "whole": ("总览", "Overview"),
    "found": ("发现（疑似）", "Found (suspected)"),
    "confirmed": ("审核属实", "Confirmed"),
    "settled": ("已销号", "Settled"),
    "overdue": ("超期", "Overdue"),
    "unreviewed": ("尚未审核", "Not reviewed yet"),
    "precision": ("准确率（属实/已审核）", "Precision (confirmed of reviewed)"),
    "on_time": ("按期办结率", "Settled in time"),
    "review_h": ("审核用时中位数（小时）", "Median hours to review"),
    "settle_h": ("销号用时中位数（小时）", "Median hours to settle"),
    "interval": ("{low}–{high}", "{low}–{high}"),
    "more": ("比上期高", "above the period before"),
    "less": ("比上期低", "below the period before"),
    "same": ("与上期无可靠差别", "no reliable change"),
    "days": ("逐日", "By day"),
    "most": ("最多的一天", "most in a day"),
    "category": ("按类别", "By category"),
    "grid": ("按单元网格", "By unit grid"),
    "source": ("按摄像机、仪器或航次", "By camera, instrument or flight"),
    "medium": ("按发现方式", "By means"),
    "name": ("名称", "Name"),
    "case": ("编号", "Case"),
    "by_category": ("类别", "Category"),
    "by_source": ("来源", "Source"),
    "outcomes": ("处理结果", "Outcomes"),
    "count": ("件数", "Cases"),
    "watch": ("监控时间", "Watched time"),
    "watch_note": (
        "没有监控的时间不等于没有问题。“未记录”是设备关机或未运行的时间。",
        "Time that was not watched is not time without offences. “No record”: the box was off.",
    ),
    "watched_min": ("监控（分钟）", "watched, min"),
    "blind_min": ("失视（分钟）", "blind, min"),
    "dark_min": ("未记录（分钟）", "no record, min"),
    "share": ("监控率", "share watched"),
    "why": ("失视原因（分钟）", "why blind, min"),
    "quiet": ("动态清零", "Days without a confirmed case"),
    "quiet_days": ("距上一起属实（天）", "days since the last"),
    "returns": ("{n} 天内复发", "back within {n} days"),
    "hot": ("高发点位", "Where most was confirmed"),
    "late": ("超期案件", "Overdue cases"),
    "due": ("应办结", "due"),
    "state": ("状态", "state"),
    "none": ("无", "none"),
    "unknown": ("未登记", "not set"),
    "law": (
        "所有案件均为疑似线索，以执法人员审核结论为准。误识别不计入属实和复发。",
        "Every case is suspected until a person has reviewed it. Misdetections count nowhere else.",
    ),
}
STATES: dict[str, tuple[str, str]] = {
    "suspected": ("疑似", "suspected"),
    "confirmed": ("属实", "confirmed"),
    "misdetected": ("误识别", "misdetected"),
    "filed": ("立案", "filed"),
    "on_the_spot": ("现场整改", "settled on the spot"),
    "permitted": ("有许可", "permitted"),
    "duplicate": ("重复", "duplicate"),
    "not_pursued": ("不予处理", "not pursued"),
    "settled": ("已销号", "settled"),
}
MEDIA: dict[str, tuple[str, str]] = {
    "fixed_camera": ("固定摄像机", "fixed camera"),
    "drone": ("无人机巡飞", "drone flight"),
    "sensor": ("监测仪器", "instrument"),
}
# Why a camera did not see, as the inspection ledger says it.
BLIND: dict[str, tuple[str, str]] = {
    "stall": ("无画面", "no picture"),
    "picture_frozen": ("画面冻结", "frozen"),
    "picture_black": ("画面全黑", "black"),
    "picture_covered": ("镜头被遮挡", "covered"),
    "picture_blurred": ("画面模糊", "blurred"),
    "camera_moved": ("摄像机移位", "moved"),
    "view_changed": ("画面内容不符", "another view"),
    "config": ("配置有误", "wrong in the site file"),
    "set_aside": ("故障停用", "set aside"),
    "hot": ("设备过热降载", "too hot"),
    "power": ("供电不足降载", "too little power"),
}
