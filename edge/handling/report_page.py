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
from edge.handling.report_plot import day_plot
from edge.handling.report_words import BLIND, MEDIA, STATES, STYLE, WORDS
from edge.handling.statistics import Figures, Share

Language = Literal["zh", "en"]

SHOWN = ("found", "confirmed", "settled", "overdue", "unreviewed")


class _ReportPage:
    """Builds the parts in one language."""

    def __init__(self, report: Report, language: Language, site: str, link: str) -> None:
        self._r, self._i, self._site = report, 0 if language == "zh" else 1, site
        self._link = link
        self._language = language

    def t(self, key: str, **fields: object) -> str:
        return escape(WORDS[key][self._i].format(**fields))

    def html(self) -> str:
        """The whole page."""
        r = self._r
        body = [
            f"<h1>{self._title()}</h1>",
            f'<p class="sub">{self._when(r.period)}<br>{self._made()}</p>',
            self._section("whole", self._lead() + self._tiles() + self._shares()),
            self._section(
                "days", day_plot(r.days, self.t("found"), self.t("confirmed"), self.t("most"))
            ),
            *(self._section(by, self._table(by)) for by in r.divisions if r.divisions[by]),
            self._section("outcomes", self._outcomes()),
            self._section("late", self._late()),
            self._section("quiet", self._quiet()),
            self._section("watch", self._watch()),
            self._section("terms", f'<p class="sub">{self.t("terms_text")}</p>'),
            f'<p class="sub">{self.t("law")}</p>',
        ]
        lang = "zh-CN" if self._language == "zh" else "en"
        return (
            f'<!doctype html><html lang="{lang}"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{self._title()}</title><style>{STYLE}</style><body>"
            + "\n".join(body)
            + "</body></html>\n"
        )

    def _title(self) -> str:
        """Of a whole month or week it says so."""
        kind = self._r.period.kind
        words = self.t(f"title_{kind}" if kind else "title")
        return f"{escape(self._site)} {words}".strip()

    def _section(self, key: str, inner: str) -> str:
        return f'<h2>{self.t(key)}</h2><div class="wide">{inner}</div>'

    def _when(self, period: Period) -> str:
        return self.t("from_to", first=period.first, last=period.last, days=period.days)

    def _made(self) -> str:
        return self.t("made", at=self._at(self._r.made_at))

    def _at(self, wall: float) -> str:
        return f"{datetime.fromtimestamp(wall, self._r.period.timezone):%Y-%m-%d %H:%M}"

    def _lead(self) -> str:
        """The period in two sentences."""
        w = self._r.whole
        words = self.t(
            "lead", found=w.found, reviewed=w.confirmed + w.misdetected, confirmed=w.confirmed,
            wrong=w.misdetected, unreviewed=w.unreviewed, settled=w.settled, open=w.open,
            overdue=w.overdue, other=w.confirmed - w.settled - w.open,
        )  # fmt: skip
        return f'<p class="lead">{words}</p>'

    def _before(self, then: int) -> str:
        return self.t("before", n=then) if self._r.earlier.found else self.t("no_before")

    def _opened(self, count: int, cases: Sequence[str]) -> str:
        """A number that opens the list of its cases."""
        if not count or not cases:
            return str(count)
        rows = " ".join(
            f'<a href="{escape(self._link + case)}">{escape(case)}</a>' if self._link
            else escape(case)
            for case in cases
        )  # fmt: skip
        return f"<details><summary>{count}</summary><p>{rows}</p></details>"

    def _grid(self, heads: Sequence[str], rows: Sequence[str]) -> str:
        """A table with its heads; a short one is not divided between two pages."""
        short = ' class="short"' if len(rows) <= 12 else ""
        head = "".join(f"<th>{one}</th>" for one in heads)
        body = "".join(rows)
        return f"<table{short}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _tiles(self) -> str:
        tiles = []
        for name in SHOWN:
            now, then = getattr(self._r.whole, name), getattr(self._r.earlier, name)
            bad = ' class="tile bad"' if name == "overdue" and now else ' class="tile"'
            cases = _cases(self._r.whole, name)
            tiles.append(
                f"<div{bad}><small>{self.t(name)}</small><b>{self._opened(now, cases)}</b>"
                f"<small>{self._before(then)}</small></div>"
            )
        return f'<div class="tiles">{"".join(tiles)}</div>'

    def _shares(self) -> str:
        r = self._r
        rows = [
            f"<tr><td>{self.t(key)}</td><td>{_percent(now)} ({now.part}/{now.whole})</td>"
            f"<td>{self._interval(now)}</td><td>{self._earlier_share(then)}</td>"
            f"<td>{self._change(now, then)}</td></tr>"
            for key, now, then in (
                (key, getattr(r.whole, key), getattr(r.earlier, key))
                for key in ("precision", "on_time", "went")
            )
            if now.whole or then.whole
        ]
        rows += [
            f"<tr><td>{self.t(key)}</td><td>{_hours(now)}</td><td></td><td>{_hours(then)}</td>"
            "<td></td></tr>"
            for key, now, then in (
                ("review_h", r.whole.to_review_h, r.earlier.to_review_h),
                ("settle_h", r.whole.to_settle_h, r.earlier.to_settle_h),
            )
        ]
        heads = [self.t(key) for key in ("figure", "now", "range", "then", "change")]
        return self._grid(heads, rows)

    def _earlier_share(self, then: Share) -> str:
        if not then.whole:
            return self.t("no_before")
        return f"{_percent(then)} ({then.part}/{then.whole})"

    def _interval(self, share: Share) -> str:
        low, high = share.interval
        return self.t("interval", low=f"{low:.0%}", high=f"{high:.0%}") if share.whole else "–"

    def _change(self, now: Share, then: Share) -> str:
        said = change_of(now, then)
        return self.t(said) if said else "–"

    def _table(self, by: str) -> str:
        heads = [self.t("name"), *(escape(words[self._i]) for words in COLUMNS.values())]
        rows = [
            f"<tr><td>{self._named(by, name)}</td>{self._cells(row)}</tr>"
            for name, row in self._r.divisions[by].items()
        ]
        return self._grid(heads, rows)

    def _cells(self, row: Figures) -> str:
        return "".join(
            f"<td{' class=bad' if name == 'overdue' and getattr(row, name) else ''}>"
            f"{self._opened(getattr(row, name), _cases(row, name))}</td>"
            for name in COLUMNS
        )

    def _named(self, by: str, name: str) -> str:
        if not name:
            return self.t("unknown")
        if by == "category":
            return self._category(name)
        if by == "source":
            return self._source(name)
        return escape(MEDIA[name][self._i] if by == "medium" and name in MEDIA else name)

    def _source(self, name: str) -> str:
        """The name that people call it by, and the id where that is another word."""
        called = self._r.sources.get(name, name)
        return escape(called if called == name else f"{called} ({name})")

    def _category(self, name: str) -> str:
        return escape(str(self._r.names.get(name, {}).get(self._language) or name))

    def _outcomes(self) -> str:
        counted = self._r.whole.outcomes
        if not counted:
            return f"<p>{self.t('none')}</p>"
        rows = [
            f"<tr><td>{escape(STATES[name][self._i])}</td>"
            f"<td>{self._opened(n, _cases(self._r.whole, f'outcome:{name}'))}</td></tr>"
            for name, n in counted.items()
        ]
        return self._grid([self.t("outcomes"), self.t("count")], rows)

    def _late(self) -> str:
        if not self._r.overdue:
            return f"<p>{self.t('none')}</p>"
        heads = [
            self.t(key) for key in ("case", "by_category", "by_source", "due", "ended", "state")
        ]
        return self._grid(heads, [self._late_row(life) for life in self._r.overdue])

    def _late_row(self, life: CaseLife) -> str:
        due = self._at(life.due) if life.due is not None else "–"
        ended = self._at(life.settled_at) if life.settled_at is not None else "–"
        bad = "" if life.closed else ' class="bad"'
        case = escape(life.case)
        shown = f'<a href="{escape(self._link)}{case}">{case}</a>' if self._link else case
        return (
            f"<tr{bad}><td>{shown}</td><td>{self._category(life.category)}</td>"
            f"<td>{self._source(life.source)}</td><td>{due}</td><td>{ended}</td>"
            f"<td>{escape(STATES[life.state][self._i])}</td></tr>"
        )

    def _quiet(self) -> str:
        rows = [
            f"<tr><td>{escape(row.grid) or self.t('unknown')} · {self._category(row.category)}</td>"
            f"<td>{'–' if row.days is None else int(row.days)}</td><td>{row.confirmed}</td>"
            + "".join(f"<td>{n}</td>" for n in row.returns.values())
            + "</tr>"
            for row in self._r.quiet
        ]
        days = self._r.quiet[0].returns if self._r.quiet else {}
        heads = [self.t(key) for key in ("name", "quiet_days", "confirmed")]
        heads += [self.t("returns", n=n) for n in days]
        hot = [
            f"<tr><td>{self._source(source)} · {self._category(category)}</td><td>{n}</td></tr>"
            for source, category, n in self._r.hot_spots
        ]
        return self._grid(heads, rows) + (
            self._grid([self.t("hot"), self.t("how_many")], hot) if hot else ""
        )

    def _watch(self) -> str:
        keys = ("name", "watched_min", "blind_min", "dark_min", "share", "why")
        rows = [
            f"<tr><td>{self._source(row.camera)}</td><td>{row.watched_min:.0f}</td>"
            f"<td>{row.blind_min:.0f}</td><td>{row.dark_min:.0f}</td>"
            f"<td>{'–' if row.share is None else format(row.share, '.1%')}</td>"
            f"<td>{escape(self._reasons(row.reasons))}</td></tr>"
            for row in self._r.watch
        ]
        note = f'<p class="sub">{self.t("watch_note")}</p>'
        if not rows:
            return f"{note}<p>{self.t('none')}</p>"
        return note + self._grid([self.t(key) for key in keys], rows)

    def _reasons(self, reasons: Mapping[str, float]) -> str:
        return ", ".join(
            f"{BLIND[why][self._i] if why in BLIND else why} {minutes:.0f}"
            for why, minutes in reasons.items()
        )


def change_of(now: Share, then: Share) -> str:
    """The word for a change between two periods: `more` or `less` only where the intervals do not
    overlap, else `same`; "" where either counted nothing."""
    if now.value is None or then.value is None:
        return ""
    if not now.differs(then):
        return "same"
    return "more" if now.value > then.value else "less"


def report_html(report: Report, language: Language, site: str, link: str = "") -> str:
    """The page; site: its name as the bureau calls it; link: what stands before the id in the
    address of a case, "" where there is no page to go to."""
    return _ReportPage(report, language, site, link).html()


def _cases(row: Figures, name: str) -> Sequence[str]:
    return row.cases.get(name, ())


def _percent(share: Share) -> str:
    return "–" if share.value is None else f"{share.value:.0%}"


def _hours(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
