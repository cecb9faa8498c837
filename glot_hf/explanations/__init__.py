# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Why a head answers as it does: contributions of words, graphs, alignments, and pictures of them."""
