# SPDX-License-Identifier: AGPL-3.0-or-later
"""What tools/systemtest follows is in the documents; what it needs of this machine is looked up."""

import subprocess

import pytest

from tools.system import roots
from tools.system.document import Undocumented, blocks, command

FOLLOWED = (
    ("git clone", {"ADDRESS": "/src"}),
    ("tools/install --root", {}),
    ("tools/install --wheels", {"--wheels wheels": "--wheels /w"}),
    ("edge-provision request", {}),
    ("edge-provision accept", {}),
    ("sudo edge check", {}),
    ("sudo edge doctor", {}),
    ("systemctl start edge.target", {}),
    ("systemctl restart edge.target", {}),
    ("sudo edge-uninstall", {}),
    ("tools/deb", {"--out dist": "--out d"}),
    ("sudo apt install", {"city-edge_0.1.0_all.deb": "c.deb"}),
)


@pytest.mark.parametrize(("having", "given"), FOLLOWED)
def test_each_command_stands_in_the_install_guide_once(having, given):
    line = command("install.md", having, **given)
    assert having in line and all(word in line for word in given.values())


def test_certificates_and_acl_stand_in_the_platform_guide():
    for having in ("openssl req", "-in box-0042.csr", "pattern write"):
        assert blocks("platform.md", having)


def test_a_command_that_is_gone_is_said():
    with pytest.raises(Undocumented, match="no block"):
        command("install.md", "make install")


def test_the_lock_gives_one_version_of_each_package_to_every_python():
    """What is tested on one Python runs on the others; only what one alone needs is its own."""
    told = {p: set(roots.wanted(p, "x86_64")) for p in ("3.10", "3.11", "3.12", "3.13")}
    every = set.intersection(*told.values())
    for python, lines in told.items():
        more = {line.partition("==")[0] for line in lines - every}
        assert more <= {"exceptiongroup", "tomli"}, python


def test_the_mirror_is_that_of_apt(monkeypatch):
    said = (
        "http://a.example/debian-security/ main Packages\n"
        "http://a.example/debian/ contrib Packages\n"
        "http://a.example/debian/ main Packages\n"
    )
    done = subprocess.CompletedProcess([], 0, said)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert roots.mirror() == "http://a.example/debian/"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, ""))
    with pytest.raises(roots.NoRoot):
        roots.mirror()
