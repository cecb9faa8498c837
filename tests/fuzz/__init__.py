"""Seeded fuzzing of every file that somebody else may have written: `make fuzz`, and a little of it in each run."""
