# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What puts a head on the Hub: the upload, and the model card that it writes. None of it travels with the head."""
