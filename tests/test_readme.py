"""What the README says of results is in the results."""

from pathlib import Path

from PIL import Image
from reproductions.overview import PICTURE, source, summary

from reproductions import movielens_faithful_slates, movielens_tuned

README = " ".join((Path(__file__).parents[1] / "README.md").read_text().split())


def test_the_picture_is_drawn_from_the_committed_results() -> None:
    with Image.open(PICTURE) as picture:
        assert picture.info["Description"] == source(), "draw it again: python -m reproductions.overview"


def test_differences_to_the_best_ordinary_recommender_are_those_of_the_results() -> None:
    for study, agent, words in (
        (movielens_tuned.STUDY, "dqn+base", "95 % interval "),
        (movielens_faithful_slates.STUDY, "cma-es", ""),
    ):
        row = summary(study).set_index("agent").loc[agent]
        low, high = row["difference_low"], row["difference_high"]
        assert f"by {row['difference']:.2f} ({words}{low:.2f} to {high:.2f})" in README


def test_it_can_be_read_in_a_minute() -> None:
    assert len((Path(__file__).parents[1] / "README.md").read_text().splitlines()) < 150
