# SPDX-License-Identifier: AGPL-3.0-or-later
"""Bill of materials and notices: everything locked is in them, each with a licence."""

import json
import platform
import re
import sys

import pytest

from tools.field import materials

ROW = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;\n]+)", re.MULTILINE)
LOCKED = ROW.findall(materials.LOCK.read_text("utf-8"))


def test_every_locked_package_is_in_the_bill_with_a_licence():
    parts = json.loads(materials.SBOM.read_text("utf-8"))["components"]
    assert sorted((p["name"], p["version"]) for p in parts) == sorted(LOCKED)
    assert all(p["licenses"][0]["expression"] and p["purl"] for p in parts)


@pytest.mark.parametrize("name", sorted({name for name, _ in LOCKED}))
def test_every_locked_package_stands_in_the_notices(name):
    assert f"| {name} | " in materials.NOTICES.read_text("utf-8")


def test_what_runs_on_the_box_is_told_from_what_does_not():
    here = {
        p["name"]
        for p in json.loads(materials.SBOM.read_text("utf-8"))["components"]
        if p["scope"] == "required"
    }
    assert {"av", "onnxruntime", "paho-mqtt", "starlette", "h11", "cffi"} <= here
    assert not here & {"pytest", "mypy", "playwright", "hypothesis", "ruff"}


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11) or platform.machine() != "x86_64",
    reason="the libraries inside the wheels are listed for x86-64 and CPython 3.11",
)
def test_the_files_are_what_the_lock_says():
    assert materials.main(["--check"]) == 0, "run tools/materials"


def test_an_unknown_licence_stops_it():
    words = {"absent": {}, "words": {}, "bundled": {}}
    with pytest.raises(materials.Unlicensed, match="nobody-has-this"):
        materials.locked("nobody-has-this==1.0\n", words)
    with pytest.raises(materials.Unlicensed, match="pytest-timeout"):
        materials.locked("pytest-timeout==1.0\n", words)


def test_a_library_in_a_wheel_that_nobody_named(tmp_path):
    (tmp_path / "x_y.libs").mkdir()
    (tmp_path / "x_y.libs" / "libodd-1.so").touch()
    wheel = materials.Package("x-y", "1.0", "", (), "MIT")
    with pytest.raises(materials.Unlicensed, match=r"libodd-1\.so"):
        materials.bundled({"bundled": {"liba": {}}}, tmp_path, [wheel])
    assert materials.bundled({"bundled": {}}, tmp_path, []) == []  # nobody locked it
