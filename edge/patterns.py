# SPDX-License-Identifier: AGPL-3.0-or-later
"""The forms of names that come from outside, in one place, so that each is the whole text.

`$` of a regular expression also fits before a newline at the end: "box-1\\n" would pass for
"box-1" and be another file, topic or key. JSON Schema's regular expressions (ECMA 262) know no
`\\Z`; the lookahead below says the same in both. Every form of a name is ASCII with a bound, so
that letters are bytes and no name is longer than a file system takes (255 bytes).
"""

from __future__ import annotations


def whole(pattern: str) -> str:
    """The expression that fits a text only as a whole, for msgspec, JSON Schema and `re`."""
    return rf"^(?:{pattern})$(?!\n)" if "|" in pattern else rf"^{pattern}$(?!\n)"


NAME = whole(r"[a-z0-9][a-z0-9_-]{0,31}")
SHA256 = whole(r"[0-9a-f]{64}")
DATE = whole(r"\d{4}-\d{2}-\d{2}")
# 15 digits of the bureau's unit grid (GB/T 30428.1).
GRID = whole(r"[0-9]{15}")

# A file system takes 255 bytes; a name in the making grows by a dot, a random word and a suffix.
FILE_NAME_BYTES = 200


def short(name: str) -> bool:
    """Whether a name of any script is short enough for a file: its bytes count, not its letters."""
    return len(name.encode(errors="surrogatepass")) <= FILE_NAME_BYTES
