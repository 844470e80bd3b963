# SPDX-License-Identifier: AGPL-3.0-or-later
"""Several receivers share the load; one is killed; nothing is lost. Real broker, real device."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from city_platform.store import Store
from tools.demonstration.processes import free_port
from tools.faultlab.oracle import Oracle
from tools.faultlab.rig import Process, Rig, eventually

pytestmark = pytest.mark.broker
PATIENCE_S = 90.0
RECORDS = 40


def instance(rig: Rig, port: int, number: int, *more: str) -> Process:
    name = f"receiver-{number}"
    argv = [sys.executable, "-m", "city_platform.receiver", "--out", str(rig.platform)]
    argv += ["--port", str(port), "--name", name, "--session-s", "0", "--json", *more]
    child = Process(argv, rig.folder / f"{name}.log")
    rig.children.append(child)
    return child


def stored_by(child: Process) -> int:
    return child.log.read_text().count('"kind": "violation"')


def two_with_one_killed(rig: Rig, *more: str) -> tuple[Oracle, int, int]:
    """Returns the oracle, settled, and how many records each of the two stored first."""
    broker = rig.broker(extra="log_type all")
    one, two = (instance(rig, broker.port, number, *more) for number in (1, 2))
    for number in (1, 2):
        joined = f"cm-platform-receiver-{number} 1 $share/platform/cm/v1/+/+/evt/#"
        eventually(lambda joined=joined: joined in broker.log.read_text(), within_s=PATIENCE_S)
    rig.uplinkd(broker.port)
    oracle = Oracle(rig, rig.outbox())
    for number in range(RECORDS):
        oracle.put(pictures=1 if number % 4 == 0 else 0)
        if number == RECORDS // 2:
            eventually(lambda: min(stored_by(one), stored_by(two)) >= 3, within_s=PATIENCE_S)
            one.kill()
        time.sleep(0.02)
    oracle.settle()
    return oracle, stored_by(one), stored_by(two)


@pytest.mark.timeout(420)
def test_one_of_two_is_killed_and_nothing_is_lost(rig: Rig) -> None:
    oracle, first, second = two_with_one_killed(rig)
    result = oracle.result("one of two receivers killed", 1)
    assert (result.missing, result.spurious, result.false_releases) == (0, 0, 0), result
    assert first >= 3 and second >= 3
    store = Store(rig.platform)
    assert store.sequence_gaps() == store.chain_breaks() == []
    store.close()


def programs() -> list[str]:
    """initdb and postgres, on the PATH or where Debian keeps them; [] where they are missing."""
    kept = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    path = os.pathsep.join([os.environ.get("PATH", ""), *kept])
    found = [shutil.which(name, path=path) for name in ("initdb", "postgres")]
    return [program for program in found if program is not None] if all(found) else []


def other_user() -> dict[str, str]:
    """PostgreSQL refuses to run as root: the words for Popen that make it another user."""
    if os.geteuid() != 0:
        return {}
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL refuses to run as root: set CITY_EDGE_TEST_POSTGRES")
    return {"user": "postgres", "group": "postgres"}


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[str]:
    """The empty database of CITY_EDGE_TEST_POSTGRES, else a server of the test's own; skips aloud
    where PostgreSQL or its driver is missing."""
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is missing: pip install ./tools/reference_platform")
    if given := os.environ.get("CITY_EDGE_TEST_POSTGRES"):
        yield given
        return
    if not (found := programs()):
        pytest.skip("PostgreSQL is missing: apt-get install postgresql")
    who, port = other_user(), free_port()
    with tempfile.TemporaryDirectory(prefix="edge-pg-") as folder:
        if who:
            shutil.chown(folder, **who)
        data = f"{folder}/data"
        argv = [found[0], "-D", data, "-A", "trust", "-U", "city", "--no-sync"]
        subprocess.run(argv, check=True, capture_output=True, timeout=120, cwd=folder, **who)
        told = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        log = tmp_path / "pg.log"
        with log.open("ab") as out:
            argv = [found[1], "-D", data, *told]
            server = subprocess.Popen(argv, stdout=out, stderr=out, cwd=folder, **who)
        eventually(lambda: b"ready to accept" in log.read_bytes(), within_s=PATIENCE_S)
        yield f"postgresql://city@127.0.0.1:{port}/postgres"
        # Fast shutdown, which takes its shared memory along.
        server.send_signal(signal.SIGINT)
        server.wait(timeout=PATIENCE_S)


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_the_same_on_postgresql(rig: Rig, postgres: str) -> None:
    oracle, first, second = two_with_one_killed(rig, "--database", postgres)
    assert first >= 3 and second >= 3
    store = Store(rig.platform, postgres)
    told = store.summary()
    assert told["records"]["violation"] == len(oracle.promised)
    assert told["complete"] == told["files"] > RECORDS // 4
    assert told["gaps"] == told["breaks"] == [] and told["quarantined"] == 0
    assert len(store.latest(1000)) == len(oracle.promised)
    store.close()
