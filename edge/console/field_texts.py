# SPDX-License-Identifier: AGPL-3.0-or-later
"""Words of the forms for a camera and for the site; see edge.console.texts."""

from __future__ import annotations

# key: (zh, en)
FIELD_TEXTS: dict[str, tuple[str, str]] = {
    "tab_place": ("点位", "Place"),
    "place_about": (
        "点位名称和位置写进每一起案件和上报记录。坐标用 WGS-84（不是高德、百度坐标）。",
        "Name and place stand in every case and every record. Coordinates are WGS-84.",
    ),
    "place_first": (
        "还没有填写点位名称和位置：",
        "This site has no name or place of its own yet:",
    ),
    "more_settings": ("更多设置", "More settings"),
    "unsaved": ("未保存", "unsaved"),
    "now_stands": ("现在已是：{value}", "Now it is: {value}"),
    "edit_conflict": (
        "刚刚有人改过这里。您填的内容还在下面，与现在不同的已标出：核对后再点“保存”，以您的为准。",
        "Somebody has changed this meanwhile. What you typed is still below, and where it differs "
        "from what stands now this is said: look through it and save once more to keep yours.",
    ),
    "conflict_do": (
        "文本框里是您的内容，红色是对方的、绿色是您的：合并后再保存，以您的为准。",
        "The text below is yours; red is theirs, green is yours: merge what you want and save once "
        "more, and yours counts.",
    ),
    "saved_fields": ("已保存，几秒后生效。改动：", "Saved; in force in some seconds. Changed: "),
    "list_comma": ("、", ", "),
    "source_changed": (
        "地址换了，区域和规则都保留。请看新画面上位置是否还对：",
        "The address is another, zones and rules are kept. See whether they still fit:",
    ),
    "zones_and_masks": ("画区域和隐私遮蔽", "Draw zones and masks"),
    "switched_off": ("已停用", "switched off"),
    "not_by_page": ("不是在网页上保存的", "not saved on this page"),
    "field_name": ("名称", "Name"),
    "field_name_en": ("英文名称", "English name"),
    "field_source": (
        "地址（密码不显示，留着就不变）",
        "Address (the password is hidden and stays)",
    ),
    "field_enabled": ("启用", "in use"),
    "field_record": ("录像用的高清码流（可不填）", "Better stream for clips (optional)"),
    "field_fps": ("每秒分析几帧", "Pictures looked at a second"),
    "field_min_score": ("检测最低得分（0–1）", "Least score of a detection (0–1)"),
    "field_tile": ("分块看（小目标）", "look in tiles (small things)"),
    "field_gate": ("画面不动时少看（省算力）", "look less while nothing moves"),
    "field_clip_before_s": ("视频片段：之前几秒", "Clip: seconds before"),
    "field_clip_after_s": ("视频片段：之后几秒", "Clip: seconds after"),
    "field_playback": ("文件怎样播放", "How a file is played"),
    "playback_fast": ("尽快", "as fast as it can be judged"),
    "playback_realtime": ("按原速", "in its own time"),
    "playback_loop": ("循环", "for ever"),
    "field_sensors": ("所属传感器编号（逗号分开）", "Its sensors, ids with commas"),
    "field_premises": ("渣土装卸点编号", "Loading or dumping place"),
    "field_model": ("模型名", "Model"),
    "field_pipeline_arg": ("硬解码管线参数", "Argument of the pipeline"),
    "field_position_lat": ("纬度（WGS-84）", "Latitude (WGS-84)"),
    "field_position_lon": ("经度（WGS-84）", "Longitude (WGS-84)"),
    "field_position_accuracy_m": ("位置精度（米）", "Accuracy of the place (m)"),
    "field_position_address": ("地址（路名、门牌）", "Street address"),
    "field_position_grid": ("单元网格编码（15 位）", "Unit grid, 15 digits"),
    "field_timezone": ("时区", "Time zone"),
    "field_office_hours": ("办公时间", "Office hours"),
    "field_trucks": ("渣土车名册文件", "File of muck trucks"),
    "did_camera changed": ("修改摄像机", "changed a camera"),
    "did_camera added": ("添加摄像机", "added a camera"),
    "did_camera removed": ("删除摄像机", "removed a camera"),
    "did_zones": ("修改区域和规则", "changed zones and rules"),
    "did_recording": ("上传巡飞录像", "uploaded a recording"),
    "did_recording removed": ("删除巡飞录像", "removed a recording"),
    "did_flight fly": ("开始分析巡飞", "started to analyse a flight"),
    "did_flight cancel": ("取消巡飞分析", "cancelled a flight"),
    "did_confirmed": ("审核：属实", "reviewed: as suspected"),
    "did_rejected": ("审核：误识别", "reviewed: misdetected"),
    "did_taken back": ("撤回审核", "took a review back"),
    "did_site changed": ("修改点位", "changed the site"),
}
