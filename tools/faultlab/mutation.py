# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many small wrong changes the tests notice, over a sample drawn with a seed.

First every test of the packages runs once and the lines it runs are kept. Then, in a copy of the
tree, each change of the sample is made alone and the tests that run its line are run, the quick
ones first and no more than 90 s of them, in a fork of a process that has the libraries loaded. A
change is noticed if one of them fails, and passes again without it, or outlasts its time. Where no
test runs the line in its own process (a type of the contract, code of a child process), the
quickest of the package are run: what none of them notices is not noticed. Neither is a change that
cannot show (survivors are printed: read them).

What is known of a tree is kept in out/mutation: a run that was ended goes on.

tools/mutation                          120 changes, evenly over the packages
tools/mutation --only edge/rules/places.py --budget 40
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import journal
from edge.learning.precision import wilson
from tools.faultlab.answering import PACKAGES, Touch, digest, lines_of, near, touches
from tools.faultlab.forked import ForkedRuns
from tools.faultlab.mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "out/mutation"
# A change is given this much more time than its tests took, and a start of pytest.
PATIENCE, START_S = 4.0, 60.0
# Exit statuses of pytest: a name that is not there, as of a test named after the changed number.
NO_SUCH_TEST = (4, 5)
# Neither the environment nor what runs have written is copied.
LEFT_OUT = ("/.git", "/.venv*", "/out", "/.mypy_cache", "/.ruff_cache", "/data", "__pycache__")


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


class Bench:
    """A copy of the tree and a process that runs tests in it. Use as a context manager."""

    def __init__(self, tree: Path) -> None:
        self.tree, self._runs = tree, ForkedRuns(tree)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._runs.__exit__()

    def noticed(self, mutant: Mutant, tests: Sequence[Touch]) -> bool:
        """Make the change, run these tests, take it back. A test that fails without the change as
        well, under load, has not answered: the others are asked."""
        left, allowed_s = [test.test for test in tests], PATIENCE * sum(t.seconds for t in tests)
        while left:
            status, failed = self._changed(mutant, left, allowed_s)
            if status in NO_SUCH_TEST:
                left = sorted({name.partition("[")[0] for name in left})
                status, failed = self._changed(mutant, left, allowed_s)
            if status == 0:
                return False
            if failed is None or self._pytest([failed], allowed_s)[0] == 0:
                return True
            left = [name for name in left if failed not in (name, name.partition("[")[0])]
        return False

    def _changed(
        self, mutant: Mutant, tests: Sequence[str], allowed_s: float
    ) -> tuple[int, str | None]:
        path = self.tree / mutant.path
        before = path.read_text("utf-8")
        path.write_text(mutant.text, "utf-8")
        try:
            return self._pytest(tests, allowed_s)
        finally:
            path.write_text(before, "utf-8")

    def _pytest(self, tests: Sequence[str], allowed_s: float) -> tuple[int, str | None]:
        limit = int(allowed_s + START_S)
        argv = ["-q", "-p", "no:cacheprovider", "-x", "--timeout", str(limit), *tests]
        return self._runs.run(argv, limit + START_S)


def copy_tree(to: Path) -> Path:
    """The tree as it stands, without what is made."""
    left_out = [part.strip("/") for part in LEFT_OUT]
    shutil.copytree(ROOT, to, symlinks=True, ignore=shutil.ignore_patterns(*left_out))
    return to


@dataclass(frozen=True, slots=True)
class Task:
    """One change of a package's sample and the tests that may notice it."""

    package: str
    mutant: Mutant
    tests: tuple[Touch, ...]

    def row(self, *, noticed: bool) -> dict[str, Any]:
        """As it is kept."""
        return {"change": str(self.mutant), "noticed": noticed, "tests": len(self.tests)}


def tasks_of(
    tree: Path, package: str, chosen: Sequence[Mutant], known: Sequence[Touch]
) -> list[Task]:
    """The sample of one package."""
    sources = {name: (tree / name).read_text("utf-8") for name in files_of(tree, package)}
    return [
        Task(
            package,
            mutant,
            tuple(near(known, lines_of(mutant, sources), package, named=bool(mutant.names))),
        )
        for mutant in chosen
    ]


class Results:
    """What came of each change of this very tree, kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self.rows = {row["change"]: row for row in journal.read(path)[0]} if path.exists() else {}

    def add(self, row: dict[str, Any]) -> None:
        with self._lock:
            self.rows[row["change"]] = row
            journal.append(self._path, [row])


def run_all(trees: Sequence[Path], tasks: Sequence[Task], results: Results) -> None:
    """Try each change that nothing is known of, one in each tree at a time."""
    left = [task for task in tasks if str(task.mutant) not in results.rows]
    numbered = iter(list(enumerate(left, 1)))
    taking = threading.Lock()

    def each() -> Iterator[tuple[int, Task]]:
        """The next change that nobody has taken."""
        while True:
            with taking:
                one = next(numbered, None)
            if one is None:
                return
            yield one

    def work(tree: Path) -> None:
        """One tree, one change at a time, until none is left."""
        with Bench(tree) as bench:
            for n, task in each():
                found = bool(task.tests) and bench.noticed(task.mutant, task.tests)
                results.add(task.row(noticed=found))
                mark = "noticed " if found else ("SURVIVED" if task.tests else "NOT RUN ")
                print(f"{n}/{len(left)} {mark} {task.mutant}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(len(trees)) as pool:
        list(pool.map(work, trees))


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
    found.add_argument("--jobs", type=int, default=1, help="changes tried at once (default 1)")
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
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        trees = [copy_tree(Path(folder, f"tree-{n}")) for n in range(args.jobs)]
        wanted = [package for package in PACKAGES if any(p.startswith(package) for p in only)]
        tests = sorted({test for package in wanted for test in PACKAGES[package]})
        files = [name for package in PACKAGES for name in files_of(trees[0], package)]
        known = touches(trees[0], tests, files, CACHE, args.jobs)
        tasks = []
        for package in wanted:
            parts = [path for path in only if path.startswith(package)]
            files = sorted({name for part in parts for name in files_of(trees[0], part)})
            rng = random.Random(f"{args.seed} {package}")
            chosen = sample(trees[0], files, max(1, args.budget // len(wanted)), rng)
            tasks += tasks_of(trees[0], package, chosen, known)
        results = Results(CACHE / f"results-{digest(trees[0], tests=True)}.jsonl")
        run_all(trees, tasks, results)
    rows: dict[str, dict[str, dict[str, Any]]] = {package: {} for package in wanted}
    for task in tasks:
        rows[task.package][str(task.mutant)] = results.rows[str(task.mutant)]
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
