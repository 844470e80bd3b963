# SPDX-License-Identifier: AGPL-3.0-or-later
"""A real broker with a device and a platform, each in the test's own folder; a fake S3."""

from collections.abc import Iterator

import pytest

from tests.brokers import rig
from tests.reference_platform.fake_s3 import KEY, FakeS3

__all__ = ["rig"]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    pytest.importorskip("minio", reason="minio is missing: pip install ./tools/reference_platform")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not a secret")
    made = FakeS3()
    yield made
    made.close()
