# SPDX-License-Identifier: AGPL-3.0-or-later
"""The shape of the house: how long functions and files are, what lacks words, what catches all.

Lines of a function leave out its docstring and blank lines. Prints one JSON.
"""

from __future__ import annotations

import ast
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Function = ast.FunctionDef | ast.AsyncFunctionDef
LONG = 60
# Below this many lines a name and a signature may say it all.
PLAIN = 5


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def body_lines(node: Function, lines: Sequence[str]) -> int:
    """Written lines of a body, without its docstring."""
    first = node.body[0]
    start = first.lineno
    if ast.get_docstring(node, clean=False) is not None:
        start = (first.end_lineno or first.lineno) + 1
    return sum(1 for line in lines[start - 1 : node.end_lineno] if line.strip())


def catches_all(node: ast.AST) -> bool:
    """`except:` and `except Exception:`; one is allowed, in edge/runtime.py."""
    if not isinstance(node, ast.ExceptHandler):
        return False
    return node.type is None or (
        isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
    )


def measure(folders: Sequence[Path]) -> dict[str, Any]:
    """Figures over all Python files below these folders."""
    sizes, wordless, broad, longest = [], 0, 0, 0
    for path in sorted(p for folder in folders for p in folder.rglob("*.py")):
        lines = path.read_text("utf-8").splitlines()
        tree = ast.parse("\n".join(lines))
        longest = max(longest, len(lines))
        broad += sum(map(catches_all, ast.walk(tree)))
        for node in functions(tree):
            sizes.append(size := body_lines(node, lines))
            public = not node.name.startswith("_")
            wordless += public and size > PLAIN and ast.get_docstring(node) is None
    sizes.sort()
    return {
        "functions": len(sizes),
        "median": statistics.median(sizes),
        "p90": sizes[int(0.9 * (len(sizes) - 1))],
        "long": sum(size > LONG for size in sizes),
        "longest_file": longest,
        "without_docstring": int(wordless),
        "broad_excepts": broad,
    }


def main() -> int:
    print(json.dumps(measure([ROOT / "edge", ROOT / "tools"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
