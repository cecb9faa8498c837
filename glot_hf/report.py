# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""How results over seeds are written."""

import statistics


def mean_and_deviation(values: list[float], scale: float = 100) -> str:
    """Such as "81.2 (0.9)": mean and standard deviation, which one value has not; in percent by default."""
    deviation = f" ({scale * statistics.stdev(values):.1f})" if len(values) > 1 else ""
    return f"{scale * statistics.mean(values):.1f}{deviation}"
