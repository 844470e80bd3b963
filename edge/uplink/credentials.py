# SPDX-License-Identifier: AGPL-3.0-or-later
"""TLS with a certificate of this device; read anew for every connection, so a renewal just works.

`cert` and `key` may be followed by `.next`: a renewed pair lies there until a connection with it
was accepted, then it takes the old one's place; a pair that does not work is left alone.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from edge.config import ConfigError
from edge.config.device import Broker
from edge.runtime import sync_folder

log = logging.getLogger(__name__)

NEXT = ".next"


class _Closing(ssl.SSLSocket):
    """Closed when its handshake fails; paho forgets it there, once for every vain attempt."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class Credentials:
    """The files behind one broker connection. `base` is where relative paths start."""

    def __init__(self, broker: Broker, base: Path) -> None:
        self._broker = broker
        self._ca = base / broker.ca if broker.ca else None
        self._cert = base / broker.cert if broker.cert else None
        self._key = base / broker.key if broker.key else None
        self._password = base / broker.password_file if broker.password_file else None
        self._trying_next = False
        self._check()

    def _check(self) -> None:
        for name, path in (("ca", self._ca), ("cert", self._cert), ("key", self._key)):
            if self._broker.tls == "on" and path is not None and not path.is_file():
                raise ConfigError(f"broker.{name} = {str(path)!r}: no such file")
        if (self._cert is None) != (self._key is None):
            raise ConfigError("broker.cert and broker.key: give both or none")
        if self._password is not None and not self._password.is_file():
            raise ConfigError(f"broker.password_file = {str(self._password)!r}: no such file")

    @property
    def tls(self) -> Callable[[], ssl.SSLContext] | None:
        return self.context if self._broker.tls == "on" else None

    @property
    def password(self) -> Callable[[], str] | None:
        path = self._password
        return None if path is None else lambda: path.read_text(encoding="utf-8").strip()

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, host name checked, our certificate shown. Raises OSError."""
        context = trusting(self._broker, self._ca)
        context.sslsocket_class = _Closing
        if self._cert is not None and self._key is not None:
            cert, key = self._pair(self._cert, self._key)
            context.load_cert_chain(cert, key)
        return context

    def _pair(self, cert: Path, key: Path) -> tuple[Path, Path]:
        """The renewed pair on every other attempt, so that a bad one does not lock us out."""
        renewed = (_next(cert), _next(key))
        self._trying_next = all(p.is_file() for p in renewed) and not self._trying_next
        return renewed if self._trying_next else (cert, key)

    def accepted(self) -> None:
        """CONNACK came: with TLS 1.3 only this tells that the certificate was taken."""
        if not self._trying_next or self._cert is None or self._key is None:
            return
        try:
            _take_place(self._key, self._cert)
        except OSError as error:
            log.warning("%s: the renewed one stays beside it: %s", self._cert, error)
            return
        self._trying_next = False
        log.info("renewed certificate in use: %s", self._cert)


def _take_place(*paths: Path) -> None:
    """The renewed files in the place of the old ones, and still under their own names until all of
    them are: where the power goes between, the renewed pair is whole and is tried again."""
    for path in paths:
        second = path.with_name(f".{path.name}.taken")
        second.unlink(missing_ok=True)
        second.hardlink_to(_next(path))
        second.replace(path)
        # Nothing where both were the same file already: then the second name is left.
        second.unlink(missing_ok=True)
        sync_folder(path.parent)
    for path in paths:
        _next(path).unlink()


def trusting(broker: Broker, ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, the host name checked, and certificates held against RFC 5280 as OpenSSL
    does when asked to be strict: on every Python, not only from 3.13 on. Raises OSError."""
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if broker.older_ca:
        context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
    else:
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    return context


def _next(path: Path) -> Path:
    return path.with_name(path.name + NEXT)
