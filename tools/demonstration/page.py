# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page at the end of the demonstration: every suspected violation as a reviewer would see it.

Written from what lies on disk after the run (manifests, receipts), not from what was planned.
"""

from __future__ import annotations

import html
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROLE_ZH = {
    "overview": "全景",
    "close": "近景",
    "before": "之前",
    "after": "之后",
    "plate": "车牌",
    "clip": "视频",
    "track": "轨迹",
    "samples": "监测数据",
}
FACT_ZH = {
    "dwell_s": "停留",
    "dwell_limit_s": "时限",
    "seen_share": "可见占比",
    "zone_hours": "时段",
    "score": "得分",
    "people": "人数",
}


@dataclass(slots=True)
class Shown:
    """One violation: its latest manifest, where its files lie, whether the platform has it."""

    manifest: dict[str, Any]
    folder: Path
    acknowledged: bool
    verified: bool
    phases: list[str] = field(default_factory=list)


def collect(root: Path, acknowledged: set[str], verified: dict[str, bool]) -> list[Shown]:
    """The latest revision of every violation below an evidence root, by time of beginning."""
    shown = []
    for folder in sorted(p for p in root.glob("*") if p.is_dir() and not p.name.startswith(".")):
        revisions = sorted(folder.glob("r*/manifest.json"), key=lambda p: int(p.parent.name[1:]))
        if not revisions:
            continue
        manifests = [json.loads(path.read_bytes()) for path in revisions]
        shown.append(
            Shown(
                manifests[-1],
                folder,
                all(f"{folder.name}/{p.parent.name}" in acknowledged for p in revisions),
                verified.get(folder.name, False),
                [m["phase"] for m in manifests],
            )
        )
    return sorted(shown, key=lambda s: str(s.manifest["violation"]["began"]["utc"]))


def write_page(
    path: Path, shown: list[Shown], facts: dict[str, str], links: dict[str, Path]
) -> None:
    """One HTML file that refers to the evidence files beside it; needs no network.

    links: words for people -> another page of this demonstration.
    """
    rows = "\n".join(_case(s, path.parent) for s in shown)
    more = " · ".join(
        f'<a href="{_e(os.path.relpath(target, path.parent))}">{_e(words)}</a>'
        for words, target in links.items()
    )
    stats = "".join(f"<div><b>{_e(v)}</b><span>{_e(k)}</span></div>" for k, v in facts.items())
    path.write_text(
        _HEAD + f"<header><h1>City Edge <small>疑似违规 · suspected violations</small></h1>"
        '<p class="law">以下均为疑似线索，须经人工审核后方可处置'
        " · suspected, every case needs human review</p>"
        f'<div class="stats">{stats}</div><p class="more">{more}</p></header>'
        f"<main>{rows}</main></body></html>",
        encoding="utf-8",
    )


def _case(shown: Shown, base: Path) -> str:
    data = shown.manifest["violation"]
    names, codes = data["names"], data["codes"]
    files = shown.manifest["files"]
    jpegs = [f for f in files if f["path"].endswith((".jpg", ".png"))]
    jpegs.sort(key=lambda f: (f["masked"], f["at"]["mono"]))
    pictures = "".join(_picture(f, shown, base) for f in jpegs)
    clips = "".join(_clip(f, shown, base) for f in files if f["role"] == "clip")
    code = " ".join(f"{k} {v}" for k, v in codes.items())
    ended = data["ended"]["utc"][11:19] if data["ended"] else "…"
    times = f"{data['began']['utc'][11:19]} → {ended}"
    decided = data["decided"]["utc"][11:19]
    return (
        f"<article><h2>{_e(names['zh'])} <small>{_e(names['en'])}</small></h2>"
        f'<p class="tags"><span>{_e(code)}</span><span>{_e(str(data["source"].get("name")))}</span>'
        f"<span>{times} UTC</span><span>判定 decided {decided}</span>"
        f"{_tag(data['gate'] == 'complete', '证据完整 complete', _missing(data))}"
        f"{_tag(shown.verified, '校验通过 verified', '校验未过 not verified')}"
        f"{_tag(shown.acknowledged, '平台已接收 acknowledged', '平台未接收 not acknowledged')}</p>"
        f'<div class="pictures">{pictures}{clips}</div>{_facts(data)}'
        f'<p class="id">{_e(data["id"])} · revisions {" → ".join(shown.phases)}</p></article>'
    )


def _missing(data: dict[str, Any]) -> str:
    return "证据不全 incomplete: " + ", ".join(data["gate_failed"])


def _tag(good: bool, yes: str, no: str) -> str:
    return f'<span class="{"good" if good else "bad"}">{_e(yes if good else no)}</span>'


def _link(file: dict[str, Any], shown: Shown, base: Path) -> str:
    path = shown.folder / file["path"].partition("-")[0] / file["path"]
    return _e(os.path.relpath(path, base))


def _picture(file: dict[str, Any], shown: Shown, base: Path) -> str:
    role = file["role"]
    label = f"{ROLE_ZH.get(role, role)} {role}" + (" · 公开版 public" if file["masked"] else "")
    link = _link(file, shown, base)
    return (
        f'<figure><a href="{link}"><img loading="lazy" src="{link}" alt="{_e(label)}"></a>'
        f"<figcaption>{_e(label)} <i>{file['sha256'][:12]}…</i></figcaption></figure>"
    )


def _clip(file: dict[str, Any], shown: Shown, base: Path) -> str:
    link = _link(file, shown, base)
    return (
        f'<figure><video controls preload="metadata" src="{link}"></video>'
        f"<figcaption>视频 clip, 未转码 not re-encoded <i>{file['sha256'][:12]}…</i></figcaption>"
        "</figure>"
    )


def _facts(data: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{_e(FACT_ZH.get(key, ''))} {_e(key)}</th><td>{_e(_short(value))}</td></tr>"
        for key, value in data["facts"].items()
    )
    zone = data["zone"]
    rows += (
        f"<tr><th>地点 zone</th><td>{_e(', '.join(zone['zones']))}: {_e(zone['reason'])}</td></tr>"
    )
    return f"<details><summary>判定依据 facts</summary><table>{rows}</table></details>"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _e(text: str) -> str:
    return html.escape(text, quote=True)


_HEAD = """<!doctype html><html lang="zh"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>City Edge</title><style>
:root{--ink:#1c2530;--soft:#5d6b7a;--line:#dde3ea;--good:#0b6e4f;--bad:#b3261e}
*{box-sizing:border-box}body{margin:0;font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;
color:var(--ink);background:#f5f7f9}
header{background:#13293d;color:#fff;padding:28px max(24px,calc(50vw - 560px))}
h1{margin:0;font-size:26px}h1 small,h2 small{font-weight:400;font-size:.65em;opacity:.75}
.more a{color:#9fd3ff}.law{margin:6px 0 16px;color:#ffd166}
.stats{display:flex;flex-wrap:wrap;gap:28px}
.stats div{display:flex;flex-direction:column}.stats b{font-size:24px}.stats span{opacity:.75}
main{max-width:1160px;margin:0 auto;padding:20px}
article{background:#fff;border:1px solid var(--line);border-radius:10px;padding:18px 20px;
margin:0 0 20px}h2{margin:0 0 6px;font-size:20px}
.tags{display:flex;flex-wrap:wrap;gap:6px;margin:0 0 12px}.tags span{background:#eef2f6;
border-radius:999px;padding:1px 10px;font-size:13px}
.tags .good{background:#e2f4ec;color:var(--good)}
.tags .bad{background:#fdeceb;color:var(--bad)}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:12px}
figure{margin:0}img,video{width:100%;height:180px;object-fit:contain;background:#10161c;
border-radius:6px;display:block}figcaption{font-size:12px;color:var(--soft);margin-top:3px}
figcaption i{font-style:normal;font-family:monospace;float:right}
details{margin-top:12px}summary{cursor:pointer;color:var(--soft)}table{border-collapse:collapse;
margin-top:6px;font-size:13px}th{text-align:left;font-weight:400;color:var(--soft);
padding:2px 18px 2px 0;vertical-align:top}td{padding:2px 0;word-break:break-word}
.id{font:12px monospace;color:var(--soft);margin:10px 0 0}
</style></head><body>"""
