# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/figures: docs/figures.md, the table of what was measured, from docs/figures/*.json.

    tools/figures                       write the page from the stored measurements
    tools/figures --measure clips shape run these commands, store what they print, write the page
    tools/figures --measure cheap       the ones of a few seconds; `all` for every one
    tools/figures --take speed          store an output that is there already, without running it
    tools/figures --guard               run the cheap ones and warn of what fell by more than noise

No number is typed in by hand: each comes from the command that stands beside it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.documents.figure import Figure, Measure
from tools.documents.measures import MEASURES

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "docs" / "figures"
PAGE = ROOT / "docs" / "figures.md"
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
BEGIN, END = "<!-- figures begin -->", "<!-- figures end -->"
# What the README shows: a measure, the beginning of a figure's name, and words for it.
SHOWN = (
    ("clips", "event F1, all clips", "our own clips, pixels to case, F1", "自带片段全流程 F1"),
    ("clips", "false violations", "false cases on them", "其中误报"),
    ("accuracy", "AP50 vendor_stall", "stalls on real pictures, AP50", "真实图片摊位 AP50"),
    ("accuracy", "AP50 muck_truck", "muck trucks on real pictures, AP50", "真实图片渣土车 AP50"),
    ("replay", "event F1, all", "rules on recorded cases, F1", "规则回放，F1"),
    ("speed", "ours with decoding", "a picture / its bare inference, CPU", "一帧 / 纯推理，CPU"),
    ("speed", "peak memory", "memory of one stream, MB", "单路内存，MB"),
    ("speed", "IDF1 above", "IDF1 above ByteTrack, made crowds", "IDF1 高出 ByteTrack"),
    ("faults", "kill -9 at random: lost", "lost or invented after kill -9", "kill -9 后丢失或多出"),
    ("faults", "link cut every 3 s: lost", "the same, link cut every 3 s", "每 3 秒断线，同上"),
)  # fmt: skip
HEAD = """\
# Figures · 数据

What was measured, when, where, and by which command. 每个数字都由旁边的命令得出。

Made by `tools/figures` from `docs/figures/*.json`; `tools/figures --measure NAME` measures anew and
stores. Milliseconds of one machine say little of another, so speed is given as ratios taken side by
side in one run. CI runs the cheap ones (`tools/figures --guard`) and warns when one falls by more
than its noise, and of every stored one that is below what was asked. Nothing here was measured on a
Raspberry Pi or a Jetson.
"""


class NotMeasured(Exception):
    """A command that did not give its figures; one line saying why."""


def measure(name: str, *, run: bool = True) -> dict[str, Any]:
    """Run a measure (or, without `run`, take its output file) and shape it for the store.

    Raises NotMeasured. A command that ends with 1 because a limit was not met still has figures.
    """
    one = MEASURES[name]
    load = os.getloadavg()[0]
    text = _run(one) if run else ""
    if one.output is not None:
        text = _read(ROOT / one.output)
        load = _load_in(text, load)
    try:
        figures = one.read(text)
    except (ValueError, KeyError, IndexError) as error:
        raise NotMeasured(f"{name}: no figures in its output ({error!r})") from None
    if not figures:
        raise NotMeasured(f"{name}: no figures in its output")
    return {
        "command": command(one),
        "date": _date(one, run),
        "machine": f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": round(float(load), 1),
        "figures": [asdict(figure) for figure in figures],
    }


def _load_in(text: str, now: float) -> float:
    """The load that an output tells of, be it one object or rows of them; else the one now."""
    first = text.lstrip().partition("\n")[0]
    for part in (text, first):
        try:
            told = json.loads(part).get("load", now)
        except (ValueError, AttributeError):
            continue
        return float(told[0] if isinstance(told, list) else told)
    return now


def _run(one: Measure) -> str:
    try:
        done = subprocess.run(one.argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise NotMeasured(f"{one.argv[0]}: no such program") from None
    if done.returncode not in (0, 1):
        raise NotMeasured(f"{command(one)} ended with {done.returncode}")
    return done.stdout


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise NotMeasured(f"{path.relative_to(ROOT)}: {error.strerror}") from None


def _date(one: Measure, run: bool) -> str:
    if run or one.output is None:
        return datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    stamp = (ROOT / one.output).stat().st_mtime
    return datetime.datetime.fromtimestamp(stamp, datetime.timezone.utc).date().isoformat()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def command(one: Measure) -> str:
    """The command as a person types it; many files of one folder as a pattern."""
    words = [word for word in one.argv if not word.startswith("systemd/")]
    return " ".join([*words, "systemd/edge-*.service"] if len(words) < len(one.argv) else words)


def stored(name: str) -> dict[str, Any] | None:
    """The last measurement, or None where it was never taken."""
    path = STORE / f"{name}.json"
    return dict(json.loads(path.read_bytes())) if path.exists() else None


def keep(name: str, told: dict[str, Any]) -> None:
    STORE.mkdir(exist_ok=True)
    text = json.dumps(told, ensure_ascii=False, indent=1)
    (STORE / f"{name}.json").write_text(text + "\n", "utf-8")


def page() -> str:
    """The page from what is stored; a measure that was never taken says so."""
    return "\n".join([HEAD, *(_section(name, one) for name, one in MEASURES.items())])


def _section(name: str, one: Measure) -> str:
    lines = [f"## {one.title} · {one.zh}", "", f"`{command(one)}`", ""]
    told = stored(name)
    if told is None:
        return "\n".join([*lines, "Not measured yet. 尚未测量。", ""])
    lines += [f"{told['date']}, {told['machine']}, load {told['load']}. {one.about}".rstrip(), ""]
    lines += ["| figure | value |", "|---|---|"]
    for row in told["figures"]:
        figure = Figure(**row)
        lines.append(f"| {figure.name} | {figure.value:g} {figure.unit}".rstrip() + _asked(figure))
    return "\n".join([*lines, ""])


def _asked(figure: Figure) -> str:
    """The end of a row: nothing, or what is promised and, in bold, that it is not kept."""
    if figure.asked is None:
        return " |"
    sign = "≥" if figure.better == "more" else "≤"
    promise = f"asked {sign} {figure.asked:g}"
    return f" ({promise}) |" if figure.met else f" (**{promise}: not met 未达到**) |"


def highlights(language: str) -> str:
    """The few rows of the README, from the same store; what was never measured is left out."""
    heads = {"en": "| figure | value | command |", "zh": "| 指标 | 数值 | 命令 |"}
    lines = [BEGIN, heads[language], "|---|---|---|"]
    for name, start, english, chinese in SHOWN:
        rows = (stored(name) or {"figures": []})["figures"]
        row = next((row for row in rows if row["name"].startswith(start)), None)
        if row is not None:
            words = english if language == "en" else chinese
            value = f"{float(row['value']):.3g} {row['unit']}".strip()
            lines.append(f"| {words} | {value} | `{command(MEASURES[name])}` |")
    return "\n".join([*lines, END])


def with_highlights(text: str, language: str) -> str:
    """A README with its block of figures made anew. Raises ValueError where it has none."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"no {BEGIN} ... {END}")
    return before + highlights(language) + after


def write_pages() -> None:
    """docs/figures.md and the blocks of both READMEs."""
    PAGE.write_text(page(), "utf-8")
    for language, path in READMES.items():
        path.write_text(with_highlights(path.read_text("utf-8"), language), "utf-8")


def fallen(name: str, now: Sequence[Figure]) -> list[str]:
    """What is worse than stored by more than its noise, a line each; also what is gone."""
    before = stored(name)
    if before is None:
        return []
    found = {figure.name: figure for figure in now}
    said = []
    for row in before["figures"]:
        old, new = Figure(**row), found.get(row["name"])
        if new is None:
            said.append(f"{name}: {old.name} is not measured any more")
        elif new.worse_than(old):
            said.append(
                f"{name}: {old.name} was {old.value:g}, is {new.value:g} {old.unit}".rstrip()
            )
    return said


def unmet(name: str) -> list[str]:
    """What is stored and below what is promised, a line each."""
    rows = (stored(name) or {"figures": []})["figures"]
    return [
        f"{name}: {figure.name} is {figure.value:g}, asked {figure.asked:g}"
        for figure in (Figure(**row) for row in rows)
        if not figure.met
    ]


def guard() -> list[str]:
    """Warnings of all cheap measures; one that cannot run here is a warning too, and so is a
    stored figure below what is promised, whatever it cost to measure."""
    said = []
    for name, one in MEASURES.items():
        said += unmet(name)
        if one.cheap:
            try:
                said += fallen(name, [Figure(**row) for row in measure(name)["figures"]])
            except NotMeasured as error:
                said.append(str(error))
    return said


def _wanted(names: Sequence[str]) -> list[str]:
    if "all" in names:
        return list(MEASURES)
    cheap = [name for name, one in MEASURES.items() if one.cheap] if "cheap" in names else []
    return list(dict.fromkeys([*cheap, *(name for name in names if name in MEASURES)]))


def main() -> int:
    """0; 1 where a measure gave no figures. --guard always ends with 0: it warns."""
    parser = argparse.ArgumentParser(prog="tools/figures", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    choices = [*MEASURES, "cheap", "all"]
    parser.add_argument("--measure", nargs="+", choices=choices, default=[], metavar="NAME")
    parser.add_argument("--take", nargs="+", choices=list(MEASURES), default=[], metavar="NAME")
    parser.add_argument("--guard", action="store_true", help="warn only, write nothing")
    args = parser.parse_args()
    if args.guard:
        for line in guard():
            print(f"warning: {line}", file=sys.stderr)
        return 0
    failed = False
    for name in [*_wanted(args.measure), *args.take]:
        print(f"measuring {name}", file=sys.stderr)
        try:
            keep(name, measure(name, run=name not in args.take))
        except NotMeasured as error:
            print(f"tools/figures: {error}", file=sys.stderr)
            failed = True
    write_pages()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
