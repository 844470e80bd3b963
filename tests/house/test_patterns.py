# SPDX-License-Identifier: AGPL-3.0-or-later
"""Names from outside: the whole text has the form, and its bytes are bounded."""

from __future__ import annotations

import re
from datetime import timezone
from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from edge.clock import calendar_day, instant
from edge.config.site import Camera, Name
from edge.console.flights import is_flight_name, is_recording_name
from edge.patterns import whole
from edge.uplink import commands, fields

EDGE = Path(__file__).parents[2] / "edge"
WORDS = {
    Name: "box-1",
    fields.Name: "box-1",
    fields.Word: "c-1",
    fields.Sha256: "a" * 64,
    fields.Utc: "2026-03-01T08:00:00.000000Z",
    fields.ViolationId: "v-1",
    fields.RecordId: "box-1:17:f3",
    fields.EvidenceName: "r1-a.jpg",
    fields.FileName: "a.jpg",
}


@pytest.mark.parametrize("form", WORDS, ids=lambda form: str(form)[:60])
@pytest.mark.parametrize("end", ["\n", "\r", "\0", " ", "/", "\u2028", "\x85", "é" * 200])
def test_nothing_follows_a_name(form: object, end: str) -> None:
    assert msgspec.convert(WORDS[form], form) == WORDS[form]
    for text in (WORDS[form] + end, end + WORDS[form]):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(text, form)


def test_a_command_s_own_arguments_too() -> None:
    for kind, told in (
        (commands.Snapshot, {"camera": "north\n"}),
        (commands.UpdateModel, {"name": "a", "release": 1, "sha256": "a" * 64 + "\n"}),
        (Camera, {"id": "north\n", "source": "x"}),
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(told, kind)


def test_alternatives_stay_together() -> None:
    form = Annotated[str, msgspec.Meta(pattern=whole("a|b"))]
    assert msgspec.convert("b", form) == "b"
    for text in ("ab", "b\n", "xb", "ax"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(text, form)


def test_no_form_ends_in_a_bare_dollar() -> None:
    """`$` alone lets a newline through: forms are made with `whole`."""
    loose = re.compile(r"""pattern=r?f?["'][^"']*\$["']""")
    found = [str(path) for path in EDGE.rglob("*.py") if loose.search(path.read_text())]
    assert found == []


def test_no_statement_numbers_its_placeholders() -> None:
    """Python 3.12.0 to 3.12.3 takes ?1 for a name and warns of a sequence bound to it."""
    numbered = re.compile(r"""[=(<>,\s"']\?[1-9]""")
    folders = (EDGE, EDGE.parent / "tools")
    found = [
        f"{path}: {line.strip()}"
        for folder in folders
        for path in folder.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if numbered.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "wall"),
    [
        ("2026-05-01T16:30:00.5Z", 1_777_653_000.5),
        ("2026-05-01t16:30:00,25z", 1_777_653_000.25),
        ("2026-05-01 16:30:00.123456789+00:00", 1_777_653_000.123456),
        ("2026-05-02T00:30:00.500000+0800", 1_777_653_000.5),
        ("20260502T003000+08", 1_777_653_000.0),
        ("2026-05-01T16:30", 1_777_653_000.0),
        ("2026-05-01", 1_777_593_600.0),
    ],
)
def test_a_time_is_read_alike_on_every_python(text: str, wall: float) -> None:
    """3.10's own reader takes the last three only."""
    assert instant(text, timezone.utc).timestamp() == wall


@pytest.mark.parametrize(
    "text",
    [
        *("", "2026", "2026-05-01T", "2026-13-01", "2026-05-01T24:30", "2026-05-01T16:30:00.Z"),
        *("2026-05-01T16:30:00+8", "2026-05-01T16:30Z\n", "٢٠٢٦-05-01", "2026-05-01Z", "now"),
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        instant(text)


def test_one_reader_of_times() -> None:
    """What the standard library reads differs between the Pythons."""
    found = [
        path.name
        for path in EDGE.rglob("*.py")
        if re.search(r"date(time)?\.fromisoformat", path.read_text("utf-8"))
    ]
    assert found == ["clock.py"]


def test_a_day_has_one_spelling_on_every_python() -> None:
    """Days are compared as text. 3.11's own reader takes more of these, 3.10's none."""
    assert calendar_day("2026-05-01").toordinal() == 739_737
    for text in ("20260501", "2026-W18-5", "2026-5-1", "2026-02-30", "2026-05-01\n", "", "今天"):
        with pytest.raises(ValueError, match=r"."):
            calendar_day(text)


def test_a_file_s_name_is_bounded_in_bytes() -> None:
    """A hundred Chinese letters are 300 bytes, more than a file system takes."""
    assert is_recording_name("航拍" * 20 + ".mp4") and is_flight_name("飞" * 60)
    assert not is_recording_name("航" * 100 + ".mp4") and not is_flight_name("飞" * 79)
    assert not is_recording_name("a.mp4\n") and not is_flight_name("a\n")
