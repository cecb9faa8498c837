# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Results over seeds as Markdown."""

import statistics


DAGGER = "† marks a head that gave every text the same answer, or whose training diverged."


def mean_and_deviation(values: list[float]) -> str:
    """Return mean and standard deviation in percent, such as "81.2 (0.9)"; one value has no deviation."""
    deviation = f" ({100 * statistics.stdev(values):.1f})" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{deviation}"
