# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pages of waves: all of them, one with its boxes, and the form that starts one. HTML only.

/waves              every wave, the newest first
/waves/NAME         shares, stages, boxes; buttons that stop it or let it go on
/waves?begin=1      the form
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import quote

from city_platform.wave_store import WaveRow, WaveStore
from city_platform.wave_words import LANGUAGES, Language, word
from city_platform.waves import (
    FAILED,
    UNDER_WAY,
    BoxRow,
    BoxStage,
    ShareProgress,
    Wave,
    chosen,
    counts,
    judged,
    progress,
)

BOXES_MOST = 200
LIST = ("name", "number", "whom", "state", "began", "boxes")
SHARE = ("share", "state", "boxes", "held", "failed", "under_way", "remaining")
BOX = ("box", "stage", "since", "orders", "grid", "tags", "why")
# These take a line of their own on a phone.
WHOLE = frozenset({"why"})
# In this order: what a person must look at comes first.
STAGES: tuple[BoxStage, ...] = (
    "rolled_back", "refused", "silent", "unreached", "trial", "ordered", "settled", "waiting",
)  # fmt: skip
STYLE = """
:root{color-scheme:light dark;--line:#c8ccd2;--ok:#1f7a3d;--bad:#b3261e;--way:#8a5a00;
--rest:#69707a}
@media(prefers-color-scheme:dark){:root{--line:#4a4f57;--ok:#6fcf8f;--bad:#ff8a80;--way:#f0b95b;
--rest:#a5acb6}}
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem;
max-width:72rem}h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:1.4em 0 .4em}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;align-items:center}a{color:LinkText}
nav a,.stages a{padding:.4rem 0}.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.4em
.6em;text-align:left;vertical-align:top}th{font-weight:600}.shares td:nth-child(n+3),.shares
th:nth-child(n+3){text-align:right}
.ok{color:var(--ok)}.bad{color:var(--bad)}.way{color:var(--way)}.rest{color:var(--rest)}
.bar{display:flex;height:.7rem;min-width:7rem;border:1px solid var(--line)}
.bar i{display:block;background:currentColor}.told{border-left:.3rem solid currentColor;
padding:.3rem .8rem;margin:.8rem 0}.stages{display:flex;flex-wrap:wrap;gap:.2rem 1rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:0}dd{margin:0;
overflow-wrap:anywhere}form.steer{display:flex;flex-wrap:wrap;gap:.6rem 1rem;align-items:center;
margin:.8rem 0}button,input,select{font:inherit;padding:.5rem .7rem;min-height:2.75rem}
input[type=checkbox]{width:1.4rem;min-height:1.4rem;height:1.4rem;vertical-align:middle}
form.begin label{display:block;margin:.7rem 0}form.begin input:not([type=checkbox]),
form.begin select{display:block;width:100%;max-width:34rem}
@media(max-width:40rem){table.cards,.cards tbody{display:block}.cards tr{display:flex;
flex-wrap:wrap;gap:0 1rem;border-bottom:1px solid var(--line);padding:.5em 0}
.cards tr:has(th),.cards td:empty{display:none}.cards td{border:0;padding:0;text-align:left}
.cards td:not(:first-child)::before{content:attr(data-name) " ";color:var(--rest)}
.cards td.whole{flex-basis:100%}.cards td:first-child{font-weight:600}dl{display:block}
dt{color:var(--rest)}dd{margin-bottom:.4rem}}
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one page is made for. now: Unix time; stage: only its boxes, "" for all; said: one
    sentence about what was refused, "" for none."""

    language: Language
    now: float
    stage: str = ""
    said: str = ""

    def word(self, key: str, **facts: object) -> str:
        return html.escape(word(key, self.language, **facts))


def list_page(store: WaveStore, shown: Shown) -> str:
    """Every wave with its state and how far it is."""
    rows = "".join(_list_row(store, row, shown) for row in store.waves())
    body = _table(shown, LIST, rows)
    begin = f'<p><a href="/waves?begin=1">{shown.word("begin")}</a></p>'
    return whole_page(
        shown, "/waves", begin + (body if rows else f"<p>{shown.word('none')}</p>"), 10
    )


def _list_row(store: WaveStore, row: WaveRow, shown: Shown) -> str:
    boxes = chosen(row.wave, store.rows(row.wave))
    link = f'<a href="{_link(row.wave)}">{html.escape(row.wave.name)}</a>'
    cells = (link, str(row.wave.number), _whom(row.wave, shown), _state(row, shown),
             _utc(row.began), _bar(boxes, shown))  # fmt: skip
    return _cells(shown, LIST, cells)


def wave_page(store: WaveStore, row: WaveRow, shown: Shown) -> str:
    """One wave: what halted it, its shares, its boxes by stage, and what a person may do."""
    rows = store.rows(row.wave)
    boxes = chosen(row.wave, rows)
    parts = (
        f"<h1>{html.escape(row.wave.name)} · {shown.word('number')} {row.wave.number}</h1>",
        _told(row, boxes, shown),
        _steering(row, shown),
        f"<h2>{shown.word('by_share')}</h2>{_shares(row.wave, rows, shown)}",
        f"<h2>{shown.word('by_box')}</h2>{_boxes(row.wave, boxes, shown)}",
        f"<h2>{shown.word('settings')}</h2>{_settings(row, shown)}",
    )
    # A tick that a person has set would be gone with the next refresh.
    again = None if row.state == "halted" else 10
    stage = f"?stage={shown.stage}" if shown.stage else ""
    return whole_page(shown, f"{_link(row.wave)}{stage}", "".join(parts), again)


def _told(row: WaveRow, boxes: list[BoxRow], shown: Shown) -> str:
    failed, ended = judged(boxes, row.went)
    bound = f"{row.wave.failed_share:.0%}"
    facts = {"failed": len(failed), "ended": len(ended), "bound": bound}
    why = {"halted": shown.word("halted", **facts), "stopped": shown.word("stopped")}
    kind = {"halted": "bad", "done": "ok"}.get(row.state, "way")
    said = f'<p class="told bad" role="alert">{html.escape(shown.said)}</p>' if shown.said else ""
    state = f"<strong>{_state(row, shown)}</strong> {why.get(row.state, '')}"
    return f'{said}<p class="told {kind}">{state}</p>{_bar(boxes, shown)}'


def _steering(row: WaveRow, shown: Shown) -> str:
    """A wave that runs can be stopped by one press; one that was halted goes on by two."""
    if row.state == "done":
        return ""
    what = "stop" if row.state == "running" else "go"
    tick = ""
    if row.state == "halted":
        tick = f'<label><input type="checkbox" name="sure"> {shown.word("sure")}</label>'
    name = html.escape(row.wave.name)
    return (
        f'<form class="steer" method="post" action="/waves">{tick}'
        f'<input type="hidden" name="wave" value="{name}">'
        f'<button name="what" value="{what}">{shown.word(what)}</button></form>'
    )


def _shares(wave: Wave, rows: list[BoxRow], shown: Shown) -> str:
    found = "".join(_share_row(one, shown) for one in progress(wave, rows, shown.now))
    return _table(shown, SHARE, found, "shares")


def _share_row(one: ShareProgress, shown: Shown) -> str:
    held, failed, way, rest = _split(one.boxes)
    state = f"◀ {shown.word('turn')}" if one.turn else ""
    if one.soaks_until is not None:
        state = shown.word("soaks", until=_utc(one.soaks_until))
    numbers = (str(n) for n in (len(one.boxes), held, failed, way, rest))
    mark = " aria-current=step" if one.turn else ""
    return _cells(shown, SHARE, (f"{one.share:.1%}", state, *numbers), mark)


def _split(boxes: Iterable[BoxRow]) -> tuple[int, int, int, int]:
    """Boxes on which it is in force, that did not hold, that are under way, and all others."""
    stages = [row.stage for row in boxes]
    held = stages.count("settled")
    failed = sum(stage in FAILED for stage in stages)
    way = sum(stage in UNDER_WAY for stage in stages)
    return held, failed, way, len(stages) - held - failed - way


def _bar(boxes: list[BoxRow], shown: Shown) -> str:
    kinds = zip(("ok", "bad", "way", "rest"), ("held", "failed", "under_way", "remaining"),
                _split(boxes), strict=True)  # fmt: skip
    told = [(kind, shown.word(name), n) for kind, name, n in kinds]
    pieces = "".join(
        f'<i class="{kind}" style="flex:{n}"></i>' for kind, _, n in told if n and kind != "rest"
    )
    empty = f'<i style="flex:{told[-1][2]};background:none"></i>'
    text = " · ".join(f'<span class="{kind}">{name} {n}</span>' for kind, name, n in told if n)
    return f'<div class="bar" aria-hidden="true">{pieces}{empty}</div>{text or "0"}'


def _boxes(wave: Wave, boxes: list[BoxRow], shown: Shown) -> str:
    numbers, link = counts(wave, boxes), _link(wave)
    links = [f'<a href="{link}">{shown.word("all_boxes")} {len(boxes)}</a>']
    links += [
        f'<a href="{link}?stage={stage}"{" aria-current=page" if stage == shown.stage else ""}>'
        f"{shown.word(f'stage:{stage}')} {numbers[stage]}</a>"
        for stage in STAGES
        if stage in numbers
    ]
    wanted = [row for row in boxes if shown.stage in ("", row.stage)]
    wanted.sort(key=lambda row: (STAGES.index(row.stage), -row.at))
    rows = "".join(_box_row(row, shown) for row in wanted[:BOXES_MOST])
    more = ""
    if len(wanted) > BOXES_MOST:
        command = f"tools/waves show {wave.name} --boxes"
        more = f"<p>{shown.word('more', n=len(wanted) - BOXES_MOST, command=command)}</p>"
    head = f'<p class="stages" aria-label="{shown.word("by_stage")}">{" ".join(links)}</p>'
    return f"{head}{_table(shown, BOX, rows, 'boxes')}{more}"


def _box_row(row: BoxRow, shown: Shown) -> str:
    kind = "bad" if row.stage in FAILED else "ok" if row.stage == "settled" else ""
    stage = f'<span class="{kind}">{shown.word(f"stage:{row.stage}")}</span>'
    plain = (row.grid, " ".join(sorted(row.tags)), row.why)
    cells = (html.escape(row.box.path), stage, _utc(row.at) if row.at else "",
             str(row.orders), *(html.escape(text) for text in plain))  # fmt: skip
    return _cells(shown, BOX, cells)


def _settings(row: WaveRow, shown: Shown) -> str:
    wave = row.wave
    told = {
        "whom": _whom(wave, shown),
        "shares": " ".join(f"{share * 100:g}" for share in wave.shares),
        "failed_share": f"{wave.failed_share * 100:g}",
        "soak_min": f"{wave.soak_s / 60:g}",
        "at_most": str(wave.at_most),
        "one_per_grid": "✓" if wave.one_per_grid else "—",
        "sha256": wave.sha256,
        "began": _utc(row.began),
    }
    return f"<dl>{''.join(f'<dt>{shown.word(key)}<dd>{text}' for key, text in told.items())}</dl>"


def _whom(wave: Wave, shown: Shown) -> str:
    found = [f"{shown.word(key)} {html.escape(text)}"
             for key, text in (("tenant", wave.tenant), ("tag", wave.tag)) if text]  # fmt: skip
    return ", ".join(found) or shown.word("all_boxes")


def _state(row: WaveRow, shown: Shown) -> str:
    return shown.word(f"state:{row.state}")


def _link(wave: Wave) -> str:
    return f"/waves/{quote(wave.name)}"


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%F %T")


def _table(shown: Shown, names: Sequence[str], rows: str, kind: str = "") -> str:
    """On a phone each row is a card, with the name of a column before what stands in it."""
    titles = "".join(f'<th scope="col">{shown.word(name)}' for name in names)
    return f'<div class="wide"><table class="cards {kind}"><tr>{titles}{rows}</table></div>'


def _cells(shown: Shown, names: Sequence[str], cells: Sequence[str], mark: str = "") -> str:
    found = "".join(
        f'<td class="{"whole" if name in WHOLE else ""}" data-name="{shown.word(name)}">{cell}'
        for name, cell in zip(names, cells, strict=True)
    )
    return f"<tr{mark}>{found}"


def whole_page(shown: Shown, here: str, body: str, again_s: int | None) -> str:
    """The document around a body. here: its address, for the link to the other language; again_s:
    it looks again after so many seconds, None where a person types."""
    other = LANGUAGES[1 - LANGUAGES.index(shown.language)]
    mark = "&" if "?" in here else "?"
    tongue = {"zh": "中文", "en": "English"}[other]
    again = f'<meta http-equiv="refresh" content="{again_s}">' if again_s else ""
    head = "" if "<h1>" in body else f"<h1>{shown.word('title')}</h1>"
    return (
        f'<!doctype html><html lang="{shown.language}"><meta charset="utf-8">{again}'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{shown.word('title')}</title><style>{STYLE}</style>"
        f'<nav><a href="/waves">{shown.word("all_waves")}</a>'
        f'<a href="/">{shown.word("records")}</a>'
        f'<a href="{html.escape(here)}{mark}lang={other}" lang="{other}">{tongue}</a></nav>'
        f"<main>{head}{body}</main></html>"
    )
