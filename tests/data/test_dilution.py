import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from glot_hf.data.dilution import SIGNAL_LENGTH, diluted_texts


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8, 0.9])
def test_every_text_has_the_asked_share_and_the_same_length(share):
    texts, labels = diluted_texts(100, share, seed=0)
    lengths = {len(text.split()) for text in texts}
    assert len(lengths) == 1
    assert 1 - SIGNAL_LENGTH / lengths.pop() == pytest.approx(share, abs=0.02)
    assert labels.count(0) == labels.count(1) == 50


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_a_bag_of_words_knows_nothing(share):
    """The leak of the released generator is not here: its words alone give the class away, ours do not."""
    train, test = diluted_texts(2000, share, seed=1), diluted_texts(2000, share, seed=2)
    vectorizer = CountVectorizer().fit(train[0])
    classifier = LogisticRegression(max_iter=1000).fit(vectorizer.transform(train[0]), train[1])
    accuracy = classifier.score(vectorizer.transform(test[0]), test[1])
    assert abs(accuracy - 0.5) < 0.05  # over four standard deviations of a fair coin


def test_the_order_of_two_words_decides():
    texts, labels = diluted_texts(1000, 0.0, seed=0)
    vectorizer = CountVectorizer(ngram_range=(2, 2)).fit(texts)
    assert (
        LogisticRegression(max_iter=1000)
        .fit(vectorizer.transform(texts), labels)
        .score(vectorizer.transform(texts), labels)
        == 1.0
    )


def test_the_seed_decides_everything():
    assert diluted_texts(10, 0.5, seed=3) == diluted_texts(10, 0.5, seed=3)
    assert diluted_texts(10, 0.5, seed=3) != diluted_texts(10, 0.5, seed=4)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_outside_its_range_is_told(share):
    with pytest.raises(ValueError, match="distractor_share"):
        diluted_texts(2, share, seed=0)
