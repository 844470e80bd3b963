# SPDX-License-Identifier: AGPL-3.0-or-later
"""Names: one class of a name in the product, no folder that hides a module of the library."""

import ast
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
