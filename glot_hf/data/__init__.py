# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Text for training and evaluation: the user's own files, GLUE tasks, generated data; and its hidden states."""

from ..states.cache import HiddenStateCache


__all__ = ["HiddenStateCache"]
