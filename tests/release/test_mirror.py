# SPDX-License-Identifier: AGPL-3.0-or-later
"""A mirror of packages that does not speak HTTP, or hangs up in the middle."""

import socket
import threading

import pytest

from edge.config import ConfigError
from edge.release.fetch import find_package

HALF = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal"


@pytest.mark.parametrize("said", [b"OK\r\n", HALF])
def test_a_mirror_that_breaks_the_protocol_is_an_error_in_words(tmp_path, said):
    def speak(server):
        link, _ = server.accept()
        with link:
            link.recv(65536)
            link.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=speak, args=(server,))
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ConfigError, match="127"):
            find_package(tmp_path, "0" * 64, url)
        thread.join()
    assert list(tmp_path.iterdir()) == []
