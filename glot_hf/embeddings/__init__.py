# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Files of text of any size -> files of sentence vectors or answers, and the search in vectors."""
