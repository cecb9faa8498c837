"""Training by contrast: one process or two, resumed or not, and every pooling."""

from types import SimpleNamespace

import pytest
import torch
from forked_processes import run_together

from glot_hf import GlotConfig, GlotModel
from glot_hf.data.text_groups import GroupDataset, TextGroups, distinct_texts
from glot_hf.model.pooling_glot import POOLINGS
from glot_hf.training.contrastive import ContrastiveLoss
from glot_hf.training.contrastive_trainer import make_contrastive_trainer
from glot_hf.training.trainer import GlotTrainingArguments


SIZE = 16
TOKENIZER = SimpleNamespace(model_input_names=["input_ids"])  # all that rows of states need of one


def state_groups(count=24, negatives=1):
    """Rows of random states, where a query's positive has states near its own; every third has the first's text."""
    generator = torch.Generator().manual_seed(0)
    groups = [[f"q{n - n % 3}", f"p{n}", *(f"n{n}{k}" for k in range(negatives))] for n in range(count)]
    texts = distinct_texts([TextGroups(groups)])
    centres = torch.randn(count, 1, SIZE, generator=generator)
    states = []
    for text in texts:
        centre = centres[int(text[1:]) % count] if text[0] in "qp" else torch.zeros(1, SIZE)
        length = 2 + len(states) % 5
        states.append({"hidden_states": centre + torch.randn(length, SIZE, generator=generator)})
    return GroupDataset(TextGroups(groups), texts, states)


def trainer_of(folder, rows, model_options=None, loss=None, **options):
    torch.manual_seed(0)
    head = {"input_size": SIZE, "gnn_hidden_size": 8, "readout_hidden_size": 8}
    model = GlotModel(GlotConfig(**head | (model_options or {})))
    defaults = {
        "per_device_train_batch_size": 8,
        "learning_rate": 1e-2,
        "num_train_epochs": 2,
        "logging_steps": 1,
        "eval_strategy": "no",
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
    }
    arguments = GlotTrainingArguments(output_dir=str(folder), **defaults | options)
    return make_contrastive_trainer(model, TOKENIZER, arguments, loss or ContrastiveLoss(), rows, rows)


def losses(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_learns(tmp_path, pooling):
    rows = state_groups()
    trainer = trainer_of(tmp_path, rows, {"pooling": pooling, "projection_size": 8}, num_train_epochs=8)
    before = trainer.evaluate(rows)["eval_loss"]
    trainer.train()
    after = trainer.evaluate(rows)
    assert after["eval_loss"] < before
    assert 0 < after["eval_recall_at_1"] <= after["eval_recall_at_10"] <= 1


def test_mean_pooling_learns_statistics_alone(tmp_path):
    rows = state_groups()
    trainer = trainer_of(tmp_path, rows, {"pooling": "mean", "input_norm": "standard"})
    trainer.train()
    seen = torch.cat([rows.encoded[number]["hidden_states"] for number in rows.text_ids.flatten().tolist()])
    statistics = dict(trainer.model.head.named_buffers())
    assert torch.allclose(next(v for name, v in statistics.items() if name.endswith("mean")), seen.mean(0), atol=1e-5)
    trainer = trainer_of(tmp_path, rows, {"pooling": "mean"})
    assert trainer.train().global_step == 0


def test_a_matryoshka_head_is_better_when_cut(tmp_path):
    rows, scores = state_groups(), {}
    for sizes in ((), (2,)):
        options = {"pooling": "mean", "projection_size": 8}
        trainer = trainer_of(tmp_path, rows, options, ContrastiveLoss(matryoshka_sizes=sizes), num_train_epochs=30)
        trainer.train()
        trainer.loss = ContrastiveLoss()
        vectors = trainer.predict(rows).predictions
        scores[sizes] = ContrastiveLoss()(torch.tensor(vectors[..., :2]), rows.text_ids).item()
    assert scores[(2,)] < scores[()]


def test_gradient_accumulation_and_length_groups_train(tmp_path):
    trainer = trainer_of(
        tmp_path,
        state_groups(),
        gradient_accumulation_steps=3,
        num_train_epochs=1,
        learning_rate=1e-9,
        train_sampling_strategy="group_by_length",
    )
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert losses(trainer) == [pytest.approx(before, rel=0.5)]  # a mean over the steps, not their sum


def train_and_tell(rank, folder, size, head):
    # Plain gradient steps: Adam makes much of the rounding of a gradient that is zero.
    options = {"optim": "sgd", "learning_rate": 0.5, "num_train_epochs": 4}
    trainer = trainer_of(folder, state_groups(), head, per_device_train_batch_size=size, **options)
    trainer.train()
    metrics = trainer.evaluate()
    if rank == 0:
        found = {"losses": losses(trainer), "state": trainer.model.state_dict(), "mrr": metrics["eval_mrr"]}
        torch.save(found, folder / "found.pt")


def train_in_one_and_two(folder, **head):
    """What a process finds with a batch of 8, and two gloo processes with half of it in each."""
    found = []
    for processes, size in ((1, 8), (2, 4)):
        own = folder / str(processes)
        own.mkdir()
        run_together(processes, train_and_tell, own, size, head)
        found.append(torch.load(own / "found.pt"))
    one, two = found
    assert one["state"].keys() == two["state"].keys()
    for name, values in one["state"].items():
        torch.testing.assert_close(two["state"][name], values, rtol=0, atol=1e-4)
    assert two["mrr"] == pytest.approx(one["mrr"])
    return found


def test_two_processes_are_one(tmp_path):
    one, two = train_in_one_and_two(tmp_path)
    assert len(one["losses"]) == 12 and one["losses"][-1] < one["losses"][0]
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-5)


def test_two_processes_learn_the_statistics_of_one(tmp_path):
    """Of a head without parameters, each token counted once."""
    one, _ = train_in_one_and_two(tmp_path, pooling="mean", input_norm="standard")
    rows = state_groups()
    tokens = sum(len(rows.encoded[number]["hidden_states"]) for number in rows.text_ids.flatten().tolist())
    (counted,) = (count for name, count in one["state"].items() if name.endswith("num_tokens"))
    assert counted == tokens
