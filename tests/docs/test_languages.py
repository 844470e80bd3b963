# SPDX-License-Identifier: AGPL-3.0-or-later
"""docs/zh holds what docs/ holds: commands, keys, limits, faults, code and links.

The Chinese pages are written for their readers and not word for word; what can be copied or
looked up must be the same in both. English may write a number in words where Chinese does not.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.console.faults import ADVICE

DOCS = Path(__file__).parents[2] / "docs"
ZH = DOCS / "zh"
PAGES = (
    "cameras", "drone", "install", "operations", "placement", "rules", "sensors", "settings",
)  # fmt: skip
# What only a developer reads: the list of unit directives that nobody has tried.
ENGLISH_ONLY = {"install": "## What was run, and what never"}
ZH_CLOSING = {"install": "## 试过什么，没试过什么"}

FENCE = re.compile(r"^( *)```.*?^\1```", re.M | re.S)
TICKED = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# The Chinese guides show the page; both languages say the same without.
PICTURE = re.compile(r"^!\[[^\]]*\]\([^)\s]+\)$", re.M)
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def page(name: str, chinese: bool) -> str:
    text = ((ZH if chinese else DOCS) / f"{name}.md").read_text("utf-8")
    for heading in [*ZH_CLOSING.items()] if chinese else [*ENGLISH_ONLY.items()]:
        if heading[0] == name:
            text = text[: text.index(heading[1])]
    return PICTURE.sub("", text)


def code(text: str) -> list[str]:
    """What stands in code blocks, without comments and the words of either language."""
    lines = [line for block in FENCE.finditer(text) for line in block[0].splitlines()]
    kept = [re.sub(r"\s+(#|\s{3,}|[一-鿿]).*", "", line).strip() for line in lines]
    return [line for line in kept if line and not re.search(r"^#|[一-鿿（）]", line)]


def ticked(text: str) -> set[str]:
    return {" ".join(words.split()) for words in TICKED.findall(FENCE.sub("", text))}


def numbers(text: str) -> set[str]:
    plain = TICKED.sub("", LINK.sub("]", FENCE.sub("", text)))
    return {number.replace(",", "") for number in NUMBER.findall(plain)}


def links(text: str, folder: Path) -> set[str]:
    """Files that a page leads to, by their English place."""
    found = set()
    for target in LINK.findall(FENCE.sub("", text)):
        path = target.partition("#")[0]
        if path and "://" not in path:
            found.add((folder / path).resolve().name)
    return found


@pytest.mark.parametrize("name", PAGES)
def test_both_languages_hold_the_same_commands_and_files(name):
    assert code(page(name, True)) == code(page(name, False))


@pytest.mark.parametrize("name", PAGES)
def test_both_languages_name_the_same_keys_faults_and_paths(name):
    assert ticked(page(name, True)) == ticked(page(name, False))


@pytest.mark.parametrize("name", PAGES)
def test_no_limit_or_figure_is_missing_in_chinese(name):
    assert numbers(page(name, False)) - numbers(page(name, True)) == set()


@pytest.mark.parametrize("name", PAGES)
def test_both_languages_lead_to_the_same_pages(name):
    english, chinese = links(page(name, False), DOCS), links(page(name, True), ZH)
    assert chinese - {f"{name}.md"} == english - {f"{name}.md"}


@pytest.mark.parametrize("path", sorted(ZH.glob("*.md")), ids=lambda path: path.stem)
def test_every_link_of_a_chinese_page_leads_somewhere(path):
    text = path.read_text("utf-8")
    targets = [target for target in LINK.findall(FENCE.sub("", text)) if "://" not in target]
    assert targets
    for target in targets:
        file, _, heading = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.is_file(), target
        assert not heading or heading in anchors(there), target


def anchors(path: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    heads = re.findall(r"^#+ +(.*)$", FENCE.sub("", path.read_text("utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def test_every_fault_stands_on_the_chinese_page_by_its_name_on_the_console():
    text = page("operations", True)
    for kind, advice in ADVICE.items():
        assert re.search(rf"\| [^|]*`{kind}`[^|]* \| {re.escape(advice.zh)} \|", text), kind


def test_the_quick_card_names_only_faults_that_there_are():
    text = (ZH / "quick-card.md").read_text("utf-8")
    section = text[text.index("## 出了问题") :]
    rows = re.findall(r"^\| (.*?) \|", section, re.M)
    named = {word for row in rows for word in TICKED.findall(row)}
    assert named and named <= set(ADVICE)
