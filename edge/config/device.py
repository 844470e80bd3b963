# SPDX-License-Identifier: AGPL-3.0-or-later
"""What this box is: its name, folders, broker, keys and quotas (device.yaml)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edge.config.site import HourSpan, Name, Part, Positive, Seconds
from edge.patterns import whole

Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
IpAddress = Annotated[
    str, msgspec.Meta(pattern=whole(r"[0-9a-fA-F:.]{2,45}"), examples=["10.0.0.7"])
]
Megabytes = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]


class Broker(Part, frozen=True, kw_only=True):
    """The platform's MQTT 5 broker. `tls: off` must be said aloud; there is no silent fallback."""

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=253)] = "127.0.0.1"
    port: Port = 8883
    tls: Literal["on", "off"] = "on"
    ca: str | None = None
    older_ca: bool = False
    cert: str | None = None
    key: str | None = None
    username: str | None = None
    password_file: str | None = None
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=600)] = 30
    ack_deadline_s: Positive = 20.0
    evidence_kbit_s: Positive | None = None
    evidence_mb_day: Megabytes | None = None
    file_transfer: Literal["native", "emqx"] = "native"


class Trust(Part, frozen=True, kw_only=True):
    """Whose word counts. The weaker modes are for platforms that cannot sign; birth says so.

    release: what frees evidence. "platform": a signed "stored" of the platform; "puback": the
    broker's PUBACK. down: "signed" with `platform_key` (PEM, Ed25519), or "tls": who may publish.
    """

    release: Literal["platform", "puback"] = "platform"
    down: Literal["signed", "tls"] = "signed"
    platform_key: str | None = None
    signing_key: str | None = None
    key_id: str | None = None


class Folders(Part, frozen=True, kw_only=True):
    """`state` must survive power cuts; `run` should be tmpfs. `program` holds the two slots of the
    software, `update` what is known of its releases."""

    state: str = "/var/lib/edge"
    run: str = "/run/edge"
    models: str = "/usr/share/edge/models"
    program: str = "/opt/city-edge"
    update: str = "/var/lib/edge-update"


class Keep(Part, frozen=True, kw_only=True):
    """How long and how much is kept once the platform has it; unacknowledged is never deleted.

    flights_mb: recordings of drone flights that may be uploaded on the page. software_mb: free
    beyond `floor_mb` for the next release of the software; acknowledged evidence goes for it.
    """

    evidence_mb: Megabytes = 20_000
    released_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 7
    floor_mb: Megabytes = 500
    ballast_mb: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 32
    ring_mb: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 24
    flights_mb: Megabytes = 8_000
    software_mb: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 1_000


class Console(Part, frozen=True, kw_only=True):
    """The page for people at the pole: where it listens, and how long a login lasts.

    Where others can reach it it speaks https only, with `tls_cert` or else a certificate that the
    box makes itself; plain http is for a loopback address. proxies: the addresses whose
    X-Forwarded-For is believed; nobody's unless said.
    """

    host: str = "0.0.0.0"  # noqa: S104 - in the LAN, behind TLS and the first code
    port: Port = 8088
    tls_cert: str | None = None
    tls_key: str | None = None
    session_s: Seconds = 28_800.0
    metrics: Literal["login", "open"] = "login"
    proxies: Annotated[tuple[IpAddress, ...], msgspec.Meta(max_length=16)] = ()


# The one list of what may run the inference; edge/vision/session.py opens them.
Provider = Literal["auto", "cpu", "cuda", "tensorrt", "openvino", "ncnn"]


class Compute(Part, frozen=True, kw_only=True):
    """How the accelerator is used. `workers` 0: one for each core, at most four."""

    provider: Provider = "auto"
    workers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0


class Updates(Part, frozen=True, kw_only=True):
    """Releases of models and of the software. Without `release_key` (PEM, Ed25519) no model is
    taken, without `software_key` no software.

    `url` is a folder on a web server where model packages lie as SHA256.zip and the objects of a
    software release as SHA256; a new model is watched for `watch_s`, new software must be well for
    `steady_s` within `prove_s`. Downloads of software keep to `download_kbit_s`, `download_mb_day`,
    and out of `quiet_hours` of the box's own time zone.
    """

    release_key: str | None = None
    software_key: str | None = None
    url: (
        Annotated[
            str, msgspec.Meta(pattern=r"^https?://", examples=["https://platform.example/files"])
        ]
        | None
    ) = None
    watch_s: Seconds = 600.0
    prove_s: Annotated[float, msgspec.Meta(ge=60, le=3600)] = 300.0
    steady_s: Annotated[float, msgspec.Meta(ge=5, le=600)] = 45.0
    download_kbit_s: Positive | None = None
    download_mb_day: Megabytes | None = None
    quiet_hours: Annotated[tuple[HourSpan, ...], msgspec.Meta(max_length=8)] = ()


class Device(Part, frozen=True, kw_only=True):
    """The whole file."""

    device: Name = "edge-1"
    tenant: Name = "city"
    broker: Broker = Broker()
    trust: Trust = Trust()
    folders: Folders = Folders()
    keep: Keep = Keep()
    console: Console = Console()
    compute: Compute = Compute()
    updates: Updates = Updates()
