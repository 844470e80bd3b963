# SPDX-License-Identifier: AGPL-3.0-or-later
"""The facts behind a judgement in sentences, Chinese and English. Pure: facts in, words out.

A sentence is made where its facts are there; whatever has none is shown as it is, in a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from edge.console.texts import Language, text

Facts = Mapping[str, Any]
Sentence = Callable[[Facts], "tuple[str, str] | None"]


# What the shipped detector tells apart, as people call it. Other models' classes keep theirs.
CLASSES: dict[str, tuple[str, str]] = {
    "person": ("人", "person"),
    "vendor_stall": ("摊位", "vendor's stall"),
    "muck_truck": ("渣土车", "muck truck"),
    "spillage": ("遗撒物", "spilt matter"),
    "dust": ("扬尘", "dust"),
    "smoke": ("烟", "smoke"),
    "grill": ("烧烤架", "grill"),
    "fire": ("明火", "fire"),
    "excavator": ("挖掘机", "excavator"),
    "garbage": ("垃圾", "refuse"),
    "car": ("小汽车", "car"),
    "truck": ("货车", "lorry"),
    "bus": ("公交车", "bus"),
    "bicycle": ("自行车", "bicycle"),
    "motorcycle": ("摩托车", "motorcycle"),
    "umbrella": ("伞", "umbrella"),
    "bin": ("垃圾桶", "bin"),
    "overflowing_bin": ("满溢的垃圾桶", "overflowing bin"),
    "graffiti": ("涂写张贴", "graffiti or poster"),
    "open_manhole": ("缺盖的检查井", "open manhole"),
    "waterlogging": ("积水", "standing water"),
    "kick_scooter": ("滑板车", "kick scooter"),
}


def span(seconds: float) -> tuple[str, str]:
    """A length of time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} 秒", f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} 分钟", f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} 小时", f"{seconds / 3600:.1f} h"


def _stay(facts: Facts) -> tuple[str, str]:
    zh, en = span(float(facts["dwell_s"]))
    limit = facts.get("dwell_limit_s")
    if not limit:
        return f"已停留 {zh}", f"Stayed for {en}"
    zh_limit, en_limit = span(float(limit))
    return f"已停留 {zh}，时限 {zh_limit}", f"Stayed for {en}; allowed are {en_limit}"


def _seen(facts: Facts) -> tuple[str, str]:
    share = f"{100 * float(facts['seen_share']):.0f} %"
    return f"停留期间可见率 {share}", f"Seen during {share} of that time"


def _score(facts: Facts) -> tuple[str, str]:
    share, kind = f"{100 * float(facts['best_score']):.0f} %", str(facts.get("class", ""))
    zh, en = CLASSES.get(kind, (kind, kind))
    return f"识别为“{zh}”，最高置信度 {share}", f"The model says {en}, at best {share}"


TRUST: dict[str, tuple[str, str] | None] = {
    "weak": (
        "模型对该类别识别较弱（真实画面实测），请仔细核对",
        "The model is weak at this class, as measured on real pictures: look closely",
    ),
    "unproven": (
        "该类别未经真实画面验证，只作线索",
        "This class is unproven on real pictures: a lead, not a case",
    ),
}


def _trust(facts: Facts) -> tuple[str, str] | None:
    return TRUST.get(str(facts["trust"]))


def _opinion(facts: Facts) -> tuple[str, str] | None:
    if facts["second_opinion"]["says"] != "doubts":
        return None
    right, false = (int(count) for count in facts["second_opinion"]["taught_with"])
    return (
        f"本机位以往审核（属实 {right}、误识别 {false}）所教的判断对此存疑，改作线索",
        f"What this camera's verdicts taught ({right} confirmed, {false} rejected) doubts it: "
        "made a lead",
    )


def _attended(facts: Facts) -> tuple[str, str]:
    share = f"{100 * float(facts['attended_share']):.0f} %"
    return f"有人值守时间占 {share}", f"Somebody was beside it during {share}"


def _smoke(facts: Facts) -> tuple[str, str]:
    share = f"{100 * float(facts['with_smoke_share']):.0f} %"
    return f"{share} 的时间有烟", f"With smoke during {share}"


def _sources(facts: Facts) -> tuple[str, str] | None:
    count = int(facts["sources"])
    if count < 2:
        return None
    return (
        f"同一摊点疑似烧烤源 {count} 处",
        f"{count} things taken for grill or smoke stand together",
    )


def _truck(facts: Facts) -> tuple[str, str] | None:
    truck = facts["truck"]
    if not isinstance(truck, Mapping) or "seen_s" not in truck:
        return None
    zh, en = span(float(truck["seen_s"]))
    return f"此前有渣土车经过，可见 {zh}", f"A muck truck passed before, seen for {en}"


def _heaps(facts: Facts) -> tuple[str, str]:
    return f"路面新出现 {facts['heaps']} 处遗撒", f"{facts['heaps']} new heap(s) on the road"


def _level(facts: Facts) -> tuple[str, str] | None:
    if "limit_db" not in facts or facts.get("over_by_db") is None:
        return None
    figures = f"{float(facts['leq_db']):.1f} dB(A)"
    limit, over = f"{float(facts['limit_db']):.0f}", f"{float(facts['over_by_db']):.1f}"
    period = "夜间" if facts.get("period") == "night" else "昼间"
    return (
        f"{period}等效声级 {figures}，限值 {limit}，超出 {over} dB",
        f"Equivalent level {figures} by {facts.get('period')}, limit {limit}: {over} dB over",
    )


def _spread(facts: Facts) -> tuple[str, str] | None:
    names = ("l10_db", "l50_db", "l90_db", "lmax_db")
    if any(facts.get(name) is None for name in names):
        return None
    l10, l50, l90, most = (f"{float(facts[name]):.1f}" for name in names)
    words = f"L10 {l10} · L50 {l50} · L90 {l90} · Lmax {most} dB(A)"
    return words, words


def _windows(facts: Facts) -> tuple[str, str]:
    count = len(facts["windows"])
    zh, en = span(float(facts.get("window_s", 0.0)))
    return f"连续 {count} 个测量时段，每段 {zh}", f"{count} measuring periods in a row, {en} each"


def _kitchen(facts: Facts) -> tuple[str, str] | None:
    kitchen = facts["kitchen"]
    if not isinstance(kitchen, Mapping):
        return None
    words = {True: ("开", "on"), False: ("关", "off"), None: ("未知", "unknown")}
    fan, purifier = words[kitchen.get("fan")], words[kitchen.get("purifier")]
    fume = kitchen.get("fume_mg")
    zh, en = f"风机{fan[0]}，净化器{purifier[0]}", f"Fan {fan[1]}, purifier {purifier[1]}"
    if fume is not None:
        zh, en = f"{zh}，油烟 {fume:g} mg/m³", f"{en}, fume {fume:g} mg/m³"
    return zh, en


def _metrology(facts: Facts) -> tuple[str, str] | None:
    standing = facts["metrology"].get("standing")
    if standing == "legal":
        return "仪器在检定有效期内并已校准", "The instrument is certified, in date and calibrated"
    return (
        "读数仅供参考（仪器无有效检定或校准）",
        "Indicative only: no valid certificate or calibration",
    )


def _occurrence(facts: Facts) -> tuple[str, str] | None:
    if not facts["first_here"]:
        return "该地点非首次发生", "Not the first time at this place"
    return None


def _deadline(facts: Facts) -> tuple[str, str] | None:
    hours = facts["deadline_h"]
    return (f"处置时限 {hours:g} 小时", f"To be handled within {hours:g} h") if hours else None


def _clock(facts: Facts) -> tuple[str, str] | None:
    if facts["clock_quality"] in ("ntp", "gnss"):
        return None
    return "时钟未同步，时间仅供参考", "The clock was not synchronised: times are approximate"


# The key that a sentence is about, in the order in which they are told.
SENTENCES: tuple[tuple[str, Sentence], ...] = (
    ("dwell_s", _stay),
    ("seen_share", _seen),
    ("attended_share", _attended),
    ("with_smoke_share", _smoke),
    ("sources", _sources),
    ("truck", _truck),
    ("heaps", _heaps),
    ("best_score", _score),
    ("trust", _trust),
    ("second_opinion", _opinion),
    ("leq_db", _level),
    ("l50_db", _spread),
    ("windows", _windows),
    ("kitchen", _kitchen),
    ("metrology", _metrology),
    ("first_here", _occurrence),
    ("deadline_h", _deadline),
    ("clock_quality", _clock),
)


def sentences(facts: Facts, language: Language) -> list[str]:
    """What the facts say, a sentence each; facts of an unexpected shape are left to the table."""
    found = []
    for key, sentence in SENTENCES:
        if facts.get(key) is None:
            continue
        try:
            pair = sentence(facts)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        if pair is not None:
            found.append(pair[0] if language == "zh" else pair[1])
    return found


# What the judges say of a place -> the same in Chinese.
ZONE_REASONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^in the forbidden zone (.+)$"), "在禁止区域“{0}”内"),
    (re.compile(r"^in the (\w+) zone$"), "在{kind}区域内"),
    (re.compile(r"^in a watched zone, outside every permitted zone and time$"),
     "在监控区域内，不在任何允许经营的区域和时段"),
    (re.compile(r"^(GB \d+) class (\S+), day: limit (\d+) dB\(A\)(.*)$"),
     "{0} {1} 类，昼间限值 {2} dB(A)"),
    (re.compile(r"^(GB \d+) class (\S+), night: limit (\d+) dB\(A\)(.*)$"),
     "{0} {1} 类，夜间限值 {2} dB(A)"),
    (re.compile(r"^at work at night, no permit$"), "夜间施工，无许可"),
    (re.compile(r"^(.*): fan on, purifier off$"), "{0}：风机开，净化器关"),
)  # fmt: skip


def place_words(reason: str, language: Language) -> str:
    """Why the place counts, in the reader's language where the reason is a known one."""
    if language == "en":
        return reason
    for pattern, words in ZONE_REASONS:
        match = pattern.match(reason)
        if match:
            return words.format(*match.groups(), kind=_kind(match))
    return reason


def _kind(match: re.Match[str]) -> str:
    name = match[1] if match.groups() else ""
    known = f"kind_{name}" if name.isascii() else ""
    try:
        return text(known, "zh")
    except KeyError:
        return name
