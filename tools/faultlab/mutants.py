# SPDX-License-Identifier: AGPL-3.0-or-later
"""Small wrong changes to a Python file: a constant changed, a comparison turned, a call dropped.

Each is something a tired person could have written. Changes that no behaviour shows are not made:
words for people, log lines, metrics of speed, annotations, docstrings and defaults of `__slots__`;
`strict` of a zip, which is an assertion; and numbers with a point that stand for "never" and for
"as good as nothing" (NEVER and more, NOTHING and less), of which ten times is the same.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

TURNED: dict[type[ast.cmpop], str] = {
    ast.Lt: ">=",
    ast.LtE: ">",
    ast.Gt: "<=",
    ast.GtE: "<",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
# As old or as far as nothing is; so little that only rounding makes it.
NEVER, NOTHING = 1e8, 1e-6
# Calls whose loss nobody is promised to notice.
SPARED = ("log.", "warnings.", "print", "super().__init__")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: in which file and line, what kind, and the whole text with it.

    names: constants or the class that are set here; who uses them is who could notice.
    """

    path: str
    line: int
    column: int
    kind: str
    before: str
    after: str
    text: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column} {self.kind}: {self.before} -> {self.after}"


def mutants_of(path: str, text: str) -> list[Mutant]:
    """Every change of one file, in the order of the text."""
    tree = ast.parse(text)
    starts = _line_starts(text)
    found = []
    for node, names in _judged(tree):
        for kind, part, after in _changes(node):
            begin = starts[part.lineno - 1] + _column(text, starts, part.lineno, part.col_offset)
            end_line, end_column = part.end_lineno or 0, part.end_col_offset or 0
            end = starts[end_line - 1] + _column(text, starts, end_line, end_column)
            before = text[begin:end]
            changed = text[:begin] + after + text[end:]
            shown = " ".join(before.split())
            at = (path, part.lineno, part.col_offset)
            found.append(Mutant(*at, kind, shown[:60], after[:60], changed, names))
    return sorted(found, key=lambda mutant: (mutant.line, mutant.kind, mutant.before))


def _line_starts(text: str) -> list[int]:
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _column(text: str, starts: list[int], line: int, utf8: int) -> int:
    """ast counts bytes of UTF-8, texts are cut by characters."""
    whole = text[starts[line - 1] : starts[line]].encode()
    return len(whole[:utf8].decode())


def _judged(tree: ast.Module) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
    """Nodes that may be changed, with the constants of the module that they belong to."""
    for statement in tree.body:
        names = _set_here(statement)
        if names == ("__all__",):
            continue
        if isinstance(statement, ast.ClassDef):
            yield from _in_class(statement)
            continue
        for node in _inside(statement):
            yield node, names


def _in_class(statement: ast.ClassDef) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
    """Methods run when called; tables and defaults of a class belong to its name and their own."""
    for part in statement.body:
        method = isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))
        names = () if method else (statement.name, *_set_here(part))
        if not _is_spared(part):
            for node in _inside(part):
                yield node, names


def _set_here(statement: ast.stmt) -> tuple[str, ...]:
    if isinstance(statement, ast.Assign):
        whole = [node for target in statement.targets for node in ast.walk(target)]
        return tuple(node.id for node in whole if isinstance(node, ast.Name))
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return (statement.target.id,)
    return ()


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what is below it, without annotations, messages of errors and formats."""
    if isinstance(node, (ast.Raise, ast.JoinedStr, ast.Assert, ast.Import, ast.ImportFrom)):
        return
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return
    yield node
    spared = {"annotation", "returns", "decorator_list", "type_comment"}
    for name, value in ast.iter_fields(node):
        if name in spared:
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST) and not _is_spared(part):
                yield from _inside(part)


def _is_spared(node: ast.AST) -> bool:
    """A log line or a bare text (docstring)."""
    if not isinstance(node, ast.Expr):
        return False
    if isinstance(node.value, ast.Constant):
        return True
    return isinstance(node.value, ast.Call) and ast.unparse(node.value).startswith(SPARED)


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    if isinstance(node, ast.Constant):
        yield from _constant(node)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        turned = TURNED[type(node.ops[0])]
        left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
        yield "comparison", node, f"({left} {turned} {right})"
    elif isinstance(node, ast.BoolOp):
        other = " or " if isinstance(node.op, ast.And) else " and "
        yield "logic", node, "(" + other.join(f"({ast.unparse(v)})" for v in node.values) + ")"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "logic", node, f"bool({ast.unparse(node.operand)})"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "call dropped", node, "pass"


def _constant(node: ast.Constant) -> Iterator[tuple[str, ast.expr, str]]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", node, str(not value)
    elif isinstance(value, (int, float)) and not _is_bound(value):
        yield "constant", node, repr(value * 10 if value else 1)


def _is_bound(value: float) -> bool:
    """Only of numbers with a point: a whole one counts bytes or rows."""
    size = abs(value)
    return isinstance(value, float) and (size >= NEVER or 0 < size <= NOTHING)
