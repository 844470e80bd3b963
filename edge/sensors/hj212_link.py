# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who answers what in HJ 212, as platform and as station, and messages to send. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from edge.sensors.hj212 import Hj212Packet, request_number, time_text
from edge.sensors.settings import Forward

REPLY_ST = "91"
# Time-outs of the standard for wireless links: 10 s, 3 resends.
ANSWER_WAIT_S = 10.0
RESENDS = 3
VERSION_BITS = {"2017": 1 << 2, "2025": 2 << 2}
OK = 1
REFUSED = 2


def replies(packet: Hj212Packet) -> tuple[Hj212Packet, ...]:
    """What the receiver sends back for `packet`, if it asks for an answer.

    Data (CN 20xx, 30xx from a station): 9014. Requests to a station (CN 1xxx with a purpose here):
    9011 then 9012; those that would change it are refused, since nobody signed them.
    """
    if not packet.wants_answer or packet.st == REPLY_ST:
        return ()
    if packet.cn.startswith(("20", "30")):
        return (_reply(packet, "9014", ""),)
    if packet.cn == "1011":
        return (_reply(packet, "9011", f"QnRtn={OK}"), _reply(packet, "9012", f"ExeRtn={OK}"))
    return (_reply(packet, "9011", f"QnRtn={REFUSED}"),)


def _reply(to: Hj212Packet, cn: str, cp: str) -> Hj212Packet:
    """Same QN, MN and version; asks for no answer itself."""
    return Hj212Packet(to.qn, REPLY_ST, cn, to.mn, to.flag & ~3, cp, to.pw)


def acknowledges(packet: Hj212Packet, qn: str) -> bool:
    """Whether `packet` says that the message `qn` has arrived."""
    return packet.cn in ("9014", "9013") and packet.qn == qn


def minute_message(
    forward: Forward, values: Mapping[str, Mapping[str, float]], began_wall: float, now_wall: float
) -> Hj212Packet:
    """A CN 2051 packet: factor -> field -> value, e.g. {"LA": {"Leq": 60.9}}."""
    groups = [f"DataTime={time_text(began_wall)}"]
    for factor, fields in values.items():
        texts = [
            f"{factor}-{name}={value:.3f}".rstrip("0").rstrip(".") for name, value in fields.items()
        ]
        groups.append(",".join([*texts, f"{factor}-Flag=N"]))
    return Hj212Packet(
        request_number(now_wall),
        forward.st,
        "2051",
        forward.mn,
        VERSION_BITS[forward.version] | 1,
        ";".join(groups),
        forward.pw,
    )
