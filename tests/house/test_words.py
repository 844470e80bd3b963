# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a newcomer may count on: words where a function is long, a reason where all is caught."""

import ast
import re
from collections import Counter
from pathlib import Path

from tools.documents.shape import PLAIN, body_lines, catches_all, functions

ROOT = Path(__file__).resolve().parents[2]
# Who catches whatever comes and does not raise it again, and why that is right there.
SWALLOWS = {
    ("edge/runtime.py", "run"): "the end of a daemon: logged whole, systemd starts it again",
    ("edge/daemons/software_selftest.py", "_asked"): "what an unproven program does is its no",
    ("edge/isolation.py", "thread_failed"): "the bug it was given comes back and is judged",
    ("edge/isolation.py", "working_for"): "a bug of any kind sets one item aside, at its second",
    ("tools/faultlab/fuzz.py", "_once"): "bugs are what is looked for",
    ("tools/faultlab/fuzz_readers.py", "answer"): "bugs are what is looked for",
    ("tools/reference_platform/city_platform/intake.py", "_one"): "it would come again and again",
}


TEXTS = [
    (str(path.relative_to(ROOT)), path.read_text("utf-8"))
    for top in ("edge", "tools")
    for path in sorted((ROOT / top).rglob("*.py"))
]


def test_a_long_function_says_what_it_is_for():
    wordless = []
    for name, text in TEXTS:
        lines = text.splitlines()
        wordless += [
            f"{name}:{node.lineno} {node.name}"
            for node in functions(ast.parse(text))
            if not node.name.startswith("_")
            and ast.get_docstring(node) is None
            and body_lines(node, lines) > PLAIN
        ]
    assert wordless == []


def test_who_catches_everything_raises_it_again_or_has_a_reason():
    found = {
        (name, node.name)
        for name, text in TEXTS
        if any(word in text for word in ("except:", "except Exc", "except Base"))
        for node in functions(ast.parse(text))
        for part in ast.walk(node)
        if catches_all(part) and not raises_again(part)
    }
    assert found == set(SWALLOWS)


def raises_again(handler):
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


# Names of edge/ that only others use.
OF_OTHERS = {
    "send_400_response": "uvicorn asks for it",
    "step_from": "the reference platform folds cases by it",
    "parse_envelope": "the reference platform reads records by it",
    "Birth": "its schema is in the contract",
    "ViolationData": "its schema is in the contract",
    "Grids": "grids.yaml is described and checked in the examples",
    "grid_at": "grids.yaml is described and checked in the examples",
}


def test_what_nobody_uses_is_not_kept():
    """A function, class or constant of the product is named once more than where it is made."""
    named = Counter(word for name, text in TEXTS for word in re.findall(r"\w+", text) if _own(name))
    for path in (ROOT / "edge").rglob("*.html"):
        named.update(re.findall(r"\w+", path.read_text("utf-8")))
    made = {
        made
        for name, text in TEXTS
        if _own(name)
        for node in ast.walk(ast.parse(text))
        for made in _made(node)
        if not made.startswith("__")
    }
    assert {name for name in made if named[name] == 1} == set(OF_OTHERS)


def _own(name):
    return name.startswith("edge/")


def _made(node):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Module):
        targets = [part for one in node.body if isinstance(one, ast.Assign) for part in one.targets]
        return [part.id for part in targets if isinstance(part, ast.Name)]
    return []
