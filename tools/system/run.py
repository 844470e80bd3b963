# SPDX-License-Identifier: AGPL-3.0-or-later
"""The product installed as docs/install.md says, under a real init, with a broker over TLS.

    tools/systemtest --short            Debian 12 in a booted container: installed, delivering,
                                        killed, cut off, booted, uninstalled; what .ci/run runs
    tools/systemtest                    the same and everything else, on Debian 12 and 13
    tools/systemtest --walk package --only doctor     one of its three walks, only these trials
    tools/systemtest --bare [--quick]   README's two commands in bare Debian 12 and 13
    tools/systemtest --bare --ubuntu 22 the same in Ubuntu 22.04 (Python 3.10), 24: 24.04 (3.12)
    tools/systemtest --power N          under a kernel of its own that is killed N times at work
    tools/systemtest --updates N        N software updates, killed and cut off on the way; ended
                                        early, the next call goes on with the same program;
                                        on Debian 12, or --debian 13
    tools/systemtest --arm [--quick]    the lock and the same cases on Debian 12 and 13 for arm64

Commands are read from the documents. Roots, packages and wheels are kept in /var/cache/city-edge
($CITY_EDGE_CACHE); they come from where apt and pip of this machine get theirs. Needs root, and a
kernel that allows namespaces: where it does not, this fails and says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tools.system import arm, bareroot, box, power, roots, sandboxes, trials, updates
from tools.system.box import Box
from tools.system.city import City
from tools.system.container import Container, Failed
from tools.system.document import Undocumented
from tools.system.roots import SYSTEMS, UBUNTU, NoRoot, System, say

PROGRAMS = (
    "systemd-nspawn=systemd-container",
    "debootstrap=debootstrap",
    "mosquitto=mosquitto",
    "nsenter=util-linux",
    "openssl=openssl",
    "/usr/share/keyrings/debian-archive-keyring.gpg=debian-archive-keyring",
)
Step = tuple[str, Callable[[Box], object]]

INSTALLING: tuple[Step, ...] = (
    ("fetched", Box.fetch),
    ("installed", Box.install),
    ("provisioned over TLS", Box.provision),
    ("configured", Box.configure),
    ("instruments plugged in", Box.plug_in),
    ("checked", Box.check),
)
HEALTHY: tuple[Step, ...] = (
    ("doctor before the start", Box.doctor),
    ("started", Box.start),
    ("a visual and a sensed violation delivered and released", trials.first_deliveries),
    ("permissions as in the table", trials.permissions),
    ("what a boot starts leads through no slot", trials.enabled),
    ("sandboxes as the units say", sandboxes.sandboxed),
    ("what the units forbid cannot be done", sandboxes.forbidden),
    ("doctor while it runs", Box.doctor),
    ("no line of level err", trials.no_errors),
    ("no secret in the journal", trials.no_secret_in_the_logs),
)
SHORT: tuple[Step, ...] = (
    *INSTALLING,
    *HEALTHY,
    ("every command of the platform", trials.ordered),
    ("kill -9 of every unit", trials.killed),
    ("cut off and booted", trials.cut_and_booted),
    ("installed a second time", trials.installed_again),
    ("uninstalled", trials.uninstalled),
    ("purged", trials.purged),
)
LONG: tuple[Step, ...] = (
    *INSTALLING,
    *HEALTHY,
    ("every command of the platform", trials.ordered),
    ("kill -9 of every unit", trials.killed),
    ("SIGSTOP until the watchdog acts", trials.stuck),
    ("edge.target restarted", trials.restarted),
    ("cut off and booted", trials.cut_and_booted),
    ("installed a second time", trials.installed_again),
    ("software updated, refused and taken back", updates.updated),
    ("uninstalled", trials.uninstalled),
    ("purged", trials.purged),
)
PACKAGE: tuple[Step, ...] = (
    ("fetched", Box.fetch),
    ("built and installed as a package", trials.package_installed),
    ("provisioned over TLS", Box.provision),
    ("configured", Box.configure),
    ("instruments plugged in", Box.plug_in),
    *HEALTHY,
    ("package upgraded", trials.package_upgraded),
    ("package removed and purged", trials.package_removed),
)
# What tools/figures takes.
POWER = roots.ROOT / "out" / "systemtest" / "power.json"
ARM = roots.ROOT / "out" / "systemtest" / "arm.json"
WALKS = ("install", "upgrade", "package")
# Without these there is nothing to try anything on.
NEEDED = frozenset(
    (*(name for name, _ in INSTALLING), "built and installed as a package", "started")
)


def chosen(steps: tuple[Step, ...], only: list[str] | None) -> tuple[Step, ...]:
    """The steps with one of these texts in their name, and what they need; all without texts."""
    if not only:
        return steps
    return tuple(
        step for step in steps if step[0] in NEEDED or any(text in step[0] for text in only)
    )


def walk(system: System, name: str, steps: tuple[Step, ...], keep: bool) -> None:
    """A fresh box through all steps. Raises Failed with the step's name."""
    with fresh(system, keep) as (one, _):
        for what, step in steps:
            began = time.monotonic()
            try:
                step(one)
            except (Failed, NoRoot, Undocumented, subprocess.TimeoutExpired) as error:
                raise Failed(f"Debian {system.number}, {name}: {what}: {error}") from None
            print(f"ok   Debian {system.number} {name}: {what} ({time.monotonic() - began:.0f} s)")
            sys.stdout.flush()


@contextmanager
def fresh(system: System, keep: bool = False) -> Iterator[tuple[Box, Path]]:
    """A booted box and its city in a folder that goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="systemtest-", dir="/var/tmp"))
    root = roots.unpack(roots.box(system), folder / "root")
    box.lay_source(root)
    box.lay_hosts(root)
    wheels = roots.wheels(system.python)
    container = Container(root, system, folder / "console.log", {wheels: box.WHEELS})
    try:
        with City(folder / "city") as city:
            container.boot()
            yield Box(container, city), folder
    except Failed:
        _show(container)
        raise
    finally:
        container.cut()
        if keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _show(container: Container) -> None:
    """What a person would look at first."""
    print(container.ask("systemctl --no-pager --plain list-units --all 'edge*'", limit_s=60))
    print(container.ask("journalctl --no-pager --lines=60 --unit='edge*'", limit_s=60))


def upgrade(system: System, keep: bool) -> None:
    """From the tag before this one; without tags from the commit that last changed the lock."""
    now = _git("rev-parse", "HEAD")
    before = _git("describe", "--tags", "--abbrev=0", "HEAD^") or _git(
        "log", "-1", "--format=%H", "--", "requirements.lock"
    )
    if not before or _git("rev-parse", f"{before}^{{commit}}") == now:
        say("no older version in this clone: the upgrade is not tried")
        return
    older: Step = (
        f"{before[:12]} checked out",
        lambda one: one.container.person(f"git checkout --quiet {before}"),
    )
    steps = (
        INSTALLING[0],
        older,
        *INSTALLING[1:4],
        ("instruments plugged in", Box.plug_in),
        ("started as it was", lambda one: one.container.run("systemctl start edge.target")),
        ("upgraded", lambda one: trials.upgraded(one, before, now)),
    )
    walk(system, "upgrade", steps, keep)


def _walks(system: System, args: argparse.Namespace) -> None:
    walks = args.walk or (WALKS[:1] if args.short else WALKS)
    if "install" in walks:
        steps = chosen(SHORT if args.short else LONG, args.only)
        walk(system, "install", steps, args.keep)
    if "upgrade" in walks:
        upgrade(system, args.keep)
    if "package" in walks:
        walk(system, "package", chosen(PACKAGE, args.only), args.keep)


def _arm(system: System, *, quick: bool) -> None:
    outcome = arm.tried(system, quick=quick)
    print(json.dumps(asdict(outcome)), flush=True)
    ARM.parent.mkdir(parents=True, exist_ok=True)
    with ARM.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")
    if not outcome.same_as_x86:
        raise Failed(f"Debian {system.number} arm64 judges other cases than x86-64")


def _power(number: int, keep: bool) -> int:
    account = power.cuts(SYSTEMS[12], number, keep)
    print(account.line())
    POWER.parent.mkdir(parents=True, exist_ok=True)
    POWER.write_text(account.line() + "\n", "utf-8")
    for text, names in (
        ("promised and not there", account.missing),
        ("there and never begun", account.invented),
        ("released and not there", account.sensed_missing),
    ):
        if names:
            print(f"FAILED {text}: {', '.join(names[:5])}")
    return 1 if account.missing or account.invented or account.sensed_missing else 0


def _updates(args: argparse.Namespace) -> int:
    system = SYSTEMS[(args.debian or [12])[0]]
    # The same program: what is built and what judges it.
    version = _git("rev-parse", "--short=12", "HEAD:edge")
    kept = updates.UpdatesKept(roots.CACHE / "updates", f"{version}-{system.number}")
    before = kept.sum()
    done = len(before.updates) + len(before.wrong)
    if done >= args.updates:
        return _summed(before, args.updates)
    say(f"{done} of {args.updates} updates of this program are done; goes on")
    with fresh(system, args.keep) as (one, _):
        for what, step in (*INSTALLING, ("started", Box.start)):
            say(what)
            step(one)

        def told(row: updates.Updated) -> None:
            print(json.dumps(asdict(row)), flush=True)

        updates.many(
            one, range(done, args.updates), args.seed, told, kept.keep, bad_each=args.bad_each
        )
    return _summed(kept.sum(), args.updates)


def _summed(run: updates.UpdatesRun, asked: int) -> int:
    print(run.line())
    out = roots.ROOT / "out" / "updates.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(run.line(), "utf-8")
    lost = run.missing or run.gaps or run.breaks
    return 1 if run.wrong or lost or len(run.updates) < asked else 0


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=roots.ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def arguments() -> argparse.Namespace:
    """The options of tools/systemtest."""
    parser = argparse.ArgumentParser(
        prog="tools/systemtest",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--short", action="store_true", help="what .ci/run runs, on Debian 12")
    parser.add_argument("--walk", choices=WALKS, action="append", help="this one only")
    parser.add_argument("--only", metavar="TEXT", action="append", help="trials named so only")
    parser.add_argument("--bare", action="store_true", help="README's two commands")
    parser.add_argument("--quick", action="store_true", help="with --bare or --arm: fewer tests")
    parser.add_argument("--power", type=int, metavar="N", help="so many real power cuts")
    parser.add_argument("--updates", type=int, metavar="N", help="so many software updates")
    parser.add_argument("--bad-each", type=int, default=10, help="with --updates: N means each Nth")
    parser.add_argument("--seed", type=int, default=0, help="with --updates: which kills come when")
    parser.add_argument("--arm", action="store_true", help="64-bit ARM under user emulation")
    parser.add_argument("--debian", type=int, choices=sorted(SYSTEMS), action="append")
    parser.add_argument("--ubuntu", type=int, choices=sorted(UBUNTU), action="append")
    parser.add_argument("--keep", action="store_true", help="leave the root for a look")
    return parser.parse_args()


def main() -> int:
    """0 all well; 1 with one line of what is not; 2 where this machine cannot do it."""
    args = arguments()
    if args.ubuntu and not args.bare:
        say("Ubuntu is tried with --bare only")
        return 2
    if args.updates and len(args.debian or []) > 1:
        say("--updates is for one --debian at a time")
        return 2
    if os.geteuid() != 0:
        say("run it as root: containers need it")
        return 2
    programs = (*PROGRAMS, *(power.PROGRAMS if args.power else ()))
    programs += arm.PROGRAMS if args.arm else ()
    packages = subprocess.run([roots.ROOT / "tools" / "packages", *programs])
    if packages.returncode:
        return 2
    # What was booted goes with this, also where somebody ends it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    systems = [UBUNTU[number] for number in args.ubuntu or []]
    if not systems or args.debian:
        numbers = args.debian or ([12] if args.short else sorted(SYSTEMS))
        systems += [SYSTEMS[number] for number in numbers]
    began = time.monotonic()
    try:
        if args.power:
            return _power(args.power, args.keep)
        if args.updates:
            return _updates(args)
        if args.arm:
            ARM.unlink(missing_ok=True)
        for system in systems:
            if args.arm:
                _arm(system, quick=args.quick)
                continue
            if args.bare:
                bareroot.both_commands(system, quick=args.quick)
                continue
            _walks(system, args)
    except (Failed, NoRoot, subprocess.TimeoutExpired) as error:
        print(f"FAILED {error}")
        return 1
    print(f"all well in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
