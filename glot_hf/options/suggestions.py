# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Which option a user meant by a name that is none."""

import difflib


# What other training scripts call an option, where the letters alone would lead to the wrong one.
_OTHER_NAMES = {
    "batch_size": "per_device_train_batch_size",
    "dataset": "train_file",
    "dataset_name": "train_file",
    "dev_file": "validation_file",
    "eval_file": "validation_file",
    "heads": "num_attention_heads",
    "lr": "learning_rate",
    "model": "backbone",
    "model_name": "backbone",
    "model_name_or_path": "backbone",
    "num_heads": "num_attention_heads",
    "test_file": "validation_file",
    "train_batch_size": "per_device_train_batch_size",
}


def suggest_option(typed: str, options: list[str]) -> str | None:
    """
    Return the option that was meant: the one that other scripts call so, the first that begins so, or the one with
    the most similar letters; None where nothing is similar.

    Args:
        typed (`str`): as on the command line, such as "--batch-size=8".
        options (`list[str]`): those that there are, with their dashes.
    """
    name = typed.split("=")[0].removeprefix("--").replace("-", "_")
    for start in (_OTHER_NAMES.get(name), name):
        found = next((option for option in options if start is not None and option.startswith(f"--{start}")), None)
        if found is not None:
            return found
    return next(iter(difflib.get_close_matches(f"--{name}", options, n=1)), None)
