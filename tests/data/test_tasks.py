import pytest

from glot_hf.data.tasks import TASKS, find_task
from glot_hf.errors import InputError


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")


def test_cola_has_no_header(tmp_path):
    write(tmp_path, "train.tsv", 'gj04\t1\t\tShe said "no.\ngj04\t0\t*\tSaid she.\n')
    examples = TASKS["cola"].examples("train", str(tmp_path))
    assert examples.to_dict() == {"text": ['She said "no.', "Said she."], "labels": [1, 0]}


def test_sst2_has_one(tmp_path):
    write(tmp_path, "dev.tsv", "sentence\tlabel\na charming film\t1\ndull\t0\n")
    examples = TASKS["sst2"].examples("validation", str(tmp_path))
    assert examples.to_dict() == {"text": ["a charming film", "dull"], "labels": [1, 0]}


def test_labels_have_names():
    assert TASKS["cola"].labels.names == ("unacceptable", "acceptable")


def test_mistakes_are_told(tmp_path):
    with pytest.raises(InputError, match="train.tsv"):
        TASKS["cola"].examples("train", str(tmp_path))
    write(tmp_path, "train.tsv", "text\tlabel\na\t1\n")
    with pytest.raises(InputError, match="is not a file of sst2: it has no column 'sentence'"):
        TASKS["sst2"].examples("train", str(tmp_path))
    write(tmp_path, "train.tsv", "sentence\tlabel\na\t1\nb\t7\n")
    with pytest.raises(InputError, match="row 2: the label '7'"):
        TASKS["sst2"].examples("train", str(tmp_path))
    with pytest.raises(InputError, match="--data_dir"):
        TASKS["cola"].examples("train", None)
    with pytest.raises(InputError, match="the tasks are cola, sst2"):
        find_task("cora")
