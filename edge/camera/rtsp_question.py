# SPDX-License-Identifier: AGPL-3.0-or-later
"""One question to an RTSP camera that refused us: what log-in it wants, and whether it is there.

FFmpeg says "wrong password" also where a camera takes only a digest that FFmpeg does not know, and
"no such stream" where only OPTIONS is unknown to the camera.
"""

from __future__ import annotations

import re
import socket
import time
from urllib.parse import urlsplit

from edge.camera.url import Address

ANSWER_S = 3.0
BYTES_MOST = 16_384
_CHALLENGE = re.compile(r"^WWW-Authenticate: *(\w+)(.*)$", re.MULTILINE | re.IGNORECASE)


def log_in_wanted(address: Address) -> str | None:
    """In a person's words why no password can be right; None where one can, or nobody answers."""
    asked = _CHALLENGE.findall(_answer(address))
    ways = {kind.lower() for kind, _ in asked}
    if not asked or "basic" in ways:
        return None
    digests = [rest for kind, rest in asked if kind.lower() == "digest"]
    if any("algorithm" not in rest.lower() or "md5" in rest.lower() for rest in digests):
        return None
    found = re.findall(r"algorithm=\"?([\w-]+)", " ".join(digests), re.IGNORECASE)
    named = ", ".join(sorted(set(found))) or ", ".join(sorted(ways))
    return (
        f"the camera takes only a {named} digest log-in, which cannot be made here; "
        "the password may be right: allow MD5 digest (or basic) in the camera"
    )


def only_options_missing(address: Address) -> bool:
    """Whether the stream is there, though OPTIONS is answered with "not found"."""
    return bool(re.match(r"RTSP/1\.0 (200|401)", _answer(address)))


def _answer(address: Address) -> str:
    """The head of the answer to DESCRIBE without a log-in; "" where none comes."""
    if address.scheme != "rtsp":
        return ""
    path = urlsplit(address.target)
    url = f"rtsp://{address.host}:{address.port}{path.path}" + (f"?{path.query}" * bool(path.query))
    request = f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n"
    data = b""
    try:
        with socket.create_connection((address.host, address.port), ANSWER_S) as wire:
            wire.settimeout(ANSWER_S)
            until_s = time.monotonic() + ANSWER_S
            wire.sendall(request.encode())
            while b"\r\n\r\n" not in data and len(data) < BYTES_MOST:
                # Of the whole answer: one that comes byte by byte is none.
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    return ""
                wire.settimeout(left_s)
                got = wire.recv(4096)
                if not got:
                    break
                data += got
    except OSError:
        return ""
    return data.decode("latin1").replace("\r\n", "\n")
