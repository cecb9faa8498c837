import pytest

from glot_hf.data.text_folders import load_text_folders
from glot_hf.system.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for path, text in (("bad/2.txt", "dull\n"), ("bad/10.txt", "awful"), ("good/2.txt", 'a "gem"'), ("bad/x.md", "")):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_order_is_of_names_and_mixes_the_classes(folder):
    table = load_text_folders(str(folder), ("good", "bad"))
    assert table.to_dict() == {"text": ["awful", "dull\n", 'a "gem"'], "label": ["bad", "bad", "good"]}


def test_mistakes_are_told(folder):
    with pytest.raises(InputError, match="there are no .txt files in .*fair': it should hold"):
        load_text_folders(str(folder), ("good", "fair"))
    (folder / "bad" / "2.txt").write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(InputError, match="2.txt' is not UTF-8 text .* save it as UTF-8"):
        load_text_folders(str(folder), ("good", "bad"))
