# SPDX-License-Identifier: AGPL-3.0-or-later
"""Documents that lie are worse than none: links resolve, commands exist, faults are explained."""

import re
from pathlib import Path

import pytest
import yaml

from edge.cli import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for glob in ("*.md", "docs/*.md", "docs/zh/*.md", "models/*.md")
    for page in ROOT.glob(glob)
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PLACE = re.compile(r"`((?:edge|tools|tests|config|models|systemd|contract|docs)/[\w./*-]+)`")
# Where the code opens a fault by its kind.
TOLD = re.compile(r"(?:\.fault|\.once|\.start|Fault)\(\s*\"([a-z]+_?[a-z_]*)\",")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_resolve(page):
    targets = [t for t in LINK.findall(page.read_text("utf-8")) if "://" not in t]
    assert [t for t in targets if not (page.parent / t).exists()] == []


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
