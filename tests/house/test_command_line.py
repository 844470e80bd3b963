# SPDX-License-Identifier: AGPL-3.0-or-later
"""The command line for people: what was meant, help by groups, completion in a real bash, a manual
page that man takes without a word."""

import shutil
import subprocess

import pytest

from edge.cli import COMMANDS, GROUPS, main, whole_parser
from edge.command_line import shapes


def refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["docter"], "did you mean doctor?"),
        (["evidense", "verify"], "did you mean evidence?"),
        (["model", "lst"], "edge model: 'lst' is not known (one of list, verify"),
        (["outbox", "status", "--jsn"], "did you mean --json?"),
        (["doctor", "--devise=x"], "did you mean --device?"),
        (["xqzw"], "see edge --help"),
    ],
)
def test_a_typing_error_is_one_line_with_what_was_meant(words, said, capsys):
    told = refused(words, capsys)
    assert said in told and len(told.strip().splitlines()) == 1 and len(told) < 200


def test_help_shows_every_command_once_in_its_group(capsys):
    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(COMMANDS)
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    for title, names in GROUPS.items():
        assert f"{title}:" in out and all(f"  {name} " in out for name in names)


def test_the_shape_knows_every_command_and_option():
    found = {shape.words: shape for shape in shapes(whole_parser())}
    assert {words[0] for words in found if len(words) == 1} == set(COMMANDS)
    options = {name for names, _, _ in found["code",].options for name in names}
    assert {"--new", "--no-qr", "--device", "--json"} <= options


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_in_a_real_shell(shell, tmp_path, capsys):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is missing: apt-get install {shell}")
    script = tmp_path / "edge.sh"
    assert main(["completion", shell, "--out", str(script)]) == 0
    if shell == "zsh":
        done = subprocess.run(
            [shell, "-n", str(script)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return
    for typed, wanted in (
        (["edge", "doc"], "doctor"),
        (["edge", "sensors", "dec"], "decode"),
        (["edge", "code", "--n"], "--new"),
        (["edge", "sensors", "decode", "--ki"], "--kind"),
    ):
        words = f"COMP_WORDS=({' '.join(typed)}); COMP_CWORD={len(typed) - 1}"
        line = f"{words}; _edge; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(
            [shell, "-c", f"source {script}; {line}"], capture_output=True, text=True, check=True
        )
        assert wanted in done.stdout.split(), (typed, done.stdout, done.stderr)


def test_the_manual_page_is_one_that_man_takes(tmp_path, capsys):
    assert main(["manual"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(".TH EDGE 1") and all(f".B {name}" in text for name in COMMANDS)
    if shutil.which("man") is None:
        pytest.skip("man is missing: apt-get install man-db")
    page = tmp_path / "edge.1"
    page.write_text(text, "utf-8")
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)],
        capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr.strip() == "", done.stderr


def test_a_table_has_a_heading_for_people_and_rows_for_programs(capsys, monkeypatch):
    assert main(["categories", "list"]) == 0
    rows = capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert main(["categories", "list"]) == 0
    first, _, rest = capsys.readouterr().out.partition("\n")
    assert first.split()[:3] == ["ID", "CODE", "KIND"] and rest == rows
