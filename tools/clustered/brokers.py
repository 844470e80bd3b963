# SPDX-License-Identifier: AGPL-3.0-or-later
"""Three nodes of RabbitMQ with its MQTT plugin, and HAProxy before them, from Debian's packages."""

from __future__ import annotations

import shutil
import socket
from contextlib import closing
from pathlib import Path

from tools.clustered.network import SWITCH, Machine, Network

NODES = ("n1", "n2", "n3")
MQTT = 1883
# A session that outlives its connection would be a queue of the node that the box was at, and lost
# with it: the platform says again what was not heard, so nothing needs to be kept for a box.
CONFIG = """\
listeners.tcp.1 = 0.0.0.0:5672
mqtt.listeners.tcp.1 = 0.0.0.0:1883
mqtt.max_session_expiry_interval_seconds = 0
loopback_users = none
cluster_partition_handling = pause_minority
cluster_formation.peer_discovery_backend = classic_config
net_ticktime = 12
vm_memory_high_watermark.absolute = {memory_mb}MB
disk_free_limit.absolute = 200MB
log.console.level = warning
"""
# As Debian's unit does (Restart=on-failure, RestartSec=10): a node that comes up beside others that
# do may fail at its database's start, and is started again.
SERVED = """\
until /usr/lib/rabbitmq/bin/rabbitmq-server; do
  echo "ended by itself; started again in 10 s"; sleep 10
done"""
ERLANG = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
BALANCER = """\
global
  maxconn 9000
defaults
  mode tcp
  timeout connect 3s
  timeout client 10m
  timeout server 10m
  maxconn 9000
frontend boxes
  bind {address}:1883
  default_backend brokers
backend brokers
  balance leastconn
  option redispatch
  retries 2
  default-server check inter 1s fall 2 rise 2 on-marked-down shutdown-sessions
"""


class Brokers:
    """The cluster as boxes and receivers see it: one address with MQTT, three with AMQP."""

    def __init__(self, network: Network, root: Path, folder: Path, *, memory_mb: int) -> None:
        self._network, self._root, self._folder = network, root, folder
        self._nodes = {name: self._node(name, memory_mb) for name in NODES}
        self._balancer = self._balance()

    @property
    def hosts(self) -> str:
        """Where receivers read."""
        return ",".join(self._network.addresses[name] for name in NODES)

    def _node(self, name: str, memory_mb: int) -> Machine:
        folder = self._folder / name
        settings, data = folder / "etc", folder / "lib"
        settings.mkdir(parents=True)
        data.mkdir()
        text = CONFIG.format(memory_mb=memory_mb)
        for n, peer in enumerate(NODES, 1):
            text += f"cluster_formation.classic_config.nodes.{n} = rabbit@{peer}\n"
        (settings / "rabbitmq.conf").write_text(text)
        (settings / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        hosts = folder / "hosts"
        hosts.write_text(self._network.hosts())
        cookie = data / ".erlang.cookie"
        cookie.write_text("of-this-run")
        cookie.chmod(0o400)
        give(folder, self._root, "rabbitmq")
        return Machine(
            name,
            self._root,
            self._network.path(name),
            self._folder / f"{name}.log",
            binds={data: "/var/lib/rabbitmq", settings: "/etc/rabbitmq", hosts: "/etc/hosts"},
            user="rabbitmq",
            env={
                "HOME": "/var/lib/rabbitmq",
                "RABBITMQ_NODENAME": f"rabbit@{name}",
                "RABBITMQ_LOGS": "-",
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
            },
        )

    def _balance(self) -> Machine:
        folder = self._folder / "balancer"
        folder.mkdir()
        text = BALANCER.format(address=SWITCH)
        for name in NODES:
            text += f"  server {name} {self._network.addresses[name]}:{MQTT}\n"
        (folder / "haproxy.cfg").write_text(text)
        space, log = self._network.path("switch"), self._folder / "balancer.log"
        binds = {folder: "/etc/haproxy"}
        return Machine("balancer", self._root, space, log, binds=binds, user="root")

    def start(self) -> None:
        """All three at once, as a first start wants it, and the balancer."""
        for name in NODES:
            self.start_node(name)
        self._balancer.start(["haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"])

    def start_node(self, name: str) -> None:
        self._nodes[name].start(["sh", "-c", SERVED])

    def kill_node(self, name: str) -> None:
        self._nodes[name].kill()

    def up(self, name: str) -> bool:
        """Whether boxes could log in at this node; a paused or starting one takes nobody."""
        return answers(self._network.addresses[name], MQTT)

    @property
    def all_up(self) -> bool:
        return answers(SWITCH, MQTT) and all(self.up(name) for name in NODES)

    @property
    def ended(self) -> str:
        """The last words of a balancer that ended by itself; "" while it runs."""
        return "" if self._balancer.runs else " / ".join(self._balancer.said().splitlines()[-3:])

    def close(self) -> None:
        self._balancer.kill()
        for node in self._nodes.values():
            node.kill()


def answers(host: str, port: int) -> bool:
    try:
        with closing(socket.create_connection((host, port), timeout=1.0)):
            return True
    except OSError:
        return False


def give(folder: Path, root: Path, user: str) -> None:
    """Everything below becomes that user's of the root, whose numbers are not this computer's."""
    lines = (root / "etc/passwd").read_text().splitlines()
    uid, gid = next(line.split(":")[2:4] for line in lines if line.startswith(f"{user}:"))
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, int(uid), int(gid))
