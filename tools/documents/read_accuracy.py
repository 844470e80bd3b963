# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the commands print that judge what is found: events, places, sounds, classes."""

from __future__ import annotations

from typing import Any

from tools.documents.figure import Figure, json_lines


def read_replay(text: str) -> list[Figure]:
    """Cases, those that differ, and F1 of events by category."""
    told = json_lines(text)[-1]
    figures = [
        Figure("recorded cases", told["cases"]),
        Figure("cases that differ from their golden events", told["wrong"], better="less", asked=0),
    ]
    return figures + [
        Figure(f"event F1, {name}", told[name]["f1"], noise=0.0)
        for name in told
        if isinstance(told[name], dict)
    ]


def read_clips(text: str) -> list[Figure]:
    """F1 of events by clip and over all."""
    *rows, last = json_lines(text)
    figures = [Figure(f"event F1, {row['clip']}", row["all"]["f1"], noise=0.1) for row in rows]
    told = last["all clips"]
    return [
        *figures,
        Figure("event F1, all clips", told["f1"], noise=0.05, asked=0.9),
        Figure("events found", told["tp"]),
        Figure("events missed", told["fn"], better="less"),
        Figure("false violations", told["fp"], better="less"),
        Figure("watched", told["hours"], "h"),
    ]


def read_corners(text: str) -> list[Figure]:
    """Films that nothing was tuned on: how much was filmed, F1, false cases, a row a film."""
    rows = json_lines(text)
    told = rows[-1]["all clips"]
    minutes = round(told["hours"] * 60, 1)
    hourly = round(told["fp"] / max(minutes, 1.0) * 120, 2)
    return [
        Figure("minutes filmed", minutes, "min", asked=120),
        Figure("event F1", told["f1"], noise=0.05, asked=0.8),
        Figure("violations found", told["tp"], f"of {told['tp'] + told['fn']}"),
        Figure("false cases", told["fp"], better="less", noise=1),
        Figure("the same in 120 minutes", hourly, better="less", noise=1, asked=2),
        *(_film(row) for row in rows[:-1]),
    ]


def _film(row: dict[str, Any]) -> Figure:
    told = row["all"]
    said = f"of {told['tp'] + told['fn']}, {told['fp']} false"
    return Figure(f"found in {row['clip']}", told["tp"], said)


def read_realclips(text: str) -> list[Figure]:
    """False cases on real clips, and tippers found."""
    told = json_lines(text)[-1]["all clips"]
    return [
        Figure("clips and folders of stills", told["clips"]),
        Figure("judged, over all widths", told["minutes"], "min", noise=1.0),
        Figure("false cases, shipped dwell", told["shipped dwell"], better="less", asked=0),
        Figure("false cases, dwell of 3 s", told["short dwell"], better="less", asked=0),
        Figure(
            "tippers found at 0.35",
            told["tippers found"],
            f"of {told['tippers']}",
            asked=0.8 * told["tippers"],
        ),
    ]


def read_flights(text: str) -> list[Figure]:
    """Right and missed findings by flight, precision, recall, errors of place."""
    *rows, last = json_lines(text)
    told = last["all flights"]
    figures = [
        Figure(
            f"right findings, {row['flight']}", row["tp"], f"of {row['tp'] + row['fp']}", noise=1
        )
        for row in rows
    ]
    figures += [
        Figure(f"missed, {row['flight']}", row["fn"], f"of {row['tp'] + row['fn']}", "less", 1)
        for row in rows
    ]
    return [
        *figures,
        Figure("precision, all flights", told["precision"], noise=0.1),
        Figure("recall, all flights", told["recall"], noise=0.15),
        Figure(
            "place error of the right ones, median", told["place_error_m_median"], "m", "less", 1
        ),
        Figure("place error of the right ones, worst", told["place_error_m_worst"], "m", "less", 2),
    ]


def read_corner(text: str) -> list[Figure]:
    """What second opinions left after 40 verdicts, over the cameras."""
    rows = json_lines(text)
    forty = [row for row in rows if row.get("verdicts") == 40]
    told = rows[-1]["all cameras, 40 verdicts"]
    return [
        Figure("cameras", len(forty)),
        Figure("cases of later days, of both kinds", sum(row["judged"] for row in forty)),
        Figure(
            "cameras with an opinion that speaks after 40 verdicts",
            sum(bool(row["speaks"]) for row in forty),
            f"of {len(forty)}",
        ),
        Figure("false cases left, share", told["false_left"], better="less", noise=0.1, asked=0.3),
        Figure(
            "false cases left at the worst camera, share",
            round(max(row["false_left"] for row in forty), 3),
            better="less",
            noise=0.3,
        ),
        Figure("right cases left, share", told["right_left"], noise=0.03, asked=0.95),
        Figure(
            "right cases left at the worst camera, share",
            round(min(row["right_left"] for row in forty), 3),
            noise=0.05,
        ),
        Figure("one teaching", told["teach_s"], "s", "less", 0.5, asked=5),
        Figure("memory of one teaching", told["teach_mb"], "MB", "less", 5, asked=60),
    ]


# Classes whose real pictures are of one source; the others have a floor a source (the card).
ASKED_AP50 = {"smoke": 0.5, "fire": 0.35, "dust": 0.45}


def read_accuracy(text: str) -> list[Figure]:
    """AP50 by class on real pictures; rendered ones are left out."""
    rows = [row for row in json_lines(text) if row.get("origin") != "scenes"]
    whole = {r["name"] for r in rows if r["source"] == "all"}
    return [
        Figure(
            f"AP50 {row['name']} ({row['truths']} boxes on {row['pictures']} pictures)",
            round(row["ap50"], 3),
            noise=0.03,
            asked=ASKED_AP50.get(row["name"]),
        )
        for row in rows
        if row["source"] == "all" or row["name"] not in whole
    ]


def read_places(text: str) -> list[Figure]:
    """F1 of looks at taught places, and what was not told."""
    told = json_lines(text)[-1]
    words = {"": "", "others_": ", of things and people in front on which nothing was tuned"}
    rows = [
        row
        for key, of in words.items()
        for row in (
            Figure(f"F1 of looks that were told{of}", told[f"{key}f1"], noise=0.01, asked=0.95),
            Figure(
                f"F1, an offence not told being missed{of}",
                told[f"{key}f1_all"],
                noise=0.02,
                asked=0.95,
            ),
            Figure(
                f"cannot tell, of looks with something in front{of}",
                told[f"{key}untold_in_front"],
                noise=0.01,
                asked=0.95,
            ),
        )
    ]
    cases = told["cases_of_unchanging_places"]
    return [
        *rows,
        Figure("hours of unchanging places", told["hours"], "h", noise=1e9),
        Figure("cases in them", cases, better="less", asked=0),
    ]


def read_loops(text: str) -> list[Figure]:
    """The share of loops that was found."""
    told = json_lines(text)[-1]
    return [
        Figure("loops", told["loops"], noise=1e9),
        Figure("found with their period, share", told["found_share"], noise=0.02, asked=0.95),
    ]


def read_streets(text: str) -> list[Figure]:
    """False windows and cases in street sound, and its price."""
    told = json_lines(text)[-1]
    return [
        Figure("street sound without a loop", told["street_hours"], "h", noise=1e9),
        Figure("windows called a loop", told["false_loops"], better="less", asked=1),
        Figure("cases that come of them", told["false_cases"], better="less", asked=0),
        Figure("share of a core", told["cpu_share"], better="less", noise=0.01, asked=0.03),
    ]
