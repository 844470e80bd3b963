# SPDX-License-Identifier: AGPL-3.0-or-later
"""A server on 127.0.0.1 at a free port, a thread for each visitor: what the fake cameras share."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import TypeVar

Own = TypeVar("Own", bound="LoopbackServer")


class LoopbackServer:
    """Listens until closed. A sub-class serves one visitor in `serve`, which ends when `closing`
    is set."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        """Speak with one visitor."""
        raise NotImplementedError

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """No more visitors; those that are there are let go."""
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()
