# SPDX-License-Identifier: AGPL-3.0-or-later
"""The units: their exposure as systemd counts it, no line it does not understand, no loose end.

What cannot be run without systemd as PID 1 is listed in docs/install.md, and this checks the list.
"""

import os
import re
import shutil
import subprocess

import pytest

from tests.field.units import BOOTED, DAEMONS, EXERCISED, ROOT, SYSTEMD, service

# What each had once (systemd 252): no unit becomes more open than it was.
MOST = {
    "uplinkd": 1.2,
    "sensord": 0.7,
    "consoled": 1.2,
    "visiond": 1.6,
    "flightd": 0.9,
    "janitord": 0.5,
    # Root, that starts and stops units; the two that try and take back what it laid; and systemd's
    # own programs, that make users and folders.
    "updaterd": 1.2,
    "update-selftest@": 1.0,
    "update-lower@": 0.5,
    "update-accounts": 1.4,
}


@pytest.fixture(scope="module")
def analyze():
    """systemd-analyze, or a loud skip; in CI it must be there."""
    found = shutil.which("systemd-analyze")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("systemd-analyze is missing: apt-get install systemd")
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    return found


@pytest.mark.parametrize("daemon", MOST)
def test_exposure(analyze, daemon, capsys):
    unit = SYSTEMD / f"edge-{daemon}.service"
    argv = [analyze, "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=150)
    score = float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout).group(1))
    with capsys.disabled():
        print(f"\nsystemd-analyze security edge-{daemon}: {score} (at most {MOST[daemon]})")
    assert score <= MOST[daemon]


def test_the_janitor_ended_in_the_middle_has_not_failed():
    """systemd holds a signal against a unit of this type, and uninstalling left it there."""
    told = service("janitord")
    assert told["Type"] == ["oneshot"] and told["SuccessExitStatus"] == ["SIGTERM"]


def test_the_exposure_of_every_unit_is_counted():
    assert set(MOST) == {p.stem.removeprefix("edge-") for p in SYSTEMD.glob("*.service")}


def test_systemd_understands_every_line(analyze):
    """All that may be missing here is the program itself."""
    units = [p for p in SYSTEMD.iterdir() if p.suffix in (".service", ".target", ".slice")]
    units += SYSTEMD.glob("*.timer")
    argv = [analyze, "verify", "--man=no", *map(str, units)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    said = (done.stdout + done.stderr).splitlines()
    ours = [line for line in said if "edge" in line]
    program = re.compile(r"/opt/city-edge/(?:\w+/)?bin/edge is not executable")
    assert [line for line in ours if not program.search(line)] == []


@pytest.mark.parametrize("daemon", [d for d in DAEMONS if d != "janitord"])
def test_a_daemon_is_watched_and_started_again_for_ever(daemon):
    told = service(daemon)
    assert told["Type"] == ["notify"] and told["Restart"] == ["always"]
    assert 0 < int(told["WatchdogSec"][0]) <= 120 and "MemoryMax" in told
    assert int(told["TimeoutStartSec"][0]) >= 120, "a small board starts slowly"
    assert "StartLimitIntervalSec=0" in (SYSTEMD / f"edge-{daemon}.service").read_text()


def test_every_unit_named_in_a_unit_is_ours_or_the_systems():
    ours = {path.name for path in SYSTEMD.iterdir()}
    for path in SYSTEMD.iterdir():
        named = set(re.findall(r"\bedge[\w-]*\.(?:service|timer|target|slice)\b", path.read_text()))
        assert named <= ours, f"{path.name} names {sorted(named - ours)}"


def test_users_of_units_and_folders_are_made_by_sysusers():
    made = set(re.findall(r"^[ug] (\S+)", (SYSTEMD / "edge.sysusers.conf").read_text(), re.M))
    wanted = {service(daemon)["User"][0] for daemon in DAEMONS}
    for line in (SYSTEMD / "edge.tmpfiles.conf").read_text().splitlines():
        if line.startswith("d "):
            wanted |= set(line.split()[3:5])
    assert wanted - {"root"} <= made


def test_who_writes_the_site_file_may():
    """The page and the platform change /etc/edge/site.yaml; nobody may change device.yaml."""
    for daemon in DAEMONS:
        writes = "/etc/edge" in service(daemon)["ReadWritePaths"][0].split()
        assert writes == (daemon in ("uplinkd", "consoled"))
        if writes:
            kept = " ".join(service(daemon)["ReadOnlyPaths"]).split()
            assert kept == ["-/etc/edge/device.yaml", "-/etc/edge/release", "-/etc/edge/page"]
        keys = "-/etc/edge/keys" in " ".join(service(daemon).get("InaccessiblePaths", [])).split()
        assert keys == (daemon != "uplinkd")


def test_every_directive_was_run_or_is_listed_as_never_run():
    text = (ROOT / "docs/install.md").read_text("utf-8")
    listed = set(re.findall(r"`(\w+)=`", text.split("### Never run here", 1)[1]))
    used = {key for daemon in DAEMONS for key in service(daemon)}
    run = set(EXERCISED) | set(BOOTED)
    assert used - run - listed == set(), "neither run nor listed"
    assert listed & run == set(), "listed, but run"
    assert listed - used == set(), "listed, but in no unit"
