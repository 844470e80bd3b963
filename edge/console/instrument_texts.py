# SPDX-License-Identifier: AGPL-3.0-or-later
"""Words of the forms for instruments; see edge.console.texts."""

from __future__ import annotations

# key: (zh, en)
INSTRUMENT_TEXTS: dict[str, tuple[str, str]] = {
    "instruments_here": ("已配置的仪器", "Instruments of this site"),
    "sensor_by_hand": ("手动添加仪器", "Add an instrument by hand"),
    "sensor_about": (
        "选型号，填串口和地址，按“试读”看有没有数值，再保存。串口用 /dev/serial/by-id/ 下的名字，"
        "换插口也不变；串口服务器写 socket://地址:端口。",
        "Choose what it is, give its port and address, press “Try it” and see whether values come, "
        "then save. Take the port's name below /dev/serial/by-id/, which stays the same in another "
        "socket; a serial server is socket://host:port.",
    ),
    "change_instrument": ("修改这台仪器", "Change this instrument"),
    "sensor_try": ("试读", "Try it"),
    "try_waiting": (
        "正在试读：一般几秒，监测站最多约一分钟…",
        "Listening: some seconds, a station up to a minute…",
    ),
    "sensor_sure": (
        "确定删除这台仪器？由它判定的点位一并删除",
        "Remove this instrument? Places that are judged by it go with it",
    ),
    "sensor_missing": (
        "没有这台仪器：可能刚被删除，请回到“仪器”查看",
        "There is no such instrument, it may just have been removed: see Instruments",
    ),
    "judged_as_it_is": ("不变", "as it is"),
    "no_choice": ("（无）", "(none)"),
    "as_instrument": ("按型号", "as its model has it"),
    "none": ("（无）", "none"),
    "field_type": ("型号", "What it is"),
    "field_port": ("串口或地址", "Port or address"),
    "field_address": ("Modbus 地址（不填按型号）", "Modbus address (empty: as its model has it)"),
    "field_judged_as": ("怎样判定", "How it is judged"),
    "field_mn": ("监测站编号 MN（HJ 212）", "Number of the station, MN (HJ 212)"),
    "field_baud": ("波特率（不填按型号）", "Baud rate (empty: as its model has it)"),
    "field_parity": ("数据格式", "Parity"),
    "field_every_s": ("每几秒读一次", "Asked every so many seconds"),
    "field_stale_s": ("多少秒没有数值算未知", "Unknown after so many seconds without a value"),
    "field_tolerant": ("接受不规范的 HJ 212 报文", "take HJ 212 frames that bend the standard"),
    "field_camera": ("旁边的摄像机", "Camera beside it"),
    "field_instrument_maker": ("厂家", "Maker"),
    "field_instrument_model": ("仪器型号", "Its maker's model"),
    "field_instrument_serial": ("出厂编号", "Serial number"),
    "field_instrument_accuracy_class": ("准确度等级（1 或 2）", "Accuracy class (1 or 2)"),
    "field_instrument_certificate": ("检定证书编号", "Certificate"),
    "field_instrument_expires": ("检定有效期至", "Certificate valid until"),
    "field_instrument_calibration_date": ("声校准日期", "Calibrated on"),
    "field_instrument_calibration_reference_db": ("校准器声级（dB）", "Calibrator (dB)"),
    "field_instrument_calibration_before_db": ("测前示值（dB）", "Reading before (dB)"),
    "field_instrument_calibration_after_db": ("测后示值（dB）", "Reading after (dB)"),
    "did_sensor changed": ("修改传感器", "changed a sensor"),
    "did_sensor removed": ("删除传感器", "removed a sensor"),
    "tried_well": ("读到 {values}：可以保存", "It says {values}: save it"),
    "tried_running": (
        "这台仪器正在运行，现在读到 {values}；改动保存后生效，请再试读一次",
        "It is running and says {values}; what you change counts once it is saved: try again then",
    ),
    "tried_odd": (
        "有应答，但数值超出量程（{values}）：型号多半不对，请换一个再试",
        "It answers, but beyond what it can measure ({values}): choose another model and try again",
    ),
    "tried_silent": (
        "没有应答：检查电源，A、B 线是否接反，地址和波特率",
        "Nothing comes: look at its power, at A and B of the wires, at address and baud rate",
    ),
    "tried_garbled": (
        "收到数据但读不懂：波特率或型号不对，请换一个再试",
        "Bytes come that mean nothing: another baud rate or model; choose and try again",
    ),
    "tried_refused": (
        "仪器拒绝了（{told}）：地址对，型号不对，请换一个型号",
        "It refuses ({told}): the address is right, the model is not; choose another",
    ),
    "tried_stranger": (
        "来的是 {told} 站的数据：请核对监测站编号",
        "The station {told} is talking: compare the number of the station",
    ),
    "tried_port": (
        "打不开串口（{told}）：现在插着的有 {ports}，请改串口或检查插头",
        "The port cannot be opened ({told}): plugged in are {ports}; choose one or look at the "
        "plug",
    ),
    "tried_held": (
        "这个端口正由“{name}”使用：先保存，几秒后到“传感器”看数值",
        "“{name}” is on this port already: save first, and see the values under Sensors",
    ),
    "tried_calls_in": (
        "这台站由自己连进来，不能试读：先保存，几分钟后到“传感器”看数值",
        "This station calls in and cannot be asked: save first, and see under Sensors",
    ),
    "tried_config": (
        "有一项不符合要求：按下面的提示修改后再试",
        "Something does not fit: change what the line below names and try again",
    ),
    "tried_busy": (
        "正在扫描或试读另一台：请几秒后再按",
        "Another instrument is being tried: wait some seconds and press again",
    ),
}
