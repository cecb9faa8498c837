# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A whole run of a command, from options to a saved head: reading texts, choosing a recipe, training, judging."""
