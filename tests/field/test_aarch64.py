# SPDX-License-Identifier: AGPL-3.0-or-later
"""Is there a wheel for 64-bit ARM of everything that the lock puts on a box? Asks the index.

Resolution only: nobody has run the wheels on such a board here (docs/install.md).
"""

import json
import subprocess
import sys

import pytest
from packaging.markers import Marker

from tools.field import materials

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# Debian 12, Ubuntu 22.04 and later: glibc 2.35 and older tags.
PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_27", "manylinux_2_17")


def wanted(python):
    """name==version of each package that this Python gets on an ARM box."""
    box = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_machine": "aarch64",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    words = materials.yaml.safe_load(materials.WORDS.read_text("utf-8"))
    packages = materials.locked(materials.LOCK.read_text("utf-8"), words)
    here = materials.runtime_names(packages)
    return [
        f"{p.name}=={p.version}"
        for p in packages
        if materials._plain(p.name) in here and (not p.marker or Marker(p.marker).evaluate(box))
    ]


@pytest.mark.parametrize("python", PYTHONS)
def test_every_package_stands_once_for_each_python(python):
    names = [row.partition("==")[0] for row in wanted(python)]
    assert len(names) == len(set(names)) and {"av", "numpy", "onnxruntime"} <= set(names)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("python", PYTHONS)
def test_wheels_for_aarch64(python, tmp_path):
    argv = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps"]
    # uv has looked at Requires-Python; pip would hold it against the Python that runs it.
    argv += ["--ignore-installed", "--ignore-requires-python", "--only-binary=:all:"]
    argv += ["--python-version", python]
    argv += ["--implementation", "cp", "--target", str(tmp_path / "t"), "--report", "-"]
    for name in PLATFORMS:
        argv += ["--platform", f"{name}_aarch64"]
    done = subprocess.run([*argv, *wanted(python)], capture_output=True, text=True)
    if done.returncode and "connection" in done.stderr.lower():
        pytest.skip("no package index can be reached from here")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["install"]
    assert len(found) == len(wanted(python))
    odd = [p["download_info"]["url"] for p in found if "x86" in p["download_info"]["url"]]
    assert odd == []
