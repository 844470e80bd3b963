# SPDX-License-Identifier: AGPL-3.0-or-later
"""Documents that lie are worse than none: links resolve, commands exist, faults are explained."""

import re
from pathlib import Path

import pytest
import yaml

from edge.cli import COMMANDS, whole_parser
from edge.command_line import shapes

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for glob in ("*.md", "docs/*.md", "docs/zh/*.md", "models/*.md")
    for page in ROOT.glob(glob)
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
ANCHOR = re.compile(r"\]\(([^)#\s]*)#([^)\s]+)\)")
BLOCK = re.compile(r"^```(?:sh|text)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(?<![\w/.-])edge ([a-z][a-z-]*(?: [^|#;\n]*)?)")
OPTION = re.compile(r"(?<=\s)--?[a-z][a-z-]*")
PLACE = re.compile(r"`((?:edge|tools|tests|config|models|systemd|contract|docs)/[\w./*-]+)`")
# Where the code opens a fault by its kind.
TOLD = re.compile(r"(?:\.fault|\.once|\.start|Fault)\(\s*\"([a-z]+_?[a-z_]*)\",")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_resolve(page):
    targets = [t for t in LINK.findall(page.read_text("utf-8")) if "://" not in t]
    assert [t for t in targets if not (page.parent / t).exists()] == []


def anchors(page):
    """What GitHub makes of the headings of a page: letters of any script, hyphens for spaces."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = [
        re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", t) for t in re.findall(r"^#+ (.*)", text, re.M)
    ]
    return {re.sub(r"[^\w -]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_a_heading(page):
    found = [
        (page.parent / target if target else page, heading)
        for target, heading in ANCHOR.findall(page.read_text("utf-8"))
        if "://" not in target and (not target or target.endswith(".md"))
    ]
    assert [heading for target, heading in found if heading not in anchors(target)] == []


@pytest.fixture(scope="module")
def known_options():
    """Words of each command and subcommand -> options of it and of all below it."""
    every = {shape.words: shape.options for shape in shapes(whole_parser())}
    return {
        words: {
            name
            for other, options in every.items()
            if other[: len(words)] == words or words[: len(other)] == other
            for names, _, _ in options
            for name in names
        }
        for words in every
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_take_the_options_that_a_page_gives_them(page, known_options):
    text = page.read_text("utf-8")
    said = "\n".join([*re.findall(r"`([^`\n]+)`", text), *BLOCK.findall(text)])
    wrong = []
    for command in COMMAND.findall(said):
        words = tuple(command.split())
        name = next((words[:n] for n in (2, 1) if words[:n] in known_options), None)
        if name is None or not set(OPTION.findall(command)) <= known_options[name]:
            wrong.append(command)
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_code_blocks_exist(page):
    text = page.read_text("utf-8")
    blocks = "\n".join(re.findall(r"```(?:sh|text)?\n(.*?)```", text, re.DOTALL))
    called = set(re.findall(r"(?:bin/|^)edge ([a-z]+)", blocks, re.MULTILINE))
    assert called <= set(COMMANDS), called - set(COMMANDS)
    tools = set(re.findall(r"(?:^|\s)(tools/[a-z-]+)", blocks, re.MULTILINE))
    assert [t for t in tools if not (ROOT / t).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_that_are_named_are_there(page):
    """A page that sends people to a file that moved costs them more than no page."""
    named = PLACE.findall(page.read_text("utf-8"))
    assert [
        name for name in named if not list(ROOT.glob(name.rstrip("/").replace("NAME", "*")))
    ] == []


def test_every_command_has_a_module_with_an_example():
    import importlib

    for name, (module, summary) in COMMANDS.items():
        found = importlib.import_module(f"edge.commands.{module}")
        assert "example" in found.EPILOG, name
        assert summary


def test_the_category_of_the_readme_is_a_category():
    """The snippet is what people copy."""
    from edge.config import Categories, convert

    text = (ROOT / "README.md").read_text("utf-8")
    snippet = re.search(r"```yaml\n(categories:.*?)```", text, re.DOTALL)[1]
    assert len(snippet.splitlines()) <= 20
    assert convert(yaml.safe_load(snippet), Categories, "README").categories[0].classes == ("car",)


def kinds_in_code():
    found = set()
    for path in (ROOT / "edge").rglob("*.py"):
        text = path.read_text("utf-8")
        found |= set(
            re.findall(r"(?:\.fault|\.once|\.start|Fault)\(\s*\"([a-z]+_?[a-z_]*)\",", text)
        )
    return found - {"update", "visiond", "sensord"}


def test_every_fault_is_explained():
    told = (ROOT / "docs/operations.md").read_text("utf-8")
    assert sorted(kind for kind in kinds_in_code() if f"`{kind}`" not in told) == []


def test_no_path_of_one_machine_and_no_registry_host():
    bad = re.compile(r"/(work|root|home/[a-z]+)/|pypi\.org|/opt/pypi|files\.pythonhosted")
    hits = []
    for path in [*PAGES, *(ROOT / "edge").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]:
        hits += [f"{path.name}: {m[0]}" for m in bad.finditer(path.read_text("utf-8"))]
    assert hits == []
