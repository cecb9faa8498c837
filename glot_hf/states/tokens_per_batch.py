# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""How much a backbone is given at once, where nobody says otherwise."""

TOKENS_PER_BATCH = 8192  # tokens of texts and padding together
