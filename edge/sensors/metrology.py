# SPDX-License-Identifier: AGPL-3.0-or-later
"""How far a measured value can be relied on: class, certificate, calibration before and after."""

from __future__ import annotations

from typing import Any

from edge.clock import calendar_day
from edge.config.dated import Packs
from edge.sensors.settings import Calibration, Instrument


def assess(instrument: Instrument, today: str, packs: Packs) -> dict[str, Any]:
    """`standing` "legal" or "indicative", with the reasons; what the record must contain.

    today: local date, "YYYY-MM-DD". packs: how far a calibration may drift on that day.
    """
    pack = packs.at("measuring", calendar_day(today), "noise")
    drift_db = pack.number("drift_max_db") if pack else None
    reasons = [text for text, bad in _checks(instrument, today, drift_db) if bad]
    return {
        "standing": "indicative" if reasons else "legal",
        "reasons": reasons,
        "maker": instrument.maker,
        "model": instrument.model,
        "serial": instrument.serial,
        "accuracy_class": instrument.accuracy_class,
        "certificate": instrument.certificate,
        "expires": instrument.expires,
        "calibration": _calibration(instrument.calibration, drift_db),
    }


def _checks(
    instrument: Instrument, today: str, drift_db: float | None
) -> tuple[tuple[str, bool], ...]:
    calibration = instrument.calibration
    return (
        ("not a class 1 or 2 meter", instrument.accuracy_class is None),
        ("no certificate", not instrument.certificate),
        ("no date of expiry", instrument.expires is None),
        ("certificate expired", instrument.expires is not None and instrument.expires < today),
        ("not calibrated", calibration is None),
        ("calibration drifted", calibration is not None and not steady(calibration, drift_db)),
        ("no pack says how far a calibration may drift", drift_db is None),
    )


def steady(calibration: Calibration, drift_db: float | None) -> bool:
    """Whether the readings before and, if there is one, after lie close enough together; beyond
    `drift_db` the measurement does not count. Without a figure nothing is steady."""
    ends = [calibration.before_db]
    if calibration.after_db is not None:
        ends.append(calibration.after_db)
    off = max(abs(value - calibration.reference_db) for value in ends)
    return drift_db is not None and max(ends) - min(ends) <= drift_db and off <= drift_db


def _calibration(calibration: Calibration | None, drift_db: float | None) -> dict[str, Any] | None:
    if calibration is None:
        return None
    return {
        "date": calibration.date,
        "reference_db": calibration.reference_db,
        "before_db": calibration.before_db,
        "after_db": calibration.after_db,
        "calibrator": calibration.calibrator,
        "steady": steady(calibration, drift_db),
    }
