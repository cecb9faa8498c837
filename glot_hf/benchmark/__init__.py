# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf benchmark`: sides of a comparison measured in one run, one file a benchmark."""
