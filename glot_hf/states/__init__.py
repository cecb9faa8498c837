# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Hidden states on the disk: the cache of what a frozen backbone says of each text."""
