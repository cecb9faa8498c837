# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""From a name to what it names: backbones, tokenizers, saved heads of any kind, and what makes vectors."""
