# SPDX-License-Identifier: AGPL-3.0-or-later
"""Words of Setup, Zones and the first use; see edge.console.texts."""

from __future__ import annotations

# key: (zh, en)
SETUP_TEXTS: dict[str, tuple[str, str]] = {
    "tab_cameras": ("摄像机", "Cameras"),
    "tab_link": ("平台", "Platform"),
    "tab_ports": ("仪器", "Instruments"),
    "tab_file": ("配置文件", "File"),
    "tab_accounts": ("账号", "Accounts"),
    "create": ("设置密码并进入", "Set the password and enter"),
    "look_for": ("检测事项", "Look for"),
    "look_for_later": ("暂不选择", "choose later"),
    "camera_name": ("名称（可不填）", "Name (optional)"),
    "find_cameras": ("搜索局域网摄像机", "Find cameras"),
    "found_none": ("没有摄像机应答（ONVIF）", "No camera answered (ONVIF)"),
    "searching": ("正在搜索…", "Searching…"),
    "opening": ("正在打开，最多 30 秒…", "Opening, up to 30 s…"),
    "source_help": ("地址怎么写", "How an address is written"),
    "source_rtsp": (
        "网络摄像机，用户名和密码写在地址里",
        "network camera; user and password in it",
    ),
    "source_usb": ("USB 摄像机", "USB camera"),
    "source_file": ("视频文件：试用时代替摄像机", "a video file: stands in for a camera on trial"),
    "sure": ("确定删除？", "Delete it?"),
    "again": ("配置刚被别人改过，请再提交一次", "Somebody saved meanwhile; send it once more"),
    "check": ("检查并看差异", "Check and show what changes"),
    "checked": ("配置正确。", "The file is sound."),
    "no_difference": ("与运行中的相同。", "It equals the one in force."),
    "difference": ("差异", "Difference"),
    "older": ("以前的版本", "Older versions"),
    "at_line": ("第 {n} 行", "Line {n}"),
    "add_account": ("添加账号", "Add an account"),
    "link_about": (
        "用本机证书真实登录平台的 MQTT 服务器，并说明被拒原因。",
        "Logs in at the platform's MQTT broker with this box's certificate and says what refuses.",
    ),
    "link_test": ("测试平台连接", "Test the link"),
    "link_waiting": ("正在连接，最多 20 秒…", "Connecting, up to 20 s…"),
    "broker_host": ("服务器", "Broker"),
    "broker_tls": ("加密", "TLS"),
    "broker_device": ("设备名", "Device"),
    "ports_about": (
        "逐个串口听、问已知仪器（噪声、油烟、颗粒物、气象）。正在使用的串口不受影响。",
        "Listens on every port and asks the known instruments. Ports in use are left alone.",
    ),
    "ports_scan": ("扫描串口", "Scan the ports"),
    "ports_waiting": ("正在扫描，每个串口约 15 秒…", "Scanning, some 15 s a port…"),
    "ports_none": ("没有串口", "There is no serial port"),
    "port_quiet": ("没有仪器应答", "no instrument answers"),
    "daemon_silent": (
        "相关服务无响应：可能正在重启，请稍后再试，或查看“运行状态”",
        "The daemon does not answer: it may be starting again; see Health",
    ),
    "cause_unreachable": (
        "连接不上：检查电源、网线和地址",
        "Unreachable: check power, cable and address",
    ),
    "cause_refused": (
        "摄像机拒绝连接：检查端口，RTSP 是否开启",
        "Refused: check the port; is RTSP switched on?",
    ),
    "cause_login": (
        "摄像机用户名或密码错误：请改地址里的用户名和密码",
        "Wrong user or password of the camera: correct them in the address",
    ),
    "cause_not_found": ("没有这个码流：检查地址的路径部分", "No such stream: check the path"),
    "cause_stall": (
        "连上了但没有画面：请检查摄像机的码流设置",
        "It connected but no picture came: look at the camera's stream settings",
    ),
    "cause_ended": (
        "视频流已结束：请检查摄像机或文件是否完整",
        "The stream ended: see whether the camera or the file is whole",
    ),
    "cause_unsupported": (
        "不支持的编码：请改为 H.264 或 H.265",
        "Unsupported codec: use H.264 or H.265",
    ),
    "cause_broken": (
        "读不出画面：请换一路码流或检查文件",
        "No picture can be read: try another stream, or look at the file",
    ),
    "cause_config": (
        "地址写法不对：照下面“地址怎么写”的例子修改",
        "This is not an address: write it as the examples below do",
    ),
    "cause_busy": (
        "正在取另一张画面，请稍候再按",
        "Another picture is being taken: wait and press again",
    ),
    "cause_silent": (
        "图像分析服务无响应：可能正在重启，几秒后再试",
        "edge-visiond does not answer: it may be starting again; try in some seconds",
    ),
    "error_crosses": (
        "区域的边线自己交叉了：请按顺序点各个角",
        "The outline crosses itself: tap the corners one after the other",
    ),
    "error_no_area": (
        "区域没有面积：请删除后重画",
        "The zone has no area: delete it and draw it again",
    ),
    "error_twice": ("编号重复：请改其中一个", "An id stands twice: change one of them"),
    "error_no_such_zone": (
        "规则用到的区域不存在：请改规则的适用区域",
        "A rule names a zone that is not there: change where the rule holds",
    ),
    "error_needs_zone": (
        "这个类别需要另一种区域：改区域的“类型”或再画一个",
        "This category needs a zone of another kind: change the kind, or draw one",
    ),
    "error_model_lacks": (
        "当前模型不认识这个类别：请去掉它，或换一个模型",
        "The model does not know this category: take it out, or use another model",
    ),
    "error_unknown_key": (
        "没有这个配置项：请检查拼写",
        "There is no such key: look at the spelling",
    ),
    "error_hours": ("时段不对：写作 07:00-22:00", "These are no hours: write them as 07:00-22:00"),
    "error_id": (
        "编号不对：只用小写字母、数字、- 和 _",
        "This is no id: use small letters, digits, - and _",
    ),
    "error_form": (
        "写法不对：请照下面一行的样子填写",
        "It is written in another way: follow the example in the line below",
    ),
    "error_timezone": (
        "没有这个时区：中国内地写作 Asia/Shanghai",
        "There is no such time zone: write it as Asia/Shanghai",
    ),
    "error_number": (
        "这里要填数字：不带单位和文字",
        "A number belongs here, without a unit or words",
    ),
    "error_true_false": ("这里是开关：填 true 或 false", "This is a switch: write true or false"),
    "error_one_of": (
        "只能从几个值里选：下面一行列出了全部",
        "Only some words fit here: the line below lists them all",
    ),
    "error_range": (
        "数值超出范围：下面一行写明了界限",
        "The value is out of range: the line below says the limit",
    ),
    "error_missing": (
        "缺少一个必填项：下面一行写明是哪一项",
        "Something that must be given is missing: the line below says what",
    ),
    "error_no_file": (
        "设备上没有这个文件：请检查路径",
        "There is no such file on the box: look at the path",
    ),
    "error_other": (
        "有一项不符合要求：按下面的提示修改后再保存",
        "Something does not fit: change what the line below names and save again",
    ),
    "trust_weak": (
        "模型对此识别较弱（真实画面实测），漏报误报较多",
        "the model is weak at this, as measured on real pictures: many are missed or wrong",
    ),
    "trust_unproven": (
        "未经真实画面验证：发现只作线索，不成案",
        "unproven on real pictures: what is found is a lead, not a case",
    ),
    "kept_drawing": (
        "这是您上次没有保存的绘制，保存后生效",
        "This is what you drew and did not save: it counts once it is saved",
    ),
    "camera_missing": (
        "没有这台摄像机：可能刚被删除，请回到“设置”查看",
        "There is no such camera, it may just have been removed: see Setup",
    ),
    "error_yaml": (
        "YAML 写法有误：请看标出的那一行",
        "This is not YAML: look at the line that is marked",
    ),
    "draw_help": (
        "拖动画矩形，或逐点点角；拖动区域可移动，双击角可删除",
        "Drag a rectangle, or tap corner by corner; drag a zone to move it, double-tap a corner "
        "to delete it",
    ),
    "zone_title": ("名称", "Name"),
    "line_tool": ("画线", "Line"),
    "finish": ("闭合", "Close"),
    "everywhere": ("整个画面", "the whole picture"),
    "zones_of_rule": ("适用区域（不选为全部）", "In these zones (none: all)"),
    "tried_on": ("{n} 分钟轨迹", "on {n} minutes of tracks"),
    "untried": ("需要画面、不能试算：", "needs pictures, not tried: "),
    "see_live": ("看实时", "See live"),
    "saved_zones": ("已保存，几秒后生效", "Saved; in force in some seconds"),
    "new_picture": ("换一张画面", "New picture"),
    "waiting_picture": ("等待画面…", "Waiting for a picture…"),
    "theirs": ("载入现在的版本（放弃我的改动）", "Load theirs, drop mine"),
    "from_date": ("起", "From"),
    "to_date": ("止", "To"),
    "permit": ("许可编号", "Permit"),
    "teach_place": ("教这个位置", "Teach this place"),
    "teach_about": (
        "现在是什么样，就点哪一个。每种样子 4 到 8 张，选不同的日子、时段和天气；"
        "只保存这个位置的小图。",
        "Click what it looks like now. 4 to 8 pictures a look, of different days, hours and "
        "weather; only a small cut-out of this place is kept.",
    ),
    "teach_now_right": ("现在正常", "It is in order now"),
    "teach_now_wrong": ("现在违规", "It is an offence now"),
    "teach_right": ("正常", "In order"),
    "teach_wrong": ("违规", "Offence"),
    "teach_take_back": ("撤回这一张", "Take this one back"),
    "teach_surely": (
        "留一检验：{right} 张对，{wrong} 张错，{untold} 张无法判断",
        "Held out one by one: {right} right, {wrong} wrong, {untold} cannot tell",
    ),
    "teach_more": ("每种样子至少 {least} 张", "At least {least} pictures of each look"),
    "teach_use": ("启用", "Put in force"),
    "teach_used": (
        "已启用，几秒后生效。要报案件，还需在“区域”里为它勾选一个教样子的事项。",
        "In force in some seconds. To raise cases, tick a taught category for it under Zones.",
    ),
    "teach_rules": ("用它判定的事项", "Judged by it"),
    "teach_no_zone": ("运行中的配置里没有这个区域", "The configuration in force has no such zone"),
    "teach_no_picture": ("摄像机现在没有画面", "The camera gives no picture now"),
    "teach_no_look": ("没有这样的样子或图片", "No such look or picture"),
    "teach_enough": ("这种样子的图片已经够多", "There are enough pictures of this look"),
    "teach_too_few": ("图片还不够，不能启用", "Too few pictures to put it in force"),
    "teach_in_use": (
        "有事项正在用它，撤回后就不够了：先在“区域”里取消该事项",
        "A rule uses it and too few would be left: take the rule off under Zones first",
    ),
}
