# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What can be typed: the options of all commands, and the parser that reads them. Imports no torch."""
