# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where people reach the page: addresses of this box in the networks it is in, as text and as QR.

mDNS is the distribution's avahi-daemon's: a responder of our own would be a second one on the same
port 5353, and would need multicast in the page's sandbox. Where avahi runs, `NAME.local` is told.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import ipaddress
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from edge.console.page_certificate import PageCertificate

# netdevice(7); an ifreq is 40 bytes on the 64-bit systems that we support.
_SIOCGIFCONF, _IFREQ, _ROWS = 0x8912, 40, 64
# Networks of containers and virtual machines: no phone is in them.
_INSIDE = ("docker", "veth", "br-", "virbr", "cni", "lxc", "lxd", "podman")
AVAHI = Path("/run/avahi-daemon/socket")


def is_loopback(host: str) -> bool:
    """Whether only this box itself can reach what listens at `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def lan_addresses() -> list[str]:
    """IPv4 addresses of this box that others may reach, the one of the default route first."""
    found = [a for name, a in _interfaces() if not (name.startswith(_INSIDE) or is_loopback(a))]
    main = _towards_the_world()
    return sorted(dict.fromkeys(found), key=lambda a: (a != main, found.index(a)))


def _interfaces() -> list[tuple[str, str]]:
    """(interface, address): asked by ioctl, for a confined service may not ask netlink."""
    rows = array.array("B", bytes(_IFREQ * _ROWS))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        question = struct.pack("iL", len(rows), rows.buffer_info()[0])
        used = int(struct.unpack("iL", fcntl.ioctl(asked.fileno(), _SIOCGIFCONF, question))[0])
    data = rows.tobytes()[:used]
    found = []
    for at in range(0, used, _IFREQ):
        name = data[at : at + 16].split(b"\0", 1)[0].decode("ascii", "replace")
        found.append((name, socket.inet_ntoa(data[at + 20 : at + 24])))
    return found


def _towards_the_world() -> str:
    """Our address on the default route; nothing is sent (192.0.2.0/24 is nobody's, RFC 5737)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked, contextlib.suppress(OSError):
        asked.connect(("192.0.2.1", 9))
        return str(asked.getsockname()[0])
    return ""


def host_name() -> str:
    """This box's name without a domain."""
    return socket.gethostname().partition(".")[0] or "edge"


def certificate_names() -> list[str]:
    """What the page's own certificate is for, the name that people see first."""
    name = host_name()
    return [f"{name}.local", name, "localhost", "127.0.0.1", *lan_addresses()]


@dataclass(frozen=True, slots=True)
class PageReach:
    """How the page is reached. `certificate` None: plain http, on this box only."""

    host: str
    port: int
    certificate: PageCertificate | None

    def urls(self) -> list[str]:
        """Addresses to open, the best one first; asked anew, for networks come and go."""
        scheme = "https" if self.certificate else "http"
        return [f"{scheme}://{name}:{self.port}/" for name in self._names()]

    def _names(self) -> list[str]:
        everywhere = self.host in ("0.0.0.0", "::", "")  # noqa: S104 - compared, not listened on
        if not everywhere:
            return [f"[{self.host}]" if ":" in self.host else self.host]
        named = [f"{host_name()}.local"] if AVAHI.exists() else []
        return [*lan_addresses(), *named] or ["127.0.0.1"]


HERE_ONLY = PageReach("127.0.0.1", 8088, None)


def qr_rows(text: str) -> list[str]:
    """A QR code (ISO/IEC 18004, level L) in half blocks, light modules as ink."""
    import segno

    rows = [list(row) for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)]
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    ink = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return [
        "".join(ink[int(a > 0), int(b > 0)] for a, b in zip(top, low, strict=True))
        for top, low in pairs
    ]


def qr_picture(text: str) -> str:
    """The same as a data URI of an SVG, dark on white."""
    import segno

    made: str = segno.make(text, error="l", micro=False).svg_data_uri(
        scale=5, border=3, light="#fff"
    )
    return made


def greeting(reach: PageReach, code: str | None, *, qr: bool = True) -> list[str]:
    """Lines for a terminal: addresses, the code where one waits, the certificate's fingerprint."""
    urls = reach.urls()
    lines = qr_rows(urls[0]) if qr else []
    lines += [f"the page / 网页: {urls[0]}", *(f"      also / 也可: {url}" for url in urls[1:])]
    if code:
        lines.append(f"code / 激活码: {code}")
    if reach.certificate:
        certificate = reach.certificate
        lines += [
            f"certificate / 证书: {certificate.words('en')} / {certificate.words('zh')}",
            f"SHA-256: {certificate.spelled}",
        ]
    return lines
