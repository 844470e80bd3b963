# SPDX-License-Identifier: AGPL-3.0-or-later
"""Changes of files in their structure: boxes of MP4, packets of a transport stream, segments of a
JPEG, fields of protobuf, lines of RTSP; and of bare bytes. Each takes a random generator, so that
an input is made again from its seed.
"""

from __future__ import annotations

import base64
import random
import re
import struct
from collections.abc import Callable, Sequence

Change = Callable[[bytes, random.Random], bytes]

NUMBERS = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
TEXTS = ("", "0", "-1", "1e999", "99999999999999999999", "%s%n", "\0", "a" * 5000, "é" * 300, "*")
TS_PACKET = 188
# Boxes that hold boxes (ISO/IEC 14496-12), and how many bytes stand before the first of them.
BOXES = {b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"edts": 0, b"dinf": 0,
         b"moof": 0, b"traf": 0, b"mvex": 0, b"udta": 0, b"meta": 4, b"stsd": 8}  # fmt: skip


def number(rng: random.Random, size: int) -> bytes:
    """A number of `size` bytes, big-endian, near a border or anywhere."""
    bits = 8 * size
    value = rng.choice(NUMBERS) if rng.random() < 0.7 else rng.getrandbits(bits)
    return (value & ((1 << bits) - 1)).to_bytes(size, "big")


def changed_bytes(data: bytes, rng: random.Random) -> bytes:
    """Bits turned, stretches cut, repeated, overwritten, or the rest cut off."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(out) + 1)
        what = rng.randrange(6)
        if what < 2 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif what == 2:
            size = rng.choice((1, 2, 4, 8))
            out[at : at + size] = number(rng, size)
        elif what == 3:
            del out[at : at + rng.choice((1, 4, 64, 2000))]
        elif what == 4:
            out[at:at] = out[at : at + rng.choice((1, 16, 400))] * rng.choice((1, 20))
        elif rng.random() < 0.3:
            del out[at:]
    return bytes(out)


def shuffled(parts: list[bytes], rng: random.Random, inside: Change) -> list[bytes]:
    """One part dropped, repeated, exchanged or changed inside."""
    if not parts:
        return parts
    at, other = rng.randrange(len(parts)), rng.randrange(len(parts))
    what = rng.randrange(8)
    if what == 0:
        del parts[at]
    elif what == 1:
        parts[at:at] = [parts[at]] * rng.choice((1, 1, 3, 60))
    elif what == 2:
        parts[at], parts[other] = parts[other], parts[at]
    else:
        parts[at] = inside(parts[at], rng)
    return parts


# --- MP4 ------------------------------------------------------------------------------------------


def boxes(data: bytes) -> list[bytes]:
    """The boxes that stand one behind the other; a rest that is none is kept as it is."""
    parts, at = [], 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big") or len(data) - at
        size = size if 8 <= size <= len(data) - at else len(data) - at
        parts.append(data[at : at + size])
        at += size
    return [*parts, data[at:]] if at < len(data) else parts


def changed_mp4(data: bytes, rng: random.Random) -> bytes:
    return b"".join(shuffled(boxes(data), rng, _changed_box))


def _changed_box(box: bytes, rng: random.Random) -> bytes:
    kind, body = box[4:8], box[8:]
    before = BOXES.get(kind)
    if before is not None and rng.random() < 0.9:
        body = body[:before] + b"".join(shuffled(boxes(body[before:]), rng, _changed_box))
    elif kind == b"mdat":
        body = changed_bytes(body, rng)
    else:
        body = _changed_field(body, rng)
    size = len(body) + 8 if rng.random() < 0.95 else int.from_bytes(number(rng, 4), "big")
    if rng.random() < 0.03:
        kind = rng.choice((b"free", b"moov", b"stsd", b"trak", b"\0\0\0\0", b"uuid"))
    return struct.pack(">I", size) + kind + body


def _changed_field(body: bytes, rng: random.Random) -> bytes:
    """A number at a place where fields begin: counts, offsets, lengths of time."""
    size = rng.choice((1, 2, 4, 4, 4, 8))
    at = rng.randrange(0, max(1, len(body) - size + 1), min(size, 4))
    return body[:at] + number(rng, size) + body[at + size :]


# --- transport streams ----------------------------------------------------------------------------


def changed_ts(data: bytes, rng: random.Random) -> bytes:
    parts = [data[at : at + TS_PACKET] for at in range(0, len(data), TS_PACKET)]
    for _ in range(rng.choice((1, 1, 3, 10))):
        parts = shuffled(parts, rng, _changed_packet)
    return b"".join(parts)


def _changed_packet(packet: bytes, rng: random.Random) -> bytes:
    """In its head, its adaptation field, or the PES header or table behind them."""
    out = bytearray(packet)
    start = packet.find(b"\0\0\1", 4, 60)
    where = rng.randrange(4)
    if where == 0:
        out[rng.randrange(1, 4)] = rng.getrandbits(8)
    elif where == 1 and len(out) > 12:
        out[rng.randrange(4, 12)] = rng.getrandbits(8)
    elif where == 2 and start > 0:
        # stream id, length, flags, header length, PTS and DTS (ISO/IEC 13818-1, 2.4.3.6)
        out[start + 3 + rng.randrange(16)] = rng.getrandbits(8)
    else:
        return changed_bytes(packet, rng)[:TS_PACKET].ljust(TS_PACKET, b"\xff")
    return bytes(out)


# --- JPEG -----------------------------------------------------------------------------------------


def segments(data: bytes) -> list[bytes]:
    """Start, segments, and the scan with all that follows it as the last part."""
    parts, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        size = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        parts.append(data[at : at + size])
        at += size
    return [*parts, data[at:]]


def changed_jpeg(data: bytes, rng: random.Random) -> bytes:
    return b"".join(shuffled(segments(data), rng, _changed_segment))


def _changed_segment(part: bytes, rng: random.Random) -> bytes:
    if len(part) < 6:
        return changed_bytes(part, rng)
    head, body = part[:4], part[4:]
    if part[1] & 0xF0 == 0xC0 and rng.random() < 0.5:
        # Height and width of a frame header (ITU-T T.81, B.2.2).
        return head + body[:1] + number(rng, 2) + number(rng, 2) + body[5:]
    if part[1] == 0xE1 and rng.random() < 0.7:
        return head + _changed_tiff(body, rng)
    if rng.random() < 0.2:
        return part[:2] + number(rng, 2) + body
    return head + (_changed_field(body, rng) if rng.random() < 0.5 else changed_bytes(body, rng))


def _changed_tiff(body: bytes, rng: random.Random) -> bytes:
    """A field of two or four bytes in either order, where EXIF directories begin."""
    size = rng.choice((2, 4))
    at = 6 + 2 * rng.randrange(max(1, (len(body) - 6) // 2))
    field = number(rng, size)
    return body[:at] + (field[::-1] if rng.random() < 0.5 else field) + body[at + size :]


# --- protobuf -------------------------------------------------------------------------------------

Field = tuple[int, int, bytes]


def fields(data: bytes) -> list[Field] | None:
    """(number, wire type, value) of a message, or None where it is none."""
    found, at = list[Field](), 0
    while at < len(data):
        key, at = _varint(data, at)
        kind, value = key & 7, b""
        if kind == 0:
            end = _varint(data, at)[1]
        elif kind == 2:
            size, at = _varint(data, at)
            end = at + size
        elif kind in (1, 5):
            end = at + (8 if kind == 1 else 4)
        else:
            return None
        if end > len(data) or key >> 3 == 0:
            return None
        value, at = data[at:end], end
        found.append((key >> 3, kind, value))
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            break
    return value, at


def varint(value: int) -> bytes:
    """A number as protobuf writes it, seven bits a byte."""
    out = bytearray()
    value &= 2**64 - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(parts: Sequence[Field]) -> bytes:
    return b"".join(
        varint(at << 3 | kind) + (varint(len(value)) if kind == 2 else b"") + value
        for at, kind, value in parts
    )


def changed_protobuf(data: bytes, rng: random.Random) -> bytes:
    """One field of the message, or of one below it, dropped, repeated, exchanged or changed."""
    parts = fields(data)
    if not parts:
        return changed_bytes(data, rng)
    whole = shuffled([message([part]) for part in parts], rng, _changed_in_message)
    return b"".join(whole)


def _changed_in_message(data: bytes, rng: random.Random) -> bytes:
    (at, kind, value), *_ = fields(data) or [(1, 2, data)]
    if kind == 0:
        near = (-1, 0, 1, 2, 3, 7, 2**31, 2**31 - 1, 2**63 - 1, 2**63, 10**6, 65_536)
        value = varint(rng.choice(near))
    elif kind == 2 and fields(value) and rng.random() < 0.9:
        value = changed_protobuf(value, rng)
    elif kind == 2 and rng.random() < 0.3:
        value = rng.choice(TEXTS).encode()
    else:
        value = changed_bytes(value, rng) if value else b"\xff"
    at = rng.randrange(1, 25) if rng.random() < 0.05 else at
    return message([(at, kind, value)])


# --- RTSP and its descriptions --------------------------------------------------------------------


def changed_rtsp(data: bytes, rng: random.Random) -> bytes:
    """An answer of a camera: its lines, their numbers and texts, and what is base64 in them."""
    lines = data.split(b"\r\n")
    for _ in range(rng.choice((1, 1, 2, 5))):
        lines = shuffled(lines, rng, _changed_line)
    return b"\r\n".join(lines)


def _changed_line(line: bytes, rng: random.Random) -> bytes:
    tokens = list(re.finditer(rb"[A-Za-z0-9+/]{12,}={0,2}|[0-9]+|[A-Za-z0-9-]+", line))
    if not tokens or rng.random() < 0.15:
        return changed_bytes(line, rng)
    token = rng.choice(tokens)
    return line[: token.start()] + _other_token(token[0], rng) + line[token.end() :]


def _other_token(token: bytes, rng: random.Random) -> bytes:
    if len(token) >= 12 and rng.random() < 0.8:
        try:
            return base64.b64encode(changed_bytes(base64.b64decode(token), rng))
        except ValueError:
            pass
    if token.isdigit() and rng.random() < 0.7:
        return str(rng.choice((*NUMBERS, -1, 2**63, 2**64, rng.randrange(70_000)))).encode()
    return rng.choice(TEXTS).encode()
