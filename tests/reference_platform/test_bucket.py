# SPDX-License-Identifier: AGPL-3.0-or-later
"""Evidence in an S3-compatible store: whole before it is acknowledged, never without the store."""

from __future__ import annotations

import hashlib
import importlib.util
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from city_platform import golden
from city_platform.files import NoFiles
from city_platform.intake import Receiver
from city_platform.page import Page
from city_platform.store import Store
from edge.uplink import downward
from tests.reference_platform.fake_s3 import FakeS3
from tests.reference_platform.test_instances import two_with_one_killed
from tests.reference_platform.test_receiver import SOUND, arrived, said
from tools.faultlab.rig import Rig

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("minio") is None,
    reason="minio is missing: pip install ./tools/reference_platform",
)


@pytest.fixture
def store(s3: FakeS3, tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path, bucket=f"{s3.url}/north")
    yield made
    made.close()


@pytest.fixture
def receiver(store: Store) -> Receiver:
    return Receiver(store, golden.DESK, "desk", tell=False)


def test_files_are_laid_out_in_the_bucket_and_parts_go(
    receiver: Receiver, store: Store, s3: FakeS3, tmp_path: Path
) -> None:
    ack = said(receiver.take(arrived(*SOUND.values())))
    assert [e.state for e in ack.evidence] == ["have"]
    folder = "north/evidence/city/box-1/v-0001/r1"
    assert s3.objects[f"{folder}/r1-close-1.jpg"] == golden.PICTURE
    assert s3.objects[f"{folder}/envelope.json"] == SOUND["violation-new"].payload
    assert not [key for key in s3.objects if "/parts/" in key]
    assert not (tmp_path / "blobs").exists() and not (tmp_path / "evidence").exists()
    served = Page(lambda: Store(tmp_path, bucket=f"{s3.url}/north"), 0)
    try:
        url = f"http://127.0.0.1:{served.port}/city/box-1/v-0001/r1/r1-close-1.jpg"
        with urllib.request.urlopen(url, timeout=90) as answer:
            assert answer.read() == golden.PICTURE
    finally:
        served.close()


def test_two_instances_that_share_no_disk_put_one_file_together(s3: FakeS3, tmp_path: Path) -> None:
    """The rows are shared (here a file, in earnest PostgreSQL); the chunks meet in the bucket."""
    one, two = (Store(tmp_path, bucket=s3.url) for _ in range(2))
    first, second = (Receiver(one, golden.DESK, "a", tell=False),
                     Receiver(two, golden.DESK, "b", tell=False))  # fmt: skip
    first.take(arrived(SOUND["birth"], SOUND["violation-new"], SOUND["evidence-init"]))
    first.take(arrived(SOUND["evidence-chunk-0"]))
    second.take(arrived(SOUND["evidence-chunk-512"]))
    (answer,) = said(second.take(arrived(SOUND["evidence-fin"]))).evidence
    assert answer.state == "have"
    assert golden.PICTURE in s3.objects.values()
    one.close()
    two.close()


def test_a_torn_part_is_asked_for_again(receiver: Receiver, s3: FakeS3) -> None:
    receiver.take(arrived(SOUND["birth"], SOUND["evidence-init"], SOUND["evidence-chunk-0"]))
    (part,) = [key for key in s3.objects if "/parts/" in key]
    s3.objects[part] = b"x" * 512
    receiver.take(arrived(SOUND["evidence-chunk-512"]))
    (answer,) = said(receiver.take(arrived(SOUND["evidence-fin"]))).evidence
    assert answer == downward.EvidenceAck(id=_sha256(), state="need", ranges=((0, 1000),))


def _sha256() -> str:
    return hashlib.sha256(golden.PICTURE).hexdigest()


@pytest.mark.parametrize("name", ["evidence-chunk-0", "evidence-fin", "violation-new"])
def test_without_the_store_nothing_is_acknowledged_nor_kept(
    receiver: Receiver, store: Store, s3: FakeS3, name: str
) -> None:
    receiver.take(arrived(SOUND["birth"], SOUND["evidence-init"], SOUND["evidence-chunk-0"]))
    receiver.take(arrived(SOUND["evidence-chunk-512"]))
    before, s3.failing = store.summary(), True
    with pytest.raises(NoFiles):
        receiver.take(arrived(SOUND[name]))
    s3.failing = False
    assert {k: v for k, v in store.summary().items() if k != "records"} == {
        k: v for k, v in before.items() if k != "records"
    }
    assert store.summary()["records"] == {}
    receiver.take(arrived(SOUND["evidence-fin"], SOUND["violation-new"]))
    assert store.summary()["complete"] == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/bucket", "give http"),
        ("http://host", "give http"),
        ("{}x", "no bucket"),
        ("http://127.0.0.1:1/evidence", "refused"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    s3: FakeS3, tmp_path: Path, url: str, words: str
) -> None:
    with pytest.raises(NoFiles, match=words):
        Store(tmp_path, bucket=url.format(s3.url))


def test_without_keys_it_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(NoFiles, match="AWS_ACCESS_KEY_ID"):
        Store(tmp_path, bucket="http://host/evidence")


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.timeout(420)
def test_one_of_two_on_a_bucket_is_killed_and_nothing_is_lost(rig: Rig, s3: FakeS3) -> None:
    oracle, first, second = two_with_one_killed(rig, "--s3", s3.url)
    assert first >= 3 and second >= 3
    store = Store(rig.platform, bucket=s3.url)
    told = store.summary()
    store.close()
    assert told["records"]["violation"] == len(oracle.promised)
    assert told["complete"] == told["files"] > 0 and told["gaps"] == told["breaks"] == []
    for name, files in oracle.promised.items():
        for path, sha256 in files.items():
            data = s3.objects[f"evidence/city/box-1/{name}/r1/{path}"]
            assert hashlib.sha256(data).hexdigest() == sha256
