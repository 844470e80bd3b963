# SPDX-License-Identifier: AGPL-3.0-or-later
"""Valid frames to test with: of every language, made here or copied from domain.md §6 and §7."""

from __future__ import annotations

import random

from edge.sensors import plantower, sds
from edge.sensors.hj212 import Hj212Packet, encode
from edge.sensors.maps import Block
from edge.sensors.modbus import crc, request

MN = "370215CG0000000000000001"


def hj212_frame(
    values: dict[str, str], *, second: int = 0, cn: str = "2011", flag: int = 5
) -> bytes:
    time = f"202603012215{second % 60:02d}"
    cp = ";".join([f"DataTime={time}", *(f"{k}={v}" for k, v in values.items())])
    return encode(Hj212Packet(f"{time}{second % 1000:03d}", "39", cn, MN, flag, cp))


def plantower_frame(values: tuple[int, int, int], *, short: bool = False) -> bytes:
    head = bytes.fromhex("424d0014" if short else "424d001c")
    words = [*values, *values, *([0] * 3 if short else [210, 70, 45, 30, 0, 0, 0x9700])]
    body = head + b"".join(word.to_bytes(2, "big") for word in words)
    return body + plantower.checksum(body).to_bytes(2, "big")


def sds_frame(pm25: int, pm10: int, device: bytes = b"\xa1\x60") -> bytes:
    data = pm25.to_bytes(2, "little") + pm10.to_bytes(2, "little") + device
    return b"\xaa\xc0" + data + bytes([sds.checksum(data), 0xAB])


def nmea_sentence(body: str) -> bytes:
    check = 0
    for byte in body.encode():
        check ^= byte
    return f"${body}*{check:02X}\r\n".encode()


def modbus_answer(words: list[int], *, address: int = 1, function: int = 3) -> bytes:
    body = bytes([address, function, 2 * len(words)])
    body += b"".join(word.to_bytes(2, "big") for word in words)
    return body + crc(body)


def random_frame(kind: str, rng: random.Random) -> bytes:
    """One valid frame with random values; for Modbus a request and its answer."""
    return _MAKERS[kind](rng)


def _random_hj212(rng: random.Random) -> bytes:
    values = {"LA-Rtd": f"{rng.uniform(30, 110):.1f}", "LA-Flag": "N"}
    if rng.random() < 0.5:
        values["a34001-Rtd"] = f"{rng.uniform(0, 2):.3f}"
    return hj212_frame(values, second=rng.randrange(1000))


def _random_plantower(rng: random.Random) -> bytes:
    low, middle, high = sorted(rng.randrange(1000) for _ in range(3))
    return plantower_frame((low, middle, high), short=rng.random() < 0.3)


def _random_sds(rng: random.Random) -> bytes:
    """Air as it is: it changes from second to second, and does not leap."""
    return sds_frame(rng.randrange(300, 500), rng.randrange(600, 900))


def _random_nmea(rng: random.Random) -> bytes:
    # A box stands still; its receiver wanders by some metres.
    lat, lon = rng.uniform(23.3, 23.4), rng.uniform(26.8, 26.9)
    second = rng.randrange(60)
    return nmea_sentence(
        f"GNRMC,1415{second:02d}.00,A,36{lat:08.5f},N,120{lon:08.5f},E,0.042,,010326,,,A"
    )


def _random_modbus(rng: random.Random) -> bytes:
    count = rng.choice((1, 2, 4))
    ask = request(rng.randrange(1, 6), Block(3, rng.randrange(16), count))
    return ask + modbus_answer([rng.randrange(65536) for _ in range(count)], address=ask[0])


_MAKERS = {
    "hj212": _random_hj212,
    "plantower": _random_plantower,
    "sds": _random_sds,
    "nmea": _random_nmea,
    "modbus": _random_modbus,
}
KINDS_WITH_CHECK = tuple(_MAKERS)
