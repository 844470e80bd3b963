# SPDX-License-Identifier: AGPL-3.0-or-later
"""Modbus RTU: requests for a register map, their answers, and listening to a line.

Request bodies and the CRC come from pymodbus. Its framer is not used for answers: it throws
everything away at the first wrong byte, where a shared RS-485 line needs to find the next frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from pymodbus.framer.rtu import FramerRTU
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from edge.sensors.frames import MORE, NOISE, Bad, DecodedFrame, InstrumentValue, Look, Scanner, Step
from edge.sensors.maps import Block, Entry, blocks, readings

ADDRESS_MAX = 247
READS = (3, 4)
# Functions with a byte count in the answer, and those whose request and answer have eight bytes.
COUNTED, EIGHT = (1, 2, 3, 4), (1, 2, 3, 4, 5, 6, 15, 16)
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledge",
    6: "busy",
    8: "memory parity",
    10: "no gateway path",
    11: "gateway target silent",
}


def crc(data: bytes) -> bytes:
    """CRC-16/MODBUS, low byte first."""
    return int(FramerRTU.compute_CRC(data)).to_bytes(2, "big")


def valid(frame: bytes) -> bool:
    return len(frame) >= 4 and crc(frame[:-2]) == frame[-2:]


def request(address: int, block: Block) -> bytes:
    """The frame that asks slave `address` for `block`."""
    kind = ReadHoldingRegistersRequest if block.function == 3 else ReadInputRegistersRequest
    pdu = kind(address=block.start, count=block.count, dev_id=address)
    body = bytes([address, block.function]) + pdu.encode()
    return bytes(body + crc(body))


@dataclass(frozen=True, slots=True)
class SlaveReply:
    """What a slave said: registers as sent, or an exception in words."""

    data: bytes = b""
    exception: str = ""
    skipped: int = 0


def answer(data: bytes, address: int, block: Block) -> SlaveReply | None:
    """The answer to this very request anywhere in `data`, None while there is none.

    Bytes before it (echo of the request, noise of the line's turnaround) are stepped over.
    """
    size = 5 + 2 * block.count
    head = bytes([address, block.function, 2 * block.count])
    refusal = bytes([address, block.function | 0x80])
    for at in range(len(data)):
        frame = data[at : at + size]
        if frame.startswith(head) and len(frame) == size and valid(frame):
            return SlaveReply(frame[3:-2], skipped=at)
        frame = data[at : at + 5]
        if frame.startswith(refusal) and len(frame) == 5 and valid(frame):
            return SlaveReply(exception=EXCEPTIONS.get(frame[2], f"code {frame[2]}"), skipped=at)
    return None


class Sniffer(Scanner):
    """Bytes listened to on a line, requests and answers mixed, with or without a register map.

    An answer carries no register numbers: they come from the request before it, or from the one
    block of the map that fits; else channels are named by their offset, `+0`, `+1`, and the value
    is the register as sent.
    """

    kind = "modbus"

    def __init__(self, registers: tuple[Entry, ...] = ()) -> None:
        super().__init__()
        self._registers, self._blocks = registers, blocks(registers)
        # The last request, and the place in the stream where its answer must begin: an answer
        # that follows damage may belong to a request that was lost.
        self._asked: tuple[int, int, Block, int] | None = None
        self._before = 0
        # What has been asked for on this line: (address, function, registers).
        self._wanted: set[tuple[int, int, int]] = set()

    def decode(self, data: bytes, *, final: bool = False) -> Step:
        step = super().decode(data, final=final)
        self._before += step.used
        return step

    def parse(self, data: bytes, at: int) -> Look:
        """One frame of request or answer. Its size follows from function and count; where both
        readings are possible the one with a right CRC that is credible here wins (MODBUS over
        serial line V1.02)."""
        if len(data) - at < 4:
            return MORE
        if not 1 <= data[at] <= ADDRESS_MAX:
            return NOISE
        sizes = _sizes(data, at)
        if not sizes:
            return NOISE
        for size in sizes:
            frame = data[at : at + size]
            if len(frame) == size and valid(frame) and self._credible(frame):
                return DecodedFrame(size, self._take(frame, self._before + at))
        longest = max(sizes)
        return MORE if len(data) - at < longest else Bad(min(sizes))

    def _credible(self, frame: bytes) -> bool:
        """An answer to what nobody on this line asks for is chance: the CRC has sixteen bits."""
        if frame[1] not in READS or len(frame) == 8 or not self._wanted:
            return True
        return (frame[0], frame[1], len(frame) // 2 - 2) in self._wanted

    def _take(self, frame: bytes, place: int) -> tuple[InstrumentValue, ...]:
        address, function = frame[0], frame[1]
        if function not in READS:
            return ()
        if len(frame) == 8:
            start, count = (int.from_bytes(frame[i : i + 2], "big") for i in (2, 4))
            self._asked = (address, function, Block(function, start, count), place + 8)
            self._wanted.add((address, function, count))
            return ()
        count = len(frame) // 2 - 2
        expected = (address, function, Block(function, 0, count), place)
        return self._values(frame[3:-2], str(address), function, self._matching(expected))

    def _matching(self, got: tuple[int, int, Block, int]) -> Block | None:
        """The last request, where `got` is the answer to it."""
        asked, self._asked = self._asked, None
        if asked is None or (asked[0], asked[1], asked[3]) != (got[0], got[1], got[3]):
            return None
        return asked[2] if asked[2].count == got[2].count else None

    def _values(
        self, data: bytes, source: str, function: int, asked: Block | None
    ) -> tuple[InstrumentValue, ...]:
        fits = [b for b in self._blocks if (b.function, b.count) == (function, len(data) // 2)]
        block = asked or (fits[0] if len(fits) == 1 else None)
        named = readings(self._registers, block, data, source) if block else ()
        return named or _unnamed(asked, data, source)


def _sizes(data: bytes, at: int) -> tuple[int, ...]:
    """Sizes that a frame beginning here may have, answers first."""
    function, third = data[at + 1], data[at + 2]
    if function & 0x80:
        return (5,) if function & 0x7F in EIGHT and third in EXCEPTIONS else ()
    if function not in EIGHT:
        return ()
    sizes = []
    if function in COUNTED and 0 < third <= 250 and (function not in READS or third % 2 == 0):
        sizes.append(5 + third)
    if function not in COUNTED or _asks(data, at):
        sizes.append(8)
    return tuple(sizes)


def _asks(data: bytes, at: int) -> bool:
    """Whether bytes 4 and 5 can be the count of a read request (1..125)."""
    count = int.from_bytes(data[at + 4 : at + 6], "big")
    return 1 <= count <= 125 or len(data) < at + 6


def _unnamed(asked: Block | None, data: bytes, source: str) -> tuple[InstrumentValue, ...]:
    words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
    first = "0x{:04x}" if asked else "+{}"
    start = asked.start if asked else 0
    return tuple(
        InstrumentValue(first.format(start + i), float(word), "", "ok", str(word), source)
        for i, word in enumerate(words)
    )
