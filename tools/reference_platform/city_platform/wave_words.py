# SPDX-License-Identifier: AGPL-3.0-or-later
"""The words of the page of waves, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("软件分批升级", "Software waves"),
    "records": ("疑似违规列表", "Suspected violations"),
    "none": ("还没有任何批次。", "There is no wave yet."),
    "begin": ("新建批次", "Start a wave"),
    "all_waves": ("全部批次", "All waves"),
    "all_boxes": ("全部设备", "all boxes"),
    "name": ("批次名称", "Name of the wave"),
    "number": ("版本号", "Release"),
    "sha256": ("发布清单的 SHA-256", "SHA-256 of the release's manifest"),
    "tenant": ("租户", "Tenant"),
    "tag": ("标签", "Tag"),
    "everybody": ("不限", "any"),
    "shares": ("各批比例（%，递增）", "Shares (%, rising)"),
    "failed_share": ("自动中止界限（未通过 %）", "Halts above (% that did not hold)"),
    "soak_min": ("两批之间观察（分钟）", "Watch between two shares (minutes)"),
    "at_most": ("同时升级的设备上限", "Boxes on their way at once"),
    "one_per_grid": ("同一单元网格一次只升级一台", "Never two boxes of one unit grid at once"),
    "state": ("状态", "State"),
    "boxes": ("设备", "Boxes"),
    "box": ("设备", "Box"),
    "stage": ("阶段", "Stage"),
    "since": ("自（UTC）", "Since (UTC)"),
    "orders": ("下达次数", "Commands"),
    "why": ("原因（设备原文）", "Why (in the box's words)"),
    "grid": ("单元网格", "Unit grid"),
    "tags": ("标签", "Tags"),
    "share": ("批次比例", "Share"),
    "held": ("已生效", "in force"),
    "failed": ("未通过", "did not hold"),
    "under_way": ("进行中", "under way"),
    "remaining": ("待升级", "waiting"),
    "turn": ("当前批", "now"),
    "soaks": ("观察至 {until}（UTC）", "watched until {until} (UTC)"),
    "whom": ("范围", "For"),
    "began": ("开始（UTC）", "Began (UTC)"),
    "settings": ("设置", "Settings"),
    "by_share": ("按比例", "By share"),
    "by_stage": ("按阶段", "By stage"),
    "by_box": ("按设备", "By box"),
    "stop": ("停止：不再向任何设备下达", "Stop: order nobody more"),
    "go": ("继续", "Go on"),
    "sure": ("我已看过未通过的原因", "I have read why they did not hold"),
    "state:running": ("进行中", "running"),
    "state:halted": ("已自动中止", "halted by itself"),
    "state:stopped": ("已人工停止", "stopped by a person"),
    "state:done": ("已完成", "done"),
    "stage:waiting": ("等待", "waiting"),
    "stage:ordered": ("已下达", "ordered"),
    "stage:trial": ("试运行", "on trial"),
    "stage:settled": ("已生效", "in force"),
    "stage:rolled_back": ("已退回", "taken back"),
    "stage:refused": ("已拒绝", "refused"),
    "stage:silent": ("切换后无音信", "silent since the switch"),
    "stage:unreached": ("联系不上", "not reached"),
    "halted": (
        "{ended} 台有结果，其中 {failed} 台未通过（界限 {bound}）。不会自动继续。",
        "{failed} of the {ended} boxes that ended did not hold (bound {bound}). It goes on only by"
        " a person's word.",
    ),
    "stopped": (
        "不再下达。已在途的设备各自完成或退回。",
        "Nobody more is ordered. Boxes on their way end or go back by themselves.",
    ),
    "more": (
        "还有 {n} 台；按阶段筛选，或用命令 {command}",
        "{n} more: choose a stage, or {command}",
    ),
    "bad": ("不能新建：{why}", "Cannot be started: {why}"),
    "bad_field": ("请检查“{field}”", "look at “{field}”"),
    "rising": ("各批比例须递增且不重复", "the shares must rise, each once"),
    "taken": ("已有同名批次", "there is a wave of this name already"),
    "busy": ("另一批次正在进行，先停止它", "another wave is running: stop it first"),
    "unsure": ("请先勾选“{field}”", "tick “{field}” first"),
    "start_note": (
        "发布包由 tools/bundle 制作，它打印版本号与 SHA-256。下达由 tools/waves run 进行。",
        "tools/bundle makes the release and prints its number and SHA-256; tools/waves run orders.",
    ),
}


def word(key: str, language: Language, **facts: object) -> str:
    """A word or sentence with its facts put in. Raises KeyError for one that does not exist."""
    text = WORDS[key][LANGUAGES.index(language)]
    return text.format(**facts) if facts else text
