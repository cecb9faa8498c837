# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Times and sizes as they are typed: 30d, 20GB."""

import re

from ..system.errors import InputError


_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_BYTES = {"kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4}


def parse_time(text: str, flag: str) -> float:
    """
    Return the seconds of a time such as 30d.

    Raises:
        InputError: it is no number with a unit.
    """
    return _parse(
        text, _SECONDS, f"{flag} {text!r} is no time: give hours, days, weeks or years, such as 12h, 30d, 8w"
    )


def parse_size(text: str, flag: str) -> float:
    """
    Return the bytes of a size such as 20GB, in powers of 1,000.

    Raises:
        InputError: it is no number with a unit.
    """
    return _parse(text, _BYTES, f"{flag} {text!r} is no size: give kB, MB, GB or TB, such as 500MB, 20GB")


def _parse(text: str, units: dict[str, int], message: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]+)", text.strip().lower(), flags=re.ASCII)
    if found is None or found[2] not in units:
        raise InputError(message)
    return float(found[1]) * units[found[2]]
