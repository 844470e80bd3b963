# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge watch as a person uses it: good input gives JSON lines and files, bad input one line."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from tests.daemons.box import write_clip
from tools.fakes import onnx_files

ROOT = Path(__file__).parents[2]
STALL = np.array([[60, 40, 120, 110, 0.9, 0]], np.float32)  # x1 y1 x2 y2 score class
ZONE = {"id": "all", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}
RULE = {"category": "street-vendor", "dwell_s": 6, "confirm_s": 0, "set": {"attended_share": 0.0}}


def edge(*words, cwd=ROOT):
    argv = [sys.executable, "-m", "edge", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=380, cwd=cwd)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A model that sees one stall in every picture, a clip, and a site that watches it."""
    folder = tmp_path_factory.mktemp("watch")
    model = onnx_files.fixed_rows(STALL, ["vendor_stall"])
    onnx_files.write(folder, model, ["vendor_stall"], head="end2end")
    write_clip(folder / "street.mp4", seconds=20.0, stands=(0, 20))
    site(folder)
    return folder


def site(folder, name="site.yaml", *, zone=ZONE, rule=RULE, **camera):
    made = {"id": "north", "source": "street.mp4", "zones": [zone], "rules": [rule], **camera}
    path = folder / name
    path.write_text(yaml.safe_dump({"name": "路口", "model": "m.yaml", "cameras": [made]}), "utf-8")
    return path


def watch(home, source, out, *words, where="site.yaml"):
    return edge("watch", source, "--site", home / where, "--out", out, "--json", *words)


@pytest.fixture(scope="module")
def watched(home, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    done = watch(home, home / "street.mp4", out)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], out


def test_the_lines_have_the_shape_that_stays_stable(watched):
    lines, _ = watched
    assert [line["phase"] for line in lines][:1] == ["new"]
    first = lines[0]
    wanted = {
        "id", "revision", "phase", "category", "code", "status", "began_s", "decided_s", "ended_s",
        "place", "camera", "facts", "evidence", "gate",
    }  # fmt: skip
    assert wanted <= set(first)
    assert first["status"] == "suspected"
    assert first["code"] == "0501"
    assert first["began_s"] == pytest.approx(0.0, abs=0.5)
    assert first["decided_s"] == pytest.approx(6.0, abs=0.7)
    assert len({line["id"] for line in lines}) == 1


def test_every_file_named_is_there_with_its_hash(watched):
    import hashlib

    for line in watched[0]:
        for file in line["evidence"]:
            data = Path(file["path"]).read_bytes()
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (file["sha256"], file["size"])


def test_verify_passes_and_fails_when_one_byte_is_changed(watched, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(watched[1] / "evidence", copy)
    assert edge("evidence", "verify", copy, "--unsealed").returncode == 0
    assert edge("evidence", "verify", copy).returncode == 1, "nobody signed it"
    victim = next(copy.glob("v-*/r1/*close*.jpg"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    done = edge("evidence", "verify", copy, "--unsealed")
    assert done.returncode == 1
    assert victim.name in done.stdout + done.stderr


def test_a_folder_of_pictures_is_a_recording_too(home, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(12):
        cv2.imwrite(str(pictures / f"{number}.jpg"), np.full((301, 403, 3), 90 + number, np.uint8))
    done = watch(home, pictures, tmp_path / "out", "--fps", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout


def truncated(home, tmp_path):
    data = (home / "street.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) // 2])
    return path


def empty(home, tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    return path


def text(home, tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("not a video\n" * 100)
    return path


def missing(home, tmp_path):
    return tmp_path / "none.mp4"


def option(home, tmp_path):
    return "rtsp://-i/etc/passwd"


def scheme(home, tmp_path):
    return "concat:a|b"


@pytest.mark.parametrize("make", [truncated, empty, text, missing, option, scheme])
def test_a_bad_source_is_one_line_and_exit_two(home, tmp_path, make):
    one_line(watch(home, make(home, tmp_path), tmp_path / "out"))


def one_line(done, said=""):
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()
    assert len(last) == 1, done.stderr
    assert said in last[0]


BAD_SITES = [
    ({"zone": {**ZONE, "polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}}, "crosses itself"),
    ({"zone": {**ZONE, "polygn": []}}, "polygn"),
    ({"rule": {**RULE, "category": "street-vendr"}}, "street-vendor"),
    ({"rule": {"category": "exposed-refuse"}}, "garbage"),
    ({"rule": {**RULE, "set": {"no_such": 1}}}, "no_such"),
    ({"model": "nowhere"}, "nowhere"),
]


@pytest.mark.parametrize(("change", "said"), BAD_SITES)
def test_a_bad_site_is_one_line_and_exit_two(home, tmp_path, change, said):
    site(home, "bad.yaml", **change)
    one_line(watch(home, home / "street.mp4", tmp_path / "out", where="bad.yaml"), said)
    one_line(edge("check", "--site", home / "bad.yaml"), said)


def test_a_damaged_model_is_one_line_and_exit_two(home, tmp_path):
    folder = tmp_path / "m"
    data = onnx_files.fixed_rows(STALL, ["vendor_stall"])
    onnx_files.write(folder, data, ["vendor_stall"], head="end2end")
    (folder / "m.onnx").write_bytes(onnx_files.damaged(data))
    write_clip(folder / "street.mp4", seconds=1.0, stands=(0, 1))
    site(folder)
    one_line(watch(folder, folder / "street.mp4", tmp_path / "out"), "hashes to")


def test_check_explains_and_prints_schemas(home):
    done = edge("check", "--site", home / "site.yaml", "--explain")
    assert json.loads(done.stdout)["site"]["cameras"][0]["id"] == "north"
    assert {"site", "device", "categories"} <= set(json.loads(edge("check", "--schema").stdout))


def test_passwords_are_not_explained(home):
    site(home, "secret.yaml", source="rtsp://admin:geheim7@10.0.0.9/1")
    done = edge("check", "--site", home / "secret.yaml", "--explain")
    assert done.returncode == 0, done.stderr
    assert "geheim7" not in done.stdout + done.stderr
