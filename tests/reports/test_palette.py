import pytest

from glot_hf.model.pooling_glot import POOLINGS
from glot_hf.reports.palette import colours_of


def test_a_pooling_has_its_colour_whatever_it_is_compared_with():
    assert colours_of(["glot", "mean"])["mean"] == colours_of(["mean", "max", "cls"])["mean"]
    assert len(set(colours_of(list(POOLINGS)).values())) == len(POOLINGS)


def test_variants_are_lighter_and_lighter_shades():
    plain, first, second = colours_of(["glot", "glot:graph_type=self", "glot:tau=0.3"]).values()
    assert sum(plain) < sum(first) < sum(second) < 3
    assert colours_of(["glot:graph_type=self"]) == {"glot:graph_type=self": pytest.approx(first)}
