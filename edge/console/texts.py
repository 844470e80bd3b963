# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every word of the page in Chinese and English. A key that one language lacks fails a test."""

from __future__ import annotations

import re
from typing import Literal

from edge.console.access_texts import ACCESS_TEXTS
from edge.console.desk_texts import DESK_TEXTS
from edge.console.field_texts import FIELD_TEXTS
from edge.console.instrument_texts import INSTRUMENT_TEXTS
from edge.console.manual_texts import MANUAL_TEXTS
from edge.console.page_texts import PAGE_TEXTS
from edge.console.setup_texts import SETUP_TEXTS

Language = Literal["zh", "en"]

# key: (zh, en)
TEXTS: dict[str, tuple[str, str]] = {
    "title": ("城管边缘智能终端", "City Edge"),
    "live": ("实时", "Live"),
    "zones": ("区域", "Zones"),
    "cases": ("疑似违规", "Violations"),
    "sensors": ("传感器", "Sensors"),
    "flights": ("无人机巡飞", "Flights"),
    "health": ("运行状态", "Health"),
    "setup": ("设置", "Setup"),
    "log_in": ("登录", "Log in"),
    "log_out": ("退出", "Log out"),
    "name": ("用户名", "Name"),
    "password": ("密码", "Password"),
    "new_password": ("新密码（至少 10 位）", "New password (at least 10 characters)"),
    "code": ("设备激活码", "One-time code from the box"),
    "first_run": (
        "首次使用：请输入设备激活码（见启动终端或设备标签）并设置密码",
        "First use: enter the code printed on the box and set a password",
    ),
    "wrong_code": (
        "激活码不对或已过期：请核对，或在设备上运行 edge code --new 换一个",
        "That is not the code, or its hour is over: look again, or make one with edge code --new",
    ),
    "wrong_login": (
        "用户名或密码不对：请检查大小写后重试，忘记密码请用下面的链接",
        "Wrong name or password: look at capitals and try again; if it is lost, use the link below",
    ),
    "locked": (
        "登录失败次数过多，请 5 分钟后再试",
        "Too many tries: wait five minutes and try again",
    ),
    "busy": (
        "正在处理其他登录，请过几秒再按一次",
        "Others are logging in: wait some seconds and press once more",
    ),
    "bad_name": (
        "用户名需 1 至 32 个可见字符，首尾不留空格：请改短或重打",
        "A name has 1 to 32 visible characters and no space at its ends: type it again",
    ),
    "bad_password": (
        "密码需 10 至 128 位：请换一个",
        "A password has 10 to 128 characters: choose another",
    ),
    "name_taken": (
        "该用户名已存在：请换一个，或在上面修改原有账号",
        "That name is taken: choose another, or change the account above",
    ),
    "last_installer": (
        "至少保留一名安装员：请先让另一个账号成为安装员",
        "The last installer stays: make another account an installer first",
    ),
    "viewer": ("查看员", "viewer"),
    "installer": ("安装员", "installer"),
    "forbidden": ("只有安装员可以更改", "Only an installer may change this"),
    "stale_form": (
        "登录已更换，这份表单已失效：请返回再提交一次，填写的内容还在",
        "You have logged in anew since this form was opened: go back and send it once more; "
        "what you typed is kept",
    ),
    "lost_network": (
        "连接不上设备：没有提交，填写的内容还在。请检查网络后再按一次",
        "The box cannot be reached: nothing was sent and what you typed is kept. Look at the "
        "network and press once more",
    ),
    "lost_contact": (
        "与设备的连接中断，下面是之前的内容；恢复后自动更新，请检查网络",
        "The box does not answer: what follows is old. It goes on by itself; look at the network",
    ),
    "too_long": (
        "内容太长，没有提交：请删减到 100 万字以内",
        "This is too long and was not sent: make it shorter than a million characters",
    ),
    "too_slow": (
        "网络太慢，没有收完：请返回再提交一次",
        "The network was too slow and not all of it came: go back and send it once more",
    ),
    "go_back": ("返回", "Go back"),
    "already_set_up": (
        "第一个账号已经建好：请用它登录，或让安装员为您添加账号",
        "The first account is there already: log in with it, or have an installer add one for you",
    ),
    "account_gone": (
        "这个账号已被删除：请看下面现有的账号",
        "That account was removed meanwhile: see below which there are",
    ),
    "failed": (
        "操作失败，详情已写入日志：请再试一次，仍不行请联系安装员",
        "Something went wrong and is in the log: try once more, then ask an installer",
    ),
    "not_found": (
        "没有这个页面：地址有误或内容已被删除，请从菜单重新进入",
        "There is no such page: a wrong address, or the thing is gone; start again from the menu",
    ),
    "age": ("画面延迟", "picture age"),
    "seconds": ("秒", "s"),
    "no_camera": ("还没有摄像机。到“设置”里添加。", "No camera yet. Add one under Setup."),
    "no_picture": ("还没有画面", "no picture yet"),
    "suspected": ("疑似", "suspected"),
    "law": (
        "以下均为疑似线索，须经人工审核后方可处置",
        "Every case is suspected and needs human review",
    ),
    "complete": ("证据完整", "evidence complete"),
    "incomplete": ("证据不全", "evidence incomplete"),
    "acknowledged": ("平台已接收", "platform has it"),
    "waiting": ("待上传", "waits for the platform"),
    "camera": ("摄像机", "Camera"),
    "category": ("类别", "Category"),
    "all": ("全部", "all"),
    "began": ("开始", "began"),
    "decided": ("判定", "decided"),
    "ended": ("结束", "ended"),
    "facts": ("判定依据", "Facts behind the judgement"),
    "verify": ("校验", "Verify"),
    "verified": ("校验通过：文件与签名一致", "Verified: files and seal agree"),
    "broken": ("校验不通过", "Does not verify"),
    "unsealed": ("尚未签名封存（未上传）", "not sealed yet"),
    "confirm": ("属实", "Confirm"),
    "reject": ("误识别", "Misdetected"),
    "reason": ("理由", "Reason"),
    "review": ("审核", "Review"),
    "reviewed": ("已审核", "reviewed"),
    "export": ("导出证据包", "Export the package"),
    "next": ("下一页", "Next"),
    "previous": ("上一页", "Previous"),
    "draw": (
        "依次点击画面，画出多边形；点击第一个顶点闭合",
        "Tap the corners of a polygon; tap the first one to close it",
    ),
    "undo": ("撤销", "Undo"),
    "delete": ("删除", "Delete"),
    "save": ("保存", "Save"),
    "saved": ("已保存，服务正在重新启动", "Saved; the daemon starts again with it"),
    "new_zone": ("新区域", "New zone"),
    "kind": ("类型", "Kind"),
    "rule": ("规则", "Rule"),
    "dwell": ("停留时限（秒）", "Allowed stay (seconds)"),
    "hours": ("时段", "Hours"),
    "try_zone": ("用最近一小时的轨迹试算", "Try on the last hour's tracks"),
    "would_raise": (
        "按此设置，该时段将产生 {n} 起疑似违规",
        "These settings would have raised {n}",
    ),
    "add_camera": ("添加摄像机", "Add a camera"),
    "source": ("地址（rtsp://… 或文件）", "Address (rtsp://… or a file)"),
    "test_picture": ("抓取测试画面", "Take a test picture"),
    "configuration": ("配置文件", "Configuration file"),
    "conflict": (
        "有人同时保存了配置，下面是差异：",
        "Somebody saved meanwhile; this is the difference:",
    ),
    "roll_back": ("恢复此版本", "Roll back"),
    "accounts": ("账号", "Accounts"),
    "faults": ("故障", "Faults"),
    "no_fault": ("没有故障", "No fault"),
    "daemon": ("服务", "Daemon"),
    "outbox": ("待发", "Outbox"),
    "clock": ("时钟", "Clock"),
    "temperature": ("温度", "Temperature"),
    "disk": ("存储", "Disk"),
    "alive": ("运行中", "running"),
    "silent": ("无响应", "silent"),
    "broker": ("平台连接", "Platform link"),
    "what_to_do": ("处理办法", "What to do"),
    "zone_name": ("区域名", "Zone id"),
    "skip": ("跳到正文", "Skip to content"),
    "menu": ("菜单", "Menu"),
    "evidence": ("证据", "Evidence"),
    "show": ("筛选", "Show"),
    "state": ("状态", "State"),
    "values": ("数值", "Values"),
    "role": ("角色", "Role"),
    "add": ("添加", "Add"),
    "masked": ("公开版", "public copy"),
    "role_overview": ("全景", "overview"),
    "role_close": ("近景", "close-up"),
    "role_before": ("事前", "before"),
    "role_after": ("事后", "after"),
    "role_plate": ("车牌", "plate"),
    "role_clip": ("视频", "clip"),
    "role_samples": ("监测数据", "samples"),
    "role_track": ("轨迹", "track"),
    "kind_watch": ("监控", "watched"),
    "kind_forbidden": ("禁止", "forbidden"),
    "kind_permitted": ("允许经营（疏导区）", "permitted"),
    "kind_frontage": ("门前区域", "shop front"),
    "kind_lane": ("车道", "lane"),
    "kind_site": ("工地", "site"),
    "kind_gate": ("出入口", "gate"),
    "kind_wash": ("冲洗台", "wheel wash"),
    "kind_dump": ("消纳场", "dump"),
    "kind_mask": ("隐私遮蔽", "masked"),
    "language": ("English", "中文"),
    **DESK_TEXTS,
    **PAGE_TEXTS,
    **SETUP_TEXTS,
    **ACCESS_TEXTS,
    **FIELD_TEXTS,
    **INSTRUMENT_TEXTS,
    **MANUAL_TEXTS,
}


def half(words: str, language: Language) -> str:
    """Of words that stand in both languages, English first, those of the reader; others whole."""
    begins = re.search("[一-鿿]", words)
    if begins is None or not begins.start():
        return words
    at = begins.start()
    return words[at:] if language == "zh" else words[:at].rstrip()


def text(key: str, language: Language, **values: object) -> str:
    """The words for a key; raises KeyError for one that does not exist."""
    zh, en = TEXTS[key]
    words = zh if language == "zh" else en
    return words.format(**values) if values else words
