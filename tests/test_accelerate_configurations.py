"""The configurations of docs/accelerate are what `accelerate launch` reads."""

from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file


FILES = sorted((Path(__file__).parent.parent / "docs" / "accelerate").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_accelerate_reads_it(file):
    config = load_config_from_file(str(file))  # refuses unknown keys
    assert config.num_processes >= config.num_machines >= 1 and not config.use_cpu


def test_there_are_three():
    assert [file.stem for file in FILES] == ["many_nodes", "one_gpu", "one_node"]
