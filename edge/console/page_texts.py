"""Words of the pages Flights, Sensors, Violations and Health; see edge.console.texts."""

from __future__ import annotations

# key: (zh, en)
FLIGHTS: dict[str, tuple[str, str]] = {
    "flights_law": (
        "航飞发现均为疑似，须经人工复核",
        "What a flight finds is suspected and needs human review",
    ),
    "flight_new": ("新航飞", "New flight"),
    "upload_files": (
        "上传视频和遥测文件（可多选）",
        "Upload video and telemetry (several at once)",
    ),
    "upload_hint": (
        "MP4、MOV、MKV、TS、AVI；遥测 SRT、CSV、tlog、KLV、JSON。同名文件自动配对。"
        "还可存 {mb} MB。也可直接拷入状态目录下的 flights/recordings。",
        "MP4, MOV, MKV, TS, AVI; telemetry SRT, CSV, tlog, KLV, JSON. Files of one name belong "
        "together. Room for {mb} MB. Or copy them into flights/recordings of the state folder.",
    ),
    "upload_bad_name": (
        "文件名或扩展名不支持：请用字母、数字、汉字，扩展名如 .mp4、.srt",
        "Name or ending not supported: use letters and digits, and an ending such as .mp4 or .srt",
    ),
    "upload_exists": (
        "已有同名文件：先删除旧的，或改名后再传",
        "There is a file of that name: delete it first, or rename yours",
    ),
    "upload_no_room": (
        "空间不足，只剩 {mb} MB：请删除旧录像",
        "Not enough room, {mb} MB left: delete older recordings",
    ),
    "upload_cut": (
        "上传不完整，请重传",
        "The upload is not complete; send it again",
    ),
    "upload_lost": (
        "连接中断，请重传",
        "The connection was lost; send it again",
    ),
    "upload_wrong_kind": (
        "文件内容与扩展名不符",
        "The file does not hold what its ending says",
    ),
    "left": ("剩余", "left"),
    "recordings": ("盒上的录像", "Recordings on the box"),
    "telemetry": ("遥测", "Telemetry"),
    "telemetry_beside": ("有遥测文件", "telemetry beside it"),
    "telemetry_inside": ("用视频内的遥测", "telemetry of the video itself"),
    "telemetry_only": ("仅遥测", "telemetry only"),
    "telemetry_auto": ("自动（同名文件或视频内）", "automatic (same name, or inside the video)"),
    "drone_camera": ("相机型号", "Camera of the aircraft"),
    "camera_unknown": ("按记录判断", "as the record says"),
    "flight_title": ("航飞名称", "Name of the flight"),
    "flight_start": ("开始分析", "Analyse"),
    "flight_again": ("再分析一次", "Analyse again"),
    "flight_waiting": ("排队中", "waiting"),
    "flight_running": ("分析中", "being analysed"),
    "flight_done": ("已完成", "done"),
    "flight_failed": ("失败", "failed"),
    "flight_cancelled": ("已取消", "cancelled"),
    "flight_failed_hint": (
        "按上面的原因处理（例如补传遥测文件），再点“再分析一次”。已看过的部分不会丢。",
        "Mend what the line says (for example upload the telemetry), then press “Analyse again”. "
        "What was looked at is kept.",
    ),
    "flight_no_worker": (
        "航飞服务 edge-flightd 没有运行：请求会保留一天，服务启动后执行",
        "The daemon edge-flightd is not running: what you ask for is kept for a day and done "
        "once it runs",
    ),
    "flight_no_recording": (
        "没有这个录像，请先上传",
        "There is no such recording; upload it first",
    ),
    "flight_spool_full": (
        "等待的请求太多，稍后再试",
        "Too many requests wait already; try later",
    ),
    "ledgers": ("航飞台账", "Flight ledgers"),
    "no_flight": (
        "还没有航飞台账。安装员可在上面上传录像开始。",
        "No flight ledger yet. An installer can upload a recording above to start.",
    ),
    "status_new": ("新增", "new"),
    "status_still": ("仍在", "still there"),
    "status_gone": ("已消失", "gone"),
    "minutes": ("分钟", "minutes"),
    "track_km": ("航程（公里）", "Track (km)"),
    "area_ha": ("覆盖（公顷）", "Seen (ha)"),
    "blind_minutes": ("未看到（分钟）", "Not seen (minutes)"),
    "download": ("下载", "Download"),
    "report": ("打印版台账", "Ledger to print"),
    "flight_map": (
        "地图：航迹、工地、疑似问题及误差圈",
        "Map: track, sites, suspected findings and their error circles",
    ),
    "findings": ("疑似问题", "Findings"),
    "no_finding": ("没有疑似问题", "Nothing was found"),
    "no_place": ("没有位置", "no place"),
    "low_confidence": ("低可信", "low confidence"),
    "inspected_sites": ("已查工地/路段", "Inspected sites"),
    "inspected": ("已查比例", "Inspected"),
    "name_of": ("名称", "Name"),
    "origin": ("来源与版本", "Origin and versions"),
    "cancel": ("取消", "Cancel"),
}

PAGE_TEXTS: dict[str, tuple[str, str]] = {**FLIGHTS}
