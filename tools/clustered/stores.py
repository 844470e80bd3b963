# SPDX-License-Identifier: AGPL-3.0-or-later
"""Evidence in a real S3-compatible store: Ceph's gateway with a monitor and a disk, from Debian 13.

    tools/python -m tools.clustered.stores

A large file comes in chunks over two receivers that share only rows and the bucket, the first of
which ends in the middle; another comes damaged, and again whole. What the store then holds is read
back and compared. Prints the figures as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from city_platform import bucket
from city_platform.files import Box
from city_platform.store import Store
from tools.clustered.network import Machine, Network, NoNetwork
from tools.clustered.run import OUT
from tools.system import roots
from tools.system.roots import SYSTEMS, NoRoot

KEY, SECRET, PORT = "city-test", "not-a-secret", 7480
CHUNK = 96 * 1024
LARGE = 40_000_000
START_S = 240.0
CONFIG = """\
[global]
fsid = 3d76961d-cfa8-4f9c-abfc-7c1315f47556
mon host = {address}
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
mon max pg per osd = 1000
mon allow pool size one = true
osd crush chooseleaf type = 0
osd memory target = 939524096
bluestore block size = 4294967296
mon data = /srv/mon
osd data = /srv/osd
rgw data = /srv/rgw
run dir = /tmp
admin socket = /tmp/$name.asok
log file = /srv/$name.log
"""
SCRIPT = """\
set -eu
export CEPH_CONF=/srv/ceph.conf
mkdir -p /srv/mon /srv/osd /srv/rgw
monmaptool --create --add a {address} --fsid 3d76961d-cfa8-4f9c-abfc-7c1315f47556 /tmp/monmap
ceph-mon --mkfs -i a --monmap /tmp/monmap
ceph-mon -i a -f &
until timeout 10 ceph -s; do sleep 1; done
uuid=$(cat /proc/sys/kernel/random/uuid)
ceph osd new $uuid
ceph-osd -i 0 --mkfs --osd-uuid $uuid
ceph-osd -i 0 -f &
until ceph osd stat | grep -q '1 up'; do sleep 1; done
radosgw -n client.rgw -f --rgw-frontends='beast port={port}' &
radosgw-admin user create --uid=city --display-name=city --access-key={key} --secret-key={secret}
echo made
wait
"""


class CephStore:
    """A monitor, one disk and the gateway on one machine; as a bucket to whoever has its key."""

    def __init__(self, network: Network, name: str, root: Path, folder: Path) -> None:
        self.address = network.addresses[name]
        folder.mkdir(parents=True)
        (folder / "ceph.conf").write_text(CONFIG.format(address=self.address))
        told = {"address": self.address, "port": PORT, "key": KEY, "secret": SECRET}
        (folder / "start.sh").write_text(SCRIPT.format(**told))
        log, binds = folder.parent / f"{name}.log", {folder: "/srv"}
        self._machine = Machine(name, root, network.path(name), log, binds=binds, user="root")

    def start(self) -> None:
        """Returns once the user is made and the gateway answers. Raises NoNetwork."""
        self._machine.start(["sh", "/srv/start.sh"])
        end = time.monotonic() + START_S
        while "\nmade\n" not in self._machine.said():
            if not self._machine.runs or time.monotonic() > end:
                raise NoNetwork(f"the store: {self._machine.said()[-800:]}")
            time.sleep(0.5)

    def close(self) -> None:
        self._machine.kill()


def bucket_of(address: str) -> tuple[str, Any]:
    """A new bucket's URL, and a client of S3's own to look into it."""
    os.environ |= {bucket.ACCESS: KEY, bucket.SECRET: SECRET}
    url = f"http://{address}:{PORT}/evidence"
    client, errors = bucket.client_of(url)
    end = time.monotonic() + START_S
    while True:
        try:
            client.make_bucket("evidence")
            return url, client
        except errors as error:
            if time.monotonic() > end:
                raise NoNetwork(f"{url}: {error}") from None
            time.sleep(1.0)


def _send(store: Store, box: Box, sha256: str, data: bytes, offsets: range) -> None:
    with store.commit():
        store.announce(box, sha256, len(data))
        for at in offsets:
            store.write(box, sha256, at, data[at : at + CHUNK])


def resumed(folder: Path, url: str, client: Any) -> dict[str, Any]:
    """A large file over two receivers; the first is gone when half of it is there."""
    box, data = Box("city", "box-1"), random.Random(1).randbytes(LARGE)
    sha256 = hashlib.sha256(data).hexdigest()
    offsets = range(0, LARGE, CHUNK)
    half = len(offsets) // 2
    began = time.monotonic()
    first = Store(folder, bucket=url)
    with first.commit():
        first.want(box, sha256, "v-1/r1/r1-clip.mp4")
    _send(first, box, sha256, data, offsets[:half])
    first.close()
    second = Store(folder, bucket=url)
    again = [range(start, stop, CHUNK) for start, stop in second.gaps(box, sha256)]
    sent = sum(len(one) for one in again)
    for one in again:
        _send(second, box, sha256, data, one)
    with second.commit():
        whole = second.finish(box, sha256)
    got = client.get_object("evidence", "evidence/city/box-1/v-1/r1/r1-clip.mp4").read()
    etag = client.stat_object("evidence", f"blobs/city/box-1/{sha256}").etag
    second.close()
    return {
        "mb": LARGE / 1e6,
        "whole": whole and got == data,
        "sent_again": sent - (len(offsets) - half),
        # S3 says in the tag of how many parts an upload was.
        "upload_parts": int(etag.rpartition("-")[2]) if "-" in etag else 1,
        "parts_left": _count(client, "parts/"),
        "took_s": round(time.monotonic() - began, 1),
    }


def torn(folder: Path, url: str, client: Any) -> dict[str, Any]:
    """A file whose bytes changed on the way: never an object, and whole the second time."""
    box, data = Box("city", "box-2"), random.Random(2).randbytes(LARGE // 2)
    sha256 = hashlib.sha256(data).hexdigest()
    store = Store(folder, bucket=url)
    wrong = bytes([data[0] ^ 1]) + data[1:]
    _send(store, box, sha256, wrong, range(0, len(data), CHUNK))
    with store.commit():
        refused = not store.finish(box, sha256)
    hidden = _count(client, f"blobs/city/box-2/{sha256}") == 0
    _send(store, box, sha256, data, range(0, len(data), CHUNK))
    with store.commit():
        good = store.finish(box, sha256)
    store.close()
    return {"torn_refused": refused and hidden, "whole_after": good}


def _count(client: Any, prefix: str) -> int:
    return sum(1 for _ in client.list_objects("evidence", prefix=prefix, recursive=True))


def tried(folder: Path) -> dict[str, Any]:
    """Everything once, in a store that is gone afterwards. Raises NoNetwork, NoRoot."""
    network, closing = Network(("s1",)), list[Callable[[], None]]()
    try:
        network.enter()
        store = CephStore(network, "s1", roots.stored(SYSTEMS[13]), folder / "s1")
        closing.append(store.close)
        store.start()
        url, client = bucket_of(store.address)
        rows = folder / "rows"
        return {**resumed(rows, url, client), **torn(rows, url, client)}
    finally:
        for close in closing:
            close()
        network.close()


def main() -> int:
    """0 where everything is as it should; 1 where not; 2 where the store could not be had."""
    folder = Path(tempfile.mkdtemp(prefix="store-", dir="/var/tmp"))
    try:
        told = tried(folder)
    except (NoNetwork, NoRoot) as error:
        print(f"stores: {error} (logs: {folder})", file=sys.stderr)
        return 2
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "store.json").write_text(json.dumps(told) + "\n")
    print(json.dumps(told))
    shutil.rmtree(folder)
    good = told["whole"] and told["torn_refused"] and told["whole_after"]
    return 0 if good and told["upload_parts"] > 1 and not told["parts_left"] else 1


if __name__ == "__main__":
    sys.exit(main())
