import json

import pytest

from glot_hf.system.errors import InputError
from glot_hf.training.record import FILE_NAME, TrainingRecord


def test_round_trip(tmp_path):
    record = TrainingRecord(["glot-hf", "train"], seed=3, max_length=64, text_column="text")
    record.save(tmp_path)
    assert TrainingRecord.find(tmp_path) == record
    assert set(record.versions) == {"glot_hf", "transformers", "torch"}


def test_secrets_are_masked():
    command = ["glot-hf", "train", "--hub_token", "hf_SECRET", "--hub-token=hf_SECRET", "--seed", "1"]
    record = TrainingRecord(command, seed=1, max_length=8)
    assert "hf_SECRET" not in " ".join(record.command) and record.command[-2:] == ["--seed", "1"]


def test_a_record_of_a_newer_version_is_read(tmp_path):
    TrainingRecord([], seed=0, max_length=8).save(tmp_path)
    path = tmp_path / FILE_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"of_the_future": 1}))
    assert TrainingRecord.find(tmp_path).max_length == 8


def test_without_one_nothing_is_known(tmp_path):
    assert TrainingRecord.find(tmp_path) == TrainingRecord(versions={})
    (tmp_path / FILE_NAME).write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        TrainingRecord.find(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_length", [8]), ("max_length", 0), ("text_template", 3), ("text_column", []), ("versions", "x")],
)
def test_what_is_of_another_kind_is_refused(tmp_path, field, value):
    (tmp_path / FILE_NAME).write_text(json.dumps({"command": [], field: value}))
    with pytest.raises(InputError, match=rf"is damaged \({field} is "):
        TrainingRecord.find(tmp_path)
