"""What the options make of the user's files, before any model is there."""

import pytest

from glot_hf.data.labels import Labels
from glot_hf.options.arguments import DataArguments, LabelledTextArguments
from glot_hf.runs.texts import evaluation_examples, training_texts
from glot_hf.system.errors import InputError
from glot_hf.training.record import TrainingRecord


FLAGS = "text,toxic,insult,spam\na b,1,0,0\nc d,1,1,0\ne f,0,0,0\ng h,0,1,0\n"


def examples(path, content, **options):
    path.write_text(content, encoding="utf-8")
    return training_texts(DataArguments(train_file=str(path), **options), seed=0)[:4]


def test_a_column_for_each_class(tmp_path, capsys):
    path = str(tmp_path / "flags.csv")
    names = ["insult", "toxic", "spam"]
    train, evaluations, labels, columns = examples(
        tmp_path / "flags.csv", FLAGS, label_columns=names, validation_file=path
    )
    rows = [[0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    assert labels == Labels("multi_label_classification", tuple(names))
    assert train.to_dict() == {"text": ["a b", "c d", "e f", "g h"], "labels": rows} == evaluations["eval"].to_dict()
    assert "warning: classes with one training example or none: spam" in capsys.readouterr().err

    record = TrainingRecord(command=[], seed=0, max_length=8, **columns)
    data = LabelledTextArguments(validation_file=path)
    assert evaluation_examples(data, labels, record)["eval"]["labels"][:] == rows
    data.label_column = "toxic"  # named, it takes the place of the several
    with pytest.raises(InputError, match="the label '1' is not one of the classes"):
        evaluation_examples(data, labels, record)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (FLAGS, {"label_columns": ["toxic", "spam", "toxic"]}, "--label_columns names toxic twice"),
        (FLAGS, {"label_columns": ["toxic", "hate"]}, "no column 'hate' for --label_columns"),
        (FLAGS, {"label_columns": ["toxic"]}, "name two or more, or give --label_column"),
        (FLAGS, {"label_columns": ["toxic", "spam"], "label_column": "insult"}, "give one of them"),
        (FLAGS, {"label_columns": ["toxic", "spam"], "problem_type": "regression"}, "has one --label_column"),
        (
            FLAGS.replace("0,0\n", "2,0\n"),
            {"label_columns": ["toxic", "insult"]},
            "flags.csv, rows 1, 3: 'insult' holds '2'",
        ),
        (
            FLAGS,
            {"label_columns": ["toxic", "insult"], "problem_type": "single_label_classification"},
            "row 2: holds 2 labels (toxic, insult), where single_label_classification takes one",
        ),
        (FLAGS, {}, "name it with --label_column (or several, of a 0 or 1 for each class, with --label_columns)"),
        (
            "text,label\n" + "".join(f"text {n},{n // 2 if n else 99} km\n" for n in range(42)),
            {"label_column": "label"},
            "the column 'label' has 22 classes in 42 rows (0 km, 1 km, 10 km, ... (22 in all)), too few rows to learn",
        ),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path, content, options, message):
    with pytest.raises(InputError) as error:
        examples(tmp_path / "flags.csv", content, **options)
    assert message in str(error.value)


def test_classes_for_nearly_every_row_can_be_meant(tmp_path):
    content = "text,label\n" + "".join(f"text {n},class {n}\n" for n in range(30))
    labels = examples(tmp_path / "a.csv", content, problem_type="single_label_classification")[2]
    assert len(labels.names) == 30
    twice = "".join(f"text {n},class {n // 2}\n" for n in range(60))
    assert len(examples(tmp_path / "a.csv", "text,label\n" + twice)[2].names) == 30


def test_little_data_is_warned_about(tmp_path, capsys):
    content = "text,label\n" + "a,x\n,x\nb,y\n  ,y\nc,y\nd,z\n"
    examples(tmp_path / "a.csv", content)
    errors = capsys.readouterr().err
    assert "a.csv, rows 2, 4: 'text' is an empty text" in errors
    assert "there is one validation row only" in errors
    assert "classes with one training example or none: " in errors and "z" in errors.splitlines()[-1]
    examples(tmp_path / "b.csv", "text,label\n" + "a,x\nb,y\n" * 20)
    assert "warning" not in capsys.readouterr().err
