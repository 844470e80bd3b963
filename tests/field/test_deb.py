# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Debian package: the same files as tools/install lays, and nothing that is a box's own."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        shutil.which("dpkg-deb") is None, reason="dpkg-deb is missing: not a Debian system"
    ),
]


UPDATES = "/usr/lib/systemd/system/edge-update"


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    out = tmp_path_factory.mktemp("deb")
    path = Path(run("tools/deb", "--out", str(out)).strip())
    run("dpkg-deb", "-R", str(path), str(out / "root"))
    return path, out / "root"


def files(root):
    return {"/" + str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}


def test_it_lays_what_the_installer_lays(package, tmp_path):
    run("tools/install", "--root", str(tmp_path / "look"))
    own = {"/usr/sbin/edge-uninstall", "/usr/share/edge/installed.txt"}
    own |= {"/etc/edge/site.yaml", "/etc/edge/device.yaml", "/usr/share/doc/city-edge/LICENSE"}
    # A package has no slots (links lead there) and no updates of their own: apt updates it.
    laid = {n for n in files(tmp_path / "look") if not n.startswith(("/opt/", UPDATES))}
    assert laid - own <= files(package[1])


def test_nothing_of_the_boxs_own_is_in_it(package):
    laid = files(package[1])
    assert not [name for name in laid if name.startswith(("/etc", "/var", "/run", "/opt"))]
    assert {"/usr/share/edge/seed/site.yaml", "/usr/share/edge/source/requirements.lock"} <= laid


def test_the_manual_that_the_page_shows_is_in_it(package):
    laid = files(package[1])
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs/zh").rglob("*.*")]
    assert pages
    missing = {f"/usr/share/edge/{page.relative_to(ROOT)}" for page in pages} - laid
    assert not missing


def test_no_command_of_it_leads_through_a_slot(package):
    """dpkg lays none, so what is started through one is not found."""
    commands = [path for part in ("bin", "sbin") for path in (package[1] / "usr" / part).iterdir()]
    assert commands
    assert not [path.name for path in commands if "/opt/city-edge/current" in path.read_text()]


def test_its_scripts_are_sound_shell_and_name_every_user(package):
    users = re.findall(r"^u (\S+)", (ROOT / "systemd/edge.sysusers.conf").read_text(), re.M)
    for script in ("postinst", "prerm", "postrm"):
        run("sh", "-n", str(package[1] / "DEBIAN" / script))
    purge = (package[1] / "DEBIAN/postrm").read_text()
    assert users and all(user in purge for user in users)


def test_the_same_tree_gives_the_same_bytes(package, tmp_path):
    again = Path(run("tools/deb", "--out", str(tmp_path)).strip())
    assert again.read_bytes() == package[0].read_bytes()


@pytest.mark.skipif(shutil.which("lintian") is None, reason="lintian is missing")
def test_lintian_has_nothing_to_say(package):
    told = subprocess.run(
        ["lintian", "--fail-on", "error,warning", str(package[0])], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stdout
