# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many small wrong changes the tests notice, over a sample drawn with a seed.

First every test of the packages runs once and the lines it runs are kept. Then, in a copy of the
tree, each change of the sample is made alone and the tests that run its line are run, the quick
ones first and no more than 90 s of them, in a fork of a process that has the libraries loaded. A
change is noticed if one of them fails or outlasts its time. Where no test runs the line in its own
process (a type of the contract, code of a child process), the quickest of the package are run: what
none of them notices is not noticed. Neither is a change that cannot show, nor one whose tests
failed without it, as some do under load (survivors are printed: read them).

tools/mutation                          120 changes, evenly over the packages
tools/mutation --only edge/rules/places.py --budget 40
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.learning.precision import wilson
from tools.faultlab.forked import ForkedRuns
from tools.faultlab.mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
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
# A change is given this much more time than its tests took, and a start of pytest.
PATIENCE, START_S = 4.0, 60.0
# Neither the environment nor what runs have written is copied.
LEFT_OUT = ("/.git", "/.venv*", "/out", "/.mypy_cache", "/.ruff_cache", "/data", "__pycache__")


@dataclass(frozen=True, slots=True)
class Touch:
    """One test: its id, seconds, and (file, line) that it runs."""

    test: str
    seconds: float
    lines: frozenset[tuple[str, int]]


def files_of(tree: Path, package: str) -> list[str]:
    """Python files of a package or the file itself, relative to the tree."""
    place = tree / package
    found = [place] if place.is_file() else sorted(place.rglob("*.py"))
    return [str(path.relative_to(tree)) for path in found]


def sample(tree: Path, files: Sequence[str], budget: int, rng: random.Random) -> list[Mutant]:
    """`budget` changes of these files, any as likely as any other."""
    every = [
        mutant for name in files for mutant in mutants_of(name, (tree / name).read_text("utf-8"))
    ]
    return rng.sample(every, min(budget, len(every)))


def touches(tree: Path, tests: Sequence[str], files: Sequence[str]) -> list[Touch]:
    """The tests that pass in `tree`, and the lines they run."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, out = Path(folder, "files"), Path(folder, "touched.json")
        wanted.write_text("\n".join(files))
        where = {"TOUCHED_FILES": str(wanted), "TOUCHED_OUT": str(out)}
        argv = [*PYTEST, *PLAIN, "-p", "tools.faultlab.touched", "--timeout", "600", *tests]
        subprocess.run(argv, cwd=tree, env={**os.environ, **where}, stdout=2, check=False)
        told: dict[str, Any] = json.loads(out.read_text())
    return [
        Touch(
            test,
            row["seconds"],
            frozenset((name, n) for name, lines in row["lines"].items() for n in lines),
        )
        for test, row in told.items()
        if row["passed"]
    ]


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


def noticed(tree: Path, mutant: Mutant, tests: Sequence[Touch], runs: ForkedRuns) -> bool:
    """Make the change in `tree`, run these tests, take it back."""
    path = tree / mutant.path
    before = path.read_text("utf-8")
    path.write_text(mutant.text, "utf-8")
    allowed_s = START_S + PATIENCE * sum(test.seconds for test in tests)
    argv = ["-q", "-p", "no:cacheprovider", "-x", "--timeout", str(int(allowed_s))]
    try:
        return runs.run([*argv, *(test.test for test in tests)], allowed_s + START_S) != 0
    finally:
        path.write_text(before, "utf-8")


def copy_tree(to: Path) -> Path:
    """The tree as it stands, without what is made."""
    tree = to / "tree"
    left_out = [part.strip("/") for part in LEFT_OUT]
    shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns(*left_out))
    return tree


def run_package(
    tree: Path, package: str, chosen: Sequence[Mutant], known: Sequence[Touch]
) -> dict[str, dict[str, Any]]:
    """{change: {"noticed", "tests"}} of one package's sample."""
    sources = {name: (tree / name).read_text("utf-8") for name in files_of(tree, package)}
    results = {}
    with ForkedRuns(tree) as runs:
        for n, mutant in enumerate(chosen, 1):
            wanted = lines_of(mutant, sources)
            ran = near(known, wanted, package, named=bool(mutant.names))
            found = bool(ran) and noticed(tree, mutant, ran, runs)
            results[str(mutant)] = {"noticed": found, "tests": len(ran)}
            mark = "noticed " if found else ("SURVIVED" if ran else "NOT RUN ")
            print(f"{package} {n}/{len(chosen)} {mark} {mutant}", file=sys.stderr, flush=True)
    return results


def parser() -> argparse.ArgumentParser:
    """The options of tools/mutation."""
    found = argparse.ArgumentParser(
        prog="tools/mutation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--budget", type=int, default=120, help="changes in all (default 120)")
    found.add_argument("--seed", type=int, default=1, help="which sample (default 1)")
    found.add_argument("--only", action="append", metavar="PATH", help="packages or files of them")
    found.add_argument("--json", action="store_true", help="one JSON line on standard output")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Make the sample's changes one at a time and print which were noticed; 2 for a wrong
    option."""
    args = parser().parse_args(argv)
    only = args.only or list(PACKAGES)
    unknown = [path for path in only if not any(path.startswith(p) for p in PACKAGES)]
    if unknown:
        print(f"--only {unknown[0]}: not in {', '.join(PACKAGES)}", file=sys.stderr)
        return 2
    began, rows = time.monotonic(), {}
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        tree = copy_tree(Path(folder))
        wanted = [package for package in PACKAGES if any(p.startswith(package) for p in only)]
        tests = sorted({test for package in wanted for test in PACKAGES[package]})
        known = touches(tree, tests, [name for p in wanted for name in files_of(tree, p)])
        for package in wanted:
            parts = [path for path in only if path.startswith(package)]
            files = sorted({name for part in parts for name in files_of(tree, part)})
            rng = random.Random(f"{args.seed} {package}")
            chosen = sample(tree, files, max(1, args.budget // len(wanted)), rng)
            rows[package] = run_package(tree, package, chosen, known)
    _print(rows, time.monotonic() - began, as_json=args.json)
    return 0


def _print(rows: dict[str, dict[str, dict[str, Any]]], took_s: float, *, as_json: bool) -> None:
    every = [result for package in rows.values() for result in package.values()]
    noticed_of = sum(result["noticed"] for result in every)
    score = noticed_of / max(1, len(every))
    scores = {
        package: round(sum(r["noticed"] for r in found.values()) / max(1, len(found)), 3)
        for package, found in rows.items()
    }
    survivors = [
        change for found in rows.values() for change, r in found.items() if not r["noticed"]
    ]
    told: dict[str, Any] = {
        "changes": len(every),
        "score": round(score, 3),
        "interval": [round(end, 3) for end in wilson(noticed_of, len(every))],
        "packages": scores,
        "took_s": round(took_s),
        "survivors": survivors,
    }
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
        return
    low, high = told["interval"]
    print(f"{len(every)} changes, {score:.3f} ({low} to {high}) noticed, in {took_s:.0f} s")
    for package, value in scores.items():
        print(f"  {package:16} {value:.3f}")
    for change in survivors:
        print(f"  survived: {change}")


if __name__ == "__main__":
    sys.exit(main())
