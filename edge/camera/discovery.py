# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cameras that answer a WS-Discovery probe (ONVIF Core 7.3), each with an address to try.

Written here because no library fits a box: WSDiscovery is LGPL with threads of its own, onvif-zeep
has not been kept since 2018, and its async heir brings lxml, zeep and httpx for one datagram.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote
from xml.parsers import expat

GROUP = ("239.255.255.250", 3702)
WAIT_S = 4.0
# A probe match is some 2 kB; who sends more, or more of them, is no camera.
DATAGRAM_MAX, ANSWERS_MAX, TEXT_MAX = 16_384, 256, 4096
_DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
PROBE = f"""<?xml version="1.0" encoding="utf-8"?>
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"
 xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="{_DISCOVERY}"
 xmlns:n="http://www.onvif.org/ver10/network/wsdl"><e:Header><w:MessageID>uuid:{{}}</w:MessageID>
<w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To><w:Action>{_DISCOVERY}/Probe</w:Action>
</e:Header><e:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></e:Body>
</e:Envelope>"""
# The smaller stream of the makers whose address of it is published; others are left to the person.
STREAMS: tuple[tuple[str, str], ...] = (
    ("hik", "/Streaming/Channels/102"),
    ("dahua", "/cam/realmonitor?channel=1&subtype=1"),
    ("uniview", "/media/video2"),
    ("axis", "/axis-media/media.amp"),
    ("tp-link", "/stream2"),
    ("tapo", "/stream2"),
)


@dataclass(frozen=True, slots=True)
class Nearby:
    """A camera that answered. `source` is an address to fill in, with the login still to write."""

    host: str
    name: str
    model: str
    source: str


def discover(
    targets: Iterable[tuple[str, int]] = (GROUP,), *, wait_s: float = WAIT_S
) -> tuple[Nearby, ...]:
    """Ask on every interface and listen for `wait_s`. Never raises for a silent network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        for target in targets:
            _send(sock, target)
        return _listen(sock, wait_s)


def _send(sock: socket.socket, target: tuple[str, int]) -> None:
    data = PROBE.format(uuid.uuid4()).encode()
    if not ip_address(target[0]).is_multicast:
        sock.sendto(data, target)
        return
    for index in _interfaces():
        # An interface without IPv4, or without multicast, is passed over.
        with contextlib.suppress(OSError):
            chosen = struct.pack("=4s4si", b"\0" * 4, b"\0" * 4, index)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, chosen)
            sock.sendto(data, target)


def _interfaces() -> list[int]:
    """Numbers of the interfaces, from files: a confined service may not ask netlink for them."""
    found = []
    for path in Path("/sys/class/net").glob("*/ifindex"):
        with contextlib.suppress(OSError, ValueError):
            found.append(int(path.read_text()))
    return sorted(found) or [0]


def _listen(sock: socket.socket, wait_s: float) -> tuple[Nearby, ...]:
    found: dict[str, Nearby] = {}
    until = time.monotonic() + wait_s
    for _ in range(ANSWERS_MAX):
        left_s = until - time.monotonic()
        if left_s <= 0:
            break
        sock.settimeout(left_s)
        try:
            data, sender = sock.recvfrom(DATAGRAM_MAX)
        except OSError:
            break
        camera = parse_match(data, sender[0])
        if camera is not None:
            found.setdefault(camera.host, camera)
    return tuple(sorted(found.values(), key=lambda c: c.host))


def parse_match(data: bytes, sender: str) -> Nearby | None:
    """A ProbeMatch as a camera; None for anything else that comes along. Pure.

    Its host is the sender's: an answer cannot point the box at somebody else (its XAddrs could).
    """
    fields = _Fields()
    try:
        fields.read(data)
    except (expat.ExpatError, _NotThis, LookupError, ValueError):
        # LookupError is an encoding that Python does not know.
        return None
    if "NetworkVideoTransmitter" not in fields.types:
        return None
    scopes: dict[str, str] = {}
    for scope in fields.scopes.split():
        kind, _, value = scope.removeprefix("onvif://www.onvif.org/").partition("/")
        scopes.setdefault(kind, _words(value))
    name, model = scopes.get("name", ""), scopes.get("hardware", "")
    maker = f"{name} {model} {scopes.get('mfr', '')}".lower()
    path = next((path for mark, path in STREAMS if mark in maker), "/")
    return Nearby(sender, name, model, f"rtsp://user:password@{sender}:554{path}")


def _words(value: str) -> str:
    return "".join(c if c.isprintable() else " " for c in unquote(value)).strip()[:64]


class _NotThis(Exception):
    """A document type or an entity: nothing that a camera sends, everything that expands."""


class _Fields:
    """Texts of Types and Scopes of a ProbeMatch."""

    def __init__(self) -> None:
        self.types = self.scopes = ""
        self._inside = ""

    def read(self, data: bytes) -> None:
        """Parse one answer; a document type or an entity is refused before it can do anything."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.Parse(data, True)

    def _refuse(self, *_: object) -> None:
        raise _NotThis

    def _start(self, name: str, _: object) -> None:
        space, _sep, local = name.rpartition(" ")
        self._inside = local if space == _DISCOVERY else ""

    def _end(self, _: str) -> None:
        self._inside = ""

    def _text(self, text: str) -> None:
        if self._inside == "Types":
            self.types = (self.types + text)[:TEXT_MAX]
        elif self._inside == "Scopes":
            self.scopes = (self.scopes + text)[:TEXT_MAX]
