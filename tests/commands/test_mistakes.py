"""Every mistake of a user's gets one line that names the mend, exit code 2 and no traceback."""

import shutil
import subprocess
import sys

import pytest

from glot_hf.commands.main import main


FILMS = ("--train_file", "films.csv", "--label_column", "mood")
PAIRS = ("--train_file", "pairs.csv", "--text_column", "a", "--text_pair_column", "b")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--train_file", "missing.csv"), "there is no file 'missing.csv'"),
        ((*FILMS[:2], "--label_column", "nope"), "there is no column 'nope' for --label_column"),
        ((*FILMS, "--text_column", "nope"), "there is no column 'nope' for --text_column"),
        ((*FILMS, "--text_pair_column", "nope"), "there is no column 'nope' for --text_pair_column"),
        ((*FILMS, "--pooling", "average"), "invalid choice: 'average' (choose from 'glot'"),
        ((*FILMS, "--gnn_type", "transformer"), "(choose from 'gat', 'gcn', 'gin', 'gine', 'sage')"),
        (("--task", "cora", "--data_dir", "."), "the tasks are cola, sst2"),
        ((*FILMS, "--task", "embeding"), "there is no task 'embeding': did you mean 'embedding'?"),
        (("--task", "cola"), "--data_dir"),
        (("--task", "cola", "--validation_file", "films.csv"), "--validation_file belongs to --train_file"),
        ((*FILMS, "--tau", "0.1", "--similarity_threshold", "0.2"), "two names of one option"),
        (("--task", "cola", "--data_dir", "."), "train.tsv"),
        ((*FILMS, "--data_dir", "."), "--data_dir belongs to --task"),
        ((), "either --train_file or --task"),
        ((*FILMS, "--tau", "1"), "train: error: similarity_threshold: tau is a cosine threshold in [-1, 1), got 1.0"),
        ((*FILMS, "--similarity_threshold", "-1.1"), "tau is a cosine threshold in [-1, 1), got -1.1"),
        ((*FILMS, "--input_size", "100"), "input_size (100) does not fit the backbone, whose hidden size is 384"),
        ((*FILMS, "--num_attention_heads", "3"), "error: num_attention_heads (3) must divide gnn_hidden_size (8)"),
        ((*FILMS, "--backbone_layers", "99"), "hidden states 0 (its embeddings) to 6"),
        ((*FILMS, "--backbone", "nowhere/to-be-found"), "pass a loaded model as `backbone`"),
        ((*FILMS, "--backbone", "./no/such/folder"), "cannot be loaded"),
        ((*FILMS, "--backbone_load_kwargs", "{'dtype'}"), "is not JSON"),
        ((*FILMS, "--backbone_load_kwargs", '{"trust_remote_code": true}'), "trust_remote_code"),
        ((*FILMS, "--gnn_typ", "gat"), "there is no option '--gnn_typ': did you mean --gnn_type?"),
        ((*FILMS, "--learning_rate", "fast"), "invalid float value: 'fast'"),
        ((*FILMS, "--resume_from_checkpoint"), "there is no checkpoint to resume from"),
        ((*FILMS, "--max_length", "5000"), "--max_length 5000 is not between 3 and 512"),
        ((*FILMS, "--max_length", "1"), "--max_length 1 is not between 3 and 512"),
        ((*FILMS, "--output_dir", "films.csv"), "films.csv"),
        ((*FILMS, "--pair_mode", "concat"), "name the second with --text_pair_column"),
        ((*PAIRS, "--pair_mode", "cosine"), "needs scores, but the labels are classes: 0, 1"),
        (
            (*PAIRS, "--pair_mode", "cosine", "--problem_type", "regression", "--label_column", "size"),
            "from 0.0 to 19.0",
        ),
        ((*FILMS, "--learning_rate", "-1"), "-1"),
        ((*FILMS, "--per_device_train_batch_size", "0"), "0"),
        ((*FILMS, "--backbone_load_kwargs", '{"dtype": "float99"}'), "'float99' is not a torch dtype"),
        ((*FILMS, "--learning_rate", "1e30"), "train with a smaller one"),
        (
            (*FILMS, "--metric_for_best_model", "f2"),
            "valid are loss, accuracy, f1_macro, matthews_correlation, f1",
        ),
        ((*FILMS, "--report_to", "wandb"), "--report_to wandb: WandbCallback requires wandb to be installed"),
        ((*FILMS, "--report_to", "paper"), "--report_to paper: paper is not supported, only"),
        (
            ("--train_file", "scores.tsv", "--label_smoothing_factor", "0.1"),
            "--label_smoothing_factor is for one class a row, but these labels are regression",
        ),
        (("--train_file", "several.jsonl", "--label_smoothing_factor", "0.1"), "these labels are multi_label"),
        ((*FILMS, "--neftune_noise_alpha", "5"), "--neftune_noise_alpha changes how a backbone is trained"),
        ((*FILMS, "--activation_checkpointing", "--no_cache"), "--activation_checkpointing changes how a backbone"),
        ((*FILMS, "--prediction_loss_only"), "--prediction_loss_only is not supported: the metrics need the answers"),
        ((*FILMS, "--save_strategy", "best"), "--save_strategy best needs a --metric_for_best_model: valid are loss"),
        ((*FILMS, "--lr", "1e-3"), "there is no option '--lr': did you mean --learning_rate?"),
        ((*FILMS, "--resume_from_checkpoint", "nowhere"), "there is no checkpoint folder 'nowhere'"),
    ],
)
def test_of_training(files, train, error_line, options, message):
    assert message in error_line(train(*options))
    assert not (files / "head" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", (), "'data.csv' is empty"),
        ("text,label\n", (), "'data.csv' is empty"),
        ("text,label\na,x\nb,\nc,y\n", (), "data.csv, row 2: the label is absent"),
        (
            "text,label\na,1.5\nb,abc\n",
            ("--problem_type", "regression"),
            "row 2: the label 'abc' is not a finite number",
        ),
        ("text,label\na,x\nb,x\n", (), "one class only, 'x'"),
        ("text\na\nb\n", (), "no label column can be guessed"),
        ("text,a,b\na,1,2\n", (), "no label column can be guessed"),
        (
            "text,title\na,x\nb,y\nc,z\nd,x\n",
            (),
            "the column 'title' has 3 classes in 4 rows (x, y, z), which may be no labels: name the column with "
            "--label_column",
        ),
        ("id,label\n1,x\n2,y\n3,x\n4,y\n", (), "'id' holds nothing but numbers: name the text with --text_column"),
    ],
)
def test_of_the_data(files, train, error_line, content, options, message):
    (files / "data.csv").write_text(content)
    assert message in error_line(train("--train_file", "data.csv", *options))


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("text,label\na film,x\nb film,y\nc film,z\nd film,x\n", ("--validation_file", "data.csv")),
        (
            "id,title\n" + "".join(f"{i},class {i % 11}\n" for i in range(20)),
            ("--text_column", "id", "--label_column", "title"),
        ),
    ],
    ids=["a usual name", "named"],
)
def test_columns_that_are_not_doubted(files, train, content, options):
    (files / "data.csv").write_text(content)
    assert train("--train_file", "data.csv", *options, "--max_steps", "1") == 0


def test_a_label_that_only_validation_has(files, train, error_line):
    (files / "validation.csv").write_text("review,mood\na film,good\na film,mixed\n")
    line = error_line(train(*FILMS, "--validation_file", "validation.csv"))
    assert "validation.csv, row 2: the label 'mixed' is not one of the classes bad, good" in line


def test_training_twice_into_one_folder(trained_head, train, error_line):
    assert "--overwrite_output_dir" in error_line(train(*FILMS))
    assert train(*FILMS, "--overwrite_output_dir") == 0


def test_resuming_another_head(trained_head, train, error_line):
    line = error_line(train(*FILMS, "--gnn_hidden_size", "16", "--resume_from_checkpoint"))
    assert "is of a head with another gnn_hidden_size (8, not 16)" in line


def test_resuming_on_other_labels_or_texts(trained_head, files, train, error_line):
    resume = ("--resume_from_checkpoint", "--validation_file", "films.csv")
    data = (files / "films.csv").read_text()
    for line, (old, new) in (
        ("whose label 0 is 'bad', not 'a'", (",good", ",a")),
        ("another num_labels (2, not 3)", ('number 3",good', 'number 3",fair')),
        ("another text_column (review, not text)", ("review", "text")),
        ("other texts or labels", ('number 3",good', 'number 3",bad')),
        ("other texts or labels", ("number 3", "number 33")),
    ):
        (files / "films.csv").write_text(data.replace(old, new))
        assert line in error_line(train(*FILMS, *resume))
    (files / "films.csv").write_text(data)
    assert "another max_length (128, not 64)" in error_line(train(*FILMS, *resume, "--max_length", "64"))
    assert "another seed (42, not 1)" in error_line(train(*FILMS, *resume, "--seed", "1"))
    pairs = ("--task", "embedding", "--train_file", "pairs.csv", "--text_column", "a", "--text_pair_column", "b")
    assert "is of a GlotForSequenceClassification, and not of a GlotModel" in error_line(
        train(*pairs, "--resume_from_checkpoint")
    )


def test_a_checkpoint_of_another_folder_over_a_head(trained_head, files, train, error_line):
    trained_head.rename("other")
    assert train("--train_file", "scores.tsv") == 0
    before = (files / "head" / "model.safetensors").read_bytes()
    resume = ("--resume_from_checkpoint", "other/checkpoint-2")
    line = error_line(train(*FILMS, *resume))
    assert "'head' already holds 'checkpoint-2', and 'other/checkpoint-2' is of another folder" in line
    assert (files / "head" / "model.safetensors").read_bytes() == before
    assert train(*FILMS, *resume, "--overwrite_output_dir", "--max_steps", "3") == 0
    assert sorted(path.name for path in (files / "head").glob("*checkpoint*")) == ["checkpoint-3"]


def test_a_head_as_a_backbone(trained_head, train, error_line):
    assert "this is a GLOT head and not a backbone" in error_line(
        train(*FILMS, "--backbone", "head", "--output_dir", "x")
    )


def test_of_using_a_head(trained_head, error_line):
    for options, message in (
        (("predict", "head", "--text", "a", "--text_pair", "b"), "are for pair heads"),
        (("predict", "head", "--text", "a", "--output_file", "no/such/folder"), "cannot be written"),
        (("predict", "head", "--text", "a", "--batch_size", "0"), "--batch_size 0 is not positive"),
        (("evaluate", "head", "--validation_file", "films.csv", "--text_pair_column", "mood"), "are for pair heads"),
    ):
        assert message in error_line(main(list(options)))
    record = trained_head / "training_record.json"
    record.write_text("{")
    assert "training_record.json' is damaged" in error_line(main(["predict", "head", "--text", "a"]))


def test_of_a_folder_that_is_no_head(files, error_line):
    assert "there is no head in '.', neither here nor on the Hub" in error_line(main(["evaluate", "."]))


def test_a_pair_head_without_its_second_texts(files, train, error_line):
    assert train(*PAIRS) == 0
    assert "1 --text for 0 --text_pair" in error_line(
        main(["predict", "head", "--text", "a", "--text_pair_column", "b"])
    )
    assert "this is a pair head" in error_line(main(["predict", "head", "--text", "a"]))


def test_a_head_whose_backbone_is_gone(files, train, error_line, minilm_path, tmp_path):
    shutil.copytree(minilm_path, tmp_path / "backbone")
    assert train(*FILMS, "--backbone", str(tmp_path / "backbone"), "--max_steps", "1") == 0
    shutil.rmtree(tmp_path / "backbone")
    assert "cannot be loaded" in error_line(main(["predict", "head", "--text", "a film"]))


def test_a_line_stays_one_that_can_be_read(error_line):
    """A cell or a name may be a whole document: the beginning and the hint are shown."""
    line = error_line(main(["predict", "x" * 100_000, "--text", "a"]))
    assert len(line) < 2100 and "xxx [...] xxx" in line


def test_of_the_command_itself(error_line):
    assert "there is no command 'trian': did you mean train?" in error_line(main(["trian"]))
    assert "there is no command 'learn': the commands are demo, train" in error_line(main(["learn"]))
    assert "--num_seeds 0 is not positive" in error_line(main(["demo", "--num_seeds", "0"]))
    assert "--backbone is missing" in error_line(main(["train", "--output_dir", "x", "--task", "cola"]))
    assert "--output_dir is missing" in error_line(main(["train", "--backbone", "x", "--task", "cola"]))


@pytest.mark.parametrize("name", ["train", "tune"])
@pytest.mark.parametrize("missing", ["datasets", "sklearn"])
def test_a_missing_extra_is_named(error_line, monkeypatch, name, missing):
    monkeypatch.delitem(sys.modules, "glot_hf.training.trainer", raising=False)  # which cannot be imported then
    monkeypatch.setitem(sys.modules, missing, None)
    for argv in (["--backbone", "x", "--output_dir", "y"], ["--help_all"]):
        assert f'this needs {missing}: run `pip install "glot-hf[{name}]"`' in error_line(main([name, *argv]))


def test_in_a_process_of_its_own(files, minilm_path):
    """What a shell sees: nothing but the line on standard error."""
    command = [
        sys.executable,
        "-m",
        "glot_hf.commands.main",
        "train",
        "--backbone",
        minilm_path,
        "--output_dir",
        "head",
    ]
    result = subprocess.run([*command, "--train_file", "missing.csv"], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.splitlines() == ["glot-hf train: error: there is no file 'missing.csv': check the path"]
