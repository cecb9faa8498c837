import pytest

from glot_hf.errors import InputError
from glot_hf.training import GlotTrainingArguments, find_checkpoint


def arguments(tmp_path, **options):
    return GlotTrainingArguments(output_dir=str(tmp_path), **options)


def test_the_last_whole_checkpoint_is_resumed(tmp_path):
    """Trainer writes the state last: a checkpoint without it was cut off."""
    for step, is_whole in ((9, True), (10, True), (100, False)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if is_whole:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")
    found = find_checkpoint(arguments(tmp_path, resume_from_checkpoint="last"))
    assert found == str(tmp_path / "checkpoint-10")
    assert find_checkpoint(arguments(tmp_path)) is None


@pytest.mark.parametrize(
    "options",
    [
        {"per_device_train_batch_size": 0},
        {"per_device_eval_batch_size": -1},
        {"gradient_accumulation_steps": 0},
        {"learning_rate": -1.0},
        {"learning_rate": float("nan")},
        {"num_train_epochs": 0},
    ],
)
def test_numbers_that_cannot_train_are_refused(tmp_path, options):
    with pytest.raises(InputError, match=next(iter(options))):
        arguments(tmp_path, **options)
