# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where pictures come from: source strings, checked and rebuilt from their parts.

A source is never handed to a library as it was typed. Its parts are checked against what is
allowed, put together again, and shown to people only without credentials.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from edge.config import ConfigError

Kind = Literal["network", "file", "folder", "usb", "pipeline"]

# Scheme -> the port it means when none is written.
PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443}

# Query keys of cameras that tell nothing secret; the value of any other is hidden.
_HARMLESS = re.compile(
    r"(?i)channel|stream|streamtype|subtype|unicast|proto|transportmode|profile|trackid|codec|fps"
    r"|resolution|width|height|videocodec|type|starttime|endtime"
)
# What stands between spaces and quotes, and a name with its value that tells a secret. Each begins
# only where one can begin, so that a long text is gone over once.
_PIECE = re.compile(r"[^\s'\"]+")
_SECRET = re.compile(
    r"(?i)(?<![\w.-])(?=[\w.-]*?(?:pass|pwd|secret|token|key|auth|sign|credential))"
    r"([\w.-]+)=[^&\s'\"/?#]+"
)
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):(//)?")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"^(?:{_LABEL})(?:\.{_LABEL})*\.?$")
_IPV6 = re.compile(r"^[0-9A-Fa-f:.]{2,45}(%25[A-Za-z0-9]{1,15})?$")
# What a person writes who leaves out the scheme: an address with or without port and path.
_ADDRESS = re.compile(r"^(\d{1,3}(\.\d{1,3}){3}|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*:\d+)(:\d+)?(/.*)?$")
# Python takes no text of thousands of digits as a number.
_PORT, _VIDEO = re.compile(r"[0-9]{1,5}"), re.compile(r"[0-9]{1,9}")
_USB = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$")
_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,31}$")
# Kept as they are in a path or query; quotes, spaces, backslashes and pipes are encoded.
_PATH_SAFE = "/:;=,@&!$()*+~-._?"


@dataclass(frozen=True, slots=True)
class Address:
    """One checked source.

    `target` is what the opener gets and may hold credentials, so it is left out of the repr;
    `shown` is for logs, faults and people. `host` and `port` are those of a network source.
    """

    kind: Kind
    shown: str
    target: str = field(repr=False)
    scheme: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return self.shown


def redact(text: str) -> str:
    """Any text with what looks like a user, password, token or key of a URL hidden.

    Errs on the side of hiding: a later `@` in a path hides what stands before it.
    """
    return _SECRET.sub(r"\1=***", _PIECE.sub(_without_userinfo, text))


def _without_userinfo(piece: re.Match[str]) -> str:
    scheme, _, rest = piece[0].partition("://")
    _, at, place = rest.rpartition("@")
    return f"{scheme}://***@{place}" if at else piece[0]


def parse_source(text: str, *, where: str = "source", base: Path | None = None) -> Address:
    """The address that a source string of a site file or command line means.

    `where` names the key in errors; relative paths start at `base` (default: current folder).
    Raises ConfigError for a scheme, host, port or path that is not allowed.
    """
    if not text or text != text.strip() or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise _wrong(where, text, "empty, or has spaces at its ends or control characters")
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else ""
    if scheme in PORTS and match and match[2]:
        return _network(text, scheme, where)
    if scheme == "usb":
        return _usb(text, where)
    if scheme == "pipeline":
        return _pipeline(text, where)
    if match and match[2]:
        allowed = ", ".join(f"{name}://" for name in PORTS)
        raise _wrong(where, text, f"{scheme}:// is not allowed; use {allowed}, a path or usb:N")
    return _path(text, where, base or Path.cwd())


def _wrong(where: str, text: str, why: str) -> ConfigError:
    """Whatever stands before the last '@' may be a password, however odd its characters."""
    scheme, slashes, rest = text.partition("://")
    _, at, tail = rest.rpartition("@")
    hidden = f"{scheme}://***@{tail}" if slashes and at else text
    return ConfigError(f"{where} = {redact(hidden)!r}: {why}")


def _network(text: str, scheme: str, where: str) -> Address:
    rest = text[len(scheme) + 3 :]
    authority, slash, tail = _cut_authority(rest)
    if "#" in tail or "#" in authority.rpartition("@")[2]:
        raise _wrong(where, text, "'#' is allowed in a password only, before the last '@'")
    userinfo, at, hostport = authority.rpartition("@")
    host, port = _host_port(hostport, scheme, where, text)
    path, mark, query = (slash + tail).partition("?")
    place = f"{host}:{port}{_encoded(path)}{mark}"
    credentials = f"{_userinfo(userinfo)}@" if at and userinfo else ""
    hidden = "***@" if credentials else ""
    return Address(
        kind="network",
        shown=redact(f"{scheme}://{hidden}{place}{_harmless(query)}"),
        target=f"{scheme}://{credentials}{place}{_encoded(query)}",
        scheme=scheme,
        host=host.strip("[]"),
        port=port,
    )


def _cut_authority(rest: str) -> tuple[str, str, str]:
    """Authority, its ending mark and the tail.

    The last '@' ends the log-in, so '/', '?' and '#' may stand in a password; but an '@' behind a
    host, as in rtsp://192.168.1.9/live@1, is one of the path.
    """
    end = _first_mark(rest, 0)
    if "@" in rest[end:] and not _is_place(rest[:end]):
        end = _first_mark(rest, rest.rindex("@") + 1)
    tail = rest[end:]
    return rest[:end], tail[:1], tail[1:]


def _first_mark(rest: str, start: int) -> int:
    return min((at for mark in "/?" if (at := rest.find(mark, start)) >= 0), default=len(rest))


def _is_place(head: str) -> bool:
    """Whether what stands before the first '/' is all there is of host and port, with its log-in
    or without one: `cam`, `10.0.0.9`, `cam.lan:554`, `user:word@cam`, but not `admin:12345`."""
    host, colon, port = head.rpartition("@")[2].partition(":")
    if head.startswith("["):
        return True
    return not colon or (("." in host or "@" in head) and port.isdigit())


def _host_port(hostport: str, scheme: str, where: str, text: str) -> tuple[str, int]:
    host, port = _split_port(hostport)
    literal = host.startswith("[") and host.endswith("]")
    valid = _is_ipv6(host[1:-1]) if literal else _HOST.match(host) and len(host) <= 253
    if not valid:
        raise _wrong(where, text, "the host is missing or has characters a host cannot have")
    if not port:
        return host, PORTS[scheme]
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65_535:
        raise _wrong(where, text, f"port {port!r} is not a number from 1 to 65535")
    return host, int(port)


def _is_ipv6(host: str) -> bool:
    """Also with its interface, as in fe80::1%25eth0."""
    try:
        return bool(_IPV6.fullmatch(host)) and ip_address(host).version == 6
    except ValueError:
        return False


def _split_port(hostport: str) -> tuple[str, str]:
    if hostport.startswith("["):
        host, _, rest = hostport.partition("]")
        return f"{host}]", rest.removeprefix(":")
    host, _, port = hostport.partition(":")
    return host, port


def _encoded(text: str) -> str:
    """Percent-encoded where needed; what is encoded already stays."""
    pieces = re.split(r"(%[0-9A-Fa-f]{2})", text)
    return "".join(p if i % 2 else quote(p, safe=_PATH_SAFE) for i, p in enumerate(pieces))


def _userinfo(userinfo: str) -> str:
    """user:password with every character that could end it early encoded."""
    user, colon, password = userinfo.partition(":")
    return _part(user) + (f":{_part(password)}" if colon else "")


def _part(text: str) -> str:
    pieces = re.split(r"(%[0-9A-Fa-f]{2})", text)
    return "".join(p if i % 2 else quote(p, safe="") for i, p in enumerate(pieces))


def _harmless(query: str) -> str:
    """The query with every value hidden that is not known to be harmless. What stands before an
    `@` in it may be a log-in with a '/' in its user: it is left for `redact` to hide with it."""
    before, at, query = query.rpartition("@")
    shown = []
    for pair in query.split("&") if query else []:
        key, equals, _ = pair.partition("=")
        shown.append(pair if _HARMLESS.fullmatch(key) else f"{key}=***" if equals else "***")
    return f"{before}{at}{'&'.join(shown)}"


def _usb(text: str, where: str) -> Address:
    name = text.partition(":")[2]
    if _VIDEO.fullmatch(name) and int(name) < 64:
        return Address("usb", text, f"/dev/video{int(name)}", "usb")
    if name and not name.isdigit() and _USB.fullmatch(name):
        return Address("usb", text, f"/dev/v4l/by-id/{name}", "usb")
    raise _wrong(where, text, "use usb:0 to usb:63, or usb:NAME with a name below /dev/v4l/by-id")


def _pipeline(text: str, where: str) -> Address:
    name = text.partition(":")[2]
    if not _NAME.fullmatch(name):
        raise _wrong(where, text, "use pipeline:NAME with a name of the table in docs/cameras.md")
    return Address("pipeline", text, name, "pipeline")


def _path(text: str, where: str, base: Path) -> Address:
    # An absolute path never starts with '-' and names no protocol once "file:" stands before it.
    try:
        path = (base / Path(text).expanduser()).absolute()
        mode = path.stat().st_mode
    except RuntimeError:
        raise _wrong(where, text, "nobody of that name has a home folder here") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        if _ADDRESS.match(text):
            why = f"no such file; a camera's address begins with its scheme: rtsp://{text}"
        raise _wrong(where, text, why) from None
    if stat.S_ISDIR(mode):
        return Address("folder", str(path), str(path))
    if stat.S_ISREG(mode):
        return Address("file", str(path), str(path))
    raise _wrong(where, text, "neither a file nor a folder (a USB camera is written usb:N)")
