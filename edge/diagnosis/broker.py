# SPDX-License-Identifier: AGPL-3.0-or-later
"""Does the platform's broker let this box in? A real MQTT 5 CONNECT, its refusal in words.

Under a client id of its own: with the box's, the broker would hang up on edge-uplinkd (MQTT 5,
3.1.4-3). The packets are built here because paho says no more than "connection lost" where a
broker refuses a certificate after a TLS 1.3 handshake.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.config.device import Broker, Device
from edge.diagnosis.advice import Level, PartAdvice
from edge.uplink.credentials import trusting

TIMEOUT_S = 6.0
CERT_DAYS = 30
CHECK_SUFFIX = "-check"
_CONNACK, _CLEAN_START, _USERNAME, _PASSWORD = 0x20, 0x02, 0x80, 0x40
_REASON_STRING = 0x1F
_PACKET_MAX = 4096

# CONNACK reason codes (MQTT 5, 3.2.2.2; 0x01 is what a broker of MQTT 3.1.1 answers):
# what it means, what to do in English, what to do in Chinese.
REFUSALS: dict[int, tuple[str, str, str]] = {
    0x01: (
        "it speaks an older MQTT only",
        "MQTT 5 is needed: upgrade the broker",
        "需要 MQTT 5，请升级消息服务器",
    ),
    0x80: ("unspecified error", "look into the broker's log", "查看消息服务器日志"),
    0x81: ("malformed packet", "is there a proxy in between?", "检查中间代理"),
    0x84: (
        "MQTT 5 is not supported",
        "MQTT 5 is needed: upgrade the broker",
        "需要 MQTT 5，请升级消息服务器",
    ),
    0x85: ("the client id is not allowed", "allow the device's name there", "在平台登记设备名"),
    0x86: (
        "bad user name or password",
        "correct broker.username, password_file",
        "核对用户名与密码",
    ),
    0x87: (
        "not authorised",
        "enrol this device or its certificate at the platform",
        "在平台登记本设备或其证书",
    ),
    0x88: ("server unavailable", "ask the platform; wait", "联系平台，稍后再试"),
    0x89: ("server busy", "wait", "稍后再试"),
    0x8A: ("banned", "ask the platform why", "联系平台解除封禁"),
    0x8C: (
        "bad authentication method",
        "the platform asks for another log-in",
        "联系平台核对认证方式",
    ),
    0x97: ("quota exceeded", "ask the platform", "联系平台提高配额"),
    0x9C: ("use another server", "change broker.host", "修改 broker.host"),
    0x9D: ("server moved", "change broker.host", "修改 broker.host"),
    0x9F: ("connection rate exceeded", "wait", "稍后再试"),
}
WRONG_NAME = (
    "the certificate is for another name: correct broker.host",
    "证书域名不符：更正 broker.host",
)
# X.509 verify results (OpenSSL X509_V_ERR_*): what to do about the broker's certificate.
CERTIFICATES: dict[int, tuple[str, str]] = {
    9: ("the clock is behind, or the certificate is not valid yet", "校准时钟，或证书尚未生效"),
    10: (
        "the broker's certificate has expired: renew it there; check the clock",
        "平台证书已过期；核对时钟",
    ),
    18: (
        "the broker's certificate is self-signed: name its CA in broker.ca",
        "自签证书：在 broker.ca 中填写其 CA",
    ),
    19: ("another CA signed it: name the right one in broker.ca", "签发机构不符：更正 broker.ca"),
    20: ("its CA is not known here: name it in broker.ca", "缺少签发机构证书：填写 broker.ca"),
    62: WRONG_NAME,
    64: WRONG_NAME,
}
# What OpenSSL refuses only where it is asked to be strict (X509_V_ERR_*, 3.0 and later).
STRICT = range(80, 94)
OLDER_CA = (
    "the CA is older than RFC 5280 asks: have it issued anew, or set broker.older_ca: true"
    " (docs/platform.md, certificates)",
    "CA 证书不完全符合 RFC 5280：请重新签发，或设 broker.older_ca: true（见 docs/platform.md）",
)
NETWORK = ("check the link, the address and the firewall", "检查网络、地址与防火墙")
OWN_CERTIFICATE = (
    "the broker does not take this box's certificate: have it signed by the platform's CA",
    "平台不接受本机证书：请用平台 CA 重新签发",
)


def check_broker(device: Device, base: Path) -> Iterator[PartAdvice]:
    """Name, TCP, TLS, CONNECT, one after the other up to the first that fails. Never raises for
    a sick network; `base` is where relative paths of the device file start."""
    broker = device.broker
    where = f"{broker.host}:{broker.port}"
    try:
        plain = socket.create_connection((broker.host, broker.port), timeout=TIMEOUT_S)
    except (OSError, UnicodeError) as error:
        # A label above 63 letters is no host name (RFC 1035, 2.3.4): Python says so this way.
        yield _wrong(f"{where}: {getattr(error, 'strerror', None) or error}", NETWORK)
        return
    with plain:
        if broker.tls == "off":
            yield _remark(f"{where} answers, without TLS", ("use tls: on", "请启用 tls: on"))
            yield _connect(plain, device, base, where)
        else:
            yield from _secured(plain, device, base, where)


def _secured(plain: socket.socket, device: Device, base: Path, where: str) -> Iterator[PartAdvice]:
    broker = device.broker
    try:
        context = trusting(broker, base / broker.ca if broker.ca else None)
        if broker.cert:
            context.load_cert_chain(base / broker.cert, base / broker.key if broker.key else None)
    except (ssl.SSLError, OSError) as error:
        yield _wrong(
            f"broker.ca, cert, key: {error}", ("correct these files", "检查证书与密钥文件")
        )
        return
    try:
        secure = context.wrap_socket(plain, server_hostname=broker.host)
    except OSError as error:
        yield _handshake(error, where)
        return
    with secure:
        yield _lifetime(secure, where)
        yield _connect(secure, device, base, where)


def _handshake(error: OSError, where: str) -> PartAdvice:
    if isinstance(error, ssl.SSLCertVerificationError):
        do = CERTIFICATES.get(
            error.verify_code, ("check broker.ca and the clock", "检查 CA 与时钟")
        )
        if error.verify_code in STRICT:
            do = OLDER_CA
        return _wrong(f"{where}: {error.verify_message}", do)
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return _wrong(f"{where}: TLS {_alert(error)}", OWN_CERTIFICATE)
    return _wrong(
        f"{where}: no TLS there ({error})", ("is this the TLS port?", "端口是否为 TLS 端口？")
    )


def _alert(error: ssl.SSLError) -> str:
    """`TLSV13_ALERT_CERTIFICATE_REQUIRED` as words."""
    return (error.reason or str(error)).rpartition("ALERT_")[2].lower().replace("_", " ")


def _lifetime(secure: ssl.SSLSocket, where: str) -> PartAdvice:
    certificate = secure.getpeercert() or {}
    days = (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / 86_400
    level: Level = "remark" if days < CERT_DAYS else "well"
    return PartAdvice(
        "broker", level, f"{where} answers with TLS; its certificate has {days:.0f} days"
    )


def _connect(sock: socket.socket, device: Device, base: Path, where: str) -> PartAdvice:
    """CONNECT, and the word of the CONNACK."""
    try:
        sock.settimeout(TIMEOUT_S)
        sock.sendall(connect_packet(device.device + CHECK_SUFFIX, *_login(device.broker, base)))
        code, reason = connack(lambda: _receive(sock))
        sock.sendall(b"\xe0\x00")
    except ssl.SSLError as error:
        return _wrong(f"{where}: TLS {_alert(error)}", OWN_CERTIFICATE)
    except TimeoutError:
        do = ("is this an MQTT port?", "该端口是否为 MQTT 服务？")
        return _wrong(f"{where}: no answer to CONNECT within {TIMEOUT_S:.0f} s", do)
    except OSError as error:
        return _wrong(
            f"{where}: it hung up on CONNECT ({error.strerror or error})", OWN_CERTIFICATE
        )
    except ValueError as error:
        do = ("another service listens there", "该端口是其他服务")
        return _wrong(f"{where}: not MQTT ({error})", do)
    if code == 0:
        return PartAdvice("broker", "well", f"{where} lets this box in (MQTT 5)")
    means, en, zh = REFUSALS.get(code, REFUSALS[0x80])
    detail = f": {reason}" if reason else ""
    return _wrong(f"{where}: refused, {means} (0x{code:02x}){detail}", (en, zh))


def _login(broker: Broker, base: Path) -> tuple[str | None, str | None]:
    """User name and password. Raises OSError for a password file that cannot be read."""
    if broker.username is None or broker.password_file is None:
        return broker.username, None
    return broker.username, (base / broker.password_file).read_text("utf-8").strip()


def _receive(sock: socket.socket) -> bytes:
    got = sock.recv(_PACKET_MAX)
    if not got:
        raise ConnectionResetError("closed by the other side")
    return got


def connect_packet(client: str, username: str | None, password: str | None) -> bytes:
    """CONNECT (MQTT 5, 3.1) with clean start, no will, a keep-alive of 10 s, no properties."""
    flags = _CLEAN_START
    payload = _text(client)
    if username is not None:
        flags |= _USERNAME
        payload += _text(username)
    if password is not None:
        flags |= _PASSWORD
        payload += _text(password)
    body = _text("MQTT") + bytes([5, flags, 0, 10, 0]) + payload
    return b"\x10" + _varint(len(body)) + body


def connack(receive: Callable[[], bytes]) -> tuple[int, str]:
    """Reason code and reason string of the CONNACK that `receive` gives piece by piece.

    Raises ValueError for anything else, with what came.
    """
    data = receive()
    while (end := _packet_end(data)) is None:
        data += receive()
    start, stop = end
    body = data[start:stop]
    if len(body) < 2:
        raise ValueError(f"it answered {data[:12]!r}")
    return body[1], _reason_string(body[3:])


def _packet_end(data: bytes) -> tuple[int, int] | None:
    """Where the body of the CONNACK begins and ends; None while more has to come.

    Raises ValueError for what is no CONNACK of a sensible size.
    """
    if data[0] != _CONNACK:
        raise ValueError(f"it answered {data[:12]!r}")
    length, shift = 0, 0
    for place in range(1, min(len(data), 3)):
        length |= (data[place] & 0x7F) << shift
        shift += 7
        if data[place] < 0x80:
            start = place + 1
            return (start, start + length) if len(data) >= start + length else None
    if len(data) > 2:
        raise ValueError(f"it answered {data[:12]!r}")
    return None


def _reason_string(properties: bytes) -> str:
    """The broker's own words where they come first, as the common brokers send them."""
    if len(properties) < 3 or properties[0] != _REASON_STRING:
        return ""
    length = int.from_bytes(properties[1:3], "big")
    reason = properties[3 : 3 + length].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in reason)[:120]


def _text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _wrong(found: str, do: tuple[str, str]) -> PartAdvice:
    return PartAdvice("broker", "wrong", found, *do)


def _remark(found: str, do: tuple[str, str]) -> PartAdvice:
    return PartAdvice("broker", "remark", found, *do)
