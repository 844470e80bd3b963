# SPDX-License-Identifier: AGPL-3.0-or-later
"""How far a measured value can be relied on: class, certificate, calibration before and after."""

from __future__ import annotations

from typing import Any

from edge.sensors.settings import Calibration, Instrument

# Beyond this the readings before and after differ too much for the measurement to count
# (GB 12348-2008 5.1.2 as reprinted: 0.5 dB).
DRIFT_MAX_DB = 0.5


def assess(instrument: Instrument, today: str) -> dict[str, Any]:
    """`standing` "legal" or "indicative", with the reasons; what the record must contain.

    today: local date, "YYYY-MM-DD".
    """
    reasons = [text for text, bad in _checks(instrument, today) if bad]
    return {
        "standing": "indicative" if reasons else "legal",
        "reasons": reasons,
        "maker": instrument.maker,
        "model": instrument.model,
        "serial": instrument.serial,
        "accuracy_class": instrument.accuracy_class,
        "certificate": instrument.certificate,
        "expires": instrument.expires,
        "calibration": _calibration(instrument.calibration),
    }


def _checks(instrument: Instrument, today: str) -> tuple[tuple[str, bool], ...]:
    calibration = instrument.calibration
    return (
        ("not a class 1 or 2 meter", instrument.accuracy_class is None),
        ("no certificate", not instrument.certificate),
        ("no date of expiry", instrument.expires is None),
        ("certificate expired", instrument.expires is not None and instrument.expires < today),
        ("not calibrated", calibration is None),
        ("calibration drifted", calibration is not None and not steady(calibration)),
    )


def steady(calibration: Calibration) -> bool:
    """Whether the readings before and, if there is one, after lie close enough together."""
    ends = [calibration.before_db]
    if calibration.after_db is not None:
        ends.append(calibration.after_db)
    off = max(abs(value - calibration.reference_db) for value in ends)
    return max(ends) - min(ends) <= DRIFT_MAX_DB and off <= DRIFT_MAX_DB


def _calibration(calibration: Calibration | None) -> dict[str, Any] | None:
    if calibration is None:
        return None
    return {
        "date": calibration.date,
        "reference_db": calibration.reference_db,
        "before_db": calibration.before_db,
        "after_db": calibration.after_db,
        "calibrator": calibration.calibrator,
        "steady": steady(calibration),
    }
