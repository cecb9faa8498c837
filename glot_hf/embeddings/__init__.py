# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Files of text -> files of sentence vectors, and the search in them."""
