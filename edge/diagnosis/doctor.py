# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is wrong with this box, in words a technician can act on. One function for each check.

A check gives Advice: well, a remark, or wrong with what to do. It never raises for a sick box.
"""

from __future__ import annotations

import grp
import os
import time
from collections.abc import Callable, Iterator

from cryptography import x509

from edge.board import Board, storage
from edge.camera.opening import addresses, connector
from edge.camera.recording import read_file_frames
from edge.camera.source import Cause, SourceError
from edge.clock import SystemClock
from edge.config import Camera, ConfigError
from edge.diagnosis.access import check_access
from edge.diagnosis.advice import Level, PartAdvice
from edge.diagnosis.broker import CERT_DAYS, check_broker
from edge.pipeline.settings import Settings, manifest_path

HOT_C, WARM_C = 85.0, 75.0
LEAST_FREE_MB = 500

# What ails a stream -> what to do about it, for whoever stands below the camera.
CAMERA_DO: dict[Cause, tuple[str, str]] = {
    "unreachable": ("check power, cable and address", "检查电源、网线与地址"),
    "refused": ("check the port; the camera may be starting up", "检查端口；摄像机可能正在启动"),
    "login": ("correct user and password in its source", "修正 source 中的用户名与密码"),
    "not_found": ("check the path of its address", "检查码流地址中的路径"),
    "stall": ("restart the camera; check the switch", "重启摄像机，检查交换机"),
    "ended": ("restart the camera; too many viewers?", "重启摄像机；是否观看者过多？"),
    "unsupported": (
        "set H.264 or H.265, at most 13 megapixels, in the camera",
        "在摄像机中改为 H.264 或 H.265，不超过 1300 万像素",
    ),
    "broken": ("what comes is no video: check the address", "收到的不是视频：检查地址"),
}


def examine(settings: Settings) -> Iterator[PartAdvice]:
    """All checks, cheapest first; each yields one or more lines."""
    for check in CHECKS:
        yield from check(settings)


def _clock(_: Settings) -> Iterator[PartAdvice]:
    now = SystemClock().now()
    year = time.gmtime(now.wall).tm_year
    if year < 2024:
        yield PartAdvice(
            "clock",
            "wrong",
            f"it is {year} here",
            "connect the network or set the time",
            "接入网络或手动校时",
        )
    elif now.quality == "unsynced":
        yield PartAdvice(
            "clock",
            "remark",
            "not synchronised",
            "allow NTP (port 123) or add a GNSS receiver",
            "放行 NTP（123 端口）或加装北斗/GPS",
        )
    else:
        yield PartAdvice("clock", "well", f"{now.quality}, error below {now.error_ms:.0f} ms")


def _board(_: Settings) -> Iterator[PartAdvice]:
    state = Board().look()
    heat = state.temperature_c
    shown = "unknown" if heat is None else f"{heat:.0f} °C"
    if heat is not None and heat >= WARM_C:
        level: Level = "wrong" if heat >= HOT_C else "remark"
        yield PartAdvice("board", level, shown, "shade the box, clean the fan", "遮阳、清理风扇")
    else:
        yield PartAdvice("board", "well", f"{state.model}, {shown}, load {state.load:.1f}")
    for trouble in state.troubles:
        yield PartAdvice(
            "board",
            "wrong",
            trouble,
            "use the 27 W supply and a short cable; cool the box",
            "换用 27 W 电源与短线，改善散热",
        )


def _disk(settings: Settings) -> Iterator[PartAdvice]:
    for name, folder in (("state", settings.state), ("run", settings.run)):
        place = next(p for p in (folder, *folder.parents) if p.exists())
        disk = storage(place)
        if not disk.writable:
            yield PartAdvice(
                "disk",
                "wrong",
                f"{name} folder {folder} cannot be written",
                f"chown it to the service's user; a read-only card is dying: {place}",
                "修正目录权限；若存储卡只读，请更换",
            )
        elif name == "state" and disk.free_mb < LEAST_FREE_MB:
            yield PartAdvice(
                "disk",
                "wrong",
                f"{disk.free_mb} MB free on {place}",
                "free some space or lower keep.evidence_mb",
                "清理空间或调低 keep.evidence_mb",
            )
        else:
            yield PartAdvice("disk", "well", f"{name}: {folder}, {disk.free_mb} MB free")


def _model(settings: Settings) -> Iterator[PartAdvice]:
    from edge.vision.proof import open_model

    names = {c.model or settings.site.model for c in settings.site.cameras} or {None}
    for name in sorted(names, key=str):
        try:
            model = open_model(manifest_path(settings, name))
        except ConfigError as error:
            yield PartAdvice(
                "model", "wrong", str(error), "install the model again", "重新安装模型"
            )
        else:
            yield PartAdvice("model", "well", f"{model.name} on {model.provider}")


def _items(settings: Settings) -> Iterator[PartAdvice]:
    """What the daemons have set aside of the site file."""
    for item in settings.aside:
        yield PartAdvice(
            f"{item.kind} {item.id}",
            "wrong",
            item.text,
            "correct it; the others work",
            "改正此项；其他各项正常工作",
        )


def _cameras(settings: Settings) -> Iterator[PartAdvice]:
    if not settings.site.cameras:
        yield PartAdvice(
            "cameras",
            "remark",
            "none is configured",
            "add one on the page or in site.yaml",
            "在页面或 site.yaml 中添加摄像机",
        )
    for camera in settings.site.cameras:
        if camera.enabled:
            yield _camera(settings, camera)


def _camera(settings: Settings, camera: Camera) -> PartAdvice:
    part = f"camera {camera.id}"
    try:
        found = addresses(camera, settings.base)
        if found.recording:
            read_file_frames(found.source, camera.fps).close()
            return PartAdvice(part, "well", f"recording {found.source}")
        source = connector(found, SystemClock(), None)()
        try:
            shape = next(source.pictures()).bgr().shape
        finally:
            source.close()
    except ConfigError as error:
        return PartAdvice(part, "wrong", str(error), "correct its source", "检查 source 配置")
    except SourceError as error:
        do = CAMERA_DO.get(error.cause, CAMERA_DO["unreachable"])
        return PartAdvice(part, "wrong", f"{found.source}: {error}", *do)
    return PartAdvice(part, "well", f"{shape[1]}x{shape[0]} from {found.source}")


def _groups(settings: Settings) -> Iterator[PartAdvice]:
    if not settings.site.sensors:
        return
    names = {grp.getgrgid(gid).gr_name for gid in os.getgroups()}
    if os.geteuid() != 0 and "dialout" not in names:
        yield PartAdvice(
            "serial",
            "wrong",
            "this user is not in the group dialout",
            "sudo usermod -aG dialout $USER, then log in again",
            "将用户加入 dialout 组后重新登录",
        )
    else:
        yield PartAdvice("serial", "well", "serial ports may be opened")


def _broker(settings: Settings) -> Iterator[PartAdvice]:
    yield from check_broker(settings.device, settings.base)


def _certificate(settings: Settings) -> Iterator[PartAdvice]:
    """This box's own certificate: without it the broker lets nobody in."""
    broker = settings.device.broker
    if broker.tls == "off" or not broker.cert:
        return
    path = settings.base / broker.cert
    do = (
        "edge-provision request, have it signed, edge-provision accept",
        "重新申请证书：edge-provision request / accept",
    )
    try:
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        yield PartAdvice("certificate", "wrong", f"{path}: {error}", *do)
        return
    days = (ends.timestamp() - time.time()) / 86_400
    if days < CERT_DAYS:
        level: Level = "wrong" if days < 0 else "remark"
        said = f"ended {-days:.0f} days ago" if days < 0 else f"ends in {days:.0f} days"
        yield PartAdvice("certificate", level, f"{path}: {said}", *do)
    else:
        yield PartAdvice("certificate", "well", f"{path}: {days:.0f} days left")


CHECKS: tuple[Callable[[Settings], Iterator[PartAdvice]], ...] = (
    _clock,
    _board,
    _disk,
    _groups,
    check_access,
    _model,
    _certificate,
    _broker,
    _items,
    _cameras,
)
