# SPDX-License-Identifier: AGPL-3.0-or-later
"""What tools/systemtest follows is in the documents; what it needs of this machine is looked up."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.field.units import SYSTEMD, service
from tools.system import limits, power, roots
from tools.system.container import Failed
from tools.system.document import Undocumented, blocks, command
from tools.system.probe import in_place
from tools.system.updates import BlindTime

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


def test_a_root_waits_for_another_run_that_fetches_packages(tmp_path, monkeypatch):
    """And for nothing else: a package that is nowhere is said at once."""
    (tmp_path / "systemd-nspawn").write_text(
        f"""#!/bin/sh
case "$*" in *nowhere*) echo "E: Unable to locate package nowhere"; exit 100 ;; esac
echo . >>{tmp_path}/calls
[ "$(wc -l <{tmp_path}/calls)" -gt 2 ] && exit 0
echo "E: Could not get lock /var/cache/apt/archives/lock. It is held by process 7 (apt-get)"
exit 100
"""
    )
    (tmp_path / "systemd-nspawn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(roots, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(roots.time, "sleep", lambda _: None)
    (tmp_path / "root/usr/lib/python3.11").mkdir(parents=True)
    roots.add_packages(tmp_path / "root", ["dbus"])
    assert (tmp_path / "calls").read_text().count(".") == 3
    with pytest.raises(roots.NoRoot, match="nowhere"):
        roots.add_packages(tmp_path / "root", ["nowhere"])


def test_every_limit_that_a_unit_has_is_tried():
    """Those of memory up to what the machine of --power bears, and every list of addresses."""
    for path in SYSTEMD.glob("edge-*d.service"):
        daemon = path.stem.removeprefix("edge-")
        told = service(daemon)
        most = re.fullmatch(r"([0-9]+)M", told["MemoryMax"][0])
        small = most is not None and int(most[1]) <= limits.LARGEST_MB
        assert (f"{daemon} memory" in limits.RIGHT) == small, daemon
        online = "AF_INET" in " ".join(told["RestrictAddressFamilies"]).split()
        if online and "PrivateNetwork" not in told:
            denied = told.get("IPAddressDeny") == ["any"]
            right = {"exit-code" if denied else "success"}
            assert {limits.RIGHT[f"{daemon} outside"]} == right, daemon


def test_a_limit_that_does_not_hold_is_said():
    power._hold(limits.RIGHT)
    with pytest.raises(Failed, match="sensord memory: success, not oom-kill"):
        power._hold({**limits.RIGHT, "sensord memory": "success"})
    with pytest.raises(Failed, match="not tried"):
        power._hold({})


def test_another_command_keeps_what_the_unit_forbids():
    unit = (SYSTEMD / "edge-uplinkd.service").read_text("utf-8")
    text = in_place(unit, "/bin/true", Path("/run/x"))
    assert "ExecStart=/bin/true" in text and "edge uplinkd" not in text and "Restart=" not in text
    for line in ("User=edge-uplink", "MemoryMax=240M", "RestrictNamespaces=yes"):
        assert line in text


def test_a_package_that_is_nowhere_keeps_no_other_away(tmp_path):
    """As Chromium on Ubuntu, which is a snap there and nothing else."""
    log = tmp_path / "log"
    apt = tmp_path / "apt-get"
    apt.write_text(
        f'#!/bin/sh\necho "$@" >>{log}\ncase "$*" in *update*) ;; *nowhere*) exit 100 ;; esac\n'
    )
    apt.chmod(0o755)
    (tmp_path / "id").write_text("#!/bin/sh\necho 0\n")
    (tmp_path / "id").chmod(0o755)
    done = subprocess.run(
        [roots.ROOT / "tools/packages", "not-a-program=here", "nor-this=nowhere"],
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert done.returncode == 1 and "could not install: nowhere." in done.stderr
    alone = [line for line in log.read_text().splitlines() if line.endswith(" here")]
    assert alone and "install" in alone[0]


@pytest.mark.parametrize(
    ("seen", "blind_s"),
    [
        # Looks of one visiond, however far apart, are no restart.
        ([(7, 100.0, 0.0), (7, 104.0, 4.0), (7, 120.0, 20.0)], None),
        # The recording begins anew; what counts is when a look was seen.
        ([(7, 100.0, 0.0), (7, 102.0, 2.0), (0, 0.0, 3.0), (9, 0.0, 4.0), (9, 60.0, 8.5)], 6.5),
        ([(7, 1.0, 0.0), (8, 2.0, 5.0), (8, 3.0, 6.0), (9, 1.0, 9.0)], 5.0),
        ([(0, 0.0, 0.0), (7, 1.0, 30.0)], None),
    ],
)
def test_blind_time_is_from_one_visiond_to_the_next(seen, blind_s):
    """It had been read from the recording's own clock: 3.5 s at every load."""
    blind = BlindTime()
    for reading in seen:
        blind.see(*reading)
    assert blind.most_s == blind_s
