# SPDX-License-Identifier: AGPL-3.0-or-later
"""What systemd really gave each daemon: read from the kernel, and tried from inside its namespaces.

Not here, for a container has no cgroup v2 of its own: MemoryMax= and IPAddressDeny= (limits.py).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from edge.config.permissions import ACCOUNTS, GROUP
from tests.field.units import DAEMONS as WITH_JANITOR
from tests.field.units import SYSTEMD, service
from tools.system.box import DAEMONS, Box
from tools.system.container import Failed
from tools.system.probe import in_place

# A path that this daemon's sandbox keeps from it, whatever the file's mode says.
HIDDEN = {
    "visiond": "/etc/edge/keys",
    "sensord": "/etc/edge/keys",
    "consoled": "/etc/edge/keys",
    "flightd": "/etc/edge/keys",
}
# Nobody may write these; who could was one step from the key that packages are held against.
SEALED = ("/etc/edge/release", "/etc/edge/device.yaml", "/usr", "/opt/city-edge", "/etc/passwd")


def sandboxed(box: Box) -> None:
    """User, groups, capabilities, system calls, namespaces and files of every daemon."""
    wrong = [text for daemon in DAEMONS for text in _wrong(box, daemon)]
    if wrong:
        raise Failed("; ".join(wrong))


def _wrong(box: Box, daemon: str) -> list[str]:
    pid = box.container.run(f"systemctl show --property=MainPID --value edge-{daemon}").strip()
    found = dict(
        line.partition(":")[::2]
        for line in box.container.run(f"cat /proc/{pid}/status").splitlines()
    )
    facts = {key: " ".join(value.split()) for key, value in found.items()}
    account, told = ACCOUNTS[daemon], service(daemon)
    groups = {_number(box, "group", name) for name in account.groups}
    checks = {
        "its user": facts["Uid"].split()[0] == _number(box, "passwd", account.user),
        "its group": facts["Gid"].split()[0] == _number(box, "group", GROUP),
        "its supplementary groups": groups <= {*facts["Groups"].split(), facts["Gid"].split()[0]},
        "no capability": int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0,
        "no new privileges": facts["NoNewPrivs"] == "1",
        "a filter of system calls": facts["Seccomp"] == "2",
        "its umask": facts["Umask"] == told["UMask"][0],
        "files of its own": _own(box, pid, "mnt"),
        "no network of the host's": _own(box, pid, "net") == ("PrivateNetwork" in told),
        "a user namespace": _own(box, pid, "user") == (told["PrivateUsers"] == ["yes"]),
    }
    wrong = [f"{daemon} has not {what}" for what, so in checks.items() if not so]
    within = f"nsenter -t {pid} -m setpriv --reuid {account.user} --regid {GROUP} --init-groups"
    may = box.container.ask("; ".join(f"{within} test -w {path} && echo {path}" for path in SEALED))
    wrong += [f"{daemon} may write {path}" for path in may.split() if path.startswith("/")]
    hidden = HIDDEN.get(daemon)
    if hidden and box.container.ask(f"nsenter -t {pid} -m ls {hidden} 2>&1 | head -1").strip():
        wrong.append(f"{daemon} sees {hidden}")
    return wrong


def _number(box: Box, base: str, name: str) -> str:
    return box.container.run(f"getent {base} {name} | cut -d: -f3").strip()


def _own(box: Box, pid: str, kind: str) -> bool:
    """Whether it has another namespace of this kind than process 1."""
    said = box.container.run(f"readlink /proc/1/ns/{kind} /proc/{pid}/ns/{kind}").split()
    return said[0] != said[1]


def forbidden(box: Box) -> None:
    """What the units forbid is tried in each one's own sandbox by its own user; and once outside,
    where it must be possible, for what is refused everywhere proves nothing."""
    shutil.copy(Path(__file__).with_name("probe.py"), box.root / "usr/local/share/edge-probe.py")
    user = ACCOUNTS["uplinkd"].user
    outside = f"setpriv --reuid {user} --regid {GROUP} --init-groups {PROBE}"
    free = json.loads(box.container.run(outside))
    wrong = [f"{name} is refused outside, too" for name, done in free.items() if not done]
    for daemon in WITH_JANITOR:
        told, found = service(daemon), _probed(box, daemon)
        # A directive that a unit has not, or that it has with a word for "no".
        asked = {name for name in found if not {*told.get(name, ["no"])} & {"no", "all"}}
        wrong += [f"{daemon} may do what {name}= forbids" for name in asked if found[name]]
        wrong += [f"{daemon} may not do what {name}= leaves" for name in {*found} - asked
                  if not found[name]]  # fmt: skip
    if wrong:
        raise Failed("; ".join(sorted(wrong)))


PROBE = "/opt/city-edge/bin/python /usr/local/share/edge-probe.py"


def _probed(box: Box, daemon: str) -> dict[str, bool]:
    """The unit of this daemon with the probe in its place."""
    name = f"edge-probe-{daemon}"
    unit = (SYSTEMD / f"edge-{daemon}.service").read_text("utf-8")
    text = in_place(unit, PROBE, Path(f"/run/{name}"))
    (box.root / f"etc/systemd/system/{name}.service").write_text(text, "utf-8")
    said = box.container.run(
        f"systemctl daemon-reload; systemctl start {name}; cat /run/{name};"
        f" rm /etc/systemd/system/{name}.service /run/{name}; systemctl daemon-reload"
    )
    found: dict[str, bool] = json.loads(said)
    return found
