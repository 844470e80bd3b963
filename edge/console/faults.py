# SPDX-License-Identifier: AGPL-3.0-or-later
"""Faults in words, with what to do: Chinese and English, one row each.

The Chinese name and the English advice are those of docs/operations.md; a test keeps them alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.console.texts import Language


@dataclass(frozen=True, slots=True)
class FaultAdvice:
    """What a fault is called, and what to do about it."""

    zh: str
    en: str
    do_zh: str
    do_en: str

    def name(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en

    def do(self, language: Language) -> str:
        return self.do_zh if language == "zh" else self.do_en


ADVICE: dict[str, FaultAdvice] = {
    "stream_stall": FaultAdvice(
        "码流中断",
        "No picture",
        "检查电源、网线、地址、密码和编码；恢复后 15 秒内自动重连",
        "power, cable, address, password, codec; it reconnects by itself within 15 s of healing",
    ),
    "picture_frozen": FaultAdvice(
        "画面冻结",
        "Picture frozen",
        "重启摄像机",
        "restart the camera",
    ),
    "picture_black": FaultAdvice(
        "画面全黑",
        "Picture black",
        "检查补光、光圈和夜视模式",
        "lamp, iris, night mode",
    ),
    "picture_covered": FaultAdvice(
        "镜头被遮挡",
        "Lens covered",
        "清洁镜头或移开遮挡物",
        "clean or free the lens",
    ),
    "picture_blurred": FaultAdvice(
        "画面模糊",
        "Picture blurred",
        "检查对焦、雾气和污渍",
        "focus, fog, dirt",
    ),
    "camera_moved": FaultAdvice(
        "摄像机位置偏移",
        "Camera moved",
        "转回原位，或重画区域",
        "turn it back, or draw the zones again",
    ),
    "view_changed": FaultAdvice(
        "画面内容与原来不符",
        "Another view",
        "重画区域",
        "draw the zones again",
    ),
    "scribe": FaultAdvice(
        "证据写入滞后",
        "Evidence written late",
        "存储卡太慢或将坏，尽快更换",
        "the card is slow or dying",
    ),
    "disk": FaultAdvice(
        "磁盘故障",
        "The disk refuses",
        "清理空间或更换存储卡",
        "free space, change the card",
    ),
    "not_sound": FaultAdvice(
        "配置有误，已停用",
        "Not sound, left out",
        "在页面上改正；改正后立即重试",
        "correct it on the page; it is tried again at once",
    ),
    "item_set_aside": FaultAdvice(
        "反复出错，已停用",
        "Ended the program twice, set aside",
        "将日志发给厂家；修改配置文件后会重试",
        "send the log to the maker; a change of the site file tries it again",
    ),
    "sensor_stale": FaultAdvice(
        "传感器无数据",
        "Sensor silent",
        "检查接线、电源和地址",
        "cable, power, address",
    ),
    "sensor_suspect": FaultAdvice(
        "传感器读数可疑",
        "Values cannot be right",
        "不参与判定；查看探头与接线，校准后登记",
        "look at the probe, calibrate, record it",
    ),
    "sensor_clock": FaultAdvice(
        "传感器时钟不准",
        "Instrument clock off",
        "校正仪器时间",
        "set the instrument's clock",
    ),
    "sensor_flood": FaultAdvice(
        "传感器数据过多",
        "Sensor floods",
        "波特率不对，或线上有两个主机",
        "wrong baud rate or two masters",
    ),
    "line_stuck": FaultAdvice(
        "串口线路卡住",
        "Serial line hangs",
        "拔下转换器再插上",
        "unplug the adapter",
    ),
    "record_set_aside": FaultAdvice(
        "记录反复出错，已搁置",
        "Record set aside",
        "把日志发给厂家；升级后运行 edge outbox retry 编号，或 edge outbox drop 编号放弃",
        "send the log to the maker; after an update edge outbox retry ID, or edge outbox drop ID"
        " to give it up",
    ),
    "message_set_aside": FaultAdvice(
        "平台消息处理出错，已搁置",
        "Message set aside",
        "把日志和所存的文件发给厂家；下一条同类消息正常后自动结束",
        "send log and file to the maker; it is over with the next of its kind",
    ),
    "dead_letter": FaultAdvice(
        "记录被拒五次",
        "Record refused five times",
        "检查消息服务器的大小限制和权限，然后运行 edge outbox retry 编号",
        "size and ACL at the broker; then edge outbox retry ID",
    ),
    "pack_missing": FaultAdvice(
        "缺少有效资料包",
        "No pack of facts in force",
        "安装当期资料包（edge pack install）；未安装前相关判定为“无法判定”或“推定”",
        "install the one in force (edge pack install); until then: unknown, or presumed",
    ),
    "pack_ending": FaultAdvice(
        "资料包即将到期",
        "Pack of facts ends soon",
        "向平台索取后续资料包并安装（edge pack install）",
        "ask the platform for the one that follows and install it (edge pack install)",
    ),
    "pack_refused": FaultAdvice(
        "资料包被拒绝",
        "Pack of facts refused",
        "核对签名密钥与文件；原有资料包继续有效",
        "compare the release key and the file; those before stay in force",
    ),
    "forged_message": FaultAdvice(
        "下行消息未通过校验",
        "Message not genuine",
        "查明谁持有平台密钥",
        "who has the platform's key?",
    ),
    "acks_refused": FaultAdvice(
        "平台回执被拒收",
        "The platform's answers are refused",
        "检查平台时钟、密钥和签发者名称（iss）；见 docs/platform.md",
        "the platform's clock, key and issuer name (iss); see docs/platform.md",
    ),
    "no_retain": FaultAdvice(
        "消息服务器不保留消息",
        "The broker keeps no retained messages",
        "在消息服务器开启 retain；此前设备每十分钟重发身份和状态",
        "turn on retain at the broker; until then the box repeats birth and status",
    ),
    "name_taken": FaultAdvice(
        "另一台设备使用同一名称",
        "Another box has this one's name",
        "两台设备的 device 名称相同：改其中一台并重新发证",
        "two boxes share one device name: rename one and give it a certificate of its own",
    ),
    "subscribe_refused": FaultAdvice(
        "订阅被拒",
        "Subscription refused",
        "在消息服务器放开权限：read cm/v1/租户/设备/#",
        "ACL: read cm/v1/TENANT/DEVICE/#",
    ),
    "not_authorized": FaultAdvice(
        "平台拒收或无人订阅",
        "Platform refuses",
        "检查权限、配额，接收端是否在运行",
        "ACL, quota, is the receiver running?",
    ),
    "quota_exceeded": FaultAdvice(
        "平台拒收或无人订阅",
        "Platform refuses: quota",
        "检查权限、配额，接收端是否在运行",
        "ACL, quota, is the receiver running?",
    ),
    "nobody_listens": FaultAdvice(
        "平台拒收或无人订阅",
        "Nobody listens at the platform",
        "检查权限、配额，接收端是否在运行",
        "ACL, quota, is the receiver running?",
    ),
    "evidence_missing": FaultAdvice(
        "证据文件缺失",
        "Evidence file missing",
        "存储卡将坏，尽快更换",
        "the card is dying",
    ),
    "outbox_salvaged": FaultAdvice(
        "数据库已修复",
        "Database was repaired",
        "存储卡将坏；保留坏文件",
        "the card is dying; keep the file",
    ),
    "disk_ladder": FaultAdvice(
        "磁盘不足",
        "Disk nearly full",
        "清理空间；检查平台是否连得上",
        "free space; is the platform reachable?",
    ),
    "model_on_trial": FaultAdvice(
        "新模型试运行",
        "New model on trial",
        "不用处理，试运行通过后自动结束",
        "nothing; it ends when the trial is passed",
    ),
    "model_rolled_back": FaultAdvice(
        "新模型已回退",
        "New model rolled back",
        "把日志发给发布方；下一个合格的模型装上后结束",
        "send the log to who released it; it ends with the next release that holds",
    ),
    "model_refused": FaultAdvice(
        "模型包被拒绝",
        "Model package refused",
        "按提示重新打包",
        "text says which; pack it again",
    ),
    "software_on_trial": FaultAdvice(
        "新软件试运行",
        "New software on trial",
        "不用处理，试运行有结果后自动结束",
        "nothing; it ends with the outcome",
    ),
    "software_rolled_back": FaultAdvice(
        "新软件已回退",
        "New software rolled back",
        "把日志发给发布方；下一个合格的版本装上后结束",
        "send the log (journalctl -u edge-updaterd) to who released it; it ends with the next "
        "release that holds",
    ),
    "software_refused": FaultAdvice(
        "软件包被拒绝",
        "Software release refused",
        "按提示处理后重新发布",
        "text says which; mend it and release it anew",
    ),
    "overheated": FaultAdvice(
        "设备过热",
        "Board too hot",
        "遮阳、清理风扇和进风口；朝南的墙要加遮阳罩",
        "shade, fan, air inlet; a box on a south wall needs a sun shield",
    ),
    "overheated_one_stream": FaultAdvice(
        "设备严重过热，仅保留一路",
        "Board far too hot: one camera only",
        "同上，立即处理",
        "the same, at once",
    ),
    "under_voltage": FaultAdvice(
        "供电电压不足",
        "Supply voltage too low",
        "换 27 W 电源、短而粗的线，或好的 PoE 模块",
        "27 W supply, short thick cable, good PoE hat",
    ),
    "throttled": FaultAdvice(
        "处理器被降频",
        "Processor slowed down",
        "给设备降温，检查电源",
        "cool the box, check the supply",
    ),
    "notice_failed": FaultAdvice(
        "群通知发送失败",
        "A chat does not take notices",
        "在“设置 → 通知”里发送测试：检查地址、密钥、机器人是否被停用，以及设备能否访问外网",
        "send a test under Setup, Notices: address, secret, robot switched off, the internet",
    ),
}


def advice_for(kind: str) -> FaultAdvice:
    """For a kind that nobody has written about yet: its own name, and where to look."""
    return ADVICE.get(kind) or FaultAdvice(
        kind, kind, "查看日志：journalctl -u 'edge-*'", "see the log: journalctl -u 'edge-*'"
    )
