# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Trainers, losses, metrics, and the folder that a training writes."""
