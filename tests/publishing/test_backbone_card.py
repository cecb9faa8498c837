"""What the card of a backbone says, on this machine."""

import pytest

from glot_hf import GlotConfig
from glot_hf.publishing.backbone_card import card_data_of, languages_of, license_of, short_name


@pytest.mark.parametrize(
    ("card", "languages", "license"),
    [
        ("---\nlanguage: en\nlicense: mit\n---\n# A model\n", ["en"], "mit"),
        ("---\nlanguage:\n- de\n- fr\n---\n", ["de", "fr"], "unknown"),
        ("# A model without data\n", [], "unknown"),
        ("---\nlicense: [\n---\n", [], "unknown"),
        (None, [], "unknown"),
    ],
)
def test_a_folder(tmp_path, card, languages, license):
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    data = card_data_of(GlotConfig(input_size=8, backbone_name_or_path=str(tmp_path)), api=None)
    assert languages_of(data) == languages and license_of(data) == license


def test_what_was_never_downloaded():
    config = GlotConfig(input_size=8, backbone_name_or_path="somebody/else", backbone_revision="0" * 40)
    assert card_data_of(config, api=None) is None and card_data_of(GlotConfig(input_size=8), api=None) is None


def test_a_folder_goes_by_the_title_of_its_model_card(tmp_path, minilm_path):
    assert short_name("somebody/a-backbone") == "a-backbone"
    assert short_name(str(tmp_path / "my-backbone")) == "my-backbone"
    assert short_name(minilm_path) == "all-MiniLM-L6-v2"
