# SPDX-License-Identifier: AGPL-3.0-or-later
"""The work report as one printable page without scripts, in Chinese or English. Pure.

Plots are drawn as SVG into the page. Behind every figure stand its cases: a press on it opens the
list, on paper the number is enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Literal

from edge.handling.life import CaseLife
from edge.handling.report import COLUMNS, Period, Report
from edge.handling.statistics import Figures, Share

Language = Literal["zh", "en"]

STYLE = """
:root{--ink:#14202b;--soft:#5c6b78;--line:#d5dde4;--found:#9db8d2;--confirmed:#1f5f99;--bad:#b3261e}
*{box-sizing:border-box}
body{font:15px/1.5 'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei','PingFang SC',
sans-serif;color:var(--ink);margin:0 auto;max-width:190mm;padding:10mm 6mm}
h1{font-size:24px;margin:0}
h2{font-size:17px;margin:9mm 0 3mm;border-bottom:2px solid var(--confirmed)}
p.sub{color:var(--soft);margin:1mm 0 6mm}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(36mm,1fr));gap:3mm}
.tile{border:1px solid var(--line);border-radius:2mm;padding:3mm}
.tile b{display:block;font-size:28px;line-height:1.1}.tile small{color:var(--soft)}
.tile.bad b{color:var(--bad)}
table{border-collapse:collapse;width:100%;font-size:13px}
th,td{border-bottom:1px solid var(--line);padding:1.2mm 1.6mm;text-align:right;vertical-align:top}
th:first-child,td:first-child{text-align:left}
th{font-weight:600;color:var(--soft)}td.bad,tr.bad td{color:var(--bad);font-weight:600}
details summary{cursor:pointer;list-style:none;text-decoration:underline dotted}
details p{font-size:11px;color:var(--soft);text-align:left;word-break:break-all;margin:0}
svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--soft)}
.key span{display:inline-block;width:3mm;height:3mm;margin:0 1mm 0 4mm}
@page{size:A4;margin:12mm}
@media print{body{padding:0;font-size:12px}details p{display:none}
h2,.tiles,tr,svg{break-inside:avoid}}
@media (max-width:480px){table{font-size:12px}th,td{padding:1mm}.wide{overflow-x:auto}}
"""

WORDS: dict[str, tuple[str, str]] = {
    "title": ("工作报告", "Work report"),
    "from_to": ("{first} 至 {last}，共 {days} 天", "{first} to {last}, {days} days"),
    "made": ("生成于 {at}；未到期末的数字以此时为准", "made {at}; figures stand as of then"),
    "before": ("上期 {n}", "before: {n}"),
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
    "interval": ("95% 区间 {low}–{high}", "95 % interval {low}–{high}"),
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
# Which way is good news, for the colour of a change.
SHOWN = ("found", "confirmed", "settled", "overdue", "unreviewed")


class _ReportPage:
    """Builds the parts in one language."""

    def __init__(self, report: Report, language: Language, site: str) -> None:
        self._r, self._i, self._site = report, 0 if language == "zh" else 1, site
        self._language = language

    def t(self, key: str, **fields: object) -> str:
        return escape(WORDS[key][self._i].format(**fields))

    def html(self) -> str:
        """The whole page."""
        r = self._r
        body = [
            f"<h1>{escape(self._site)} {self.t('title')}</h1>",
            f'<p class="sub">{self._when(r.period)}<br>{self._made()}</p>',
            self._section("whole", self._tiles() + self._shares()),
            self._section(
                "days", day_plot(r.days, self.t("found"), self.t("confirmed"), self.t("most"))
            ),
            *(self._section(by, self._table(by)) for by in r.divisions if r.divisions[by]),
            self._section("outcomes", self._outcomes()),
            self._section("late", self._late()),
            self._section("quiet", self._quiet()),
            self._section("watch", self._watch()),
            f'<p class="sub">{self.t("law")}</p>',
        ]
        lang = "zh-CN" if self._language == "zh" else "en"
        return (
            f'<!doctype html><html lang="{lang}"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{escape(self._site)} {self.t('title')}</title><style>{STYLE}</style><body>"
            + "\n".join(body)
            + "</body></html>\n"
        )

    def _section(self, key: str, inner: str) -> str:
        return f'<h2>{self.t(key)}</h2><div class="wide">{inner}</div>'

    def _when(self, period: Period) -> str:
        return self.t("from_to", first=period.first, last=period.last, days=period.days)

    def _made(self) -> str:
        return self.t("made", at=self._at(self._r.made_at))

    def _at(self, wall: float) -> str:
        return f"{datetime.fromtimestamp(wall, self._r.period.timezone):%Y-%m-%d %H:%M}"

    def _tiles(self) -> str:
        tiles = []
        for name in SHOWN:
            now, then = getattr(self._r.whole, name), getattr(self._r.earlier, name)
            bad = ' class="tile bad"' if name == "overdue" and now else ' class="tile"'
            cases = _cases(self._r.whole, name)
            tiles.append(
                f"<div{bad}><small>{self.t(name)}</small><b>{_opened(now, cases)}</b>"
                f"<small>{self.t('before', n=then)}</small></div>"
            )
        return f'<div class="tiles">{"".join(tiles)}</div>'

    def _shares(self) -> str:
        r = self._r
        rows = [
            (key, getattr(r.whole, key), getattr(r.earlier, key))
            for key in ("precision", "on_time")
        ]
        shares = "".join(
            f"<tr><td>{self.t(key)}</td><td>{_percent(now)} ({now.part}/{now.whole})</td>"
            f"<td>{self._interval(now)}</td><td>{_percent(then)} ({then.part}/{then.whole})</td>"
            f"<td>{self._change(now, then)}</td></tr>"
            for key, now, then in rows
        )
        times = "".join(
            f"<tr><td>{self.t(key)}</td><td>{_hours(now)}</td><td></td><td>{_hours(then)}</td>"
            "<td></td></tr>"
            for key, now, then in (
                ("review_h", r.whole.to_review_h, r.earlier.to_review_h),
                ("settle_h", r.whole.to_settle_h, r.earlier.to_settle_h),
            )
        )
        return f"<table>{shares}{times}</table>"

    def _interval(self, share: Share) -> str:
        low, high = share.interval
        return self.t("interval", low=f"{low:.0%}", high=f"{high:.0%}") if share.whole else "–"

    def _change(self, now: Share, then: Share) -> str:
        if now.value is None or then.value is None or not now.differs(then):
            return self.t("same")
        return self.t("more" if now.value > then.value else "less")

    def _table(self, by: str) -> str:
        head = "".join(f"<th>{escape(words[self._i])}</th>" for words in COLUMNS.values())
        rows = "".join(
            f"<tr><td>{self._named(by, name)}</td>{self._cells(row)}</tr>"
            for name, row in self._r.divisions[by].items()
        )
        return f"<table><tr><th>{self.t('name')}</th>{head}</tr>{rows}</table>"

    def _cells(self, row: Figures) -> str:
        return "".join(
            f"<td{' class=bad' if name == 'overdue' and getattr(row, name) else ''}>"
            f"{_opened(getattr(row, name), _cases(row, name))}</td>"
            for name in COLUMNS
        )

    def _named(self, by: str, name: str) -> str:
        if not name:
            return self.t("unknown")
        if by == "category":
            return self._category(name)
        return escape(MEDIA[name][self._i] if by == "medium" and name in MEDIA else name)

    def _category(self, name: str) -> str:
        return escape(str(self._r.names.get(name, {}).get(self._language) or name))

    def _outcomes(self) -> str:
        counted = self._r.whole.outcomes
        if not counted:
            return f"<p>{self.t('none')}</p>"
        rows = "".join(
            f"<tr><td>{escape(STATES[name][self._i])}</td><td>{n}</td></tr>"
            for name, n in counted.items()
        )
        return (
            f"<table><tr><th>{self.t('outcomes')}</th><th>{self.t('count')}</th></tr>{rows}</table>"
        )

    def _late(self) -> str:
        if not self._r.overdue:
            return f"<p>{self.t('none')}</p>"
        rows = "".join(self._late_row(life) for life in self._r.overdue)
        return (
            f"<table><tr><th>id</th><th>{self.t('category')}</th><th>{self.t('source')}</th>"
            f"<th>{self.t('due')}</th><th>{self.t('state')}</th></tr>{rows}</table>"
        )

    def _late_row(self, life: CaseLife) -> str:
        due = self._at(life.due) if life.due is not None else "–"
        return (
            f'<tr class="bad"><td>{escape(life.case)}</td><td>{self._category(life.category)}</td>'
            f"<td>{escape(life.source)}</td><td>{due}</td>"
            f"<td>{escape(STATES[life.state][self._i])}</td></tr>"
        )

    def _quiet(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(row.grid) or self.t('unknown')} · {self._category(row.category)}</td>"
            f"<td>{'–' if row.days is None else int(row.days)}</td><td>{row.confirmed}</td>"
            + "".join(f"<td>{n}</td>" for n in row.returns.values())
            + "</tr>"
            for row in self._r.quiet
        )
        days = self._r.quiet[0].returns if self._r.quiet else {}
        heads = "".join(f"<th>{self.t('returns', n=n)}</th>" for n in days)
        hot = "".join(
            f"<tr><td>{escape(source)} · {self._category(category)}</td><td>{n}</td></tr>"
            for source, category, n in self._r.hot_spots
        )
        return (
            f"<table><tr><th>{self.t('name')}</th><th>{self.t('quiet_days')}</th>"
            f"<th>{self.t('confirmed')}</th>{heads}</tr>{rows}</table>"
            + (f"<table><tr><th>{self.t('hot')}</th><th></th></tr>{hot}</table>" if hot else "")
        )

    def _watch(self) -> str:
        keys = ("name", "watched_min", "blind_min", "dark_min", "share", "why")
        head = "".join(f"<th>{self.t(key)}</th>" for key in keys)
        rows = "".join(
            f"<tr><td>{escape(row.camera)}</td><td>{row.watched_min:.0f}</td>"
            f"<td>{row.blind_min:.0f}</td><td>{row.dark_min:.0f}</td>"
            f"<td>{'–' if row.share is None else format(row.share, '.1%')}</td>"
            f"<td>{escape(', '.join(f'{why} {m:.0f}' for why, m in row.reasons.items()))}</td></tr>"
            for row in self._r.watch
        )
        note = f'<p class="sub">{self.t("watch_note")}</p>'
        return f"{note}<table><tr>{head}</tr>{rows}</table>"


def report_html(report: Report, language: Language, site: str) -> str:
    """The page; site: its name as the bureau calls it."""
    return _ReportPage(report, language, site).html()


def _cases(row: Figures, name: str) -> Sequence[str]:
    return row.cases.get(name, ())


def _opened(count: int, cases: Sequence[str]) -> str:
    if not count or not cases:
        return str(count)
    return f"<details><summary>{count}</summary><p>{escape(' '.join(cases))}</p></details>"


def _percent(share: Share) -> str:
    return "–" if share.value is None else f"{share.value:.0%}"


def _hours(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


WIDTH, HEIGHT, FOOT = 720, 180, 24


def day_plot(
    days: Mapping[str, tuple[int, int]], found: str, confirmed: str, most_word: str
) -> str:
    """Bars of cases found a day, with the confirmed ones in front."""
    most = max((n for n, _ in days.values()), default=0) or 1
    step = WIDTH / max(len(days), 1)
    tall = HEIGHT - FOOT - 14
    bars = []
    for n, (day, (seen, real)) in enumerate(days.items()):
        left, wide = n * step + step * 0.12, step * 0.76
        for count, colour in ((seen, "--found"), (real, "--confirmed")):
            high = tall * count / most
            bars.append(
                f'<rect x="{left:.1f}" y="{HEIGHT - FOOT - high:.1f}" width="{wide:.1f}" '
                f'height="{high:.1f}" style="fill:var({colour})"/>'
            )
        if len(days) <= 14 or n % 5 == 0:
            bars.append(f'<text x="{left:.1f}" y="{HEIGHT - 8}">{day[5:]}</text>')
    line = f'<line x1="0" x2="{WIDTH}" y1="{HEIGHT - FOOT}" y2="{HEIGHT - FOOT}" stroke="#888"/>'
    key = (
        f'<p class="key"><span style="background:var(--found)"></span>{found}'
        f'<span style="background:var(--confirmed)"></span>{confirmed} · {most_word}: {most}</p>'
    )
    drawn = "".join(bars)
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{found}"'
    return f"<svg {box}>{drawn}{line}</svg>{key}"
