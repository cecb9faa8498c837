import pytest
import torch

from glot_hf import GlotForSequenceClassification
from glot_hf.states.running import HiddenStateCollator
from glot_hf.system.errors import InputError
from glot_hf.training.trainer import GlotTrainingArguments, find_checkpoint, make_trainer


def arguments(tmp_path, **options):
    return GlotTrainingArguments(output_dir=str(tmp_path), **options)


def test_the_last_whole_checkpoint_is_resumed(tmp_path):
    """Trainer writes the state last: a checkpoint without it, or with a part of it, was cut off."""
    for step, state in ((9, "{}"), (10, "{}"), (11, ""), (12, '{"epoch": 1'), (100, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if state is not None:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
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
        {"label_smoothing_factor": 1.5},
    ],
)
def test_numbers_that_cannot_train_are_refused(tmp_path, options):
    with pytest.raises(InputError, match=next(iter(options))):
        arguments(tmp_path, **options)


def test_batches_that_are_not_full_are_dropped_from_training_alone(tiny_bert, tmp_path):
    model = GlotForSequenceClassification.from_backbone(tiny_bert, num_labels=2, gnn_hidden_size=4)
    model.config.problem_type = "single_label_classification"
    rows = [{"hidden_states": torch.randn(4, 32), "labels": n % 2} for n in range(7)]
    options = {"per_device_train_batch_size": 4, "per_device_eval_batch_size": 4, "eval_strategy": "no"}
    trainer = make_trainer(model, None, arguments(tmp_path, dataloader_drop_last=True, **options), rows, rows)
    trainer.data_collator = HiddenStateCollator()
    assert len(trainer.get_train_dataloader()) == 1
    assert len(trainer.get_eval_dataloader()) == 2
    assert len(trainer.predict(rows).predictions) == 7


@pytest.mark.parametrize(
    ("metric", "given", "expected"), [("mse", None, False), ("spearman", None, True), ("mse", True, True)]
)
def test_the_direction_of_a_metric_is_its_own_unless_one_is_given(tiny_bert, tmp_path, metric, given, expected):
    """For the best head, and for a scheduler that waits for a better one."""
    model = GlotForSequenceClassification.from_backbone(tiny_bert, num_labels=1, gnn_hidden_size=4)
    model.config.problem_type = "regression"
    options = {"metric_for_best_model": metric, "greater_is_better": given}
    own = arguments(tmp_path, lr_scheduler_type="reduce_lr_on_plateau", **options)
    assert own.greater_is_better is expected
    trainer = make_trainer(model, None, own, validation=[])
    trainer.create_optimizer()
    assert trainer.create_scheduler(10).mode == ("max" if expected else "min")


@pytest.mark.parametrize("option", ["bf16_full_eval", "fp16_full_eval"])
def test_an_evaluation_in_half_precision_leaves_the_head_as_it_was(tiny_bert, tmp_path, option):
    model = GlotForSequenceClassification.from_backbone(tiny_bert, num_labels=2, gnn_hidden_size=4, gnn_type="gin")
    model.config.problem_type = "single_label_classification"
    trainer = make_trainer(model, None, arguments(tmp_path, eval_strategy="no", **{option: True}))
    trainer.data_collator = HiddenStateCollator()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    rows = [{"hidden_states": torch.randn(4, 32), "labels": n % 2} for n in range(4)]
    answers = torch.from_numpy(trainer.predict(rows).predictions).float()
    assert torch.equal(answers, answers.to(torch.bfloat16 if option == "bf16_full_eval" else torch.float16).float())
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == before[name].dtype and torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("is_frozen", [True, False])
def test_several_processes_look_for_unused_parameters_where_there_may_be_some(tiny_bert, tmp_path, is_frozen):
    model = GlotForSequenceClassification.from_backbone(tiny_bert, num_labels=2, gnn_hidden_size=4)
    model.config.problem_type = "single_label_classification"
    model.glot.backbone.requires_grad_(not is_frozen)
    trainer = make_trainer(model, None, arguments(tmp_path, eval_strategy="no"))
    assert trainer.accelerator.ddp_handler.find_unused_parameters is not is_frozen


class TestADeadHead:
    """It is said, and only then."""

    @pytest.fixture
    def warnings(self, monkeypatch):
        messages = []
        monkeypatch.setattr("glot_hf.training.trainer.logger.warning", messages.append)
        return messages

    @pytest.fixture
    def trainer(self, tiny_bert, tmp_path):
        model = GlotForSequenceClassification.from_backbone(tiny_bert, num_labels=2, gnn_hidden_size=4)
        model.config.problem_type = "single_label_classification"
        options = {"dataloader_pin_memory": False, "eval_strategy": "no"}
        trainer = make_trainer(model, None, arguments(tmp_path, **options))
        trainer.data_collator = HiddenStateCollator()
        return trainer

    def rows(self):
        generator = torch.Generator().manual_seed(0)
        return [{"hidden_states": torch.randn(4, 32, generator=generator), "labels": n % 2} for n in range(8)]

    def test_the_same_answer_for_every_text(self, trainer, warnings):
        torch.nn.init.zeros_(trainer.model.classifier.weight)
        assert trainer.evaluate(self.rows())["eval_distinct_predictions"] == 1
        assert len(warnings) == 1 and "input_norm" in warnings[0]

    def test_different_answers(self, trainer, warnings):
        torch.nn.init.normal_(trainer.model.classifier.weight, std=10)
        assert trainer.evaluate(self.rows())["eval_distinct_predictions"] == 2
        assert not warnings
