# SPDX-License-Identifier: AGPL-3.0-or-later
"""What lands where: twice the same, nothing of yours overwritten, nothing left behind."""

import os
import re
import shutil
import subprocess

import pytest

from edge.config import Device, Site, load
from tests.field.units import DAEMONS, ROOT, service


def tool(name, *words, code=0):
    argv = ["sh", str(ROOT / "tools" / name), *map(str, words)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=380)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def files(root):
    """Links by where they lead, so that one that became a file is seen."""
    return {
        str(p.relative_to(root)): str(p.readlink()).encode() if p.is_symlink() else p.read_bytes()
        for p in root.rglob("*")
        if p.is_file() or p.is_symlink()
    }


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    root = tmp_path_factory.mktemp("root") / "box"
    return root, tool("install", "--root", root)


def test_every_file_is_named_and_every_named_file_is_there(laid):
    root, said = laid
    named = {name.replace("/current/", "/a/") for name in re.findall(r"^new +(/\S+)", said, re.M)}
    links = set(re.findall(r"^link +(/\S+)", said, re.M))
    found = {f"/{p.relative_to(root)}" for p in root.rglob("*") if p.is_file() or p.is_symlink()}
    own = {f"/opt/city-edge/{name}" for name in ("bin", "current", "confirmed")}
    assert named | links == found - own
    assert not [name for name in links if not (root / name[1:]).exists()], "each leads somewhere"


def test_a_second_time_changes_nothing(laid):
    root, _ = laid
    before = files(root)
    said = tool("install", "--root", root)
    assert "0 file(s) written" in said and files(root) == before


def test_site_and_device_are_valid_and_yours(laid, tmp_path):
    root = shutil.copytree(laid[0], tmp_path / "box", symlinks=True)
    assert load(root / "etc/edge/site.yaml", Site).cameras == ()
    assert load(root / "etc/edge/device.yaml", Device).folders.state == "/var/lib/edge"
    for name in ("site.yaml", "device.yaml"):
        (root / "etc/edge" / name).write_text("mine")
    (root / "opt/city-edge/a/share/edge/systemd/edge.target").write_text("old")
    said = tool("install", "--root", root)
    assert (root / "etc/edge/site.yaml").read_text() == "mine"
    assert (root / "etc/edge/device.yaml").read_text() == "mine"
    assert "changed  /opt/city-edge/current/share/edge/systemd/edge.target" in said


def test_what_an_older_version_laid_goes(laid, tmp_path):
    root = shutil.copytree(laid[0], tmp_path / "box", symlinks=True)
    old = root / "usr/lib/systemd/system/edge-oldd.service"
    old.write_text("[Unit]\n")
    with (root / "usr/share/edge/installed.txt").open("a") as file:
        file.write("/usr/lib/systemd/system/edge-oldd.service\n")
    assert "removed  /usr/lib/systemd/system/edge-oldd.service" in tool("install", "--root", root)
    assert not old.exists()


def test_a_version_without_slots_is_taken_over(laid, tmp_path):
    """Its folders and units were real ones, and its list names what are links now."""
    root = shutil.copytree(laid[0], tmp_path / "box", symlinks=True)
    shutil.copytree(root / "usr", tmp_path / "usr")
    shutil.rmtree(root / "usr")
    shutil.copytree(tmp_path / "usr", root / "usr")
    shutil.rmtree(root / "opt")
    (root / "opt/city-edge").mkdir(parents=True)
    (root / "opt/city-edge/pyvenv.cfg").write_text("home = /usr/bin")
    old = [f"/{name}" for name in files(root) if name.startswith("usr")]
    (root / "usr/share/edge/installed.txt").write_text("\n".join(old))
    tool("install", "--root", root)
    now, before = files(root), files(laid[0])
    assert now.keys() == before.keys()
    assert {n for n in now if now[n] != before[n]} <= {"usr/share/edge/installed.txt"}


def test_uninstall_leaves_configuration_and_state(laid, tmp_path):
    root = shutil.copytree(laid[0], tmp_path / "box", symlinks=True)
    (root / "var/lib/edge/evidence").mkdir(parents=True)
    (root / "var/lib/edge/outbox.db").write_text("rows")
    tool("uninstall", "--root", root)
    left = set(files(root))
    assert left == {"etc/edge/site.yaml", "etc/edge/device.yaml", "var/lib/edge/outbox.db"}
    assert not (root / "usr").exists() and not (root / "opt").exists()


def test_purge_leaves_nothing(laid, tmp_path):
    root = shutil.copytree(laid[0], tmp_path / "box", symlinks=True)
    (root / "var/lib/edge").mkdir(parents=True)
    tool("uninstall", "--root", root, "--purge")
    assert files(root) == {} and not (root / "etc").exists() and not (root / "usr").exists()


def test_a_neighbours_file_stays(laid, tmp_path):
    root = shutil.copytree(laid[0], tmp_path / "box", symlinks=True)
    other = root / "usr/lib/systemd/system/other.service"
    other.write_text("x")
    tool("uninstall", "--root", root, "--purge")
    assert set(files(root)) == {"usr/lib/systemd/system/other.service"}


def test_what_is_enabled_names_no_slot(laid, tmp_path):
    """The real systemctl on the laid files: a link is followed to its end when it is enabled."""
    if shutil.which("systemctl") is None:
        pytest.skip("systemctl is missing: apt-get install systemd")
    root = shutil.copytree(laid[0], tmp_path / "box", symlinks=True)
    units = ("edge.target", "edge-updaterd.path")
    argv = ["systemctl", f"--root={root}", "enable", *units]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    links = [path for path in (root / "etc/systemd").rglob("*") if path.is_symlink()]
    assert {path.name for path in links} == set(units)
    assert not [path for path in links if "city-edge" in str(path.readlink())]


def test_nobody_can_enable_what_is_a_link(laid):
    """edge.target starts the daemons; one enabled by itself would be kept from a slot for ever."""
    for path in (laid[0] / "usr/lib/systemd/system").iterdir():
        assert path.is_symlink() != ("[Install]" in path.read_text()), path.name


def test_units_start_what_is_installed(laid):
    root, _ = laid
    units = root / "usr/lib/systemd/system"
    for daemon in DAEMONS:
        assert (units / f"edge-{daemon}.service").is_file()
        start = service(daemon)["ExecStart"][0].split()
        assert start[0] == "/opt/city-edge/bin/edge" and start[1] == daemon
    text = (root / "usr/bin/edge").read_text()
    assert "/opt/city-edge/bin/edge" in text and os.access(root / "usr/bin/edge", os.X_OK)
    assert (root / "usr/share/edge/models/city-v1.yaml").is_file()


def test_wrong_words_are_one_line(tmp_path):
    assert "no such option" in tool("install", "--rot", code=2)
    assert "leave --root out" in tool("install", "--root", "/", code=1)
    assert "no such option" in tool("uninstall", "--all", code=2)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is missing")
def test_shellcheck():
    scripts = [ROOT / "tools" / name for name in ("install", "uninstall", "soak")]
    argv = ["shellcheck", "--shell=sh", *map(str, scripts)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


APT = """#!/bin/sh
case "$*" in *install*) ;; *) exit 0 ;; esac
echo . >>calls
[ "$(wc -l <calls)" -gt 2 ] && { touch there; exit 0; }
echo "E: Could not get lock /var/cache/apt/archives/lock. It is held by process 7 (apt-get)" >&2
exit 100
"""
# The lists are fetched by another program first, and without them nothing is found.
LISTS = """#!/bin/sh
case "$*" in
  *update*)
    echo x >>calls
    [ "$(wc -l <calls)" -gt 2 ] && { touch lists; exit 0; }
    echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)" >&2
    exit 100 ;;
esac
[ -e lists ] && { touch there; exit 0; }
echo "E: Unable to locate package some-package" >&2
exit 100
"""


@pytest.mark.parametrize("apt", [APT, LISTS])
def test_packages_wait_for_another_program_that_installs_and_say_so(tmp_path, apt):
    """apt waits for dpkg's lock, and fails at once on those of its lists and what it fetches."""
    programs = {"apt-get": apt, "id": "#!/bin/sh\necho 0\n", "sleep": "#!/bin/sh\n"}
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    argv = [str(ROOT / "tools/packages"), "./there=some-package"]
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and (tmp_path / "there").exists(), done.stderr
    assert done.stderr.count("waiting for it") == 1 and "Could not get lock" not in done.stderr


def test_a_file_whose_folder_is_the_machines_own_is_found_by_a_pattern(tmp_path):
    """A library's folder is named after the processor: nothing is installed where one is there."""
    (tmp_path / "some-arch").mkdir()
    argv = [str(ROOT / "tools/packages"), "./*/plugin.so=no-such-package-at-all"]
    (tmp_path / "id").write_text("#!/bin/sh\necho 1\n")  # not root: it may not install
    (tmp_path / "sudo").write_text("#!/bin/sh\nexit 1\n")
    for name in ("id", "sudo"):
        (tmp_path / name).chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for there, code in ((False, 1), (True, 0)):
        if there:
            (tmp_path / "some-arch/plugin.so").touch()
        done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, timeout=60)
        assert done.returncode == code
