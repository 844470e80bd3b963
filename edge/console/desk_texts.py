# SPDX-License-Identifier: AGPL-3.0-or-later
"""Words of the duty officer's desk: states, queue, search, day, map, statistics, case file; see
edge.console.texts."""

from __future__ import annotations

# key: (zh, en)
LIFE: dict[str, tuple[str, str]] = {
    "progress_unread": ("未审核", "not reviewed"),
    "progress_running": ("办理中", "being handled"),
    "progress_overdue": ("超期", "overdue"),
    "progress_settled": ("已销号", "settled"),
    "progress_misdetected": ("误识别", "misdetected"),
    "progress_permitted": ("有许可", "permitted"),
    "progress_duplicate": ("重复", "duplicate"),
    "progress_not_pursued": ("不予处理", "not pursued"),
    "review_overdue": ("超期", "overdue"),
    "review_running": ("办理中", "being handled"),
    "review_settled": ("已办结", "closed"),
    "review_filed": ("立案", "filed"),
    "review_on_the_spot": ("现场整改", "settled on the spot"),
    "review_permitted": ("有许可", "permitted"),
    "review_duplicate": ("重复", "duplicate"),
    "review_not_pursued": ("不予处理", "not pursued"),
    "life": ("办理过程", "How it was handled"),
    "step_found": ("发现", "found"),
    "step_left": ("已离开或消失", "left or gone"),
    "step_confirmed": ("审核：属实", "reviewed: confirmed"),
    "step_misdetected": ("审核：误识别", "reviewed: misdetected"),
    "step_filed": ("立案", "filed"),
    "step_on_the_spot": ("现场整改", "settled on the spot"),
    "step_permitted": ("有许可", "permitted"),
    "step_duplicate": ("重复", "duplicate"),
    "step_not_pursued": ("不予处理", "not pursued"),
    "step_paused": ("暂停计时", "clock paused"),
    "step_resumed": ("恢复计时", "clock resumed"),
    "step_overdue": ("超期", "overdue"),
    "step_still_there": ("复查：仍在", "rechecked: still there"),
    "step_gone": ("复查：未再见", "rechecked: gone"),
    "step_cannot_see": ("复查：看不清", "rechecked: could not see"),
    "step_settled": ("销号", "settled"),
    "by_box": ("本机", "this box"),
    "by_page": ("本机页面", "on this page"),
    "by_platform": ("平台", "platform"),
    "step_refused": ("当时不能办理，仅留记录", "out of turn, kept for the record"),
    "due_at": ("应于 {at} 前办结", "due by {at}"),
    "late_by": ("已超期 {span}", "overdue by {span}"),
    "paused_since": ("自 {at} 暂停计时", "clock paused since {at}"),
    "due_soon": (
        "办结时限约两分钟内算出",
        "the due time is worked out within about two minutes",
    ),
    "recheck_picture": ("复查照片", "picture of the recheck"),
    "handle": ("办理", "Handle it"),
    "settle": ("销号", "Settled"),
    "pause": ("暂停计时", "Pause"),
    "resume": ("恢复计时", "Resume"),
    "pause_reason_needed": (
        "暂停计时须填写理由：写明为什么暂停",
        "Say why the clock is to stand still: write it into the reason",
    ),
    "not_running": (
        "只有办理中的案件才能这样处理：请先审核为属实",
        "Only a case that is being handled: confirm it first",
    ),
    "no_such_case": (
        "没有这起案件：编号有误，或证据已按保存期限清理。统计中仍保留其办理过程。",
        "There is no such case: a wrong id, or its evidence went when its time was over. "
        "What became of it still counts in the statistics.",
    ),
    "overdue_now": ("{n} 起已超期", "{n} overdue"),
    "equal_cases": (
        "同一地点的相同事项还有 {n} 件，勾选后一并处理",
        "{n} more of the same at this place; what is ticked gets the same answer",
    ),
    "tick_all": ("全选", "Tick all"),
    "judged_many": ("已记录对 {n} 件的审核。", "Your word on {n} cases is kept."),
    "public_copies": ("公开版（已遮蔽，{n} 张）", "Public copies (masked, {n})"),
}

FIND: dict[str, tuple[str, str]] = {
    "from_day": ("起始日期", "From"),
    "to_day": ("截止日期", "To"),
    "plate": ("车牌", "Plate"),
    "find_text": ("编号、地点、车牌、理由……", "Id, place, plate, reason …"),
    "search": ("搜索", "Search"),
    "progress": ("办理状态", "State"),
    "more_filters": ("更多筛选", "More filters"),
    "list": ("列表", "List"),
    "day": ("一天", "Day"),
    "map": ("地图", "Map"),
    "statistics": ("统计", "Statistics"),
    "views": ("查看方式", "Views"),
}

FIGURES: dict[str, tuple[str, str]] = {
    "found_cases": ("发现", "Found"),
    "today_days": ("今天", "Today"),
    "last_365": ("一年", "One year"),
    "before_it": ("上期 {n}", "before: {n}"),
    "to_review": ("审核用时（中位数）", "Median time to review"),
    "by_day": ("按日", "By day"),
    "by_category": ("按类别", "By category"),
    "by_source": ("按摄像机、仪器或航次", "By camera, instrument or flight"),
    "by_grid": ("按单元网格", "By unit grid"),
    "precision_word": ("准确率", "Precision"),
    "precision_hint": (
        "属实占已审核的比例，附 95% 置信区间（威尔逊法）；区间重叠时不能说有升降。",
        "Confirmed of all reviewed, with its 95 % interval (Wilson). Where intervals overlap "
        "nothing may be called better or worse.",
    ),
    "not_given": ("未登记", "not set"),
    "print_report": ("打印版报告", "Report to print"),
    "nothing_found_then": (
        "这段时间没有发现。没有发现不等于没有问题：请到“一天”查看哪些时间没有监控。",
        "Nothing was found in these days. That is not the same as nothing there: Day shows which "
        "hours nobody watched.",
    ),
    "date": ("日期", "Date"),
    "nothing_that_day": ("这一天没有任何记录", "Nothing is recorded of that day"),
    "no_case_that_day": ("没有疑似违规", "no suspected violation"),
    "not_watched": ("未监控", "not watched"),
    "no_record": ("无记录", "no record"),
    "day_hint": (
        "竖线是疑似违规；没有监控的时间不等于没有问题。九天前的监控记录见 edge ledger inspection。",
        "A stroke is a suspected violation. Time that nobody watched is not time without offences. "
        "What was watched more than nine days ago: edge ledger inspection.",
    ),
    "map_empty": (
        "没有带坐标的摄像机或案件。在配置文件里给场所或摄像机填写 position（纬度、经度）后显示。",
        "No camera or case has a position yet: give the site or a camera its position (lat, lon) "
        "in the configuration file.",
    ),
    "map_hint": (
        "圆越大案件越多；红色有超期，橙色有未审核。不使用任何网络底图。",
        "The larger, the more cases; red: some are overdue, amber: some are not reviewed. Nothing "
        "is fetched from outside.",
    ),
    "map_streets": (
        "把街道放在配置文件旁的 streets.geojson（WGS-84）即可显示。",
        "Streets are drawn from a file streets.geojson (WGS-84) beside the site file.",
    ),
    "on_map": ("在地图中打开", "Open on a map"),
    "amap": ("高德", "AMap"),
    "tianditu": ("天地图", "Tianditu"),
}

DOUBTS: dict[str, tuple[str, str]] = {
    "doubt_clock": ("时钟未同步", "The clock is not synchronised"),
    "doubt_do_clock": (
        "检查网络校时（NTP）或卫星授时；证据的时间此时仅供参考",
        "look at NTP or the satellite receiver; until then times of evidence are approximate",
    ),
    "doubt_link": ("与平台没有连接", "No connection to the platform"),
    "doubt_do_link": (
        "到“设置 → 平台”测试连接；记录和证据在设备上等待，不会丢失",
        "test it under Setup, Platform; records and evidence wait on the box and are not lost",
    ),
    "doubt_camera": ("摄像机没有被监控", "A camera is not watched"),
    "doubt_do_camera": (
        "检查电源、网线和地址；这段时间没有发现不等于没有问题",
        "look at power, cable and address; nothing found meanwhile does not mean nothing there",
    ),
}

CASE_FILE: dict[str, tuple[str, str]] = {
    "case_file": ("疑似违规案卷", "Case file of a suspected violation"),
    "case_file_zip": ("下载案卷（zip）", "Download the case file (zip)"),
    "case_file_print": ("打印案卷", "Print the case file"),
    "pictures_of_case": ("现场照片", "Pictures"),
    "law_basis": ("法律依据", "Law"),
    "law_not_set": (
        "未配置：请在 categories.yaml 中为该类别填写 law，由执法人员核对。",
        "Not configured: write law of the category in categories.yaml, and have it checked.",
    ),
    "evidence_list": ("证据清单", "List of evidence"),
    "case_file_note": (
        "本案卷由设备自动生成。所列均为疑似线索，须经执法人员审核确认后方可作为处理依据。",
        "Made by the box. All of it is suspected and needs a person's review before it is used.",
    ),
    "sign_handler": ("承办人（签名、日期）", "Handled by (signature, date)"),
    "sign_reviewer": ("审核人（签名、日期）", "Reviewed by (signature, date)"),
    "who": ("办理人", "Who"),
    "file": ("文件", "File"),
    "bytes": ("字节", "Bytes"),
    "files_checked": ("文件", "Files"),
    "signature": ("签名", "Signature"),
    "receipt": ("平台回执", "Platform's receipt"),
    "case_state_suspected": ("未审核", "not reviewed"),
    "case_state_confirmed": ("属实，办理中", "confirmed, being handled"),
    "case_state_misdetected": ("误识别", "misdetected"),
    "case_state_filed": ("立案", "filed"),
    "case_state_on_the_spot": ("现场整改", "settled on the spot"),
    "case_state_permitted": ("有许可", "permitted"),
    "case_state_duplicate": ("重复", "duplicate"),
    "case_state_not_pursued": ("不予处理", "not pursued"),
    "case_state_settled": ("已销号", "settled"),
}

LABELS: dict[str, tuple[str, str]] = {
    "labels": ("标注", "Labels"),
    "labels_today": ("今天 {n}/{of}", "{n} of {of} today"),
    "labels_hint": (
        "设备最拿不准的画面，每天请人看二十张。这里的回答只用于下一次训练，不影响任何案件。",
        "What the box is least sure of: twenty a day for a person. What is said here serves the "
        "next training and touches no case.",
    ),
    "labels_done": ("今天已标注 {n} 张，够了。", "{n} were labelled today: enough."),
    "labels_more": ("还有 {n} 张，继续", "{n} more wait: go on"),
    "labels_none": (
        "没有待标注的画面。摄像机运行时会自动留存拿不准的画面。",
        "Nothing waits for a label. Cameras keep what they are unsure of while they run.",
    ),
    "label_is_it": ("框里是“{kind}”吗？", "Is this a {kind}?"),
    "label_crop": ("待标注的画面", "The crop to be labelled"),
    "label_draw_keys": (
        "拖动重新画框；方向键移动，按住 Shift 调整右下角",
        "Drag to draw the box anew; arrows move it, Shift and arrows its lower right corner",
    ),
    "label_why_near_limit": ("置信度接近阈值", "its score lies near the limit"),
    "label_why_disagreement": ("前后识别不一致", "two looks disagreed"),
    "label_said": ("已回答：{word}", "Said before: {word}"),
    "label_accept": ("是，框也对", "Yes, and the box fits"),
    "label_not_this": ("不是", "No, it is not"),
    "label_draw": ("是，用我画的框", "Yes, with the box I drew"),
    "label_skip": ("跳过", "Skip"),
    "label_back": ("上一张", "Back to the last"),
    "label_no_box": ("请先在画面上画框。", "Draw a box on the crop first."),
}

DESK_TEXTS: dict[str, tuple[str, str]] = {
    **LIFE,
    **FIND,
    **FIGURES,
    **DOUBTS,
    **CASE_FILE,
    **LABELS,
}
