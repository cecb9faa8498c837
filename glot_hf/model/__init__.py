# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""All that travels to a Hub repository with a published head, and nothing else."""
