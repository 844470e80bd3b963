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
    ("edge/isolation.py", "_put_aside"): "one item in trouble ends no other; the disk's still does",
    ("edge/isolation.py", "working_for"): "a bug of any kind sets one item aside, at its second",
    ("edge/pipeline/soundness.py", "_sound_camera"): "read before any guard: one camera goes aside",
    ("tools/faultlab/fuzz.py", "_once"): "bugs are what is looked for",
    ("tools/faultlab/fuzz_readers.py", "answer"): "bugs are what is looked for",
    (
        "tools/reference_platform/city_platform/intake.py",
        "_together",
    ): "taken back, then one by one",
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
    "_create_socket_connection": "paho asks for it",
    "step_from": "the reference platform folds cases by it",
    "parse_envelope": "the reference platform reads records by it",
    "Birth": "its schema is in the contract",
    "ViolationData": "its schema is in the contract",
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


# Where a test waits a fixed time: for a stated span to pass, or to see that nothing more comes.
# A condition that is waited for (`eventually`) is quicker and does not fail on a busy machine.
FIXED_SLEEPS = {
    "tests/camera/test_live.py": 1,
    "tests/console/clumsy.py": 1,  # as long as a person takes
    "tests/daemons/test_look_rate.py": 1,
    "tests/field/test_notify.py": 2,
    "tests/uplink/test_protocol_faults.py": 2,
    "tests/uplink/test_transfer.py": 1,
}
SHORT_S = 0.05


def test_no_test_waits_a_fixed_time_where_none_did():
    found = Counter()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        text = path.read_text("utf-8")
        if "time.sleep(" in text:
            found[str(path.relative_to(ROOT))] = sum(_fixed_sleeps(ast.parse(text)))
    assert +found == FIXED_SLEEPS


def _fixed_sleeps(node, looping=False):
    """Sleeps that stand in no loop; those in a loop wait for something."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep" and not looping:
        short = isinstance(node.args[0], ast.Constant) and node.args[0].value <= SHORT_S
        yield 0 if short else 1
    for child in ast.iter_child_nodes(node):
        inside = not isinstance(child, ast.FunctionDef | ast.Lambda)
        loop = isinstance(child, ast.While | ast.For)
        yield from _fixed_sleeps(child, loop or (looping and inside))
