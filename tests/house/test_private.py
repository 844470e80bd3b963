# SPDX-License-Identifier: AGPL-3.0-or-later
"""A private name stays in the module that made it, or in the bases of its own package."""

import ast
from pathlib import Path

EDGE = Path(__file__).parents[2] / "edge"


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_no_private_name_is_used_across_packages() -> None:
    found = []
    for path in EDGE.rglob("*.py"):
        text = path.read_text("utf-8")
        package = "".join(p.read_text("utf-8") for p in path.parent.glob("*.py"))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edge"):
                found += [f"{path.name}: {n.name}" for n in node.names if private(n.name)]
            if isinstance(node, ast.Attribute) and private(node.attr) and node.attr != "_exit":
                own = f"self.{node.attr}" in package or f"def {node.attr}(" in package
                if not own and f" {node.attr}:" not in package:
                    found.append(f"{path.name}: {ast.unparse(node)}")
    assert found == []
