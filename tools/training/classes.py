# SPDX-License-Identifier: AGPL-3.0-or-later
"""The classes of the city model, in the order of its head, and how other vocabularies map to it."""

from __future__ import annotations

CITY = (
    "person",
    "vendor_stall",
    "muck_truck",
    "spillage",
    "dust",
    "smoke",
    "grill",
    "fire",
    "excavator",
    "garbage",
    "car",
    "truck",
    "bus",
    "bicycle",
    "motorcycle",
    "umbrella",
    "bin",
    "overflowing_bin",
    "graffiti",
    "open_manhole",
    "waterlogging",
    "kick_scooter",
)

# COCO index of the classes that keep their meaning; the others start from a relative.
COCO = {
    "person": 0,
    "bicycle": 1,
    "car": 2,
    "motorcycle": 3,
    "bus": 5,
    "truck": 7,
    "umbrella": 25,
}

# A new class starts from the row that looks most like it, at a lowered bias: less to unlearn
# than from noise. Plumes, flames and soil have no relative among things and start from scratch.
RELATIVE = {
    "muck_truck": "truck",
    "excavator": "truck",
    "vendor_stall": "umbrella",
    "overflowing_bin": "garbage",
    "kick_scooter": "bicycle",
}

# Classes whose borders are a matter of taste (a plume ends nowhere).
FUZZY = ("dust", "smoke", "fire", "spillage", "waterlogging")
