"""Each task from a tiny folder in its own layout, and from a dataset such as the hub's."""

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from glot_hf.data import tasks
from glot_hf.data.tasks import TASKS, find_task
from glot_hf.options.arguments import TASK_NAMES
from glot_hf.system.errors import InputError


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


MNLI_TRAIN = "index\tpromptID\tsentence1\tsentence2\tlabel1\tgold_label\n"
MNLI_DEV = "index\tpromptID\tsentence1\tsentence2\tlabel1\tlabel2\tlabel3\tgold_label\n"
# Each: the file, its text, and the examples.
LAYOUTS = {
    "cola": (
        "dev.tsv",
        'gj04\t1\t\tShe said "no.\ngj04\t0\t*\tSaid she.\n',
        {"text": ['She said "no.', "Said she."], "labels": [1, 0]},
    ),
    "sst2": (
        "dev.tsv",
        "sentence\tlabel\na charming film \t1\ndull\t0\n",
        {"text": ["a charming film ", "dull"], "labels": [1, 0]},
    ),
    "stsb": (
        "dev.tsv",
        "index\tgenre\tsentence1\tsentence2\tscore\n0\tnews\ta\tb\t5.000\n1\tnews\tc\td\t0.5\n2\tnews\te\tf\t0\n",
        {"text": ["a", "c", "e"], "text_pair": ["b", "d", "f"], "labels": [1.0, 0.1, 0.0]},
    ),
    "mrpc": (
        "dev.tsv",
        '\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t10\t20\tHe said " no .\tHe denied .\n0\t11\t21\ta\tb',
        {"text": ['He said " no .', "a"], "text_pair": ["He denied .", "b"], "labels": [1, 0]},
    ),
    "qqp": (
        "dev.tsv",
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\ta?\tb?\t1\n2\t3\t4\tc?\td?\t0\n",
        {"text": ["a?", "c?"], "text_pair": ["b?", "d?"], "labels": [1, 0]},
    ),
    "mnli": (
        "dev_matched.tsv",
        MNLI_DEV
        + "0\t1n\ta\tb\tx\tx\tx\tneutral\n1\t2e\tc\td\tx\tx\tx\tentailment\n2\t3c\te\tf\tx\tx\tx\tcontradiction\n",
        {"text": ["a", "c", "e"], "text_pair": ["b", "d", "f"], "labels": [1, 0, 2]},
    ),
    "qnli": (
        "dev.tsv",
        "index\tquestion\tsentence\tlabel\n0\ta?\tb\tentailment\n1\tc?\td\tnot_entailment\n",
        {"text": ["a?", "c?"], "text_pair": ["b", "d"], "labels": [0, 1]},
    ),
    "rte": (
        "dev.tsv",
        "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n1\tc\td\tentailment\n",
        {"text": ["a", "c"], "text_pair": ["b", "d"], "labels": [1, 0]},
    ),
    "wnli": (
        "dev.tsv",
        "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n1\tc\td\t0\n",
        {"text": ["a", "c"], "text_pair": ["b", "d"], "labels": [1, 0]},
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_glue_layouts(tmp_path, name):
    file, text, expected = LAYOUTS[name]
    write(tmp_path, file, text)
    assert TASKS[name].examples("validation", str(tmp_path)).to_dict() == expected
    assert (TASKS[name].pair_mode is not None) == ("text_pair" in expected)


def test_mnli_has_two_reported_splits(tmp_path):
    write(tmp_path, "train.tsv", MNLI_TRAIN + "0\t1n\tt\tu\tneutral\tneutral\n" + "1\t1n\tv\tw\tx\tentailment\n")
    write(tmp_path, "dev_matched.tsv", MNLI_DEV + "0\t1n\ta\tb\tx\tx\tx\tneutral\n")
    write(tmp_path, "dev_mismatched.tsv", MNLI_DEV + "0\t1n\tc\td\tx\tx\tx\tentailment\n")
    task = TASKS["mnli"]
    assert task.examples("train", str(tmp_path))["text"][:] == ["t", "v"]
    assert task.more_splits == ("mismatched",)
    evaluations = task.evaluations(str(tmp_path))
    assert {prefix: examples["text"][:] for prefix, examples in evaluations.items()} == {
        "eval": ["a"],
        "eval_mismatched": ["c"],
    }


def test_imdb_is_folders_of_texts(tmp_path):
    for split in ("train", "test"):
        for name, text in (("neg/0_2", "awful"), ("pos/0_9", "lovely"), ("pos/1_8", "good"), ("neg/1_1", "bad")):
            write(tmp_path, f"{split}/{name}.txt", f"{split} {text}")
    write(tmp_path, "train/unsup/0_0.txt", "nobody knows")
    write(tmp_path, "train/urls_pos.txt", "http")
    task = TASKS["imdb"]
    assert task.examples("train", str(tmp_path), max_train_rows=3).to_dict() == {
        "text": ["train awful", "train lovely", "train bad"],
        "labels": [0, 1, 0],
    }
    assert task.examples("validation", str(tmp_path))["text"][0] == "test awful"
    assert task.max_length == 512


def test_imdb_mistakes_are_told(tmp_path):
    with pytest.raises(InputError, match="train': --data_dir is the folder of imdb itself, which holds train, test"):
        TASKS["imdb"].examples("train", str(tmp_path))
    write(tmp_path, "train/neg/0_1.txt", "bad")
    with pytest.raises(InputError, match="there are no .txt files in .*pos'"):
        TASKS["imdb"].examples("train", str(tmp_path))


def test_broken_rows_of_qqp_are_left_out_and_counted(tmp_path, capsys):
    """One row in two lines, as in GLUE's own file: neither half has a label."""
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    write(tmp_path, "dev.tsv", header + "1\t2\t3\ta?\tb?\t1\n2\t3\t4\tc\nrest?\td?\t0\n3\t4\t5\te?\t\t0\n")
    examples = TASKS["qqp"].examples("validation", str(tmp_path))
    assert examples.to_dict() == {"text": ["a?", "e?"], "text_pair": ["b?", ""], "labels": [1, 0]}
    assert "leaves out 2 broken rows of 4" in capsys.readouterr().err


def test_only_qqp_may_have_broken_rows(tmp_path):
    write(tmp_path, "dev.tsv", "index\tquestion\tsentence\tlabel\n0\ta?\tb\tentailment\n1\tc?\n")
    with pytest.raises(InputError, match="dev.tsv, line 3: has 2 cells for the 4 columns"):
        TASKS["qnli"].examples("validation", str(tmp_path))


@pytest.mark.parametrize("name", ["qqp", "mnli", "qnli"])
def test_the_first_20000_rows_are_trained_on(tmp_path, name, capsys):
    file, text, _ = LAYOUTS[name]
    header, *rows = text.splitlines()
    write(tmp_path, "train.tsv", "\n".join([header, *rows * 15_000]))
    write(tmp_path, file, "\n".join([header, *rows * 15_000]))
    task = TASKS[name]
    assert len(task.examples("train", str(tmp_path))) == 20_000
    total = len(rows) * 15_000
    assert f"{name} trains on the first 20,000 of {total:,} rows, as the paper" in capsys.readouterr().err
    assert len(task.examples("validation", str(tmp_path))) == total
    assert len(task.examples("train", str(tmp_path), max_train_rows=total)) == total
    assert capsys.readouterr().err.count("trains on") == 0


def test_the_others_are_trained_on_whole():
    assert {task.name for task in TASKS.values() if task.max_train_rows is not None} == {"qqp", "mnli", "qnli"}


def test_fewer_rows_are_the_first_ones(tmp_path, capsys):
    write(tmp_path, "train.tsv", "sentence\tlabel\na\t1\nb\t0\nc\t1\n")
    examples = TASKS["sst2"].examples("train", str(tmp_path), max_train_rows=2)
    assert examples.to_dict() == {"text": ["a", "b"], "labels": [1, 0]}
    assert "sst2 trains on the first 2 of 3 rows\n" in capsys.readouterr().err


HUB = {
    "cola": ("sentence",),
    "sst2": ("sentence",),
    "stsb": ("sentence1", "sentence2"),
    "mrpc": ("sentence1", "sentence2"),
    "qqp": ("question1", "question2"),
    "mnli": ("premise", "hypothesis"),
    "qnli": ("question", "sentence"),
    "rte": ("sentence1", "sentence2"),
    "wnli": ("sentence1", "sentence2"),
    "imdb": ("text",),
}


@pytest.mark.parametrize("name", HUB)
def test_the_datasets_library(monkeypatch, name):
    """A dataset of the hub's columns, whose classes are numbers with names."""
    task, asked = TASKS[name], []
    label = ClassLabel(names=list(task.labels.names)) if task.labels.names else Value("float32")

    def load_dataset(*path, split):
        asked.append((path, split))
        features = Features({**{text: Value("string") for text in HUB[name]}, "label": label, "idx": Value("int32")})
        columns = {text: [f"{text} 0", f"{text} 1"] for text in HUB[name]}
        return Dataset.from_dict({**columns, "label": [1, 0], "idx": [0, 1]}, features=features)

    monkeypatch.setattr(tasks, "load_dataset", load_dataset)
    examples = task.examples("train", None).to_dict()
    assert [examples["text"][1], *examples.get("text_pair", ())[1:]] == [f"{text} 1" for text in HUB[name]]
    assert examples["labels"] == ([0.2, 0.0] if name == "stsb" else [1, 0])
    evaluations = task.evaluations(None)
    path = ("stanfordnlp/imdb",) if name == "imdb" else ("nyu-mll/glue", name)
    assert asked[0] == (path, "train")
    assert {prefix: split for prefix, (_, split) in zip(evaluations, sorted(asked[1:]))} == {
        "mnli": {"eval": "validation_matched", "eval_mismatched": "validation_mismatched"},
        "imdb": {"eval": "test"},
    }.get(name, {"eval": "validation"})


def test_rows_without_a_label_are_told(monkeypatch):
    features = Features({"sentence": Value("string"), "label": ClassLabel(names=["negative", "positive"])})
    table = Dataset.from_dict({"sentence": ["a", "b"], "label": [1, -1]}, features=features)
    monkeypatch.setattr(tasks, "load_dataset", lambda *path, split: table)
    with pytest.raises(InputError, match=r"sst2 \(validation\), row 2: the label is absent"):
        TASKS["sst2"].examples("validation", None)


def test_the_metrics_are_the_paper_s():
    assert {task.name: task.metric for task in TASKS.values()} == {
        "cola": "matthews_correlation",
        "sst2": "accuracy",
        "stsb": "spearman",
        "mrpc": "f1",
        "qqp": "f1",
        "mnli": "accuracy",
        "qnli": "accuracy",
        "rte": "accuracy",
        "wnli": "accuracy",
        "imdb": "accuracy",
    }


def test_the_options_name_every_task():
    assert TASK_NAMES.replace(" or ", ", ").split(", ") == list(TASKS)


def test_mistakes_are_told(tmp_path):
    with pytest.raises(InputError, match="train.tsv"):
        TASKS["cola"].examples("train", str(tmp_path))
    write(tmp_path, "train.tsv", "text\tlabel\na\t1\n")
    with pytest.raises(InputError, match="is not a file of sst2: it has no column 'sentence'"):
        TASKS["sst2"].examples("train", str(tmp_path))
    write(tmp_path, "train.tsv", "sentence\tlabel\na\t1\nb\t7\n")
    with pytest.raises(InputError, match="row 2: the label '7'"):
        TASKS["sst2"].examples("train", str(tmp_path))
    write(tmp_path, "train.tsv", "sentence1\tsentence2\tscore\na\tb\t5\nc\td\t5.5\n")
    with pytest.raises(InputError, match="row 2: the score 5.5 is not between 0 and 5"):
        TASKS["stsb"].examples("train", str(tmp_path))
    with pytest.raises(InputError, match="which holds train.tsv, dev_matched.tsv, dev_mismatched.tsv"):
        TASKS["mnli"].examples("mismatched", str(tmp_path))
    with pytest.raises(InputError, match="--data_dir"):
        TASKS["cola"].examples("train", None)
    with pytest.raises(InputError, match="the tasks are cola, sst2"):
        find_task("cora")
