# SPDX-License-Identifier: AGPL-3.0-or-later
"""PostgreSQL on two machines: one serves, the other has every commit before it is said.

What is acknowledged to a box must outlive the machine that took it. So commits wait for the
standby's disk (synchronous_standby_names), except while there is none.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from tools.clustered.brokers import give
from tools.clustered.network import NET, Machine, Network, NoNetwork

SERVERS = ("p1", "p2")
HOME = "/var/lib/postgresql"
ACCESS = (
    f"local all all trust\nhost all all {NET}.0/24 trust\nhost replication all {NET}.0/24 trust\n"
)
SETTINGS = """
listen_addresses = '*'
unix_socket_directories = '/tmp'
shared_buffers = 64MB
max_connections = 60
wal_keep_size = 512MB
wal_receiver_timeout = 5s
wal_sender_timeout = 5s
hot_standby = on
include_if_exists = '/var/lib/postgresql/sync.conf'
"""
WAIT_S = 120.0


class Databases:
    """Two servers, of which one serves."""

    def __init__(self, network: Network, root: Path, folder: Path) -> None:
        self._network, self._root, self._folder = network, root, folder
        self._programs = sorted((root / "usr/lib/postgresql").glob("*/bin"))[-1].relative_to(root)
        self._machines = {name: self._machine(name) for name in SERVERS}
        self.serving, self._other = SERVERS

    @property
    def url(self) -> str:
        """For receivers: whichever of the two takes writes."""
        hosts = ",".join(self._network.addresses[name] for name in SERVERS)
        words = "target_session_attrs=read-write&connect_timeout=3&tcp_user_timeout=8000"
        return f"postgresql://postgres@{hosts}/postgres?{words}"

    def _machine(self, name: str) -> Machine:
        data = self._folder / name
        data.mkdir(parents=True)
        give(data, self._root, "postgres")
        space, log = self._network.path(name), self._folder / f"{name}.log"
        binds = {data: HOME}
        return Machine(name, self._root, space, log, binds=binds, user="postgres")

    def _program(self, name: str) -> str:
        return f"/{self._programs}/{name}"

    def start(self) -> None:
        """A new database and its standby. Raises NoNetwork."""
        words = ["-D", f"{HOME}/data", "-A", "trust", "-U", "postgres", "--no-sync"]
        self._machines[self.serving].run([self._program("initdb"), *words])
        data = self._folder / self.serving / "data"
        (data / "pg_hba.conf").write_text(ACCESS)
        with (data / "postgresql.conf").open("a") as file:
            file.write(SETTINGS)
        self._start(self.serving)
        self.follow()

    def _start(self, name: str) -> None:
        self._machines[name].start([self._program("postgres"), "-D", f"{HOME}/data"])
        self._until(lambda: self._ask(name, "SELECT 1") == 1, f"{name} answers")

    def follow(self) -> None:
        """The one that does not serve becomes the other's standby, from a copy of it; from then on
        commits wait for it. Raises NoNetwork."""
        other, source = self._other, self._network.addresses[self.serving]
        shutil.rmtree(self._folder / other / "data", ignore_errors=True)
        words = ["-h", source, "-U", "postgres", "-D", f"{HOME}/data", "-R", "-X", "stream"]
        self._machines[other].run([self._program("pg_basebackup"), *words, "-c", "fast"])
        self._start(other)
        self._wait_for_standby("*")
        alike = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        self._until(lambda: self._ask(self.serving, alike) == 1, f"{other} follows")

    def _wait_for_standby(self, names: str) -> None:
        path = self._folder / self.serving / "sync.conf"
        path.write_text(f"synchronous_standby_names = '{names}'\n")
        self._ask(self.serving, "SELECT pg_reload_conf()")

    def fail_over(self) -> float:
        """The serving machine dies, the standby is promoted. Returns the seconds until it takes
        writes. Raises NoNetwork."""
        began = time.monotonic()
        self._machines[self.serving].kill()
        self.serving, self._other = self._other, self.serving
        self._wait_for_standby("")
        self._ask(self.serving, "SELECT pg_promote()")
        takes = "SELECT CASE WHEN pg_is_in_recovery() THEN 0 ELSE 1 END"
        self._until(lambda: self._ask(self.serving, takes) == 1, f"{self.serving} takes writes")
        return time.monotonic() - began

    def _ask(self, name: str, sql: str) -> Any:
        """The one value of an answer; None where the server gives none."""
        where = f"host={self._network.addresses[name]} user=postgres dbname=postgres"
        try:
            with psycopg.connect(f"{where} connect_timeout=3", autocommit=True) as db:
                row = db.execute(sql).fetchone()
        except psycopg.OperationalError:
            return None
        return row[0] if row else None

    def _until(self, found: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + WAIT_S
        while not found():
            if time.monotonic() > end or not self._machines[self.serving].runs:
                last = {n: m.said().splitlines()[-3:] for n, m in self._machines.items()}
                raise NoNetwork(f"not so, within {WAIT_S:.0f} s: {what}: {last}")
            time.sleep(0.25)

    def close(self) -> None:
        for machine in self._machines.values():
            machine.kill()
