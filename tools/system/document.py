# SPDX-License-Identifier: AGPL-3.0-or-later
"""The commands that a document tells people to run, as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.S | re.M)


class Undocumented(Exception):
    """A command that was to be followed stands no longer in the document."""


def blocks(document: str, having: str = "") -> list[str]:
    """The fenced blocks of docs/`document` in which `having` stands, without their fences."""
    text = (ROOT / "docs" / document).read_text("utf-8")
    return [found for found in _BLOCK.findall(text) if having in found]


def commands(document: str, having: str) -> list[str]:
    """The command lines of the first such block, comments and empty lines left out.

    Raises Undocumented where there is none: the test would walk another way than people do.
    """
    found = blocks(document, having)
    if not found:
        raise Undocumented(f"docs/{document}: no block of commands with {having!r} in it")
    lines = (re.sub(r"\s{2,}#.*$", "", line).rstrip() for line in found[0].splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def command(document: str, having: str, **given: str) -> str:
    """The one command line with `having` in it; each word of `given` takes the place of its
    sample (ADDRESS="/src" puts a path where the document says ADDRESS)."""
    (line,) = [line for line in commands(document, having) if having in line]
    for sample, word in given.items():
        if sample not in line:
            raise Undocumented(f"docs/{document}: {line!r} names no {sample}")
        line = line.replace(sample, word)
    return line
