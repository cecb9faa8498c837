import pytest

from glot_hf.options.suggestions import suggest_option


OPTIONS = ["--lora_r", "--auto_find_batch_size", "--num_train_epochs", "--resume_from_checkpoint", "--run_name"]
OPTIONS += ["--train_file", "--validation_file", "--per_device_train_batch_size", "--learning_rate", "--backbone"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--lr", "--learning_rate"),
        ("--lr=1e-3", "--learning_rate"),
        ("--batch_size", "--per_device_train_batch_size"),
        ("--batch-size", "--per_device_train_batch_size"),
        ("--epochs", "--num_train_epochs"),
        ("--test_file", "--validation_file"),
        ("--model_name_or_path", "--backbone"),
        ("--resume", "--resume_from_checkpoint"),
        ("--train_fil", "--train_file"),
        ("--xyzzy", None),
    ],
)
def test_the_option_that_was_meant(typed, meant):
    assert suggest_option(typed, OPTIONS) == meant


def test_another_script_s_name_of_an_option_that_this_command_does_not_have():
    assert suggest_option("--lr", ["--backbone", "--lora_r"]) == "--lora_r"
    assert suggest_option("--batch_size", ["--batch_sizes"]) == "--batch_sizes"
