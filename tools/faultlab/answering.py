# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which tests answer for which lines: every test of a package run once, and what it ran kept.

What a test file ran is kept under a name made of the content of the tree and of the file, so that
only what changed is run again and a run that was ended goes on.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.faultlab.mutants import Mutant
from tools.faultlab.touched import written_as

PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header")
PLAIN = ("-m", "not slow and not browser and not decoder and not shared")
# What is changed, and the tests that answer for it.
PACKAGES: dict[str, tuple[str, ...]] = {
    "edge/rules": (
        "tests/rules",
        "tests/replay",
        "tests/docs/test_rule_settings.py",
        "tests/docs/test_examples.py",
        "tests/handling/test_notice.py",
        "tests/vision/test_plates.py",
    ),
    "edge/hold.py": ("tests/rules/test_hold.py", "tests/rules/test_exact.py"),
    "edge/outbox": ("tests/outbox", "tests/house/test_faults.py", "tests/house/test_durable.py"),
    "edge/evidence": (
        "tests/evidence",
        "tests/pipeline/test_frames_way.py",
        "tests/rules/test_packs.py",
        "tests/house/test_durable.py",
    ),
    "edge/uplink": (
        "tests/uplink",
        "tests/contract",
        "tests/house/test_durable.py",
        "tests/house/test_faults.py",
        "tests/house/test_journal.py",
        "tests/house/test_jsonfile.py",
        "tests/house/test_patterns.py",
        "tests/reference_platform/test_replacement.py",
        "tests/reference_platform/test_subscriber.py",
    ),
}
# Of tests that run a line, so many seconds are run, as they took without a change.
TESTS_S = 90.0
# What a test may read beside the code; tests/**/test_*.py count by themselves.
READ = ("edge", "config", "tools", "tests", "pyproject.toml")


@dataclass(frozen=True, slots=True)
class Touch:
    """One test: its id, seconds, and (file, line) that it runs."""

    test: str
    seconds: float
    lines: frozenset[tuple[str, int]]


def digest(tree: Path, *, tests: bool) -> str:
    """Of the text of code, settings and what tests share; of the tests themselves on demand."""
    found = hashlib.sha256()
    for part in READ:
        place = tree / part
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            own = path.name.startswith("test_") and path.suffix == ".py"
            if path.suffix in (".py", ".yaml", ".toml", ".sql", ".html") and (tests or not own):
                found.update(f"{path.relative_to(tree)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def touches(
    tree: Path, tests: Sequence[str], files: Sequence[str], cache: Path, jobs: int = 1
) -> list[Touch]:
    """The tests that pass in `tree`, and the lines they run. cache: a folder for what is known."""
    out = cache / f"touched-{digest(tree, tests=False)}"
    out.mkdir(parents=True, exist_ok=True)
    listed = out / "files"
    listed.write_text("\n".join(files))
    kept = {name: out / written_as(name, (tree / name).read_bytes()) for name in _each(tree, tests)}
    missing = [name for name, path in kept.items() if not path.exists()]
    parts = [missing[n::jobs] for n in range(jobs)]
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda part: _trace(tree, part, listed, out), filter(None, parts)))
    return [touch for path in kept.values() if path.exists() for touch in _read(path)]


def _each(tree: Path, tests: Sequence[str]) -> list[str]:
    """Test files of these folders and files."""
    places = [tree / name for name in tests]
    every = [p.rglob("test_*.py") if p.is_dir() else [p] for p in places]
    return sorted({str(path.relative_to(tree)) for found in every for path in found})


def _trace(tree: Path, tests: Sequence[str], listed: Path, out: Path) -> None:
    where = {"TOUCHED_FILES": str(listed), "TOUCHED_OUT": str(out)}
    argv = [*PYTEST, *PLAIN, "-p", "tools.faultlab.touched", "--timeout", "600", *tests]
    subprocess.run(argv, cwd=tree, env={**os.environ, **where}, stdout=2, check=False)


def _read(path: Path) -> Iterator[Touch]:
    for test, row in json.loads(path.read_text()).items():
        if row["passed"]:
            lines = ((name, n) for name, every in row["lines"].items() for n in every)
            yield Touch(test, row["seconds"], frozenset(lines))


def lines_of(mutant: Mutant, sources: dict[str, str]) -> frozenset[tuple[str, int]]:
    """Lines that must run for a change to show: its own statement's, or, where it is run at the
    import, those that name the constant or the class that it belongs to."""
    if not mutant.names:
        return frozenset((mutant.path, n) for n in _statement(sources[mutant.path], mutant.line))
    named = re.compile(r"\b(" + "|".join(map(re.escape, mutant.names)) + r")\b")
    return frozenset(
        (path, n)
        for path, text in sources.items()
        for n, line in enumerate(text.splitlines(), 1)
        if named.search(line) and (path, n) != (mutant.path, mutant.line)
    )


def _statement(text: str, line: int) -> range:
    """The lines of the smallest statement that holds this line; of one with a body, its head."""
    best = range(line, line + 1)
    size = 10**9
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.stmt) or isinstance(node, ast.ClassDef):
            continue
        body = getattr(node, "body", None)
        end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
        end = max(end, node.lineno)
        if node.lineno <= line <= end and end - node.lineno < size:
            size = end - node.lineno
            best = range(node.lineno, end + 1)
            if isinstance(node, ast.FunctionDef):
                # Defaults are set at the import; who runs the function is who could notice.
                best = range(node.lineno, (node.end_lineno or end) + 1)
    return best


def near(
    known: Sequence[Touch], wanted: frozenset[tuple[str, int]], own: str, *, named: bool = False
) -> list[Touch]:
    """The tests that could notice a change of these lines, the quick ones first, TESTS_S of them;
    where none runs a line, the quickest of the package `own`. named: a constant or a table of a
    class, which also those may read that run no line, such as one that compares a page with it."""
    others = [test for test in known if test.test.startswith(PACKAGES[own])]
    running = [test for test in known if test.lines & wanted]
    if named and running:
        running += [test for test in others if not test.lines]
    found: list[Touch] = []
    seconds = 0.0
    for test in sorted(running or others, key=lambda test: test.seconds):
        seconds += test.seconds
        if found and seconds > TESTS_S:
            break
        found.append(test)
    return found
