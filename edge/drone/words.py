# SPDX-License-Identifier: AGPL-3.0-or-later
"""Words of the ledger in Chinese and English, by the keys that the job uses."""

from __future__ import annotations

STATUS = {
    "new": ("新增", "new"),
    "still": ("仍在", "still there"),
    "gone": ("已消失", "gone"),
}
MEMBERSHIP = {
    "in_polygon": ("在范围内", "inside"),
    "within_ce90": ("误差范围内临近", "beside, within error"),
    "outside": ("范围外", "outside every area"),
}
BLIND = {
    "no pose for this picture": ("该时刻无位姿", "no pose for this picture"),
    "no position fix": ("无卫星定位", "no position fix"),
    "no camera angles (give the flight log, or --gimbal-pitch)": (
        "无云台角度",
        "no camera angles",
    ),
    "no height above take-off (give --height or --takeoff-alt)": (
        "无相对高度",
        "no height above take-off",
    ),
    "not in the air": ("未起飞", "not in the air"),
    "focal length unknown (give --camera or --hfov)": ("焦距未知", "focal length unknown"),
    "camera flatter than 20°": ("俯角小于 20°", "camera flatter than 20°"),
    "picture blurred": ("画面模糊", "picture blurred"),
    "left out by a bug": ("处理出错，未查看", "left out by a bug"),
    "no pictures looked at": ("无画面", "no pictures"),
}
NOTES = {
    "no-telemetry": (
        "视频没有遥测数据:目标没有坐标,也不推测坐标。{text}",
        "The video has no telemetry: findings have no place, and none is made up. {text}",
    ),
    "no-fix": (
        "遥测中没有卫星定位:目标没有坐标,也不推测坐标。{text}",
        "The telemetry has no position fix: findings have no place, and none is made up. {text}",
    ),
    "no-angles": (
        "遥测中没有云台角度:只知道飞机位置,不知道目标位置。{text}",
        "The telemetry has no camera angles: the aircraft's place is known, the things' is not. "
        "{text}",
    ),
    "no-video": (
        "只有遥测、没有视频:仅有航迹,没有查看任何画面。{text}",
        "Telemetry without a video: a track only, no picture was looked at. {text}",
    ),
    "short-telemetry": (
        "遥测只覆盖视频的一部分:{text}。请确认二者属于同一次飞行。",
        "The telemetry covers only a part of the video: {text}. Are both of one flight?",
    ),
    "recording-cut": (
        "录像不完整,比文件标明的时长先结束({text}):其余列为未查看。请重新复制录像。",
        "The recording ends before the length that it promises ({text}); the rest is not "
        "inspected. Copy it again.",
    ),
    "pictures-damaged": (
        "录像中有损坏的画面无法解码,未查看:{text} 处。请重新复制录像。",
        "Damaged pictures that could not be decoded were not looked at: {text}. Copy the recording "
        "again.",
    ),
    "clock-assumed": (
        "日志与视频的时间关系未知,按同时开始处理:{text}",
        "How the log's clock relates to the video is unknown; both are taken to begin together: "
        "{text}",
    ),
    "no-sites": (
        "未给出工地范围:全部画面都查看,问题不归属任何工地。{text}",
        "No sites were given: everything was looked at, and findings belong to no site. {text}",
    ),
    "no-site-seen": (
        "航线未经过任何已登记地点(最近的是 {text}),登记范围以外不查看:请核对登记表坐标"
        "(WGS-84,经度在前),或设 look.everywhere。",
        "No registered place lies under this flight (nearest: {text}), and only those are looked "
        "at: check the register's coordinates (WGS-84, longitude first) or set look.everywhere.",
    ),
    "unseen-coarse": (
        "地面分辨率不够(飞得太高或焦距太短),以下类别未能看清,没有发现不等于没有:{text}",
        "Too coarse (too high, or too wide a lens) to see these, so nothing found says nothing: "
        "{text}",
    ),
    "unseen-blurred": (
        "画面模糊,以下类别未能看清,没有发现不等于没有:{text}",
        "Pictures too blurred to see these, so nothing found says nothing: {text}",
    ),
    "unseen-quick": (
        "飞得太快,同一地点看到的次数不够,以下类别无法确认:{text}",
        "Flown too fast: a place is seen too few times to confirm these: {text}",
    ),
    "unseen-unplaced": (
        "多数画面没有位置或俯角太小,以下类别未能查看:{text}",
        "Most pictures had no place or looked too flat, so these were not inspected: {text}",
    ),
    "unseen-uncovered": (
        "登记范围多数未拍到,以下类别未能查看:{text}",
        "Most of the registered ground was not covered, so these were not inspected: {text}",
    ),
    "telemetry": ("遥测:{text}", "Telemetry: {text}"),
    "map-only-flat": (
        "地面按平面处理:坡地上的位置误差会更大。{text}",
        "The ground is taken as flat: on slopes places are further off. {text}",
    ),
}
UNSEEN = {
    "coarse": ("分辨率不够", "too coarse"),
    "blurred": ("画面模糊", "blurred"),
    "quick": ("飞得太快", "flown too fast"),
    "unplaced": ("没有位置或俯角太小", "no place, or too flat"),
    "uncovered": ("未拍到", "not covered"),
}
FACTS = {
    "beside": ("旁有", "beside it"),
    "looks": ("看到次数", "looks"),
    "baseline_m": ("观测跨度 米", "baseline m"),
    "seen_s": ("持续 秒", "seen s"),
    "truck_near": ("附近有渣土车", "truck nearby"),
    "load_soil_share": ("车厢土色", "soil in the bed"),
    "speed_mps": ("速度 米/秒", "speed m/s"),
    "soil_share": ("裸土占已查", "bare soil of inspected"),
    "net_share": ("绿网", "green net"),
    "growth_share": ("植被", "growth"),
    "inspected_share": ("已查", "inspected"),
    "bare_m2": ("裸土 平方米", "bare m²"),
    "index": ("判据", "index"),
    "raised_m": ("视差高度 米", "height by parallax m"),
}
