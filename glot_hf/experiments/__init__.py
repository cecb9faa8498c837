# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Comparisons of poolings, the stress test, the demonstration and MTEB."""
