# SPDX-License-Identifier: AGPL-3.0-or-later
"""The live part of `edge fly`: threads and the broker round edge.drone.liveflight."""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from edge.config import Camera, Category, config_sha256

if TYPE_CHECKING:
    from edge.drone.settings import Drone
    from edge.drone.sites import RegisteredSite
    from edge.vision.model import Model

TAKE_S = 0.2


def fly_live(
    args: argparse.Namespace,
    settings: Drone,
    sites: tuple[RegisteredSite, ...],
    model: Model,
    categories: Mapping[str, Category],
) -> int:
    """Runs until SIGINT or SIGTERM; the stream and the broker are retried for ever."""
    from edge.camera.grabber import Grabber
    from edge.camera.mailbox import Mailbox
    from edge.camera.opening import addresses, connector
    from edge.clock import SystemClock
    from edge.drone.liveflight import LiveFlight
    from edge.drone.posefeed import PoseFeed
    from edge.runtime import Stop

    clock, mailbox, stop = SystemClock(), Mailbox(), Stop()
    camera = Camera(id="drone", source=args.video, fps=settings.look.fps)
    connect = connector(addresses(camera), clock, None)
    grabber = Grabber("drone", connect, fps=settings.look.fps, mailbox=mailbox, clock=clock)
    args.out.mkdir(parents=True, exist_ok=True)
    flight = LiveFlight(
        args.out, settings, sites, model, list(categories.values()), lambda row: None,
        name=args.name or "live",
    )  # fmt: skip
    identity = (model.name, model.sha256)
    opened = ExitStack()
    flight.publish = _publisher(args, opened, flight, categories, identity, config_sha256(settings))
    feed = PoseFeed(settings.live, clock)
    feed.feed.payload, feed.feed.serial = settings.aircraft.payload, settings.aircraft.serial
    stop.on_signals()
    grabber.start()
    reading = True
    try:
        while reading and not stop:
            reading = grabber.line.alive
            _turn(flight, feed, mailbox.take(TAKE_S), settings.live.video_delay_s)
    finally:
        grabber.stop(2.0)
        feed.close()
        opened.close()
    print(
        f"{flight.looks} pictures looked at, {len(flight.rows)} findings, {flight.dropped} "
        f"pictures without a pose in time; make the ledger from the recording: edge fly RECORDING "
        f"--live {args.out}",
        file=sys.stderr,
    )
    return 0 if reading else _blind(args.video)


def _blind(video: str) -> int:
    """The stream is opened again after any failure but a bug, whose trace was printed."""
    print(
        f"edge fly: {video}: reading the stream ended by the error above; no pictures come any "
        "more: start it again",
        file=sys.stderr,
    )
    return 1


def _turn(flight: Any, feed: Any, frame: Any, delay_s: float) -> None:
    """One round: at most one picture, and whatever the broker has."""
    if frame is not None:
        measured = feed.feed.delay_ms
        flight.picture(frame, delay_s if measured is None else measured / 1000.0)
    feed.poll()
    flight.poses(list(feed.poses))


def _publisher(
    args: argparse.Namespace,
    opened: ExitStack,
    flight: Any,
    categories: Mapping[str, Category],
    model: tuple[str, str],
    sha256: str,
) -> Callable[[dict[str, Any]], None]:
    """Print a finding on stdout, and put it into the outbox where a device file names one."""
    send, waiting = _outbox(args, opened), deque[dict[str, Any]]()

    def put() -> None:
        """What waits, oldest first; a full outbox makes it wait for the next one, or the end."""
        from edge.outbox import OutboxFull

        source = flight.source(model, sha256)
        while waiting:
            try:
                send.send(source, waiting[0], args.out / "pictures", categories)
            except OutboxFull as error:
                print(f"edge fly: {error}; {len(waiting)} findings wait", file=sys.stderr)
                return
            waiting.popleft()

    def publish(row: dict[str, Any]) -> None:
        print(json.dumps(row, ensure_ascii=False) if args.json else _sentence(row), flush=True)
        if send is not None:
            waiting.append(row)
            put()

    opened.callback(put)
    return publish


def _outbox(args: argparse.Namespace, opened: ExitStack) -> Any:
    if args.device is None:
        return None
    from edge.commands.fly import packs_of_flight
    from edge.config.paths import read_box
    from edge.drone.dossier import FlightPublisher
    from edge.outbox import Outbox

    box = read_box(args.device)
    outbox = opened.enter_context(closing(Outbox(box.outbox)))
    return FlightPublisher(box.device.device, box.evidence, outbox, packs_of_flight(args))


def _sentence(row: Mapping[str, Any]) -> str:
    names = row["names"]
    return (
        f"suspected {names['zh']} {names['en']} at {row['lat']:.6f}, {row['lon']:.6f} "
        f"±{row['ce90_m']:g} m, {row['facts'].get('looks')} looks"
    )
