# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
What a published head carries: every `*_glot.py` file here is saved with it, flat, and imports nothing else of glot_hf.

`sentence_transformer_glot.py` alone is saved only by sentence-transformers, which a head does not need.
"""
