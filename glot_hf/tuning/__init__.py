# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Choosing a head on one's own rows: which layer of the backbone, which head on it, and how long it trains."""
