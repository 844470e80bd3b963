# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which form of a model a board takes: bad candidates, what is written, what is read, when anew."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import time
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from edge.cli import main
from edge.config.device import Compute
from edge.daemons import model_tuning
from edge.daemons.model_tuning import ModelTuning
from edge.pipeline.settings import read_settings
from edge.release.install import install
from edge.release.tuning import choose, tune
from edge.vision import choice as choices
from edge.vision.choice import (
    Choice,
    MeasuredForm,
    Opening,
    board,
    choice_for,
    open_chosen,
    opening_for,
    read_choices,
    tuned_before,
    write_choice,
)
from tests.camera.test_fuzzed import with_impossible_type
from tests.release.press import NAME, box, home, model, pack, pictures
from tools.fakes.onnx_files import fixed_rows
from tools.faultlab import fuzz_seeds

AUTO = Compute(workers=1)
ELSEWHERE = np.array([[10, 10, 90, 90, 0.9, 0], [100, 20, 150, 90, 0.8, 1]], np.float32)


def with_variants(folder, **files):
    """The lamp model with more files in its manifest."""
    path = model(folder, release=1)
    lines = ["variants:"]
    for name, data in files.items():
        (folder / f"{name}.onnx").write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        lines.append(f"  {name}: {{file: {name}.onnx, sha256: {sha256}, head: auto}}")
    path.write_text(path.read_text() + "\n".join(lines) + "\n")
    return path


def test_a_bad_candidate_is_one_line_and_the_others_are_measured(tmp_path):
    path = with_variants(
        tmp_path / "models",
        twin=(model(tmp_path / "again").parent / "m.onnx").read_bytes(),
        elsewhere=fixed_rows(ELSEWHERE),
        nonsense=fixed_rows(ELSEWHERE * np.nan),
        deadly=with_impossible_type(fuzz_seeds.onnx()[1]),
    )
    told = []
    done = tune(
        path,
        tmp_path / "state",
        AUTO,
        pictures=pictures(tmp_path / "pictures"),
        seconds=0.1,
        measured=told.append,
    )
    rows = {(row.opening.variant, row.opening.provider): row for row in done.measured}
    assert list(done.measured) == told
    assert rows[None, "cpu"].ok and rows["twin", "cpu"].ok
    assert "25 of 25 known boxes" in rows["twin", "cpu"].said and rows["twin", "cpu"].times > 0
    assert "crashes" in rows["deadly", "cpu"].said
    assert "finite" in rows["nonsense", "cpu"].said
    assert "self-test: 0 of 25" in rows["elsewhere", "cpu"].said
    assert [key for key, row in rows.items() if not row.ok and key[1] == "cpu"] == [
        ("elsewhere", "cpu"),
        ("nonsense", "cpu"),
        ("deadly", "cpu"),
    ]
    assert choice_for(tmp_path / "state", path) == done
    assert open_chosen(tmp_path / "state", path, AUTO).workers == 1


def row(times, ok=True, **how):
    return MeasuredForm(opening=Opening(**how), ok=ok, said="", times=times)


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ([1.0, 1.4, 2.0], 2),
        ([1.0, 1.05, 1.09], 0),  # not worth another file
        ([1.0, 1.96, 2.0], 1),  # alike: the first listed
        ([1.0, None, 1.3], 2),
        ([None, 1.0, 1.05], 1),
        ([None, None], None),
    ],
)
def test_the_fastest_that_sees_the_same_is_chosen(times, wanted):
    rows = [row(t or 9.0, ok=t is not None, workers=n) for n, t in enumerate(times)]
    assert choose(rows) == (None if wanted is None else rows[wanted])


def chosen(path, folder, **how):
    at = "2026-01-01T00:00:00Z"
    done = Choice(model=NAME, opening=Opening(**how), board=board(), at=at, measured=())
    write_choice(folder, path, done)
    return done


def test_what_the_device_file_forces_wins(tmp_path):
    path = model(tmp_path / "models")
    chosen(path, tmp_path, provider="openvino", variant="int8", workers=3)
    wanted = Opening(provider="openvino", variant="int8", workers=3)
    assert opening_for(tmp_path, path, Compute()) == wanted
    assert opening_for(tmp_path, path, Compute(provider="openvino")) == wanted
    assert opening_for(tmp_path, path, Compute(workers=2)).workers == 2
    assert opening_for(tmp_path, path, Compute(provider="cpu")) == Opening(provider="cpu")


def test_a_choice_holds_for_its_manifest_and_its_board(tmp_path, monkeypatch):
    path = model(tmp_path / "models", release=1)
    assert not tuned_before(tmp_path, NAME, path)
    chosen(path, tmp_path, provider="cpu", workers=1)
    assert choice_for(tmp_path, path) and not tuned_before(tmp_path, NAME, path)
    model(tmp_path / "models", release=2)
    assert choice_for(tmp_path, path) is None and tuned_before(tmp_path, NAME, path)
    model(tmp_path / "models", release=1)
    assert choice_for(tmp_path, path)
    monkeypatch.setattr(choices, "_processor", lambda: "another processor")
    assert opening_for(tmp_path, path, Compute()) == Opening()


@pytest.mark.parametrize("text", ["", "{", '{"x": {}}', '{"x": 1}', "\xff", "[" * 9999])
def test_a_damaged_file_holds_no_choice_and_says_so(tmp_path, text, caplog):
    path = model(tmp_path / "models")
    (tmp_path / choices.FILE).write_bytes(text.encode("latin-1"))
    assert read_choices(tmp_path) == {} and choices.FILE in caplog.text
    assert opening_for(tmp_path, path, Compute()) == Opening()
    chosen(path, tmp_path, provider="cpu", workers=1)
    assert choice_for(tmp_path, path)


def test_what_was_just_measured_is_kept_whatever_the_clock_says(tmp_path):
    """A box without a clock battery starts in 1970: its choice is no older than the others."""
    path = model(tmp_path / "models")
    for number in range(choices.KEPT):
        model(tmp_path / "models", release=number + 2)
        chosen(path, tmp_path, provider="cpu", workers=1)
    model(tmp_path / "models", release=1)
    early = Choice(
        model=NAME,
        opening=Opening(provider="cpu"),
        board=choices.board(),
        at="1970-01-01T00:00:09Z",
        measured=(),
    )
    choices.write_choice(tmp_path, path, early)
    assert choice_for(tmp_path, path) == early
    assert len(read_choices(tmp_path)) == choices.KEPT


def test_a_chosen_form_that_no_longer_opens_gives_way(tmp_path, caplog):
    path = model(tmp_path / "models")
    chosen(path, tmp_path, provider="cpu", variant="gone", workers=1)
    with caplog.at_level(logging.WARNING):
        assert open_chosen(tmp_path, path, AUTO).provider == "cpu"
    assert "does not open" in caplog.text


def test_the_command_says_a_line_for_each_and_measures_once(tmp_path, capsys):
    place = home(tmp_path)
    files = ["--site", str(place / "site.yaml"), "--device", str(place / "device.yaml")]
    words = ["model", "tune", *files, "--pictures", str(pictures(place / "p")), "--seconds", "0.1"]
    assert main([*words, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[-1]["model"] == NAME and "chosen" in rows[-1]
    assert any(each["measured"]["ok"] for each in rows[:-1])
    assert main([*words, "--if-needed"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "已选用" in line and "measured before" in line


def test_a_model_that_sees_nothing_is_not_chosen(tmp_path, capsys):
    place = home(tmp_path)
    files = ["--site", str(place / "site.yaml"), "--device", str(place / "device.yaml")]
    (place / "empty").mkdir()
    assert main(["model", "tune", *files, "--pictures", str(place / "empty")]) == 1
    assert "no .jpg or .png" in capsys.readouterr().out
    assert not (place / "state/models" / choices.FILE).exists()


def test_the_next_release_is_measured_before_it_is_switched_to(tmp_path):
    place = home(tmp_path / "box")
    seen = []

    def measured(manifest):
        in_force = place / "state/models" / NAME / "state.json"
        seen.append((manifest.parent.name, in_force.exists()))

    install(pack(tmp_path, 2), replace(box(place), tune=measured))
    assert seen == [(".stage", False)]


def test_visiond_measures_anew_what_was_measured_before(tmp_path, monkeypatch):
    monkeypatch.setattr(model_tuning, "TUNER_NICE", 0)
    place = home(tmp_path)
    words = ["--site", str(place / "site.yaml"), "--device", str(place / "device.yaml")]
    device = place / "device.yaml"
    device.write_text(device.read_text() + "compute: {workers: 1}\n")
    settings = read_settings(place / "site.yaml", device)
    path = place / "shipped" / f"{NAME}.yaml"
    never = ModelTuning(settings, words)
    assert not never.tick(trial=False) and never._child is None
    chosen(path, settings.models, provider="cpu", workers=1)
    path.write_text(path.read_text() + f"selftest: {known(path, place)}\n")
    due = ModelTuning(settings, [*words, "--seconds", "0.1"])
    assert not due.tick(trial=True) and due._child is None
    assert not due.tick(trial=False) and due._child is not None
    until = time.monotonic() + 150
    again = False
    while due._child is not None and time.monotonic() < until:
        again = due.tick(trial=False)
        time.sleep(0.05)
    assert choice_for(settings.models, path) is not None
    assert again  # what was opened as the device file says is opened as chosen now


LOUD = "import sys; print('x' * 300_000); sys.exit('no room for the choice')"


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        # The configuration's own fault, as the command says it.
        (["-m", "edge.cli", "model", "tune", "--site", "/none.yaml"], 2, "none.yaml"),
        # More than a pipe holds, before the reason.
        (["-c", LOUD], 1, "no room for the choice"),
    ],
    ids=["wrong file", "much said"],
)
def test_the_journal_says_why_the_tuning_child_failed(
    command, code, reason, tmp_path, monkeypatch, caplog
):
    popen = model_tuning.subprocess.Popen
    argv = [sys.executable, *command]
    monkeypatch.setattr(model_tuning.subprocess, "Popen", lambda _, **more: popen(argv, **more))
    monkeypatch.setattr(model_tuning, "TUNER_NICE", 0)
    place = home(tmp_path)
    tuning = ModelTuning(read_settings(place / "site.yaml", place / "device.yaml"), [])
    tuning._due = True
    until = time.monotonic() + 150
    assert not tuning.tick(trial=False) and tuning._child is not None
    while tuning._child is not None and time.monotonic() < until:
        assert not tuning.tick(trial=False)
        time.sleep(0.02)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any(reason in line for line in warned), warned
    assert warned[-1] == f"edge model tune ended with {code}: as is"
    assert sum(map(len, warned)) < 2 * model_tuning.SAID_BYTES


def known(path, place):
    """The self-test of a manifest, its pictures beside it, as JSON."""
    from edge.release.selftest import known_picture
    from edge.vision.model import load_model

    opened = load_model(path, provider="cpu", workers=1)
    files = sorted(pictures(path.parent).glob("*.png"))
    rows = [msgspec.to_builtins(known_picture(opened, file)) for file in files]
    return json.dumps({"pictures": rows})
