# SPDX-License-Identifier: AGPL-3.0-or-later
"""Evidence in a bucket of any S3-compatible store: MinIO, Ceph, Alibaba OSS, Huawei OBS, AWS.

Each chunk is an object of its own as soon as it comes, so receivers on several machines share
nothing but the bucket and the database, and another one goes on where one died. A file whose parts
are all there is written whole as they are read, by a multipart upload where it is large; then its
parts go. An upload that its receiver did not end leaves no object, but bytes: give the bucket a
life-cycle rule AbortIncompleteMultipartUpload. An object that a put returned from is durable by
S3's own word.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from city_platform.files import Box, NoFiles, checked

T = TypeVar("T")
ACCESS, SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
REGION = "AWS_REGION"
TIMEOUT_S = 15.0
# S3 takes parts from 5 MiB on; this much of a file is in memory.
UPLOAD_PART = 8 << 20
HASH = "sha256"


class BucketFiles:
    """`url`: http(s)://host[:port]/bucket[/prefix]. Keys come from the environment, as S3's own
    tools take them. Raises NoFiles where the library, a key or the bucket is missing."""

    def __init__(self, url: str) -> None:
        self._client, self._errors = client_of(url)
        bucket, _, prefix = urlsplit(url).path.strip("/").partition("/")
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        if not self._try(lambda: self._client.bucket_exists(bucket)):
            raise NoFiles(f"{url}: no bucket {bucket!r}")

    def write(self, box: Box, sha256: str, offset: int, data: bytes) -> None:
        self._put(f"parts/{box.path}/{sha256}/{offset}", data)

    def assemble(self, box: Box, sha256: str, parts: Sequence[tuple[int, int]]) -> bool:
        """Whether the parts make a file with this hash; if so it is written whole, a large one in
        parts of S3's own that only become an object once the last byte fitted."""
        name = f"parts/{box.path}/{sha256}"
        good = True
        try:
            reader = PartsReader(lambda start: self._get(f"{name}/{start}") or b"", parts, sha256)
            self._try(
                lambda: self._client.put_object(
                    self._bucket,
                    self._key(f"blobs/{box.path}/{sha256}"),
                    reader,
                    reader.size,
                    metadata={HASH: sha256},
                    part_size=UPLOAD_PART,
                    num_parallel_uploads=1,
                )
            )
        except TornFile:
            good = False
        self.drop(box, sha256, parts)
        return good

    def drop(self, box: Box, sha256: str, parts: Sequence[tuple[int, int]]) -> None:
        """Forget the parts that came of a file."""
        for start, _ in parts:
            key = self._key(f"parts/{box.path}/{sha256}/{start}")
            self._try(partial(self._client.remove_object, self._bucket, key))

    def lay_out(self, box: Box, sha256: str, path: str) -> None:
        """A copy that the store makes itself; never in the place of another file."""
        from minio.commonconfig import CopySource

        blob, name = f"blobs/{box.path}/{sha256}", f"evidence/{checked(box, path)}"
        there = self._hash_of(name)
        if there is None:
            source = CopySource(self._bucket, self._key(blob))
            try:
                self._client.copy_object(self._bucket, self._key(name), source)
            except self._errors as error:
                what = "gone from the bucket" if _no_such(error) else str(error).splitlines()[0]
                raise NoFiles(f"{blob}: {what}") from None
        elif there != sha256:
            raise ValueError(f"{path}: another file stands there")

    def _hash_of(self, name: str) -> str | None:
        """The SHA-256 of an object as it was written with it; None for no object."""
        try:
            told = self._client.stat_object(self._bucket, self._key(name))
        except self._errors as error:
            if _no_such(error):
                return None
            raise NoFiles(f"{name}: {error}") from None
        said = (told.metadata or {}).get(f"x-amz-meta-{HASH}")
        return str(said) if said else hashlib.sha256(self._get(name) or b"").hexdigest()

    def place(self, box: Box, path: str, data: bytes) -> None:
        """Never in the place of another: S3 itself would replace it."""
        name = f"evidence/{checked(box, path)}"
        there = self._get(name)
        if there is None:
            self._put(name, data)
        elif there != data:
            raise ValueError(f"{path}: other bytes stand there")

    def renew(self, box: Box, path: str, data: bytes) -> None:
        self._put(f"evidence/{checked(box, path)}", data)

    def free(self) -> int | None:
        """A bucket does not say."""
        return None

    def read(self, path: str) -> bytes | None:
        return self._get(f"evidence/{path}")

    def sync(self) -> None:
        """Every put was durable when it returned."""

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _put(self, name: str, data: bytes) -> None:
        body, size = io.BytesIO(data), len(data)
        self._try(lambda: self._client.put_object(self._bucket, self._key(name), body, size))

    def _get(self, name: str) -> bytes | None:
        try:
            answer = self._client.get_object(self._bucket, self._key(name))
        except self._errors as error:
            if _no_such(error):
                return None
            raise NoFiles(f"{name}: {error}") from None
        try:
            return bytes(self._try(answer.read))
        finally:
            answer.close()
            answer.release_conn()

    def _try(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except self._errors as error:
            raise NoFiles(str(error).splitlines()[0]) from None


class TornFile(Exception):
    """What came together is not the file that was announced."""


class PartsReader:
    """The file as a stream over its parts, one of them in memory at a time; reading its last byte
    raises TornFile where the hash does not fit, so that no store ever gets the end of a wrong one.

    parts: byte ranges [from, to) in the order of their start; they may overlap, not leave gaps.
    """

    def __init__(
        self, get: Callable[[int], bytes], parts: Sequence[tuple[int, int]], sha256: str
    ) -> None:
        self._get, self._parts, self._sha256 = get, list(parts), sha256
        self.size = max((stop for _, stop in parts), default=0)
        self._digest, self._buffer, self._at, self._given = hashlib.sha256(), b"", 0, 0
        if not self.size:
            self._check()

    def read(self, size: int) -> bytes:
        """At most so many bytes; b"" at the end. Raises TornFile."""
        while not self._buffer and self._parts:
            start, _ = self._parts.pop(0)
            self._buffer = self._get(start)[max(0, self._at - start) :]
            self._at += len(self._buffer)
        given, self._buffer = self._buffer[:size], self._buffer[size:]
        self._digest.update(given)
        self._given += len(given)
        if self._given == self.size or (not given and size):
            self._check()
        return given

    def _check(self) -> None:
        if self._digest.hexdigest() != self._sha256:
            raise TornFile(self._sha256)


def _no_such(error: Exception) -> bool:
    """As a GET says it, or a HEAD, which has no words."""
    return getattr(error, "code", "") in ("NoSuchKey", "NoSuchObject")


def client_of(url: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """The library's client, and what it raises when the world is to blame. Raises NoFiles without
    the library, an address or a key."""
    try:
        import minio
        import urllib3
    except ImportError:
        raise NoFiles("minio is missing: pip install ./tools/reference_platform") from None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or not parts.path.strip("/"):
        raise NoFiles(f"{url}: give http(s)://host[:port]/bucket[/prefix]")
    if ACCESS not in os.environ or SECRET not in os.environ:
        raise NoFiles(f"{url}: set {ACCESS} and {SECRET}")
    client = minio.Minio(
        endpoint=parts.netloc,
        access_key=os.environ[ACCESS],
        secret_key=os.environ[SECRET],
        secure=parts.scheme == "https",
        region=os.environ.get(REGION, "us-east-1"),
        http_client=urllib3.PoolManager(timeout=TIMEOUT_S, retries=False),
    )
    return client, (minio.error.MinioException, urllib3.exceptions.HTTPError)
