# SPDX-License-Identifier: AGPL-3.0-or-later
"""The streams of one camera, asked by ONVIF with its login: Device 8.2, Media 5.2 and 5.15.

Three questions in SOAP 1.2 over HTTP, signed by WS-UsernameToken (digest, by the camera's own
clock). Only the host that was asked is talked to, whatever addresses its answers name. HTTP digest
log-in, Media2 and https are not spoken; no real camera was at hand, only our own stand-in.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import SplitResult, quote, urlsplit
from xml.parsers import expat
from xml.sax.saxutils import escape

DEVICE_PATH, PORT = "/onvif/device_service", 80
WAIT_S = 5.0
BYTES_MAX, PROFILES_MAX, DEPTH_MAX = 262_144, 8, 64
_PORT = re.compile(r"[0-9]{1,5}")
# A camera whose year is beyond has no clock to go by.
YEAR_MAX = 2200
_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA = "http://www.onvif.org/ver10/media/wsdl"
_SCHEMA = "http://www.onvif.org/ver10/schema"
_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-"
_TOKEN = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"  # noqa: S105


class OnvifRefused(Exception):
    """No streams: `cause` is unreachable, login or unsupported, as in docs/cameras.md."""

    def __init__(self, cause: str, line: str) -> None:
        super().__init__(line)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class OnvifStream:
    """One profile: `source` is the address with the login in it."""

    name: str
    codec: str
    width: int
    height: int
    source: str


@dataclass(slots=True)
class SoapElement:
    """One element of an answer by its local name."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    inside: list[SoapElement] = field(default_factory=list)

    def all(self, name: str) -> list[SoapElement]:
        """Every element of that name at any depth."""
        found = [self] if self.name == name else []
        for one in self.inside:
            found += one.all(name)
        return found

    def word(self, name: str) -> str:
        """The text of the first of that name, or ""."""
        return next((one.text.strip() for one in self.all(name)), "")


def streams(host: str, user: str, password: str, *, wait_s: float = WAIT_S) -> list[OnvifStream]:
    """Profiles of the camera at `host` (or host:port). Raises OnvifRefused."""
    name, _, port = host.strip().partition(":")
    if not name or not _PORT.fullmatch(port or "1") or len(host) > 260:
        raise OnvifRefused("unreachable", f"{host!r} is no host")
    if int(port or PORT) > 65_535:
        raise OnvifRefused("unreachable", f"{host!r}: no such port")
    asked = _Camera(name, int(port or PORT), user, password, wait_s)
    asked.set_clock()
    media = asked.media_path()
    profiles = asked.ask(media, f'<GetProfiles xmlns="{_MEDIA}"/>').all("Profiles")
    found = [asked.stream(media, profile) for profile in profiles[:PROFILES_MAX]]
    return [stream for stream in found if stream is not None]


class _Camera:
    def __init__(self, host: str, port: int, user: str, password: str, wait_s: float) -> None:
        self._host, self._port, self._wait_s = host, port, wait_s
        self._user, self._password = user, password
        self._ahead = timedelta()

    def set_clock(self) -> None:
        """A camera takes a signature by its own clock only; this one question needs no login."""
        try:
            answer = self.ask(
                DEVICE_PATH, f'<GetSystemDateAndTime xmlns="{_DEVICE}"/>', open_to=True
            )
            utc = answer.all("UTCDateTime")[0]
            numbers = [
                int(utc.word(n)) for n in ("Year", "Month", "Day", "Hour", "Minute", "Second")
            ]
            year, month, day, hour, minute, second = numbers
            if year > YEAR_MAX:
                return
            there = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
        except (IndexError, ValueError, OverflowError):
            return
        except OnvifRefused as error:
            if error.cause == "unreachable":
                raise
            return
        self._ahead = there - datetime.now(timezone.utc)

    def media_path(self) -> str:
        """Where the media service is, of this host whatever its answer says."""
        question = (
            f'<GetCapabilities xmlns="{_DEVICE}"><Category>Media</Category></GetCapabilities>'
        )
        media = self.ask(DEVICE_PATH, question).all("Media")
        address = media[0].word("XAddr") if media else ""
        parts = _parts(address)
        return (parts.path if parts else "") or DEVICE_PATH

    def stream(self, media: str, profile: SoapElement) -> OnvifStream | None:
        """The profile's RTSP address, or None where it has none."""
        token = profile.attributes.get("token", "")
        question = (
            f'<GetStreamUri xmlns="{_MEDIA}"><StreamSetup><Stream xmlns="{_SCHEMA}">RTP-Unicast'
            f'</Stream><Transport xmlns="{_SCHEMA}"><Protocol>RTSP</Protocol></Transport>'
            f"</StreamSetup><ProfileToken>{escape(token)}</ProfileToken></GetStreamUri>"
        )
        uri = _parts(self.ask(media, question).word("Uri"))
        if uri is None or uri.scheme not in ("rtsp", "rtsps"):
            return None
        try:
            port = uri.port or 554
        except ValueError:
            return None
        login = f"{quote(self._user, safe='')}:{quote(self._password, safe='')}@"
        where = uri.path + (f"?{uri.query}" if uri.query else "")
        size = profile.all("Resolution")
        width, height = (_whole(size[0].word(n)) if size else 0 for n in ("Width", "Height"))
        source = f"{uri.scheme}://{login if self._user else ''}{self._host}:{port}{where}"
        return OnvifStream(
            profile.word("Name")[:64], profile.word("Encoding")[:16], width, height, source
        )

    def ask(self, path: str, body: str, *, open_to: bool = False) -> SoapElement:
        """One question. Raises OnvifRefused."""
        head = "" if open_to or not self._user else self._signature()
        text = (
            '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s='
            f'"http://www.w3.org/2003/05/soap-envelope"><s:Header>{head}</s:Header>'
            f"<s:Body>{body}</s:Body></s:Envelope>"
        )
        try:
            link = http.client.HTTPConnection(self._host, self._port, timeout=self._wait_s)
            kind = {"Content-Type": "application/soap+xml; charset=utf-8"}
            link.request("POST", path, text.encode(), kind)
            answer = link.getresponse()
            status, data = answer.status, answer.read(BYTES_MAX + 1)
            link.close()
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise OnvifRefused("unreachable", f"{self._host}:{self._port}: {error}") from None
        if status == 401 or b"NotAuthorized" in data or b"FailedAuthentication" in data:
            raise OnvifRefused("login", f"{self._host}: wrong user or password")
        root = None if len(data) > BYTES_MAX else parse_soap(data)
        if status != 200 or root is None:
            raise OnvifRefused("unsupported", f"{self._host}: no ONVIF answer (HTTP {status})")
        return root

    def _signature(self) -> str:
        """WS-UsernameToken: digest = Base64(SHA-1(nonce + created + password))."""
        nonce = os.urandom(16)
        created = (datetime.now(timezone.utc) + self._ahead).strftime("%Y-%m-%dT%H:%M:%SZ")
        proof = hashlib.sha1(nonce + created.encode() + self._password.encode())  # noqa: S324
        digest, salt = (base64.b64encode(b).decode() for b in (proof.digest(), nonce))
        return (
            f'<w:Security xmlns:w="{_WSSE}secext-1.0.xsd"><w:UsernameToken><w:Username>'
            f'{escape(self._user)}</w:Username><w:Password Type="{_TOKEN}#PasswordDigest">{digest}'
            f"</w:Password><w:Nonce>{salt}</w:Nonce><u:Created xmlns:u="
            f'"{_WSSE}utility-1.0.xsd">{created}</u:Created></w:UsernameToken></w:Security>'
        )


def _parts(address: str) -> SplitResult | None:
    """An address as an answer writes it; None for what is none, such as half an IPv6 address."""
    try:
        return urlsplit(address)
    except ValueError:
        return None


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


class _Refused(Exception):
    """A document type or an entity: nothing that a camera sends, everything that expands."""


def parse_soap(data: bytes) -> SoapElement | None:
    """An answer as a tree; None for what is no XML, declares a type, or is too deep. Pure."""
    top = SoapElement("", {})
    open_now = [top]

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(open_now) > DEPTH_MAX:
            raise _Refused
        element = SoapElement(name.rpartition(" ")[2], attributes)
        open_now[-1].inside.append(element)
        open_now.append(element)

    def letters(text: str) -> None:
        open_now[-1].text += text

    def refuse(*_: object) -> None:
        raise _Refused

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.CharacterDataHandler = start, letters
    parser.EndElementHandler = lambda _: open_now.pop()
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, _Refused, LookupError, ValueError):
        # LookupError is an encoding that Python does not know.
        return None
    return top
