# SPDX-License-Identifier: AGPL-3.0-or-later
"""docs/configuration.md tells every key there is, with the code's own limits, in two languages."""

import re

import msgspec
import pytest

from edge.config import ConfigError, convert
from tools.documents.configuration import PAGE, page, read_words
from tools.documents.keys import describe, kinds_by_file, name_of, rows, unexplained

WORDS = read_words()
TEXT = PAGE.read_text("utf-8")
KINDS = [kind for kinds in kinds_by_file().values() for kind in kinds]


class Alien:
    """A value that no key of any file can have."""


def test_every_key_has_words_and_no_words_are_left_over():
    """Add what is missing to tools/documents/keys.yaml, then run tools/reference."""
    assert unexplained(WORDS) == []


def test_the_page_is_what_the_code_says():
    assert page(WORDS) == TEXT, "run tools/reference"


@pytest.mark.parametrize("name", sorted(WORDS))
def test_words_are_english_and_chinese(name):
    for key, text in [("title", WORDS[name]["title"]), *WORDS[name]["keys"].items()]:
        english, bar, chinese = str(text).partition(" | ")
        assert bar, f"{name}.{key}"
        assert english.isascii() or "³" in english, f"{name}.{key}: {english}"
        assert re.search(r"[\u4e00-\u9fff]|^CA", chinese), f"{name}.{key}: {chinese}"


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_an_error_names_a_key_of_the_page(kind):
    """What `edge check` says of a wrong value leads to the row that tells what is allowed."""
    section = TEXT.split(f"\n### {name_of(kind)}\n", 1)[1].split("\n#", 1)[0]
    for field in msgspec.structs.fields(kind):
        with pytest.raises(ConfigError) as caught:
            convert({field.encode_name: Alien()}, kind, "file")
        named = re.match(r"file: ([^ :=.\[]+)", str(caught.value))[1]
        assert named == field.encode_name
        assert f"| `{field.encode_name}` |" in section


def test_types_are_told_in_words():
    assert describe(tuple[str, ...]) == "list of text"
    assert describe(float | None) == "number"
    assert [row.value for row in rows(_kind("Entry")) if row.key == "address"] == [
        "whole number 0 to 65535 or 0x0000 to 0xFFFF"
    ]
    assert [row.default for row in rows(_kind("Broker")) if row.key == "tls"] == ["`on`"]


def _kind(name):
    return next(kind for kind in KINDS if name_of(kind) == name)
