# SPDX-License-Identifier: AGPL-3.0-or-later
"""Names: one class of a name in the product, no folder that hides a module of the library."""

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

from edge.isolation import ITEM_THREADS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (ROOT / "edge", ROOT / "tools" / "reference_platform")


def test_a_class_name_stands_once():
    places = defaultdict(list)
    for path in sorted((ROOT / "edge").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
    assert len(places) > 300


def test_no_folder_is_called_like_a_module_of_the_library():
    folders = {
        path.parent.name
        for top in ("edge", "tools", "tests")
        for path in (ROOT / top).rglob("*.py")
        if path.parent.name not in ("edge", "tools", "tests")
    }
    assert not folders & sys.stdlib_module_names


def test_no_comment_points_outside_the_repository():
    """A fact that a comment leans on is brought in docs/, where a reader can find it."""
    outside = re.compile(
        r"\.\./shared/reference|domain\.md|reliability\.md|violations\.md|design: "
    )
    pointed = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for top in ("edge", "tools")
        for path in sorted((ROOT / top).rglob("*.py"))
        for found in outside.finditer(path.read_text("utf-8"))
    ]
    assert pointed == []


def raised_by(function):
    """Names of the exceptions that this function itself raises, not those of functions in it."""
    found = set()
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Raise) and node.exc is not None:
            kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = kind.attr if isinstance(kind, ast.Attribute) else getattr(kind, "id", "")
            found |= {name} if name[:1].isupper() else set()
    return found - OF_THE_LANGUAGE


# What ends a program or an iterator is no answer to a caller.
OF_THE_LANGUAGE = {"AssertionError", "NotImplementedError", "StopIteration", "SystemExit"}
# Raised and caught in the function itself.
CAUGHT = {
    "verify_folder": {"Unfit"},
    "scenes_of": {"ValueError"},
    "read_opinions": {"ValueError"},
}


def test_a_docstring_names_what_is_raised():
    silent = []
    for path in sorted((ROOT / "edge").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            words = ast.get_docstring(node)
            if words is None or node.name.startswith("_"):
                continue
            missing = {n for n in raised_by(node) - CAUGHT.get(node.name, set()) if n not in words}
            silent += [f"{path.relative_to(ROOT)}: {node.name} {name}" for name in missing]
    assert silent == []


def test_a_logger_is_named_after_its_module():
    """One scheme, so that `grep edge.uplink` in the journal finds what edge/uplink says."""
    other = {
        f"{path.relative_to(ROOT)}: {found[1]}"
        for path in sorted((ROOT / "edge").rglob("*.py"))
        for found in re.finditer(r"getLogger\((.*?)\)", path.read_text("utf-8"))
        if found[1] != "__name__"
    }
    assert other == {'edge/runtime.py: "edge"'}, "the root of all, which has the handlers"


def names_of_threads_for_one_item():
    """First words of f-string names given to threads anywhere in the product."""
    for path in sorted((ROOT / "edge").rglob("*.py")):
        text = path.read_text("utf-8")
        if "threading" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called not in ("threading.Thread", "super().__init__"):
                continue
            for word in node.keywords:
                if word.arg == "name" and isinstance(word.value, ast.JoinedStr):
                    yield ast.unparse(word.value.values[0]).strip("'").split()[0]


def test_a_bug_in_the_thread_of_one_item_sets_that_item_aside():
    """A thread named after its item but unknown there would end the process again and again."""
    assert set(names_of_threads_for_one_item()) == ITEM_THREADS
