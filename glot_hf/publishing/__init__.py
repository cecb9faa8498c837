# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What publishes a head on the Hub, the upload and the model card: none of it is saved with the head."""
