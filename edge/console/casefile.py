# SPDX-License-Identifier: AGPL-3.0-or-later
"""One case as a file for the archive (案卷): a sheet to print, and a zip that says so offline.

In the order in which such a file is read: what it is about, facts, pictures with their times, law
as configured, what was decided and by whom, the list of evidence with hashes, and its check.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from edge.console import facts
from edge.console.texts import TEXTS, Language, text
from edge.handling.life import CaseLife
from edge.uplink.wire import utc_seconds

COPY_BYTES = 1 << 18
STYLE = """
body{font:13px/1.6 'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei','PingFang SC',
sans-serif;color:#14202b;background:#fff;max-width:186mm;margin:0 auto;padding:8mm 4mm}
h1{font-size:22px;margin:0 0 2mm}
h2{font-size:15px;margin:6mm 0 2mm;border-bottom:1.5px solid #14202b}
table{border-collapse:collapse;width:100%}
th,td{border:1px solid #9aa7b2;padding:1mm 2mm;text-align:left;vertical-align:top;
overflow-wrap:anywhere}
th{background:#eef2f5;font-weight:600;width:26%}thead th{width:auto}
.pictures{display:grid;grid-template-columns:1fr 1fr;gap:3mm}
figure{margin:0;break-inside:avoid}
img{width:100%;height:52mm;object-fit:contain;background:#eee}
figcaption{font-size:11px}.hash{font:8px/1.4 monospace;overflow-wrap:anywhere}
.files td:not(.hash){white-space:nowrap}
.note{color:#44525f;font-size:11px}
.sign{display:grid;grid-template-columns:1fr 1fr;gap:10mm;margin-top:14mm;break-inside:avoid}
.sign p{border-top:1px solid}
.end{break-inside:avoid}
@page{size:A4;margin:14mm}
@media print{body{padding:0;max-width:none}tr,h2{break-inside:avoid}h2{break-after:avoid}}
"""


@dataclass(frozen=True, slots=True)
class CaseFile:
    """What the sheet is made of. checks: rows of ExamineRevisions; law: lines as configured;
    timezone: whose times are written."""

    id: str
    violation: Mapping[str, Any]
    files: Sequence[Mapping[str, Any]]
    life: CaseLife
    checks: Sequence[Mapping[str, Any]]
    law: Sequence[str]
    timezone: str
    site: str = ""

    def at(self, moment: Any) -> str:
        """A manifest's instant or UTC seconds as local text to the second."""
        try:
            stated = moment
            if isinstance(moment, Mapping):
                stated = moment.get("wall") or moment.get("utc")
            seconds = utc_seconds(stated) if isinstance(stated, str) else float(stated)
            return f"{datetime.fromtimestamp(seconds, ZoneInfo(self.timezone)):%Y-%m-%d %H:%M:%S}"
        except (TypeError, ValueError, OverflowError, OSError):
            return "–"


def sheet_html(case: CaseFile, language: Language, prefix: str, script: str = "") -> str:
    """The whole page; prefix: what stands before the names of pictures; script: run at its end."""
    names = case.violation.get("names") or {}
    title = f"{text('suspected', language)}{names.get(language, '')} {case.id}"
    parts = [
        f"<h1>{escape(case.site)} {_w('case_file', language)}</h1>",
        _table(_head(case, language)),
        _part("1", "facts", language, _facts(case, language)),
        _part("2", "pictures_of_case", language, _pictures(case, language, prefix)),
        _part("3", "law_basis", language, _law(case, language)),
        _part("4", "life", language, _steps(case, language)),
        _part("5", "evidence_list", language, _files(case, language)),
        # Signatures stand below what is signed for, never on a page of their own.
        '<div class="end">' + _part("6", "verification", language, _checks(case, language)),
        f'<p class="note">{_w("case_file_note", language)}</p>',
        f'<div class="sign"><p>{_w("sign_handler", language)}</p>'
        f"<p>{_w('sign_reviewer', language)}</p></div></div>",
    ]
    lang = "zh-CN" if language == "zh" else "en"
    end = f'<script src="{script}"></script>' if script else ""
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        + "\n".join(parts)
        + f"{end}</body></html>\n"
    )


def _w(key: str, language: Language, **more: object) -> str:
    return escape(text(key, language, **more))


def _word(kind: str, key: object, language: Language) -> str:
    name = f"{kind}_{key}"
    return escape(text(name, language) if name in TEXTS else str(key))


def _part(number: str, key: str, language: Language, inner: str) -> str:
    return f"<h2>{number} {_w(key, language)}</h2>{inner}"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    inner = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
    return f"<table>{inner}</table>"


def _head(case: CaseFile, language: Language) -> list[tuple[str, str]]:
    v = case.violation
    source, where = v.get("source") or {}, v.get("where") or {}
    codes = " ".join(str(code) for code in (v.get("codes") or {}).values())
    place = " · ".join(str(where[key]) for key in ("address", "grid") if where.get(key))
    if where.get("lat") is not None:
        there = f"{where['lat']:.6f}, {where['lon']:.6f} WGS-84"
        place = f"{place} ({there})" if place else there
    name = escape(str((v.get("names") or {}).get(language, "")))
    return [
        (_w("case_id", language), escape(case.id)),
        (_w("category", language), f"{_w('suspected', language)}{name} {escape(codes)}"),
        (_w("camera", language), escape(str(source.get("name") or source.get("id", "")))),
        (_w("place", language), escape(place or "–")),
        (_w("began", language), case.at(v.get("began"))),
        (_w("decided", language), case.at(v.get("decided"))),
        (_w("ended", language), case.at(v.get("ended"))),
        (_w("progress", language), _word("case_state", case.life.state, language)),
    ]


def _facts(case: CaseFile, language: Language) -> str:
    sentences = facts.sentences(case.violation.get("facts") or {}, language)
    zone = case.violation.get("zone") or {}
    sentences.append(facts.place_words(str(zone.get("reason", "")), language))
    quality = (case.violation.get("began") or {}).get("quality", "")
    lines = "".join(f"<li>{escape(one)}</li>" for one in sentences if one)
    clock = f"{_w('clock', language)}: {_word('clock', quality, language)}"
    return f"<ul>{lines}<li>{clock}</li></ul>"


def _own_pictures(case: CaseFile) -> list[Mapping[str, Any]]:
    rows = [f for f in case.files if str(f["path"]).endswith((".jpg", ".png"))]
    once = {str(f.get("sha256")): f for f in reversed(rows) if not f.get("masked")}
    return sorted(once.values(), key=lambda f: float((f.get("at") or {}).get("mono", 0.0)))


def _pictures(case: CaseFile, language: Language, prefix: str) -> str:
    figures = []
    for file in _own_pictures(case):
        caption = f"{_word('role', file.get('role'), language)} · {case.at(file.get('at'))}"
        name = escape(file_path(str(file["path"]), prefix))
        figures.append(
            f'<figure><img src="{name}" alt="{caption}"><figcaption>{caption}<br>'
            f'<span class="hash">{escape(str(file.get("sha256")))}</span></figcaption></figure>'
        )
    return f'<div class="pictures">{"".join(figures)}</div>'


def file_path(name: str, prefix: str) -> str:
    """Where a file lies below a prefix; one that ends in "/r/" has the revisions' folders."""
    if prefix.endswith("/r/"):
        return f"{prefix.removesuffix('r/')}{name.partition('-')[0]}/{name}"
    return prefix + name


def _law(case: CaseFile, language: Language) -> str:
    if not case.law:
        return f"<p>{_w('law_not_set', language)}</p>"
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in case.law) + "</ul>"


def step_rows(case: CaseFile, language: Language) -> list[tuple[str, str, str, str]]:
    """(when, what, who, why) of every step, refused ones said so."""
    rows = []
    steps = [(s, False) for s in case.life.steps] + [(s, True) for s in case.life.refused]
    for step, refused in sorted(steps, key=lambda row: row[0].at):
        what = text(f"step_{step.kind}", language)
        if refused:
            what += f" ({text('step_refused', language)})"
        who = text(f"by_{step.role}", language)
        rows.append((case.at(step.at), what, who if step.role == "box" else f"{who} {step.by}",
                     step.reason))  # fmt: skip
    return rows


def _steps(case: CaseFile, language: Language) -> str:
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in step_rows(case, language)
    )
    heads = "".join(
        f"<th>{_w(key, language)}</th>" for key in ("period_of", "state", "who", "reason")
    )
    due = "" if case.life.due is None else _w("due_at", language, at=case.at(case.life.due))
    return f"<table><thead><tr>{heads}</tr></thead>{rows}</table><p>{due}</p>"


def _files(case: CaseFile, language: Language) -> str:
    rows = "".join(
        f"<tr><td>{escape(str(f['path']))}</td><td>{_word('role', f.get('role'), language)}</td>"
        f"<td>{case.at(f.get('at'))}</td><td>{escape(str(f.get('size')))}</td>"
        f'<td class="hash">{escape(str(f.get("sha256")))}</td></tr>'
        for f in case.files
    )
    heads = "".join(
        f"<th>{_w(key, language)}</th>" for key in ("file", "kind", "period_of", "bytes")
    )
    return f'<table class="files"><thead><tr>{heads}<th>SHA-256</th></tr></thead>{rows}</table>'


def _checks(case: CaseFile, language: Language) -> str:
    rows = "".join(_check(row, language) for row in case.checks)
    keys = ("revision", "files_checked", "signature", "chain_number", "receipt")
    heads = "".join(f"<th>{_w(key, language)}</th>" for key in keys)
    return f"<table><thead><tr>{heads}</tr></thead>{rows}</table>"


def _check(row: Mapping[str, Any], language: Language) -> str:
    problem = row.get("problem")
    fit = f"{_w('broken', language)}: {escape(str(problem))}" if problem else _w(
        "files_fit", language, n=row.get("files"))  # fmt: skip
    signed = _word("signed", row.get("signed"), language)
    chain = "–" if row.get("seq") is None else str(row["seq"])
    if row.get("seq") is not None and not row.get("chain"):
        chain = f"{chain} {_w('chain_broken', language)}"
    receipt = _w("receipt_yes" if row.get("receipt") else "receipt_no", language)
    kid = escape(str(row.get("kid") or ""))
    return (
        f"<tr><td>{escape(str(row.get('revision')))}</td><td>{fit}</td>"
        f'<td>{signed} <span class="hash">{kid}</span></td><td>{chain}</td><td>{receipt}</td></tr>'
    )


def write_zip(case: CaseFile, folder: Path, out: BinaryIO) -> None:
    """The sheet in both languages, tables, the check, and the evidence as it lies in `folder`, so
    that `edge evidence verify` accepts it once unpacked. Raises OSError."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        prefix = f"evidence/{case.id}/r/"
        archive.writestr("01-案卷.html", sheet_html(case, "zh", prefix))
        archive.writestr("02-case-file-english.html", sheet_html(case, "en", prefix))
        archive.writestr("03-办理过程.csv", _csv(("时间 time", "步骤 step", "谁 who", "理由 why"),
                                             step_rows(case, "zh")))  # fmt: skip
        heads = ("文件 file", "类别 role", "时间 time", "字节 bytes", "SHA-256")
        rows = [(str(f["path"]), str(f.get("role")), case.at(f.get("at")), str(f.get("size")),
                 str(f.get("sha256"))) for f in case.files]  # fmt: skip
        archive.writestr("04-证据清单.csv", _csv(heads, rows))
        checked = json.dumps(list(case.checks), ensure_ascii=False, indent=1)
        archive.writestr("05-校验.json", checked)
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                name = f"evidence/{case.id}/{path.relative_to(folder)}"
                with path.open("rb") as source, archive.open(name, "w") as target:
                    shutil.copyfileobj(source, target, COPY_BYTES)


def _csv(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """With the byte order mark that spreadsheets look for; nothing in it is run as a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(heads)
    writer.writerows(
        ["'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in row]
        for row in rows
    )
    return "\ufeff" + out.getvalue()
