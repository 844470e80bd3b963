# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is done to an installed box, each with what must be so afterwards. Raise Failed."""

from __future__ import annotations

import time
from pathlib import PurePosixPath

from edge.config.permissions import GROUP, PLACES, OwnedPath
from tools.demonstration import senses
from tools.system.box import SEEN, UNITS, Box
from tools.system.city import Desk
from tools.system.container import Failed, until
from tools.system.document import command

BACK_S = 180.0
# WatchdogSec= of the units, and as long again for a busy machine.
WATCHDOG_S = 240.0
ORDERED_S = 300.0
# Laid by the test from outside, not by a daemon.
FOREIGN = ("/var/lib/edge/clips",)


def first_deliveries(box: Box) -> None:
    """A visual and a sensed violation arrive, and all is released by signed acknowledgements."""
    both = (SEEN, senses.EXPECTED)
    until(
        lambda: all(box.city.categories() & sort for sort in both),
        f"one of {sorted(SEEN)} and one of {sorted(senses.EXPECTED)} at the platform",
        2 * 420.0,
    )
    until(lambda: box.receipts() >= 2, "two receipts with the platform's signature", 420.0)


def permissions(box: Box) -> None:
    """The booted box against the table, and every file of the state against its purpose."""
    wrong = [text for place in PLACES for text in _compare(box, place)]
    # What the table gives to another group is not for the others; its own row says for whom.
    own = [place.path for place in PLACES if place.group != GROUP]
    pruned = " -o ".join(f"-path {path}" for path in (*own, *FOREIGN))
    shut = box.container.run(
        f"find /var/lib/edge \\( {pruned} \\) -prune -o "
        "\\( -not -group edge -o -not -perm -g+rw \\) -print"
    )
    wrong += [f"{path}: the group may not write" for path in shut.split()]
    if wrong:
        raise Failed("; ".join(wrong))


def enabled(box: Box) -> None:
    """What `systemctl enable` wrote down names no slot: one of the two is laid anew by an update,
    and a boot in the middle of that has to find its units."""
    box.container.run("systemctl is-enabled edge.target edge-updaterd.path")
    found = box.container.run("find /etc/systemd -lname '*/opt/city-edge/*'").split()
    if found:
        raise Failed(f"{', '.join(found)}: leads into a slot")


def _compare(box: Box, place: OwnedPath) -> list[str]:
    said = box.container.ask(f"stat -c '%a %U %G %n' {place.path}")
    wanted = (f"{place.mode:o}", place.owner, place.group)
    wrong = []
    for line in said.splitlines():
        mode, owner, group, name = line.split(" ", 3)
        if not PurePosixPath(name).is_absolute():
            return [f"{place.path}: {line}"]
        if (mode, place.owner and owner, group) != wanted:
            wrong.append(f"{name} is {mode} {owner}:{group}, not {wanted}")
    return wrong


def no_errors(box: Box) -> None:
    lines = box.errors()
    if lines:
        raise Failed("in the journal: " + " / ".join(lines[:5]))


def _pids(box: Box) -> dict[str, int]:
    said = box.container.run(f"systemctl show --property=MainPID --value {' '.join(UNITS)}")
    return dict(zip(UNITS, map(int, said.split()), strict=True))


def _all_anew(box: Box, before: dict[str, int]) -> None:
    """Every unit runs, and none as the process that it was."""

    def anew() -> bool:
        now = _pids(box)
        return box.all_run() and all(now[unit] not in (0, before[unit]) for unit in UNITS)

    until(anew, "every unit runs again as a new process", BACK_S)


def killed(box: Box) -> None:
    """kill -9 of every daemon: started again, and delivering."""
    before = _pids(box)
    box.container.run(f"systemctl kill --signal=KILL {' '.join(UNITS)}")
    _all_anew(box, before)
    box.delivers(SEEN)


def stuck(box: Box) -> None:
    """SIGSTOP of every daemon: the watchdog ends it, and it is started again."""
    before = _pids(box)
    box.container.run(f"systemctl kill --signal=STOP --kill-whom=main {' '.join(UNITS)}")

    def anew() -> bool:
        now = _pids(box)
        return all(now[unit] not in (0, before[unit]) for unit in UNITS)

    until(anew, "the watchdog starts every unit anew", WATCHDOG_S)
    until(box.all_run, "every unit is active", BACK_S)
    box.delivers(SEEN)


def restarted(box: Box) -> None:
    """`systemctl restart edge.target`, as after an update."""
    before = _pids(box)
    box.container.run("systemctl restart edge.target")
    _all_anew(box, before)


def cut_and_booted(box: Box) -> None:
    """Everything dies at once; after the next boot it goes on by itself."""
    box.container.cut()
    box.container.boot()
    box.plug_in()
    until(box.all_run, "every unit is active after the boot", BACK_S)
    box.delivers(SEEN)
    until(lambda: box.waiting() == 0 or box.receipts() > 0, "nothing is stuck", BACK_S)


def ordered(box: Box) -> None:
    """Every remote command once."""
    desk = box.city.desk()
    try:
        now = time.time()
        for name, arguments, files in (
            ("snapshot", {"camera": "street"}, True),
            ("clip", {"camera": "street", "at_wall": now, "before_s": 3.0, "after_s": 3.0}, True),
            ("recheck", {"camera": "street"}, False),
            ("send_logs", {"minutes": 5}, True),
            ("update_model", {"name": "city-v1", "release": 9, "sha256": "0" * 64}, False),
        ):
            told = desk.outcome(desk.order(name, **arguments), ORDERED_S)
            if told["state"] != "done" or (files and not told.get("data", {}).get("files")):
                raise Failed(f"{name}: {told}")
        for daemon in ("visiond", "sensord", "consoled", "uplinkd"):
            _restarted(box, desk, daemon)
    finally:
        desk.close()


def _restarted(box: Box, desk: Desk, daemon: str) -> None:
    unit = f"edge-{daemon}.service"
    before = _pids(box)[unit]
    desk.order("restart", daemon=daemon)
    until(lambda: _pids(box)[unit] not in (0, before), f"{daemon} starts again", BACK_S)
    until(box.all_run, "every unit is active", BACK_S)


def no_secret_in_the_logs(box: Box) -> None:
    """The first code stands in its file, and the journal goes to whoever asks for logs."""
    code = box.container.run("cat /var/lib/edge/console/first-code").strip()
    if box.container.ask(f"journalctl --no-pager | grep -c {code}").strip() != "0":
        raise Failed("the first code of the page stands in the journal")


def installed_again(box: Box) -> None:
    """The second time writes nothing, and what is yours stays yours."""
    before = box.container.run("cd /etc/edge && md5sum site.yaml device.yaml")
    said = box.install()
    if "0 file(s) written" not in said or "same     /opt/city-edge" not in said:
        raise Failed(f"a second tools/install changed something:\n{said}")
    if box.container.run("cd /etc/edge && md5sum site.yaml device.yaml") != before:
        raise Failed("a second tools/install changed what is yours")
    permissions(box)


def uninstalled(box: Box) -> None:
    """Nothing of ours is left but configuration and state; then, purged, nothing at all."""
    box.container.person(command("install.md", "sudo edge-uninstall"))
    left = box.container.ask(
        "ls -d /opt/city-edge /usr/share/edge /usr/bin/edge /usr/lib/systemd/system/edge* "
        "/run/edge /usr/lib/tmpfiles.d/edge.conf 2>/dev/null"
    )
    if left:
        raise Failed(f"left behind: {left.split()}")
    box.container.run("test -s /etc/edge/site.yaml && test -s /var/lib/edge/outbox.db")
    units = box.container.ask("systemctl list-units --all --plain --no-legend 'edge*'")
    if any(word in units for word in ("running", "failed")):
        raise Failed(f"left in systemd: {units}")


def purged(box: Box) -> None:
    """From the checkout, for edge-uninstall went with the rest."""
    box.container.person("sudo tools/uninstall --purge")
    box.container.run("! ls -d /etc/edge /var/lib/edge 2>/dev/null")
    if box.container.ask("getent passwd | grep ^edge-; getent group edge"):
        raise Failed("users or groups are left")


def upgraded(box: Box, before: str, now: str) -> None:
    """From an older version, whose permissions were other ones, with its data and without a
    hand. The box was installed and configured at `before`; `now` is what is tested."""
    box.container.person(f"git checkout --quiet {now}")
    box.install()
    pids = _pids(box)
    box.container.person(command("install.md", "systemctl restart edge.target"))
    _all_anew(box, pids)
    permissions(box)
    box.delivers(SEEN)


def package_installed(box: Box) -> None:
    """As a Debian package: built here, installed by apt, started by hand the first time."""
    line = command("install.md", "tools/deb", **{"--out dist": "--out dist --wheels /srv/wheels"})
    box.container.person(line, limit_s=3600)
    box.container.person(_apt("install.md"))


def _apt(document: str) -> str:
    arch = {"city-edge_0.1.0_all.deb": "city-edge_*.deb"}
    return command(document, "sudo apt install", **arch).replace("apt install", "apt install -y")


def package_upgraded(box: Box) -> None:
    """Over itself: every daemon runs the new code, flights too."""
    before = _pids(box)
    line = _apt("install.md").replace("install -y", "install -y --reinstall")
    box.container.person(line)
    _all_anew(box, before)


def package_removed(box: Box) -> None:
    """The package is removed and purged: files of the site stay first, then nothing stays."""
    box.container.person("sudo apt remove -y city-edge")
    box.container.run("test ! -e /opt/city-edge && test -s /etc/edge/site.yaml")
    box.container.person("sudo apt purge -y city-edge")
    box.container.run("! ls -d /etc/edge /var/lib/edge /run/edge 2>/dev/null")
    if box.container.ask("getent passwd | grep ^edge-; getent group edge"):
        raise Failed("users or groups are left")
