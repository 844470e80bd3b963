# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the commands print that measure the program itself: its shape, speed and tests."""

from __future__ import annotations

import json
import re

from tools.documents.figure import Figure, json_lines


def read_shape(text: str) -> list[Figure]:
    """Lengths of functions and files, and what lacks words."""
    told = json_lines(text)[-1]
    less = {
        "median": ("lines of a function, median", 0.0),
        "p90": ("lines of a function, 90th percentile", 1.0),
        "long": ("functions over 60 lines", 0.0),
        "longest_file": ("lines of the longest file", 20.0),
        "without_docstring": ("public functions over 5 lines without a docstring", 5.0),
        "broad_excepts": ("broad excepts", 0.0),
    }
    counted = Figure("functions", told["functions"], noise=1e9)
    return [
        counted,
        *(Figure(name, told[key], "", "less", noise) for key, (name, noise) in less.items()),
    ]


def read_page(text: str) -> list[Figure]:
    """What the page of the box costs: each figure with the bound that its command keeps."""
    units = {"ms": ("ms", 60.0), "kb": ("kB", 5.0), "mb": ("MB", 2.0), "shift": ("", 0.005)}
    found = []
    for row in json_lines(text):
        name, _, where = str(row["what"]).partition(" ")
        kind = next((one for one in name.split("_") if one in units), "share")
        unit, noise = units.get(kind, ("of a core", 0.02))
        if kind == "share" and "share" not in name:
            continue
        shown = f"{name.replace('_', ' ')} {where}".strip()
        figure = Figure(shown, row["value"], unit, "less", noise, asked=row["bound"])
        found.append(figure)
    return found


def read_exposure(text: str) -> list[Figure]:
    """systemd's score of each unit."""
    found = re.findall(r"exposure level for (\S+?)\.service: ([\d.]+)", text)
    return [Figure(f"{unit}", float(score), "of 10", "less", 0.1) for unit, score in found]


def read_benchmark(text: str) -> list[Figure]:
    """Each verdict with its limit."""
    return [
        Figure(
            f"{row['what']} (limit {row['limit']})",
            round(row["value"], 3),
            better="less" if row["limit"].startswith("<") else "more",
            noise=0.05 * abs(row["value"]),
        )
        for row in json.loads(text)["verdicts"]
    ]


def read_mutation(text: str) -> list[Figure]:
    """The share that was noticed, in all and by package."""
    told = json_lines(text)[-1]
    return [
        Figure("small wrong changes made", told["changes"], noise=1e9),
        Figure("noticed by the tests", told["score"], noise=0.05, asked=0.85),
        Figure("at least, at 95 % (Wilson)", told["interval"][0], noise=0.1),
        Figure("at most", told["interval"][1], noise=0.1),
        *(
            Figure(f"noticed, {package}", value, noise=0.1)
            for package, value in told["packages"].items()
        ),
    ]
