# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/headers: the licence of a file in its first lines, as SPDX says it (ISO/IEC 5962).

    tools/headers            add the line to every .py and shell file of git that lacks it
    tools/headers --check    name them only; 1 where there is one

Python files begin with the line. In a shell script it follows the first comment, whose lines some
scripts print as their help.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINE = "# SPDX-License-Identifier: AGPL-3.0-or-later"
# Lines among which the header must stand.
HEAD = 20


def files(*, new: bool = True) -> Iterator[Path]:
    """Python files and scripts with a shell's first line that git knows or, if `new`, would add."""
    others = ["--others", "--exclude-standard"] if new else []
    argv = ["git", "ls-files", "--cached", *others]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and (path.suffix == ".py" or is_shell(path)):
            yield path


def is_shell(path: Path) -> bool:
    """Whether the first line calls a shell; binary files have none."""
    with path.open("rb") as file:
        first = file.readline(80)
    return first.startswith((b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash"))


def lacks(path: Path) -> bool:
    """Whether the licence is missing. An empty file has nothing to license."""
    lines = path.read_text("utf-8").splitlines()
    return bool(lines) and LINE not in lines[:HEAD]


def with_header(text: str, *, shell: bool) -> str:
    """The text with the line in its place."""
    lines = text.splitlines()
    at = 0
    if shell:
        at = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    lines.insert(at, LINE)
    return "\n".join(lines) + "\n"


def give(path: Path) -> None:
    """Write the header; by a new file, since a shell may be reading this one line by line."""
    text = path.read_text("utf-8")
    new = path.with_name(f".{path.name}.new")
    new.write_text(with_header(text, shell=path.suffix != ".py"), "utf-8")
    shutil.copymode(path, new)
    new.replace(path)


def main() -> int:
    """0; with --check 1 where a file has no licence line."""
    parser = argparse.ArgumentParser(prog="tools/headers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args()
    missing = [path for path in files() if lacks(path)]
    for path in missing:
        print(path.relative_to(ROOT))
        if not args.check:
            give(path)
    return 1 if args.check and missing else 0


if __name__ == "__main__":
    sys.exit(main())
