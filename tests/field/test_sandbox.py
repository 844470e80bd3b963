# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every daemon once in a sandbox like that of its unit: it gets ready, works and stops in it."""

import shutil
import signal
import subprocess
import sys

import pytest

from tests.field import daemon as runner
from tests.field.listener import Listener
from tests.field.units import ROOT, sandbox, service

PROBE = """
import os, pathlib, socket, sys
home = pathlib.Path(sys.argv[1])
for place in (pathlib.Path("/etc/edge-probe"), home / "probe"):
    try:
        place.write_text("x")
    except OSError as error:
        print("refused", error.errno)
(home / "state/probe").write_text("x")
print("links", *sorted(name for _, name in socket.if_nameindex()))
print("devices", *sorted(os.listdir("/dev")))
print("mode", oct((home / "state/probe").stat().st_mode & 0o777))
status = pathlib.Path("/proc/self/status").read_text()
told = dict(line.split(":", 1) for line in status.splitlines())
print("caps", told["CapEff"].strip(), "new", told["NoNewPrivs"].strip())
"""


@pytest.fixture(scope="module", autouse=True)
def bubblewrap():
    """Skips aloud: containers often forbid what bubblewrap needs, in CI too."""
    if shutil.which("bwrap") is None:
        pytest.skip("bwrap is missing: apt-get install bubblewrap")
    done = subprocess.run(
        ["bwrap", "--ro-bind", "/", "/", "--unshare-net", "--unshare-user", "true"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"bwrap may not make namespaces here: {done.stderr.strip()}")


@pytest.mark.parametrize("name", ["visiond", "sensord", "uplinkd", "consoled"])
def test_a_daemon_works_in_its_sandbox(tmp_path, name):
    home = runner.make(tmp_path / name)
    (home / "run").mkdir()
    log = tmp_path / "log"
    listener = Listener()
    argv = sandbox(name, home, [sys.executable, "-m", "tests.field.daemon", name, str(home)])
    # PrivateTmp hides the folder of the socket, as it would any other in /tmp.
    at = argv.index("--cap-drop")
    argv[at:at] = ["--bind", str(listener.path.parent), str(listener.path.parent)]
    with log.open("wb") as out:
        child = subprocess.Popen(argv, stdout=out, stderr=out, cwd=ROOT, env=listener.env())
    try:
        listener.wait_for("WATCHDOG=1", child, log, times=2)
        assert (home / "run/status" / f"{name}.json").exists()
        subprocess.run(["kill", "-TERM", str(listener.pid)], check=True)
        assert child.wait(120) == 0, log.read_text()
        assert listener.count("STOPPING=1") == 1
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        listener.close()
    assert "PermissionError" not in log.read_text() and "Read-only" not in log.read_text()


@pytest.mark.parametrize("name", ["visiond", "sensord", "uplinkd", "consoled", "janitord"])
def test_the_sandbox_forbids_what_the_unit_forbids(tmp_path, name):
    home = runner.make(tmp_path / name)
    argv = sandbox(name, home, [sys.executable, "-c", PROBE, str(home)])
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=150)
    said = [line.split() for line in done.stdout.splitlines()]
    told = {words[0]: words[1:] for words in said}
    assert sum(words[0] == "refused" for words in said) == 2, done.stdout
    assert told["caps"] == ["0000000000000000", "new", "1"] and told["mode"] == ["0o660"]
    if "PrivateNetwork" in service(name):
        assert told["links"] == ["lo"]
    if "PrivateDevices" in service(name):
        assert "null" in told["devices"] and not {"mem", "sda", "kmsg"} & set(told["devices"])


def test_janitord_tidies_in_its_sandbox(tmp_path):
    home = runner.make(tmp_path / "home")
    edge = [sys.executable, "-m", "edge", "janitord", "--device", str(home / "device.yaml")]
    edge += ["--site", str(home / "site.yaml")]
    argv = sandbox("janitord", home, edge)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=150, cwd=ROOT)
    assert done.returncode == 0, done.stderr
