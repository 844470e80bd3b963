# SPDX-License-Identifier: AGPL-3.0-or-later
"""An RTSP server that does as it is told on stdin; run by the system's Python, see camera.py.

Needs the Debian packages of tools.fakes.camera.PACKAGES. One JSON object a line in:
    {"path": "/a", "codec": "h264", "units": FILE, "fps": 25, "mode": "play"}
FILE holds access units, each behind its length as 4 bytes, big endian. Modes: play; silent (the
connection stays, nothing comes); freeze (the first key picture again and again). "kick": true
cuts every client. The answer is one line: the port at the start, then "ok" for each command.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

LAUNCH = (
    "( appsrc name=src is-live=true format=time do-timestamp=false block=false "
    "caps=video/x-{codec},stream-format=byte-stream,alignment=au ! {pay} name=pay0 pt=96 "
    "config-interval=-1 )"
)
CODECS = {"h264": ("h264", "rtph264pay"), "hevc": ("h265", "rtph265pay")}


class Mount:
    """One stream: a thread that pushes access units in real time while a client watches."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.units = read_units(order["units"])
        self.codec, self.fps, self.mode = order["codec"], order["fps"], order["mode"]

    def change(self, order: dict[str, Any]) -> None:
        if "units" in order:
            self.units = read_units(order["units"])
        self.mode = order.get("mode", self.mode)

    def configure(self, _factory: object, media: GstRtspServer.RTSPMedia) -> None:
        source = media.get_element().get_by_name("src")
        threading.Thread(target=self.push, args=(source,), daemon=True).start()

    def push(self, source: Gst.Element) -> None:
        """Feed one viewer at the camera's pace, with the mode of the moment: silent, frozen,
        changed."""
        index, units, pause = 0, self.units, threading.Event()
        began_s, tick = time.monotonic(), 0
        while True:
            # A sensor keeps its pace and stamps by it, however busy whoever listens is.
            tick += 1
            pause.wait(max(0.0, began_s + tick / self.fps - time.monotonic()))
            if units is not self.units:
                index, units = 0, self.units
            if self.mode == "silent":
                continue
            data = units[0 if self.mode == "freeze" else index % len(units)]
            index += 1
            buffer = Gst.Buffer.new_wrapped(data)
            buffer.pts = buffer.dts = tick * Gst.SECOND // self.fps
            if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return


def read_units(path: str) -> list[bytes]:
    """The access units of a file: each a length in four bytes, then so many bytes."""
    data, units, at = Path(path).read_bytes(), [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        units.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return units


class Server:
    """GStreamer's RTSP server on a free local port; its mounts are the cameras."""

    def __init__(self) -> None:
        self.mounts: dict[str, Mount] = {}
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address("127.0.0.1")
        self.server.set_service("0")
        self.server.attach(None)

    def obey(self, order: dict[str, Any]) -> None:
        """An order of the test: change a mount, make one, throw the viewers out."""
        path = order.get("path")
        if path in self.mounts:
            self.mounts[path].change(order)
        elif path is not None:
            self.mount(path, order)
        if order.get("kick"):
            self.server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)

    def mount(self, path: str, order: dict[str, Any]) -> None:
        """A path of its own with its codec; every viewer gets a pipeline of his own."""
        mount = self.mounts[path] = Mount(order)
        codec, pay = CODECS[mount.codec]
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(LAUNCH.format(codec=codec, pay=pay))
        factory.connect("media-configure", mount.configure)
        self.server.get_mount_points().add_factory(path, factory)


def listen(server: Server, loop: GLib.MainLoop) -> None:
    """Orders are obeyed in the main loop, where GStreamer's server lives."""

    def obey(line: str) -> bool:
        server.obey(json.loads(line))
        print("ok", flush=True)
        return False

    for line in sys.stdin:
        GLib.idle_add(obey, line)
    GLib.idle_add(loop.quit)


def main() -> None:
    Gst.init(None)
    loop, server = GLib.MainLoop(), Server()
    print(server.server.get_bound_port(), flush=True)
    threading.Thread(target=listen, args=(server, loop), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
