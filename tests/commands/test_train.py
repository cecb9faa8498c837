"""The main job: text in, a head out, that evaluates and predicts in a process of its own."""

import json
import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from glot_hf import GlotConfig, GlotForSequenceClassification
from glot_hf.commands.main import main
from glot_hf.training.trainer import HeadTrainer


FILMS = ("--train_file", "films.csv", "--label_column", "mood")
STEPS = ("--save_strategy", "steps", "--save_steps", "1", "--eval_strategy", "steps", "--eval_steps", "1")


def predictions(capsys, *options):
    capsys.readouterr()
    assert main(["predict", "head", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_interrupted_it_says_how_it_goes_on_and_then_from_where(files, train, monkeypatch, capsys):
    step = HeadTrainer.training_step

    def interrupt_at(last):
        def interrupted(trainer, *args, **kwargs):
            if trainer.state.global_step == last:
                raise KeyboardInterrupt
            return step(trainer, *args, **kwargs)

        monkeypatch.setattr(HeadTrainer, "training_step", interrupted)

    options = (*FILMS, "--save_strategy", "steps", "--save_steps", "1")
    interrupt_at(0)
    assert train(*options) == 130
    assert "train: interrupted: there is no checkpoint yet, so the same command begins" in capsys.readouterr().err
    interrupt_at(1)
    assert train(*options) == 130
    assert "--resume_from_checkpoint goes on from head/checkpoint-1\n" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.chdir(files)
    assert train(*options, "--resume_from_checkpoint") == 0
    assert "goes on from head/checkpoint-1\n" in capsys.readouterr().out


def test_a_mistake_deletes_nothing_and_starting_anew_all_of_an_earlier_run(trained_head, train):
    before = sorted(trained_head.rglob("*"))
    assert any("checkpoint-2" in path.name for path in before)
    assert train("--train_file", "missing.csv", "--overwrite_output_dir") == 2
    assert train(*FILMS, "--overwrite_output_dir", "--max_length", "5000") == 2
    assert sorted(trained_head.rglob("*")) == before
    assert train(*FILMS, "--overwrite_output_dir", "--save_strategy", "no") == 0
    assert not list(trained_head.glob("checkpoint-*"))


def test_the_code_is_in_a_folder_once(trained_head, files):
    """A checkpoint is loaded without, and has it again where it is saved."""
    assert (trained_head / "modeling_glot.py").is_file()
    (checkpoint,) = trained_head.glob("checkpoint-*")
    assert not list(checkpoint.glob("*.py")) and "auto_map" not in (checkpoint / "config.json").read_text()
    weights = [load_file(folder / "model.safetensors") for folder in (trained_head, checkpoint)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint)
    assert type(model).__name__ == "GlotForSequenceClassification"
    model.save_pretrained("copy")
    assert (files / "copy" / "modeling_glot.py").is_file()


def heads_and_checkpoints(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in (".safetensors", ".json")
    }


def fail_to_save(monkeypatch, when):
    """Lets the disk be full for heads in folders of which `when` holds."""
    save = GlotForSequenceClassification.save_pretrained

    def write(model, folder, **options):
        if when(str(folder)):
            raise OSError(28, "No space left on device")
        save(model, folder, **options)

    monkeypatch.setattr(GlotForSequenceClassification, "save_pretrained", write)


def test_a_full_disk_leaves_the_old_head_and_its_checkpoints(trained_head, files, train, monkeypatch, error_line):
    before = heads_and_checkpoints(files / "head")
    anew = (*FILMS, "--overwrite_output_dir", "--learning_rate", "1e-2", "--disable_tqdm", "true", *STEPS)
    with monkeypatch.context() as patch:
        fail_to_save(patch, lambda folder: "checkpoint-1" in folder)
        assert "No space left on device; 'head' has" in error_line(train(*anew))
    assert heads_and_checkpoints(files / "head") == before
    with monkeypatch.context() as patch:
        fail_to_save(patch, lambda folder: "checkpoint-" not in folder)
        line = error_line(train(*anew))
    assert (
        "No space left on device), which is as it was: make room" in line and "goes on from head/checkpoint-2" in line
    )
    after = heads_and_checkpoints(files / "head")
    for name, content in before.items():
        assert after[name.replace("checkpoint-2", "previous_checkpoints-1/checkpoint-2")] == content
    assert train(*anew, "--resume_from_checkpoint") == 0  # makes no step more
    assert {path.name for path in files.joinpath("head").iterdir() if path.is_dir()} == {
        "checkpoint-1",
        "checkpoint-2",
    }
    assert heads_and_checkpoints(files / "head")["model.safetensors"] != before["model.safetensors"]


def test_it_says_what_it_does_and_keeps_what_opens_the_hub_out_of_the_folder(files, train, capsys):
    assert train(*FILMS, "--output_dir", "my head", "--hub_token", "hf_SECRET") == 0
    captured = capsys.readouterr()
    output = captured.out
    assert "text column: 'review' (guessed" in captured.err
    assert "2 classes, bad, good" in output
    assert "frozen backbone parameters" in output
    assert "AutoModelForSequenceClassification.from_pretrained('my head')" in output
    assert "glot-hf predict 'my head' --text" in output
    assert not any(b"hf_SECRET" in path.read_bytes() for path in (files / "my head").iterdir() if path.is_file())


def test_the_folder_holds_a_head_and_no_backbone_and_no_pickle(trained_head):
    names = {name for name in os.listdir("head") if not name.startswith("checkpoint-")}
    assert {"model.safetensors", "config.json", "tokenizer.json", "all_results.json", "training_record.json"} <= names
    assert all(name.endswith((".json", ".safetensors", ".txt", ".yaml", "_glot.py", ".md", ".png")) for name in names)
    results = json.loads((trained_head / "all_results.json").read_text())
    with safe_open("head/model.safetensors", "pt") as file:
        parameters = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
        assert not any("backbone" in name for name in file.keys())  # noqa: SIM118
    assert parameters == results["head_parameters"]
    assert os.path.getsize("head/model.safetensors") <= 4 * parameters + 64 * 1024
    assert 0 <= results["eval_accuracy"] <= 1 and -1 <= results["eval_matthews_correlation"] <= 1
    assert GlotConfig.from_pretrained("head").id2label == {0: "bad", 1: "good"}


def test_it_learns(files, train, capsys):
    assert train(*FILMS, "--max_steps", "30", "--learning_rate", "1e-2") == 0
    answers = predictions(capsys, "--text", "an awful film", "a lovely film")
    assert [answer["label"] for answer in answers] == ["bad", "good"]
    (files / "lines.csv").write_text("review\nan awful film\n\na lovely film\n")
    answers = predictions(capsys, "--test_file", "lines.csv")
    assert [answer["text"] for answer in answers] == ["an awful film", "", "a lovely film"]
    assert main(["evaluate", "head", "--validation_file", "films.csv", "--output_file", "scores.json"]) == 0
    scores = json.loads((files / "scores.json").read_text())
    assert scores["eval_accuracy"] > 0.9
    assert not {"epoch", "eval_model_preparation_time"} & set(scores)


def test_json_lines_and_regression_and_several_labels_and_pairs(files, train, capsys):
    assert train("--train_file", "films.jsonl") == 0
    assert set(predictions(capsys, "--test_file", "films.jsonl")[0]) == {"text", "label", "score", "scores"}
    assert train("--train_file", "scores.tsv", "--overwrite_output_dir") == 0
    assert "eval_spearman" in (files / "head" / "all_results.json").read_text()
    assert isinstance(predictions(capsys, "--text", "number 3")[0]["score"], float)
    assert train("--train_file", "several.jsonl", "--overwrite_output_dir") == 0
    assert "eval_f1_micro" in (files / "head" / "all_results.json").read_text()
    assert set(predictions(capsys, "--text", "number 3")[0]["scores"]) == {"a", "b"}
    pairs = ("--train_file", "pairs.csv", "--text_column", "a", "--text_pair_column", "b", "--overwrite_output_dir")
    assert train(*pairs) == 0
    assert GlotConfig.from_pretrained("head").pair_mode == "interaction"
    assert len(predictions(capsys, "--test_file", "pairs.csv")) == 20
    assert main(["evaluate", "head", "--validation_file", "pairs.csv"]) == 0


def test_pairs_are_found_by_the_names_of_their_columns(files, train, capsys):
    (files / "usual.csv").write_text((files / "pairs.csv").read_text().replace("a,b,", "sentence1,sentence2,", 1))
    assert train("--train_file", "usual.csv", "--validation_file", "usual.csv") == 0
    assert GlotConfig.from_pretrained("head").pair_mode == "interaction"
    assert "pair mode: interaction (--pair_mode" in capsys.readouterr().out
    assert {"text", "text_pair"} < set(predictions(capsys, "--test_file", "usual.csv")[0])
    assert train("--train_file", "usual.csv", "--text_column", "sentence1", "--overwrite_output_dir") == 0
    assert GlotConfig.from_pretrained("head").pair_mode is None


BEST = (*STEPS, "--load_best_model_at_end", "--save_total_limit", "9", "--metric_for_best_model")


def test_the_best_head_by_an_error_has_the_smallest(files, train):
    assert train("--train_file", "scores.tsv", "--max_steps", "5", "--learning_rate", "0.1", *BEST, "mse") == 0
    history = json.loads((files / "head" / "checkpoint-5" / "trainer_state.json").read_text())["log_history"]
    errors = [entry["eval_mse"] for entry in history if "eval_mse" in entry]
    assert len(errors) == 5 and min(errors) < max(errors)
    found = json.loads((files / "head" / "all_results.json").read_text())["eval_mse"]
    assert found == pytest.approx(min(errors), rel=1e-3)


def test_a_best_metric_that_is_undefined_loses_no_head(files, train, caplog):
    """All scores of the evaluation are equal. A scheduler that looks at the metric goes on too."""
    (files / "same.tsv").write_text("text\tscore\n" + "".join(f"number 1\t{i / 7:.3f}\n" for i in range(5)))
    plateau = ("--lr_scheduler_type", "reduce_lr_on_plateau", "--validation_file", "same.tsv")
    assert train("--train_file", "scores.tsv", *plateau, *BEST, "spearman") == 0
    assert (files / "head" / "model.safetensors").exists()
    assert "eval_spearman" not in (files / "head" / "all_results.json").read_text()


def test_a_glue_task(files, train, capsys):
    rows = [f"src\t{i % 2}\t\tsentence number {i}." for i in range(24)]
    (files / "train.tsv").write_text("\n".join(rows) + "\n")
    (files / "dev.tsv").write_text("\n".join(rows[:8]) + "\n")
    assert train("--task", "cola", "--data_dir", ".") == 0
    assert "eval_matthews_correlation" in (files / "head" / "all_results.json").read_text()
    assert main(["evaluate", "head", "--data_dir", "."]) == 0
    assert GlotConfig.from_pretrained("head").id2label == {0: "unacceptable", 1: "acceptable"}


def test_every_configuration_option_is_a_flag(files, train):
    options = {
        "pooling": "glot",
        "gnn_type": "gat",
        "num_gnn_layers": 3,
        "gnn_hidden_size": 16,
        "num_attention_heads": 4,
        "similarity_threshold": -0.25,
        "jumping_knowledge": "max",
        "readout_hidden_size": 8,
        "projection_size": 12,
        "backbone_layers": [1, 2],
        "input_size": 384,
    }
    flags = []
    for name, value in options.items():
        flags += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    assert train(*FILMS, *flags) == 0
    config = GlotConfig.from_pretrained("head")
    assert {name: getattr(config, name) for name in options} == options


def test_a_reload_gives_the_model_that_was_trained(files, train, monkeypatch):
    """With its backbone in half precision, as it was trained."""
    saved = []
    save = GlotForSequenceClassification.save_pretrained
    monkeypatch.setattr(
        GlotForSequenceClassification, "save_pretrained", lambda m, *a, **k: saved.append(m) or save(m, *a, **k)
    )
    assert train(*FILMS, "--backbone_load_kwargs", '{"dtype": "bfloat16"}') == 0
    batch = AutoTokenizer.from_pretrained("head")(["a fine film", "no"], padding=True, return_tensors="pt")
    loaded = GlotForSequenceClassification.from_pretrained("head")
    assert (loaded.glot.backbone.dtype, loaded.dtype) == (torch.bfloat16, torch.float32)
    with torch.no_grad():  # its weights lie elsewhere, which changes the last bits
        torch.testing.assert_close(loaded(**batch).logits, saved[-1].eval()(**batch).logits, rtol=0, atol=1e-2)


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "demo"])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"glot-hf {command}" in capsys.readouterr().out
