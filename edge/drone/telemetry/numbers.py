# SPDX-License-Identifier: AGPL-3.0-or-later
"""Numbers as recorders write them: decimal points and commas, thousands, hemispheres. Pure.

A recorder on a phone writes in the phone's language: `36,389300`, `1,080.100`, `36.3893 S`. What
can be read in one way is read; what can be read in two ways is no number.
"""

from __future__ import annotations

import math
import re

# One number with its points and commas; more digits than this are no measurement.
WRITTEN = r"[-+]?[0-9]{1,15}(?:[.,][0-9]{1,15}){0,6}"
# What may stand behind it. A number that runs into the end of a torn file is shorter than it was
# written, and a comma with a digit behind it is a part of the number.
END = r"(?=[\s\])]|,(?![0-9]))"

_PLAIN = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")
_POINT = re.compile(r"[-+]?[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+")
_COMMA = re.compile(r"[-+]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+")
_LONE = re.compile(r"[-+]?[0-9]+,([0-9]+)")


def number(token: str, *, decimal_comma: bool = False) -> float | None:
    """The value of a token, None where it is none or has two meanings.

    `decimal_comma`: a lone comma with three digits behind it is known to be the decimal one;
    else `1,080` is not read.
    """
    text = token.strip()
    if _PLAIN.fullmatch(text):
        return _finite(text)
    if _POINT.fullmatch(text):
        return _finite(text.replace(",", ""))
    if _COMMA.fullmatch(text):
        return _finite(text.replace(".", "").replace(",", "."))
    lone = _LONE.fullmatch(text)
    if lone and (decimal_comma or len(lone[1]) != 3):
        return _finite(text.replace(",", "."))
    return None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def degrees(token: str, letter: str | None, *, letters: str) -> float | None:
    """A latitude ("NS") or longitude ("EW") with the letter of its hemisphere, if it has one.

    None where sign and letter contradict each other, or the letter is of the other axis.
    """
    value = number(token, decimal_comma=True)
    if value is None or not letter:
        return value
    if letter not in letters or (value < 0.0 and letter == letters[0]):
        return None
    return value if letter == letters[0] else -abs(value)


def decimals(token: str) -> int:
    """Digits behind the decimal point or comma."""
    return len(re.split(r"[.,]", token)[-1]) if re.search(r"[.,]", token) else 0
