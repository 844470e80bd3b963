# SPDX-License-Identifier: AGPL-3.0-or-later
"""Evidence in a bucket of any S3-compatible store: MinIO, Ceph, Alibaba OSS, Huawei OBS, AWS.

Each chunk is an object of its own as soon as it comes, so receivers on several machines share
nothing but the bucket and the database. A file whose parts are all there and whose hash fits is
written whole; then its parts go. An object that a put returned from is durable by S3's own word.
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


class BucketFiles:
    """`url`: http(s)://host[:port]/bucket[/prefix]. Keys come from the environment, as S3's own
    tools take them. Raises NoFiles where the library, a key or the bucket is missing."""

    def __init__(self, url: str) -> None:
        self._client, self._errors = _client(url)
        bucket, _, prefix = urlsplit(url).path.strip("/").partition("/")
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        if not self._try(lambda: self._client.bucket_exists(bucket)):
            raise NoFiles(f"{url}: no bucket {bucket!r}")

    def write(self, box: Box, sha256: str, offset: int, data: bytes) -> None:
        self._put(f"parts/{box.path}/{sha256}/{offset}", data)

    def assemble(self, box: Box, sha256: str, parts: Sequence[tuple[int, int]]) -> bool:
        """Whether the parts make a file with this hash; if so it is written whole."""
        data = bytearray()
        for start, _ in parts:
            part = self._get(f"parts/{box.path}/{sha256}/{start}") or b""
            data[start : start + len(part)] = part
        good = hashlib.sha256(data).hexdigest() == sha256
        if good:
            self._put(f"blobs/{box.path}/{sha256}", bytes(data))
        self.drop(box, sha256, parts)
        return good

    def drop(self, box: Box, sha256: str, parts: Sequence[tuple[int, int]]) -> None:
        """Forget the parts that came of a file."""
        for start, _ in parts:
            key = self._key(f"parts/{box.path}/{sha256}/{start}")
            self._try(partial(self._client.remove_object, self._bucket, key))

    def lay_out(self, box: Box, sha256: str, path: str) -> None:
        name = f"blobs/{box.path}/{sha256}"
        data = self._get(name)
        if data is None:
            raise NoFiles(f"{name}: gone from the bucket")
        self.place(box, path, data)

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
            if getattr(error, "code", "") == "NoSuchKey":
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


def _client(url: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """The library's client, and what it raises when the world is to blame."""
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
