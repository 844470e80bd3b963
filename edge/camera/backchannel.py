# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sound to a camera's own loudspeaker: the RTSP backchannel of the ONVIF Streaming Specification.

DESCRIBE with `Require: www.onvif.org/ver20/backchannel` makes a camera that has a loudspeaker name
a sound track that is `sendonly` (seen from us); G.711 goes there as RTP (RFC 3550, RFC 3551) in the
RTSP connection itself (RFC 2326, section 10.12), at the pace of real time.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import secrets
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from edge.camera.url import Address, redact

REQUIRE = "Require: www.onvif.org/ver20/backchannel\r\n"
RATE_HZ = 8000
PACKET_SAMPLES = 160
PACKET_S = PACKET_SAMPLES / RATE_HZ
ANSWER_S = 5.0
HEAD_MOST = 64 * 1024
_LENGTH = re.compile(r"[0-9]{1,9}")
# After each packet at most 4 MB are read away: a camera that sends faster is not waited for.
DRAINS_MOST = 64
# Nobody listens to a reminder for longer.
LONGEST_S = 60.0
# Audio that is on its way when the last packet was sent still has to be played.
LINGER_S = 0.4

Law = Literal["PCMU", "PCMA"]
_PAYLOAD = re.compile(r"[0-9]{1,3}")
_STATIC: Mapping[int, Law] = {0: "PCMU", 8: "PCMA"}
_LAWS: tuple[Law, ...] = ("PCMA", "PCMU")
_DIGESTS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


class NoBackchannel(OSError):
    """The camera has no loudspeaker for us, or did not take the sound; the message says why."""


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """Where sound is to be sent: its control address as written, payload type and law."""

    control: str
    payload_type: int
    law: Law


def sound_track(sdp: str) -> SoundTrack | None:
    """The first G.711 track of the description (RFC 4566) that takes sound; None without one."""
    for part in re.split(r"(?m)^(?=m=)", sdp)[1:]:
        lines = [line.strip() for line in part.splitlines()]
        media = lines[0].split()
        if media[0] != "m=audio" or len(media) < 4 or "a=sendonly" not in lines:
            continue
        mapped = dict(re.findall(r"(?m)^a=rtpmap:(\d+) +(PCM[UA])/8000(?:/1)? *\r?$", part))
        control = next((line[10:] for line in lines if line.startswith("a=control:")), "")
        for word in media[3:]:
            number = int(word) if _PAYLOAD.fullmatch(word) else -1
            law = _STATIC.get(number) or next((w for w in _LAWS if w == mapped.get(word)), None)
            if law is not None and 0 <= number < 128:
                return SoundTrack(control, number, law)
    return None


def control_url(base: str, control: str) -> str:
    """The track's own address: absolute as it is, else behind the base (RFC 2326, C.1.1)."""
    if control in ("", "*"):
        return base
    if re.match(r"(?i)^rtsps?://", control):
        return control
    return base.rstrip("/") + "/" + control.lstrip("/")


def g711(samples: NDArray[np.int16], law: Law) -> bytes:
    """Sixteen-bit samples as G.711 (ITU-T G.711), a byte each."""
    sign_bit = (samples < 0).astype(np.uint8)
    if law == "PCMU":
        size = np.minimum(np.abs(samples.astype(np.int32)), 32_635) + 132
        exponent = np.clip(np.floor(np.log2(size)).astype(np.int32) - 7, 0, 7)
        mantissa = (size >> (exponent + 3)) & 0x0F
        coded = ~((sign_bit << 7) | (exponent << 4) | mantissa) & 0xFF
    else:
        size = np.where(sign_bit, -samples.astype(np.int32) - 1, samples.astype(np.int32)) >> 3
        exponent = np.clip(np.floor(np.log2(np.maximum(size, 1))).astype(np.int32) - 4, 0, 7)
        mantissa = (size >> np.maximum(exponent, 1)) & 0x0F
        coded = (((1 - sign_bit) << 7) | (exponent << 4) | mantissa) ^ 0x55
    return bytes(coded.astype(np.uint8).tobytes())


def read_sound(path: Path) -> NDArray[np.int16]:
    """Any sound file as samples of one channel at 8 kHz. Raises OSError, also for no sound."""
    import av  # FFmpeg's libraries are loaded where there is a sound to play

    made: list[NDArray[np.int16]] = []
    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
            for frame in container.decode(audio=0):
                made += [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)]
            made += [part.to_ndarray().reshape(-1) for part in resampler.resample(None)]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise OSError(f"{path}: no sound that can be read: {error}") from None
    if not made:
        raise OSError(f"{path}: no sound in it")
    whole: NDArray[np.int16] = np.concatenate(made).astype(np.int16)
    return whole[: int(LONGEST_S * RATE_HZ)]


class _Rtsp:
    """Requests and answers on one connection; packets that the camera sends are passed over."""

    def __init__(self, address: Address) -> None:
        parts = urlsplit(address.target)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        query = f"?{parts.query}" if parts.query else ""
        host = f"[{address.host}]" if ":" in address.host else address.host
        self.url = f"rtsp://{host}:{address.port}{parts.path}{query}"
        self.wire = socket.create_connection((address.host, address.port), ANSWER_S)
        self.wire.settimeout(ANSWER_S)
        self._data, self._number = b"", 0
        self._until_s = 0.0
        self._session = ""
        self._challenge: tuple[str, dict[str, str]] | None = None

    def ask(self, method: str, url: str, extra: str = "") -> tuple[dict[str, str], str]:
        """(headers, body) of a good answer. Raises NoBackchannel for any other."""
        status, headers, body = self._once(method, url, extra)
        if status == 401 and self._challenge is None and self._learn(headers):
            status, headers, body = self._once(method, url, extra)
        if status == 401:
            raise NoBackchannel("the camera refused the log-in")
        if status == 551:
            raise NoBackchannel("the camera knows no backchannel (551)")
        if status != 200:
            raise NoBackchannel(f"the camera answered {method} with {status}")
        self._session = headers.get("session", self._session).split(";")[0].strip()
        return headers, body

    def _once(self, method: str, url: str, extra: str) -> tuple[int, dict[str, str], str]:
        self._number += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._number}", "User-Agent: city-edge"]
        if self._session:
            lines.append(f"Session: {self._session}")
        if self._challenge:
            lines.append(f"Authorization: {self._log_in(method, url)}")
        # Of the answer as a whole: packets may come for ever, and no answer.
        self._until_s = time.monotonic() + ANSWER_S
        self.wire.sendall(("\r\n".join(lines) + "\r\n" + extra + "\r\n").encode())
        while True:
            head = self._head()
            status = re.match(r"RTSP/1\.0 +(\d{3})", head)
            headers = _headers(head)
            length = headers.get("content-length", "0")
            body = self._take(min(int(length), HEAD_MOST) if _LENGTH.fullmatch(length) else 0)
            if status and headers.get("cseq", str(self._number)) == str(self._number):
                return int(status[1]), headers, body.decode("utf-8", "replace")

    def _head(self) -> str:
        while True:
            while self._data[:1] == b"$":
                self._fill(4)
                size = int.from_bytes(self._data[2:4], "big")
                self._fill(4 + size)
                self._data = self._data[4 + size :]
                if not self._data:
                    self._fill(1)
            head, mark, rest = self._data.partition(b"\r\n\r\n")
            if mark:
                self._data = rest
                return head.decode("latin1")
            if len(self._data) > HEAD_MOST:
                raise NoBackchannel("the camera's answer has no end")
            self._fill(len(self._data) + 1)

    def _fill(self, size: int) -> None:
        while len(self._data) < size:
            got = self._received()
            if not got:
                raise NoBackchannel("the camera closed the connection")
            self._data += got

    def _received(self) -> bytes:
        """What comes next, as long as the answer has time. Raises NoBackchannel, OSError."""
        left_s = self._until_s - time.monotonic()
        try:
            if left_s <= 0:
                raise TimeoutError
            self.wire.settimeout(left_s)
            return self.wire.recv(65_536)
        except TimeoutError:
            late = f"the camera has not answered within {ANSWER_S:.0f} s"
            raise NoBackchannel(late) from None
        finally:
            self.wire.settimeout(ANSWER_S)

    def _take(self, size: int) -> bytes:
        self._fill(size)
        body, self._data = self._data[:size], self._data[size:]
        return body

    def drain(self) -> None:
        """Read away what the camera sends, so that it never has to wait for us."""
        self.wire.setblocking(False)
        try:
            for _ in range(DRAINS_MOST):
                if not self.wire.recv(65_536):
                    return
        except BlockingIOError:
            pass
        finally:
            self.wire.settimeout(ANSWER_S)

    def _learn(self, headers: Mapping[str, str]) -> bool:
        """Remember the way to log in that we know; RFC 2617 and RFC 7616."""
        for line in headers.get("www-authenticate", "").split("\n"):
            kind, _, rest = line.strip().partition(" ")
            said = {
                k.lower(): v.strip('"') for k, v in re.findall(r'\b(\w+)=("[^"]*"|[^,\s]+)', rest)
            }
            known = said.get("algorithm", "MD5").upper() in _DIGESTS
            if kind.lower() == "basic" or (kind.lower() == "digest" and known):
                self._challenge = (kind.lower(), said)
                return bool(self._user)
        return False

    def _log_in(self, method: str, url: str) -> str:
        assert self._challenge is not None, "asked for"
        kind, said = self._challenge
        if kind == "basic":
            return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        algorithm = said.get("algorithm", "MD5").upper()

        def hashed(text: str) -> str:
            return str(_DIGESTS[algorithm](text.encode()).hexdigest())

        realm, nonce = said.get("realm", ""), said.get("nonce", "")
        ours = hashed(f"{self._user}:{realm}:{self._password}")
        theirs = hashed(f"{method}:{url}")
        fields = f'username="{self._user}", realm="{realm}", nonce="{nonce}", uri="{url}"'
        if "auth" in said.get("qop", "").split(","):
            own = secrets.token_hex(8)
            answer = hashed(f"{ours}:{nonce}:00000001:{own}:auth:{theirs}")
            fields += f', qop=auth, nc=00000001, cnonce="{own}"'
        else:
            answer = hashed(f"{ours}:{nonce}:{theirs}")
        named = f", algorithm={algorithm}" if "algorithm" in said else ""
        return f'Digest {fields}, response="{answer}"{named}'


def _headers(head: str) -> dict[str, str]:
    """Names in small letters; a name that comes twice has both values, a line each."""
    found: dict[str, str] = {}
    for line in head.split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            found[key] = f"{found[key]}\n{value.strip()}" if key in found else value.strip()
    return found


def speak(address: Address, samples: NDArray[np.int16]) -> SoundTrack:
    """Play the samples (8 kHz) from the camera's loudspeaker; returns when they are over.

    Raises NoBackchannel where the camera takes none, OSError where it cannot be reached.
    """
    if address.scheme != "rtsp":
        raise NoBackchannel(f"{address.shown}: only rtsp:// cameras are spoken through")
    try:
        rtsp = _Rtsp(address)
    except OSError as error:
        raise NoBackchannel(f"{address.shown}: {error.strerror or error}") from None
    with contextlib.closing(rtsp.wire):
        try:
            return _spoken(rtsp, samples)
        except NoBackchannel:
            raise
        except OSError as error:
            raise NoBackchannel(redact(f"{address.shown}: {error}")) from None


def _spoken(rtsp: _Rtsp, samples: NDArray[np.int16]) -> SoundTrack:
    headers, sdp = rtsp.ask("DESCRIBE", rtsp.url, "Accept: application/sdp\r\n" + REQUIRE)
    track = sound_track(sdp)
    if track is None:
        raise NoBackchannel("the camera offers no loudspeaker that takes G.711")
    base = headers.get("content-base") or headers.get("content-location") or rtsp.url
    way = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n" + REQUIRE
    headers, _ = rtsp.ask("SETUP", control_url(base, track.control), way)
    given = re.search(r"interleaved=([0-9]{1,3})(?![0-9])", headers.get("transport", ""))
    if given is None or int(given[1]) > 255:
        raise NoBackchannel("the camera takes no sound inside the RTSP connection")
    rtsp.ask("PLAY", base, "Range: npt=0.000-\r\n" + REQUIRE)
    began = time.monotonic()
    for number, packet in enumerate(_packets(samples, track)):
        pause_s = began + number * PACKET_S - time.monotonic()
        if pause_s < -ANSWER_S:
            raise NoBackchannel("the camera takes the sound too slowly")
        if pause_s > 0:
            time.sleep(pause_s)
        rtsp.wire.sendall(b"$" + bytes([int(given[1])]) + struct.pack(">H", len(packet)) + packet)
        rtsp.drain()
    time.sleep(LINGER_S)
    with contextlib.suppress(OSError):
        rtsp.ask("TEARDOWN", base, REQUIRE)
    return track


def _packets(samples: NDArray[np.int16], track: SoundTrack) -> Iterator[bytes]:
    """Twenty milliseconds each, the last filled up with silence; the first bears the marker."""
    spare = -len(samples) % PACKET_SAMPLES
    data = g711(np.append(samples, np.zeros(spare, np.int16)), track.law)
    sequence, stamp, source = (
        secrets.randbelow(1 << 16),
        secrets.randbelow(1 << 32),
        secrets.token_bytes(4),
    )
    for number, at in enumerate(range(0, len(data), PACKET_SAMPLES)):
        kind = track.payload_type | (0x80 if number == 0 else 0)
        head = struct.pack(
            ">BBHI", 0x80, kind, (sequence + number) & 0xFFFF, (stamp + at) & 0xFFFFFFFF
        )
        yield head + source + data[at : at + PACKET_SAMPLES]
