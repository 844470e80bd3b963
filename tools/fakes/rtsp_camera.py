# SPDX-License-Identifier: AGPL-3.0-or-later
"""A fake RTSP camera with clocks and manners to order, in Python alone (RTP over TCP, RFC 2326).

    with RtspCamera(clip, Manners(clock_rate=0.84)) as camera:
        url = camera.url

The pictures are access units of `tools.fakes.camera`; each viewer gets them from the first on, at
the pace of real time, with the stamps that the manners ask for. By hand:

    tools/python -m tools.fakes.rtsp_camera --clock-rate 0.5 --key-s 30 [--seconds 600]
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import dataclasses
import hashlib
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator

from edge.camera.packets import nal_units, parameter_sets
from tools.fakes.camera import Clip, clip
from tools.fakes.listening import LoopbackServer

RTP_HZ = 90_000
RTP_PAYLOAD = 1200
REALM, NONCE = "IP Camera", "5a6e1f0c9b"
_SESSION = "Session: 77;timeout=60\r\n"
_DIGESTS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclasses.dataclass(frozen=True)
class Manners:
    """How the camera behaves.

    clock_rate: stamped seconds for each real one. frozen: every picture bears one time.
    drift_ppm: added to the rate. first_stamp: the first RTP time (near 2**32 it wraps soon).
    jump: (after so many s, the stamps jump by so many s). outlier_s: every 20th stamp is so wrong.
    gap: (after so many s, nothing for so many s). spoilt_s: so many s after its start,
    packets come whose pictures are none. late_s: each packet waits a random time up to
    this. auth: "", "basic", "md5", "sha256" or "both". options: "ok", "404" or "silent".
    speaker: "PCMU" or "PCMA" offers a backchannel to who requires it, and keeps what came.
    """

    clock_rate: float = 1.0
    frozen: bool = False
    drift_ppm: float = 0.0
    first_stamp: int = 1000
    jump: tuple[float, float] | None = None
    outlier_s: float = 0.0
    gap: tuple[float, float] | None = None
    spoilt_s: float | None = None
    late_s: float = 0.0
    auth: str = ""
    user: str = "admin"
    password: str = "12345"  # noqa: S105  of a camera that is not there
    options: str = "ok"
    sdp: bytes | None = None
    speaker: str = ""

    def stamp(self, number: int, shown_s: float, real_s: float) -> int:
        """The RTP time of picture `number`, due for display at `shown_s`, sent at `real_s`."""
        time_s = 0.0 if self.frozen else shown_s * (self.clock_rate + self.drift_ppm * 1e-6)
        if self.outlier_s and number % 20 == 7:
            time_s += self.outlier_s
        if self.jump and real_s > self.jump[0]:
            time_s += self.jump[1]
        return (self.first_stamp + round(time_s * RTP_HZ)) & 0xFFFFFFFF

    def silent(self, real_s: float) -> bool:
        return self.gap is not None and self.gap[0] < real_s < sum(self.gap)


class RtspCamera(LoopbackServer):
    """Listens on 127.0.0.1 at a free port until closed."""

    def __init__(self, content: Clip, manners: Manners = Manners()) -> None:
        self.content, self.manners = content, manners
        self.born_s = time.monotonic()
        self._shown = content.shown or tuple(range(len(content.units)))
        # RTP packets that came to the loudspeaker, each with the second at which it did.
        self.heard: list[tuple[float, bytes]] = []
        super().__init__()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/s"

    @property
    def spoilt(self) -> bool:
        """Whether its packets hold no pictures any more, for no viewer."""
        after_s = self.manners.spoilt_s
        return after_s is not None and time.monotonic() - self.born_s > after_s

    def serve(self, client: socket.socket) -> None:
        """One viewer, until it leaves."""
        Viewer(self, client).serve()

    def play(self, viewer: Viewer) -> None:
        """Give a viewer the packets from now on; each viewer has a thread for it."""
        for packet in self.packets(viewer.closing):
            if self.closing.is_set():
                break
            viewer.send(b"$\0" + struct.pack(">H", len(packet)) + packet)

    def packets(self, closing: threading.Event) -> Iterator[bytes]:
        """RTP packets for one viewer, each when it is due; ends when `closing` is set."""
        began, sequence, count = time.monotonic(), 0, len(self.content.units)
        for number in _endless(closing):
            due_s = number / self.content.fps
            late_s = random.uniform(0.0, self.manners.late_s)
            if closing.wait(max(0.0, began + due_s + late_s - time.monotonic())):
                return
            real_s = time.monotonic() - began
            if self.manners.silent(real_s):
                continue
            shown = number - number % count + self._shown[number % count]
            stamp = self.manners.stamp(number, shown / self.content.fps, real_s)
            spoilt = self.spoilt
            for piece, last in rtp_payloads(self.content.codec, self.content.units[number % count]):
                kind = 96 | last << 7
                head = struct.pack(">BBHII", 0x80, kind, sequence & 0xFFFF, stamp, 0x1234)
                sequence += 1
                yield head + (piece[:2] + bytes(len(piece) - 2) if spoilt else piece)

    def description(self, *, required: bool = False) -> bytes:
        """The SDP (RFC 4566) with the parameter sets of the first picture, and with the
        loudspeaker where a viewer requires it."""
        if self.manners.sdp is not None:
            return self.manners.sdp
        sets = nal_units(parameter_sets(self.content.codec, self.content.units[0]))
        coded = ",".join(base64.b64encode(unit).decode() for unit in sets)
        media = f"a=rtpmap:96 H264/90000\r\na=fmtp:96 sprop-parameter-sets={coded}\r\n"
        if self.content.codec == "hevc":
            media = "a=rtpmap:96 H265/90000\r\n"
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\na=control:*\r\n"
            f"m=video 0 RTP/AVP 96\r\n{media}a=control:track1\r\n"
            + (self._speaker() if required else "")
        ).encode()

    def _speaker(self) -> str:
        """A track of sound from the camera first, as many have it, then the one to it."""
        law = self.manners.speaker
        number = {"PCMU": 0, "PCMA": 8}[law]
        return (
            f"m=audio 0 RTP/AVP {number}\r\na=rtpmap:{number} {law}/8000\r\na=control:track2\r\n"
            "a=recvonly\r\n"
            f"m=audio 0 RTP/AVP {number}\r\na=rtpmap:{number} {law}/8000\r\na=control:track3\r\n"
            "a=sendonly\r\n"
        )


def _endless(closing: threading.Event) -> Iterator[int]:
    number = 0
    while not closing.is_set():
        yield number
        number += 1


def rtp_payloads(codec: str, unit: bytes) -> list[tuple[bytes, bool]]:
    """RTP payloads of an access unit, each with whether it is the last, which bears the marker."""
    pieces = list(_pieces(codec, unit))
    return [(piece, index == len(pieces) - 1) for index, piece in enumerate(pieces)]


def _pieces(codec: str, unit: bytes) -> Iterator[bytes]:
    """RTP payloads of an access unit: RFC 6184 (FU-A) and RFC 7798 (FU)."""
    for nal in nal_units(unit):
        if len(nal) <= RTP_PAYLOAD:
            yield nal
            continue
        if codec == "h264":
            head, kind, body = bytes([nal[0] & 0xE0 | 28]), nal[0] & 0x1F, nal[1:]
        else:
            head, kind, body = bytes([nal[0] & 0x81 | 49 << 1, nal[1]]), nal[0] >> 1 & 63, nal[2:]
        for at in range(0, len(body), RTP_PAYLOAD):
            first, last = at == 0, at + RTP_PAYLOAD >= len(body)
            yield head + bytes([first << 7 | last << 6 | kind]) + body[at : at + RTP_PAYLOAD]


class Viewer:
    """One connection: requests in, answers and interleaved packets out."""

    def __init__(self, camera: RtspCamera, client: socket.socket) -> None:
        self._camera, self._client = camera, client
        self._lock, self.closing = threading.Lock(), threading.Event()
        self._speaks_on = -1
        # The address that it asked for, as it was written.
        self.asked = ""

    def serve(self) -> None:
        """Answer one client's requests until it tears down, leaves, or the camera closes."""
        with self._client, contextlib.suppress(OSError):
            for method, head in self._requests():
                if method == "TEARDOWN" or self._camera.closing.is_set():
                    break
                self._answer(method, head)
        self.closing.set()

    def _requests(self) -> Iterator[tuple[str, str]]:
        data = b""
        while got := self._client.recv(4096):
            data += got
            while True:
                if data[:1] == b"$":
                    if len(data) < 4 or len(data) < 4 + int.from_bytes(data[2:4], "big"):
                        break
                    size = int.from_bytes(data[2:4], "big")
                    if data[1] == self._speaks_on:
                        self._camera.heard.append((time.monotonic(), data[4 : 4 + size]))
                    data = data[4 + size :]
                    continue
                head, mark, rest = data.partition(b"\r\n\r\n")
                if not mark:
                    break
                data = rest
                yield head.split(b" ", 1)[0].decode("latin1"), head.decode("latin1")

    def _answer(self, method: str, head: str) -> None:
        manners = self._camera.manners
        if method == "OPTIONS" and manners.options != "ok":
            if manners.options == "404":
                self._say(head, "404 Not Found")
            return
        if method != "OPTIONS" and not self._known(method, head):
            self._say(head, "401 Unauthorized", self._challenge())
        elif method == "OPTIONS":
            self._say(head, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n")
        elif "backchannel" in head and not manners.speaker:
            self._say(head, "551 Option not supported")
        elif method == "DESCRIBE":
            base = head.split(" ")[1].rstrip("/")
            kind = f"Content-Base: {base}/\r\nContent-Type: application/sdp\r\n"
            told = self._camera.description(required="backchannel" in head)
            self._say(head, "200 OK", kind, told)
        elif method == "SETUP" and "/track3 " in head:
            self._speaks_on = 4
            way = "Transport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n"
            self._say(head, "200 OK", way + _SESSION)
        elif method == "SETUP":
            way = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            self._say(head, "200 OK", way + _SESSION)
        else:
            self._say(head, "200 OK", _SESSION)
            self.asked = head.split(" ")[1]
            if method == "PLAY":
                threading.Thread(target=self._play, daemon=True).start()

    def _say(self, head: str, status: str, extra: str = "", body: bytes = b"") -> None:
        number = re.search(r"CSeq: *(\d+)", head, re.IGNORECASE)
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        text = f"RTSP/1.0 {status}\r\nCSeq: {number[1] if number else 0}\r\n{extra}{length}\r\n"
        self.send(text.encode() + body)

    def send(self, data: bytes) -> None:
        """Whole packets, or an answer. Raises OSError where the viewer is gone."""
        with self._lock:
            self._client.sendall(data)

    def _play(self) -> None:
        with contextlib.suppress(OSError):
            self._camera.play(self)
            self._client.shutdown(socket.SHUT_RDWR)

    def _challenge(self) -> str:
        auth, lines = self._camera.manners.auth, ""
        if auth == "basic":
            return f'WWW-Authenticate: Basic realm="{REALM}"\r\n'
        digest = f'WWW-Authenticate: Digest realm="{REALM}", nonce="{NONCE}"'
        if auth in ("sha256", "both"):
            lines += f"{digest}, algorithm=SHA-256\r\n"
        return lines + (f"{digest}\r\n" if auth in ("md5", "both") else "")

    def _known(self, method: str, head: str) -> bool:
        """RFC 2617 and RFC 7616, without qop."""
        manners = self._camera.manners
        given = re.search(r"^Authorization: *(\w+) +(.*)$", head, re.MULTILINE | re.IGNORECASE)
        if not manners.auth or given is None:
            return not manners.auth
        if given[1].lower() == "basic":
            want = f"{manners.user}:{manners.password}".encode()
            return manners.auth == "basic" and base64.b64decode(given[2].strip()) == want
        said = {k: v.strip('"') for k, v in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', given[2])}
        algorithm = said.get("algorithm", "MD5").upper()
        allowed = {"md5": ["MD5"], "sha256": ["SHA-256"], "both": ["MD5", "SHA-256"]}
        if algorithm not in allowed.get(manners.auth, []):
            return False

        def hashed(text: str) -> str:
            return _DIGESTS[algorithm](text.encode()).hexdigest()

        ours = hashed(f"{manners.user}:{REALM}:{manners.password}")
        theirs = hashed(f"{method}:{said.get('uri', '')}")
        return hashed(f"{ours}:{NONCE}:{theirs}") == said.get("response")


def main() -> None:
    """A camera until Ctrl-C; prints its address."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clock-rate", type=float, default=1.0)
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--drift-ppm", type=float, default=0.0)
    parser.add_argument("--late-s", type=float, default=0.0)
    parser.add_argument("--key-s", type=float, default=1.0, help="seconds between key pictures")
    parser.add_argument("--codec", choices=("h264", "hevc"), default="h264")
    parser.add_argument("--auth", default="", choices=("", "basic", "md5", "sha256", "both"))
    parser.add_argument("--seconds", type=float, default=1e9)
    args = parser.parse_args()
    content = clip(args.codec, 640, 360, seconds=max(2.0, args.key_s), key_s=args.key_s)
    manners = Manners(
        clock_rate=args.clock_rate,
        frozen=args.frozen,
        drift_ppm=args.drift_ppm,
        late_s=args.late_s,
        auth=args.auth,
    )
    with RtspCamera(content, manners) as camera:
        print(camera.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(args.seconds)


if __name__ == "__main__":
    main()
