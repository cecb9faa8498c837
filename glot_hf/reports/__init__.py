# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Tables and pictures that show results."""
