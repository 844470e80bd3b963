# SPDX-License-Identifier: AGPL-3.0-or-later
"""Words of the manual on the page; see edge.console.texts."""

from __future__ import annotations

# key: (zh, en)
MANUAL_TEXTS: dict[str, tuple[str, str]] = {
    "manual": ("手册", "Manual"),
    "manual_about": (
        "手册存在设备上，不用联网。每一项设置旁边的“?”打开说明它的那一行。",
        "The manual lies on the box and needs no network. The “?” beside a setting opens the row "
        "that says what it does.",
    ),
    "manual_quick_card": ("速查卡", "Quick card"),
    "manual_install": ("安装", "Install"),
    "manual_placement": ("安装位置", "Placement"),
    "manual_cameras": ("摄像机", "Cameras"),
    "manual_sensors": ("传感器", "Sensors"),
    "manual_rules": ("规则", "Rules"),
    "manual_operations": ("运行维护", "Operations"),
    "manual_drone": ("无人机巡飞", "Drone flights"),
    "manual_settings": ("每一项设置", "Every setting"),
    "manual_configuration": ("配置文件的键", "Keys of the files"),
    "manual_missing": (
        "手册里没有这一页：请从“手册”的目录进入，或查看安装包里的 docs",
        "The manual has no such page: begin at its list, or see docs of the installation",
    ),
    "help_with": ("帮助：{what}", "Help: {what}"),
}
