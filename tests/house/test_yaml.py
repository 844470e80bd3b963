# SPDX-License-Identifier: AGPL-3.0-or-later
"""One dialect of YAML: what is written reads back as it was, and an edit changes what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Site, load
from edge.config.yamledit import edited
from edge.config.yamltext import BadYaml, dump, parse
from edge.console import editing

EDGE = Path(__file__).parents[2] / "edge"
# Words that a reader of one version of YAML takes for a number, a truth, a time or nothing.
ODD = [
    *("07", "08", "09", "1e5", "08.5", "off", "no", "Y", "12:30", "1_000", "0x1F", "0o17", ".5"),
    *("2026-05-01", "~", "null", "", "<<", "=", "1.", "+3", "北门 08", "- a", "a: b", "#x", "'"),
    *('"', "*a", "&a", "!x", "%", "@", "`", "true", "TRUE", "[a", "{a", "a\nb", " a ", ".inf"),
]
HAND = """\
# Our first street.
name: 12:30   # when it was put up
timezone: Asia/Shanghai
cameras:
  # The gate.
  - id: gate
    name: "08"
    source: rtsp://h/s
    premises: no
    zones:
      - {id: z, name: off, polygon: [[0, 0], [1, 0], [1, 1]], permit: 2026-05-01}
      - id: kerb     # the kerb
        polygon: [[0, 0], [0.5, 0], [0.5, 1]]
    rules:
      - category: street-vendor
        zones: [z]
  - id: yard
    source: rtsp://h/y
"""
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.sampled_from(["id", "a", *ODD[:9]])
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.sampled_from(ODD),
    lambda of: st.lists(of, max_size=3) | st.dictionaries(KEYS, of, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: !!bool x", "line 1, column 4: 'x' is no bool"),
        ("a: 1\nb: [!!int '']", "line 2, column 5: '' is no int"),
        ("a: !!float ''", "'' is no float"),
        (f"a: !!float {':'.join(['59'] * 400)}", "is no float"),
        ("a: !!timestamp x", "'x' is no timestamp"),
        ("a: !!timestamp 2026-13-01", "'2026-13-01' is no timestamp"),
        ("? !!bool x\n: 1", "line 1, column 3: 'x' is no bool"),
    ],
)
def test_a_word_that_is_not_what_its_tag_says_is_one_line(text: str, said: str) -> None:
    with pytest.raises(BadYaml, match=re.escape(said)):
        parse(text)


@pytest.mark.parametrize("word", ODD)
def test_a_word_is_the_same_word_for_every_reader(word: str) -> None:
    for text in (dump({"name": word}), edited("a: 1\n", {"a": 1, "name": word})):
        assert parse(text)["name"] == yaml.safe_load(text)["name"] == word, text


@given(st.dictionaries(st.sampled_from(["id", "name", "rows"]), PLAIN))
def test_what_is_written_reads_back(data: dict[str, object]) -> None:
    assert parse(dump(data)) == data
    assert parse(edited(HAND, data)) == data


@pytest.mark.parametrize("told", ["07", "08", "09", "1e5", "08.5", "off", "北门 08", "12:30", "~"])
def test_a_camera_of_any_name_is_added(told: str, tmp_path: Path) -> None:
    name = editing.free_name(editing.parse("name: s\n"), told)
    camera = editing.new_camera(name, "rtsp://h/s", told, "street-vendor")
    path = tmp_path / "site.yaml"
    path.write_text(editing.add_camera("name: s\n", camera), "utf-8")
    (found,) = load(path, Site).cameras
    assert (found.id, found.name) == (name, told)


def test_a_number_that_begins_with_nought_is_a_name() -> None:
    assert parse("[08, 0, 10, -7, 0.5, 08.5, 1e5, 010123456789012]") == [
        "08", 0, 10, -7, 0.5, 8.5, 1e5, "010123456789012",
    ]  # fmt: skip


def test_a_saved_zone_leaves_the_rest_as_a_person_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(HAND, "utf-8")
    before = load(path, Site)
    rows = editing.camera_rows(editing.parse(HAND))[0]
    same = editing.set_zones(HAND, "gate", rows["zones"], rows["rules"])
    assert parse(same) == parse(HAND)
    moved = [{**rows["zones"][0], "polygon": [[0, 0], [0.25, 0], [1, 1]]}, rows["zones"][1]]
    text = editing.set_zones(HAND, "gate", moved, rows["rules"])
    path.write_text(text, "utf-8")
    after = load(path, Site)
    assert (after.name, after.cameras[0].name) == (before.name, before.cameras[0].name)
    assert after.cameras[0].premises == before.cameras[0].premises == "no"
    assert after.cameras[0].zones[0].name == "off"
    assert after.cameras[0].zones[0].polygon[1] == (0.25, 0.0)
    changed = set(text.splitlines()) ^ set(HAND.splitlines())
    assert all("polygon" in line for line in changed), changed
    for kept in ("# Our first", "name: 12:30   # when", "# The gate.", 'name: "08"', "# the kerb"):
        assert kept in text


def test_a_camera_taken_out_takes_nothing_else() -> None:
    text = editing.remove_camera(HAND, "yard")
    assert text == HAND[: HAND.index("  - id: yard")]
    assert [c["id"] for c in parse(editing.remove_camera(HAND, "gate"))["cameras"]] == ["yard"]


@pytest.mark.parametrize("text", ["a: &x {id: 1}\nb: *x\n", "a: [", "", "a: 1\na: 2\n"])
def test_data_counts_more_than_its_dress(text: str) -> None:
    assert parse(edited(text, {"a": {"id": 2}, "b": {"id": 1}})) == {"a": {"id": 2}, "b": {"id": 1}}


def test_a_fault_of_the_text_is_one_line_with_its_place() -> None:
    with pytest.raises(BadYaml, match=r"^line 2: 'a' stands twice$"):
        parse("a: 1\na: 2\n")
    with pytest.raises(BadYaml, match=r"^line \d+, column \d+: "):
        parse("a: [1\nb")


def test_one_module_reads_and_writes_and_one_edits() -> None:
    asks = {p.relative_to(EDGE).as_posix(): p.read_text("utf-8") for p in EDGE.rglob("*.py")}
    calls = re.compile(r"yaml\.(safe_load|load|safe_dump|dump|compose)\(")
    assert [name for name, text in asks.items() if calls.search(text)] == ["config/yamltext.py"]
    edits = re.compile(r"^\s*(from|import) ruamel", re.M)
    assert [name for name, text in asks.items() if edits.search(text)] == ["config/yamledit.py"]
    code = "import sys, edge.console.app, edge.daemons.uplinkd; print('ruamel.yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
