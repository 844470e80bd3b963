# SPDX-License-Identifier: AGPL-3.0-or-later
"""Live streams read by libav: network cameras and USB cameras."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import av

from edge.camera.data_wait import DataWait
from edge.camera.libav import LIVE_PIXELS_MAX as PIXELS_MAX
from edge.camera.libav import (
    Input,
    Matrix,
    StreamDecoder,
    check_size,
    display_matrix,
    explain,
    open_input,
    packets_of,
    seconds,
    turned_bgr,
    turned_grey,
)
from edge.camera.pacing import LIVE_EARLY, Lag, Pacer
from edge.camera.packets import Encoded, parameter_sets
from edge.camera.quiet import EACH_ALONE_S, GROUP_BYTES, Differs, HeldPacket, QuietStream
from edge.camera.remux import describe
from edge.camera.source import STALL_S, Picture, SourceError, SourceFacts, Want
from edge.camera.stream_clock import StreamStatistics
from edge.camera.url import Address
from edge.camera.watch import PacketWatch
from edge.clock import Clock
from edge.values import Stamp

Keep = Callable[[Encoded], None]

# Key pictures alone are decoded one by one, so nothing else of them reaches the decoder.
_SKIP: dict[Want, str] = {
    "all": "DEFAULT",
    "nonref": "NONREF",
    "key": "DEFAULT",
    "watch": "DEFAULT",
}
# Of a stream that does not say.
USUAL_FPS = 25.0
NOTHING = "nothing comes any more"
# So late, only key pictures are decoded until no more than the second remains.
BEHIND_S, CAUGHT_UP_S = 2.0, 0.5
# So late, not even these are decoded until no more than the second remains: where they are more
# than the machine can do, each would be looked at later than the one before.
STALE_S = 5.0
# Cameras put key pictures up to a minute apart, and a viewer comes in the middle: until the first
# one nothing can be decoded, and coming anew would only begin the wait again.
KEY_WAIT_S = 65.0
# Where looks have been seldom for so long and key pictures come no further apart than that, the
# edges of blocks between them are left as they are: what that does to a picture adds up until the
# next key picture.
SELDOM_S, DEBLOCKED_EACH_S = 5.0, 2.5
# Arrival times kept for pictures still inside the decoder; H.264 allows 16 of them.
_INSIDE_MAX = 64


def decode_s(packet: Any) -> float | None:
    """The stream's own time of a packet, of decoding where it is told."""
    return seconds(packet.dts if packet.dts is not None else packet.pts, packet.time_base)


class LiveSource:
    """A network or USB stream: pictures for whoever iterates, their packets to `keep`.

    differs: compares key pictures while nobody needs more ("watch"); without it none are left out
    then. Raises SourceError when it cannot be opened.
    """

    def __init__(
        self,
        address: Address,
        clock: Clock,
        *,
        keep: Keep | None = None,
        differs: Differs | None = None,
    ) -> None:
        self._input: Input = open_input(address)
        self._clock = clock
        self._keep = keep
        self.want: Want = "all"
        self.undecodable = 0
        self._connection = describe(self._input)
        self.facts: SourceFacts = replace(
            self._input.facts, packets=bool(self._connection.header) and keep is not None
        )
        self.decoder = StreamDecoder(self._input, self._connection.extradata)
        self._arrived: dict[int, Stamp] = {}
        self._key_seen = False
        self._lag, self._data_wait = Lag(), DataWait()
        self._last_at: Stamp | None = None
        self.statistics = StreamStatistics()
        self.behind_s = 0.0
        self._catching_up = self._stale = False
        self._broken_off = False
        self._matrix: tuple[Matrix] | None = None
        self._often_s = -math.inf
        rate = self.facts.fps or USUAL_FPS
        # Of Motion JPEG each picture stands alone: only what is due is decoded at all. A USB
        # camera's pictures become its clips, so none is held back.
        self._each_alone = self.facts.codec == "mjpeg"
        # 0: all are due.
        self.every_s, self._undue = 0.0, False
        self._pacer = Pacer(rate, early=LIVE_EARLY)
        self._anchored_s, self._since_anchor = -math.inf, 0
        every_s = EACH_ALONE_S if self._each_alone else None
        able = differs is not None and not (self._each_alone and address.kind == "usb")
        self.quiet = QuietStream(PacketWatch(rate), differs, every_s) if differs and able else None

    def pictures(self) -> Iterator[Picture]:
        """Pictures until the stream fails; always ends with SourceError."""
        last_s = self._clock.now().mono
        for packet, at in self._packets():
            if self._keep is not None and self.facts.packets:
                self._keep(self._encoded(packet, at))
            if self.want in ("key", "watch") or self._catching_up or self._undue:
                # Key pictures may be further apart than a stall is long: packets are enough.
                last_s = at.mono
            for picture in self._wanted(packet, at):
                last_s = at.mono
                yield picture
            if at.mono - last_s > (STALL_S if self._key_seen else KEY_WAIT_S):
                raise SourceError("stall", "data comes but no picture can be made of it")
        raise SourceError("ended", "the stream ended")

    def packets(self) -> Iterator[Encoded]:
        """Packets alone, nothing decoded, for the record stream beside the analysed one.
        Raises SourceError where the stream ends or fails."""
        if not self._connection.header:
            raise SourceError("unsupported", f"MP4 cannot hold {self.facts.codec}; set H.264")
        for packet, at in self._packets():
            yield self._encoded(packet, at)
        raise SourceError("ended", "the stream ended")

    def close(self) -> None:
        self._input.close()
        self._data_wait.close()

    def _packets(self) -> Iterator[tuple[Any, Stamp]]:
        """Packets with data, and when they were read. A read that takes too long is a stall,
        whatever trickles in."""
        demuxed = packets_of(self._input)
        while True:
            asked_s = self._clock.now().mono
            self._data_wait.begin()
            try:
                packet = next(demuxed, None)
            except av.error.ExitError:
                raise SourceError("stall", NOTHING) from None
            except av.error.FFmpegError as error:
                raise SourceError(*explain(error)) from None
            if packet is None:
                return
            at = self._clock.now()
            if at.mono - asked_s >= STALL_S:
                # The read was given up, and libav handed out a rest that came long ago.
                raise SourceError("stall", NOTHING)
            if packet.size:
                self._note_lag(packet, at, self._data_wait.end(at.mono - asked_s))
                decoded_s = seconds(packet.dts, packet.time_base)
                shown_s = seconds(packet.pts, packet.time_base)
                self.statistics.add(self._came_s(at), decoded_s, shown_s, packet.is_keyframe)
                if packet.is_keyframe:
                    self.decoder.learn(parameter_sets(self._connection.codec, bytes(packet)))
                yield packet, at

    def _came_s(self, at: Stamp) -> float:
        """When (mono) a packet read just now came, also where the reader was late for it: what a
        full machine adds is no property of the stream."""
        return at.mono - self.behind_s

    def _wanted(self, packet: Any, at: Stamp) -> Iterator[Picture]:
        """What is to be decoded now: everything, or as little as it takes to watch."""
        quiet = self.quiet
        anchor = self._anchors(packet, at)
        if anchor:
            self.decoder.deblocks = not self._spares_deblocking(at)
        if quiet is None or not (self._key_seen or anchor):
            yield from self._awake(packet, at, anchor)
            return
        # Also while reading has fallen behind: nothing catches up faster than to sleep.
        wanted = self.want == "watch"
        learn = wanted or quiet.still
        stirs = quiet.watch.add(at.mono, packet.size, anchor, learn=learn)
        if quiet.asleep and not (wanted and quiet.fit):
            yield from self._again(quiet.wake(at, "asked"))
        elif not quiet.asleep and quiet.may_sleep(at, wanted=wanted, anchor=anchor) and not stirs:
            yield from self._drained(at)
            quiet.sleep(at)
        held = HeldPacket(packet, at, packet.size, self._came_s(at))
        if quiet.asleep:
            yield from self._watched(quiet, held, anchor, stirs)
            return
        if not self._each_alone:
            quiet.keep(held, anchor)
        yield from self._awake(packet, at, anchor)

    def _anchors(self, packet: Any, at: Stamp) -> bool:
        """Whether a group begins with this packet: a key picture; where each picture stands alone,
        the next one after so long, or after so much."""
        if not self._each_alone:
            return bool(packet.is_keyframe)
        self._since_anchor += packet.size
        came_s = self._came_s(at)
        if came_s - self._anchored_s < EACH_ALONE_S and self._since_anchor <= GROUP_BYTES:
            return False
        self._anchored_s, self._since_anchor = came_s, 0
        return True

    def _spares_deblocking(self, at: Stamp) -> bool:
        """Whether pictures between key pictures are decoded to be compared more than to be looked
        at."""
        if self.want != "nonref":
            self._often_s = at.mono
        key_s = self.statistics.key_most_s
        close = key_s is not None and key_s <= DEBLOCKED_EACH_S
        return close and at.mono - self._often_s >= SELDOM_S

    def _due(self, at: Stamp) -> bool:
        """Whether a picture that stands alone is due, as whoever takes them will say."""
        if self._each_alone and self.every_s > 0.0:
            self._pacer.pace(self.every_s)
            self._undue = not self._pacer.due(at.mono)
        return not self._undue

    def _awake(self, packet: Any, at: Stamp, anchor: bool) -> Iterator[Picture]:
        """The packet's pictures; of a key picture alone at once, which the decoder would else keep
        until it has those after it."""
        if anchor and self.decoder.outdated:
            yield from self._drained(at)
        if not (self._key_seen and self._keys_only(anchor)):
            if self._due(at):
                yield from self._pictures(packet, at)
        elif anchor and not self._stale:
            alone = self._alone(HeldPacket(packet, at, packet.size, at.mono))
            if alone is not None:
                self._last_at = at
                yield alone

    def _keys_only(self, anchor: bool) -> bool:
        """Whether only key pictures count: as asked, and until the next one after that, since what
        lies between builds on pictures that were never decoded."""
        if self.want == "key" or self._catching_up:
            self._broken_off = True
        elif anchor:
            self._broken_off = False
        return self._broken_off

    def _watched(
        self, quiet: QuietStream, held: HeldPacket, anchor: bool, stirs: bool
    ) -> Iterator[Picture]:
        """Asleep: hold the packet, look at it where it is a key picture, wake where it stirs."""
        fresh = quiet.fresh
        room = quiet.hold(held, anchor)
        if stirs or not room:
            yield from self._again(quiet.wake(held.at, "sizes" if stirs else "late"))
        elif anchor and not self._stale:
            alone = self._alone(held)
            if alone is not None and quiet.differs_from_last(alone.bgr(), held.at.mono, fresh):
                yield from self._again(quiet.wake(held.at, "picture"))
            elif alone is not None:
                self._last_at = held.at
                yield alone

    def _alone(self, held: HeldPacket) -> Picture | None:
        """The picture of one key packet, at once: nothing is left in the decoder after it."""
        self._arrived.clear()
        last_at, self._last_at = self._last_at, None
        self._due(held.at)
        found = [*self._pictures(held.packet, held.at), *self._drained(held.at)]
        self._last_at = last_at
        if not found:
            return None
        image = found[-1].bgr()
        return Picture(held.at, held.at.mono, lambda: image)

    def _drained(self, at: Stamp) -> Iterator[Picture]:
        """What is still inside the decoder, which begins anew after it."""
        for frame in self.decoder.release():
            if not frame.is_corrupt:
                yield self._picture(frame, at)
        self._arrived.clear()

    def _again(self, held: list[HeldPacket]) -> Iterator[Picture]:
        """Decode what was held back: of it is looked at all that came after the last look."""
        seen_s = self._last_at.mono if self._last_at is not None else 0.0
        self._broken_off = False
        for one in held:
            if self._each_alone and not (one.at.mono > seen_s and self._due(one.at)):
                continue
            for picture in self._pictures(one.packet, one.at):
                if picture.at.mono > seen_s:
                    yield replace(picture, held=True)

    def _pictures(self, packet: Any, at: Stamp) -> Iterator[Picture]:
        # A picture that builds on one we never got would be a wrong picture.
        self._key_seen = self._key_seen or packet.is_keyframe
        if not self._key_seen:
            return
        if packet.pts is not None:
            self._remember(packet.pts, at)
        try:
            frames = self.decoder.decode(packet, _SKIP[self.want])
        except av.error.FFmpegError:
            self.undecodable += 1
            context = self.decoder.context
            check_size(context.width, context.height, PIXELS_MAX)
            return
        for frame in frames:
            if frame.is_corrupt:
                self.undecodable += 1
                continue
            yield self._picture(frame, at)

    def _note_lag(self, packet: Any, at: Stamp, waited_s: float) -> None:
        """Key pictures only while reading has fallen behind: decoding less is the one way to see
        what happens now instead of what happened a minute ago."""
        time_s = decode_s(packet)
        if time_s is not None:
            self.behind_s = self._lag.behind_s(at.mono, time_s, waited_s)
        self._catching_up = self.behind_s > (CAUGHT_UP_S if self._catching_up else BEHIND_S)
        self._stale = self.behind_s > (CAUGHT_UP_S if self._stale else STALE_S)

    def _picture(self, frame: Any, at: Stamp) -> Picture:
        """Due by the arrival of the packet that let it out of the decoder: that is even, and in
        order, also where pictures are decoded in another order than they are shown."""
        arrived = self._arrived.pop(frame.pts, at) if frame.pts is not None else at
        if self._last_at is not None and arrived.mono < self._last_at.mono:
            arrived = self._last_at
        self._last_at = arrived
        matrix = self._matrix_of(frame)
        return Picture(
            arrived,
            at.mono,
            lambda: turned_bgr(frame, matrix),
            grey=lambda: turned_grey(frame, matrix),
        )

    def _matrix_of(self, frame: Any) -> Matrix:
        """How the camera says that it hangs: by its first picture."""
        if self._matrix is None:
            self._matrix = (display_matrix(frame),)
        return self._matrix[0]

    def _remember(self, pts: int, at: Stamp) -> None:
        while len(self._arrived) >= _INSIDE_MAX:
            del self._arrived[next(iter(self._arrived))]
        self._arrived[pts] = at

    def _encoded(self, packet: Any, at: Stamp) -> Encoded:
        return Encoded(
            bytes(packet),
            packet.pts,
            packet.dts,
            packet.time_base,
            packet.is_keyframe,
            at,
            self._connection,
            self.decoder.parameters,
        )
