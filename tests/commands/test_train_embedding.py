"""`glot-hf train --task embedding`: pairs in, a GlotModel out, that gives, saves and publishes vectors."""

import json

import pytest
import torch
from huggingface_hub import ModelCard
from scipy.stats import spearmanr
from transformers import AutoModel, AutoTokenizer

from glot_hf.commands.main import main

from .conftest import write


@pytest.fixture
def train_pairs(files, train):
    """`glot-hf train --task embedding` on small files of triplets, pairs and scored pairs."""
    animals, acts = "cat dog cow horse duck goat hen fox".split(), "sleeps runs eats".split()
    rows = [
        {"query": f"a {animal} {act}", "pos": [f"the {animal} {act} now", f"one {animal} that {act}"][: 1 + n % 2]}
        | ({"neg": f"a {animal} does not"} if n % 3 else {})
        for animal in animals
        for n, act in enumerate(acts)
    ]
    write("triplets.jsonl", "".join(json.dumps({"neg": None} | row) + "\n" for row in rows))
    write("positives.tsv", "one\tother\n" + "".join(f"{row['query']}\t{row['pos'][0]}\n" for row in rows))
    scored = [f"a {animal} sleeps\tthe {animals[n // 2]} sleeps\t{5 * (n < 2)}" for n, animal in enumerate(animals)]
    write("scored.tsv", "sentence1\tsentence2\tscore\n" + "\n".join(scored) + "\n")

    def run(*options):
        cache = () if "--no_cache" in options else ("--cache_dir", "states")
        return train("--task", "embedding", *cache, *options)

    return run


TRIPLETS = ("--train_file", "triplets.jsonl")
POSITIVES = ("--train_file", "positives.tsv", "--text_column", "one", "--text_pair_column", "other")


def results(files):
    return json.loads((files / "head" / "all_results.json").read_text())


def test_triplets_and_a_held_out_tenth(train_pairs, files, capsys):
    assert train_pairs(*TRIPLETS) == 0
    captured = capsys.readouterr()
    assert "negative column: 'neg' (guessed" in captured.err
    assert "28 training pairs, 4 for validation" in captured.out
    assert {"eval_mrr", "eval_recall_at_1", "eval_loss"} <= set(results(files))
    record = json.loads((files / "head" / "training_record.json").read_text())
    assert record["task"] == "embedding" and record["text_column"] is None


def test_pair_columns_judged_by_scores(train_pairs, files, capsys):
    """The score that is reported is scipy's, of the vectors that the saved folder gives."""
    write("scored2.tsv", (files / "scored.tsv").read_text().replace("sentence1\tsentence2", "one\tother"))
    assert train_pairs(*POSITIVES, "--validation_file", "scored2.tsv") == 0
    model, tokenizer = AutoModel.from_pretrained("head"), AutoTokenizer.from_pretrained("head")
    assert type(model).__name__ == "GlotModel"
    rows = [line.split("\t") for line in (files / "scored2.tsv").read_text().splitlines()[1:]]
    first, second = (model.encode([row[column] for row in rows], tokenizer) for column in (0, 1))
    cosines = torch.nn.functional.cosine_similarity(first, second)
    expected = spearmanr(cosines, [float(row[2]) for row in rows]).statistic
    assert results(files)["eval_spearman"] == pytest.approx(expected, abs=1e-6)
    capsys.readouterr()
    assert main(["evaluate", "head", "--validation_file", "scored2.tsv"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert metrics["eval_spearman"] == pytest.approx(expected, abs=1e-6)


def test_a_quick_trial_on_the_first_rows(train_pairs, capsys):
    assert train_pairs(*TRIPLETS, "--max_train_rows", "5", "--validation_file", "triplets.jsonl") == 0
    captured = capsys.readouterr()
    assert "reads the first 5 of 24 rows of triplets.jsonl" in captured.err
    assert "7 training pairs, 32 for validation" in captured.out  # every second row has two positives


def test_it_learns(train_pairs, files):
    learns = ("--max_steps", "30", "--learning_rate", "5e-3", "--per_device_train_batch_size", "24")
    own = ("--validation_file", "triplets.jsonl")
    assert train_pairs(*TRIPLETS, *own, "--pooling", "mean") == 0
    before = results(files)["eval_loss"]
    assert train_pairs(*TRIPLETS, *own, *learns, "--overwrite_output_dir") == 0
    assert results(files)["eval_loss"] < before


def test_the_cache_and_live_text_train_alike(train_pairs, files):
    weights = []
    for options in ((), ("--no_cache",)):
        assert train_pairs(*TRIPLETS, "--overwrite_output_dir", *options) == 0
        weights.append(AutoModel.from_pretrained("head", load_backbone=False).state_dict())
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, atol=2e-4, rtol=1e-3)


def test_resuming_gives_the_same_bits(train_pairs, files, error_line):
    steps = ("--max_steps", "6", "--save_strategy", "steps", "--save_steps", "3", "--gnn_type", "gin")
    options = (*TRIPLETS, *steps, "--train_sampling_strategy", "group_by_length", "--input_norm", "standard")
    assert train_pairs(*options) == 0
    whole = (files / "head" / "model.safetensors").read_bytes()
    (files / "head" / "model.safetensors").unlink()
    assert train_pairs(*options, "--resume_from_checkpoint", "head/checkpoint-3") == 0
    assert (files / "head" / "model.safetensors").read_bytes() == whole
    write("triplets.jsonl", (files / "triplets.jsonl").read_text().replace("the cat", "my cat"))
    assert "is of a run on other texts or labels" in error_line(train_pairs(*options, "--resume_from_checkpoint"))


def test_a_pooling_without_parameters_is_saved_as_it_is(train_pairs, files, capsys):
    assert train_pairs(*TRIPLETS, "--pooling", "mean", "--input_norm", "standard") == 0
    output = capsys.readouterr().out
    assert "trains no parameters: this pooling has none" in output and "What was trained" not in output
    assert results(files)["head_parameters"] == 0
    assert AutoModel.from_pretrained("head", load_backbone=False).head.state_dict()


def test_nested_sizes_and_dot_products(train_pairs, files):
    sizes = ("--projection_size", "16", "--matryoshka_sizes", "4", "8")
    assert train_pairs(*TRIPLETS, *sizes, "--similarity", "dot", "--temperature", "1", "--num_negatives", "0") == 0
    assert {"eval_mrr", "eval_mrr_4", "eval_mrr_8"} <= set(results(files))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--task embedding needs a --train_file"),
        ((*TRIPLETS, "--data_dir", "."), "--data_dir is not for --task embedding"),
        ((*TRIPLETS, "--max_train_rows", "0"), "--max_train_rows 0 is not positive"),
        ((*TRIPLETS, "--label_column", "query"), "name that too"),
        ((*TRIPLETS, "--lora_r", "4"), "frozen backbone"),
        ((*TRIPLETS, "--pair_mode", "concat"), "--pair_mode is for heads that compare"),
        ((*TRIPLETS, "--matryoshka_sizes", "4"), "add --projection_size"),
        ((*TRIPLETS, "--matryoshka_sizes", "8", "--projection_size", "8"), "not between 1 and 7"),
        ((*TRIPLETS, "--temperature", "0"), "--temperature 0.0 is not positive"),
        ((*TRIPLETS, "--num_negatives", "-1"), "--num_negatives -1 is negative"),
        ((*POSITIVES, "--num_negatives", "3"), "no column of negatives is known: name it with --negative_column"),
        ((*TRIPLETS, "--max_length", "0"), "--max_length 0 is not between 3 and 512"),
        ((*TRIPLETS, "--negative_column", "nope"), "there is no column 'nope' for --negative_column"),
        (("--train_file", "positives.tsv"), "name it with --text_column"),
        ((*TRIPLETS, "--text_column", "pos"), "the column 'pos' would be both texts of a pair"),
        ((*TRIPLETS, "--label_smoothing_factor", "0.1"), "is for one class a row, but vectors have no classes"),
        ((*TRIPLETS, "--neftune_noise_alpha", "5"), "--neftune_noise_alpha changes how a backbone is trained"),
        ((*TRIPLETS, "--metric_for_best_model", "spearman"), "is not a metric of these labels: valid are loss, mrr"),
        (
            (*TRIPLETS, "--validation_file", "scored.tsv", "--metric_for_best_model", "loss"),
            "valid are pearson, spearman",
        ),
        ((*TRIPLETS, "--learning_rate", "1e30"), "train with a smaller one"),
    ],
)
def test_mistakes(train_pairs, files, error_line, options, message):
    assert message in error_line(train_pairs(*options))
    assert not (files / "head" / "model.safetensors").exists()


def test_its_options_are_not_for_other_tasks(files, train, error_line):
    films = ("--train_file", "films.csv", "--label_column", "mood")
    assert "--temperature belongs to --task embedding" in error_line(train(*films, "--temperature", "1"))


def test_predicting_and_judging_by_a_task_are_refused(train_pairs, error_line):
    assert train_pairs(*TRIPLETS) == 0
    assert "sentence vectors and no answers" in error_line(main(["predict", "head", "--text", "a cat"]))
    assert "by --validation_file alone" in error_line(main(["evaluate", "head"]))


def test_publishing(train_pairs, hub_here, minilm_path):
    AutoModel.from_pretrained(minilm_path).push_to_hub("tester/minilm")
    AutoTokenizer.from_pretrained(minilm_path).push_to_hub("tester/minilm")
    assert train_pairs(*TRIPLETS, "--validation_file", "scored.tsv") == 0
    assert main(["publish", "head", "tester/vectors", "--backbone_id", "tester/minilm"]) == 0
    card = ModelCard(hub_here.files("tester/vectors")["README.md"].decode())
    assert card.data.pipeline_tag == "feature-extraction" and "model.encode" in card.text
    assert {each.metric_type for each in card.data.eval_results} == {"spearmanr", "pearsonr"}
    tokenizer = AutoTokenizer.from_pretrained("tester/vectors")
    assert AutoModel.from_pretrained("tester/vectors").encode(["a cat"], tokenizer).isfinite().all()
