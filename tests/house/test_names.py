# SPDX-License-Identifier: AGPL-3.0-or-later
"""Names: one class of a name in the product, no folder that hides a module of the library."""

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

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
