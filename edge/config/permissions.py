# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who may read and write what on an installed box: one table.

systemd/edge.tmpfiles.conf is made from it (`tmpfiles`), the units and users are held against it by
tests, `edge doctor` asks the running system about it. Modes are what the kernel enforces; the
units' sandboxes (ReadWritePaths=, InaccessiblePaths=) take away more and never give.
"""

from __future__ import annotations

from dataclasses import dataclass

ALL = frozenset({"visiond", "sensord", "uplinkd", "consoled", "flightd", "janitord"})
UPLINK, PAGE = frozenset({"uplinkd"}), frozenset({"consoled"})
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Account:
    """The user a daemon runs as and its groups besides `edge`, as its unit says."""

    user: str
    groups: tuple[str, ...] = ()


ACCOUNTS: dict[str, Account] = {
    "visiond": Account("edge-vision", ("video", "render")),
    "sensord": Account("edge-sense", ("dialout",)),
    "uplinkd": Account("edge-uplink", ("edge-uplink", "systemd-journal")),
    "consoled": Account("edge-console", ("edge-console",)),
    "flightd": Account("edge-flight", ("video", "render")),
    "janitord": Account("edge-uplink"),
}
# Every daemon's primary group.
GROUP = "edge"


@dataclass(frozen=True, slots=True)
class OwnedPath:
    """A folder (`d`) that is made, or files (`z`) that get this mode where they are there.

    `owner` None: whoever made it. `reads` and `writes`: daemons that must be able to; for a
    folder, writing is making and removing names in it.
    """

    kind: str
    path: str
    mode: int
    owner: str | None
    group: str
    reads: frozenset[str]
    writes: frozenset[str]
    why: str = ""


PLACES: tuple[OwnedPath, ...] = (
    OwnedPath(
        *("d", "/var/lib/edge", 0o2770, "root", GROUP, ALL, ALL),
        "2770: what one daemon makes the others of the group may read and move on.",
    ),
    OwnedPath("d", "/var/lib/edge/evidence", 0o2770, "edge-vision", GROUP, ALL, ALL),
    OwnedPath(
        *("d", "/var/lib/edge/keys", 0o700, "edge-uplink", "edge-uplink", UPLINK, UPLINK),
        "The signing key is made by uplinkd at its first start and never leaves this folder.",
    ),
    OwnedPath(
        *("d", "/var/lib/edge/console", 0o700, "edge-console", "edge-console", PAGE, PAGE),
        "Accounts of the page, and the code for the first one.",
    ),
    OwnedPath(
        *("d", "/var/lib/edge/notices", 0o2750, "edge-console", "edge-uplink"),
        *(UPLINK | PAGE, PAGE),
        "Addresses of chats, which are secrets: the page writes them, uplinkd uses them.",
    ),
    OwnedPath(
        *(
            "z",
            "/var/lib/edge/outbox.db*",
            0o660,
            None,
            GROUP,
            ALL - {"flightd"},
            ALL - {"flightd"},
        ),
        "Of an older version: SQLite let only one user write.",
    ),
    OwnedPath(
        *("d", "/etc/edge", 0o2770, "root", GROUP, ALL, UPLINK | PAGE),
        "The page and the platform write the site file; passwords of cameras are in it.",
    ),
    OwnedPath("z", "/etc/edge/site.yaml", 0o660, "root", GROUP, ALL, UPLINK | PAGE),
    OwnedPath("z", "/etc/edge/device.yaml", 0o640, "root", GROUP, ALL, NOBODY),
    OwnedPath(
        *("d", "/etc/edge/keys", 0o2770, "root", "edge-uplink", UPLINK, UPLINK),
        "uplinkd puts a renewed certificate in the place of the old one.",
    ),
    OwnedPath("d", "/etc/edge/page", 0o2750, "root", "edge-console", PAGE, NOBODY),
    OwnedPath(
        *("d", "/etc/edge/release", 0o755, "root", "root", ALL, NOBODY),
        "The public keys that releases are held against: no daemon may change them.",
    ),
    OwnedPath(
        *("d", "/var/lib/edge-update", 0o755, "root", "root", ALL, NOBODY),
        "How far an update of the software is; edge-updaterd (root) alone writes it.",
    ),
    OwnedPath(
        *("d", "/var/lib/edge-update/incoming", 0o2770, "root", "edge-uplink", UPLINK, UPLINK),
        "What uplinkd fetched of a release, until edge-updaterd has copied and checked it.",
    ),
    OwnedPath("d", "/run/edge", 0o2770, "root", GROUP, ALL, ALL),
)


# Written by consoled (edge/daemons/consoled.py).
SCREEN = "/run/edge/page.issue"


def tmpfiles() -> str:
    """The text of systemd/edge.tmpfiles.conf."""
    lines = ["# Made from edge/config/permissions.py; a test compares."]
    for place in PLACES:
        if place.why:
            lines.append(f"# {place.why}")
        owner = place.owner or "-"
        lines.append(f"{place.kind} {place.path:<24} {place.mode:04o} {owner:<12} {place.group} -")
    lines += ["# A screen on the box shows the page's address and code: agetty(8) reads issue.d."]
    lines += ["d /run/issue.d 0755 root root -", f"L+ /run/issue.d/edge.issue - - - - {SCREEN}"]
    return "\n".join(lines) + "\n"
