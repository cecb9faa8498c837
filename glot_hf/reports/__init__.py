# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What results are shown by: tables and pictures."""
