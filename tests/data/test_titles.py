import pytest

from pydeeprecsys.data.titles import match_titles


@pytest.mark.parametrize(
    ("title", "listed"),
    [
        ("Matrix, The (1999)", "The Matrix (1999)"),
        ("matrix, the (1999) ", "MATRIX, THE (1999)"),
        ("Atalante, L' (1934)", "L’Atalante (1934)"),
        ("Boot, Das (1981)", "Das Boot (1981)"),
        ("Postino, Il (1994)", "Il postino (The Postman) (1994)"),
        ("Été (1991)", "Ete (1991)"),
        ("Butch Cassidy & the Kid (1969)", "Butch Cassidy and the Kid (1969)"),
        ("M*A*S*H (1970)", "M.A.S.H. (1970)"),
        ("Dr. Strangelove: Or How (1964)", "Dr Strangelove or How (1964)"),
        ("Seven (1995)", "Se7en (a.k.a. Seven) (1995)"),
        ("Double vie, La (Double Life, The) (1991)", "Double Life, The (La Double Vie) (1991)"),
        ("Star Wars (1977)", "Star Wars: Episode IV - A New Hope (1977)"),
        ("Return of the Jedi (1983)", "Star Wars: Episode VI - Return of the Jedi (1983)"),
        ("Land Before Time III (1995) (V)", "Land Before Time III (1995)"),
        ("Planet Earth (2006–2007)", "Planet Earth (2006)"),
    ],
)
def test_the_same_movie_written_otherwise(title: str, listed: str) -> None:
    assert match_titles([title], [("Another (1999)", 5), (listed, 7)]) == [7]
    assert match_titles([listed], [(title, 7)]) == [7]


@pytest.mark.parametrize(
    ("title", "listed"),
    [
        ("Emma (1996)", ["Emma (1997)"]),
        ("Emma", ["Emma", "Emma (1996)"]),  # no year
        ("Boys, Les (1997)", ["Boys, The (1997)"]),
        ("Emma (1996)", ["Emma (1996)", "Emma (1996)"]),  # two movies
        ("Hope (1977)", ["Stars: Hope (1977)", "Moons: Hope (1977)"]),
        ("unknown", ["(1996)"]),
        ("! (1996)", ["? (1996)"]),
    ],
)
def test_what_cannot_be_told_matches_nothing(title: str, listed: list[str]) -> None:
    assert match_titles([title], [(text, number) for number, text in enumerate(listed)]) == [None]


def test_the_main_title_goes_before_others() -> None:
    listed = [("Twins (1990)", 1), ("Brothers (Twins) (1990)", 2)]
    assert match_titles(["Twins (1990)", "Brothers (1990)"], listed) == [1, 2]


def test_of_several_titles_that_find_one_movie_the_best_match_has_it() -> None:
    assert match_titles(["Hope (1977)", "Stars: Hope (1977)"], [("Stars: Hope (1977)", 3)]) == [None, 3]
    assert match_titles(["Hope (1977)", "Stars (1977)"], [("Stars: Hope (1977)", 3)]) == [None, None]
    # MovieLens 100K has some movies twice.
    assert match_titles(["Hope (1977)", "Hope (1977)"], [("Hope (1977)", 3)]) == [3, 3]
