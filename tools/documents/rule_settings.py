# SPDX-License-Identifier: AGPL-3.0-or-later
"""The tables of docs/rules.md that tell what each rule kind takes, from the code's own defaults.

tools/reference           writes them between the marks of the page
tools/reference --check   only compares
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.rules.judge import RULES
from edge.rules.rule_settings import Setting

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"
BEGIN, END = "<!-- settings begin -->", "<!-- settings end -->"
HEAD = ("| `set:` | default | allowed | meaning |", "|---|---|---|---|")
# A setting without an upper bound of its own has this one.
UNBOUNDED = Setting(0.0, "").high
# Kinds that have settings in common; what they share is told once.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "that watches a place": ("occupation", "grilling", "plume", "spill", "dumping", "state"),
    "that watches trucks on their way": ("uncovered", "wash", "haulage"),
}


def shown(value: object) -> str:
    """A default as the page writes it."""
    if isinstance(value, tuple):
        return " ".join(str(part) for part in value) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def allowed(setting: Setting) -> str:
    """The bounds of a number; nothing for words."""
    if not isinstance(setting.default, float):
        return ""
    least = f"{setting.low:.10g}"
    return f"{least} and more" if setting.high == UNBOUNDED else f"{least} to {setting.high:.10g}"


def shared(kinds: Sequence[str]) -> dict[str, Setting]:
    """What all of these kinds take, with the same default and meaning."""
    first = RULES[kinds[0]].SETTINGS
    return {
        name: setting
        for name, setting in first.items()
        if all(RULES[kind].SETTINGS.get(name) == setting for kind in kinds)
    }


def table(settings: Mapping[str, Setting]) -> list[str]:
    rows = [
        f"| `{name}` | {shown(s.default)} | {allowed(s)} | {s.meaning} |"
        for name, s in settings.items()
    ]
    return [*HEAD, *rows]


def section() -> str:
    """All tables, families first, then each kind with what is its own."""
    lines: list[str] = []
    for words, kinds in FAMILIES.items():
        common = shared(kinds)
        lines += [f"Of every kind {words} ({', '.join(kinds)}):", "", *table(common), ""]
    common_of = {kind: shared(kinds) for kinds in FAMILIES.values() for kind in kinds}
    for kind, rule in RULES.items():
        common = common_of.get(kind, {})
        own = {name: s for name, s in rule.SETTINGS.items() if name not in common}
        lines += [f"`{kind}`:", "", *table(own), ""] if own else [f"`{kind}`: no others.", ""]
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with its tables made anew. Raises ValueError where the marks are missing."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{PAGE.name}: {BEGIN} and {END} wanted, once each")
    pattern = f"{re.escape(BEGIN)}.*?{re.escape(END)}"
    return re.sub(pattern, lambda _: f"{BEGIN}\n{section()}{END}", text, flags=re.DOTALL)


def main(argv: list[str] | None = None) -> int:
    """0 where the page is as the code says, or now is; 1 where --check found a difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args(argv)
    text = PAGE.read_text("utf-8")
    made = page(text)
    if args.check:
        return int(made != text)
    PAGE.write_text(made, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
