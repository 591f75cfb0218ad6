import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from contracts.policies import DEMOGRAPHICS, ITEMS, graph, write_policy
from pydeeprecsys.cli import main, recommend, users_file
from pydeeprecsys.data.library import read_dataset
from pydeeprecsys.serving.contract import Item
from pydeeprecsys.serving.policy import Policy


class Shown(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Call = Callable[..., Shown]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Recommend by a policy of 8 items, a first, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    write_policy(tmp_path / "policy", model=graph(sex=10.0))

    def run(*arguments: str, policy: str = "policy") -> Shown:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main(["recommend", policy, *arguments])
        assert isinstance(stopped.value.code, int)
        return Shown(stopped.value.code, *capsys.readouterr())

    return run


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def error(shown: Shown) -> str:
    """The one line of an error."""
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.count("\n") == 1
    return shown.err.removeprefix("error: ").strip()


def write_users(text: str) -> Path:
    path = Path("users.csv")
    path.write_text(text)
    return path


def test_titles_and_scores_are_shown(call: Call) -> None:
    shown = call("--history", "a=4, c=2,b=", "-k", "2", "--demographics", "sex=F")
    assert shown.code == 0
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines[0] == ["item", "title", "categories", "score"]
    assert lines[2:] == [["1", "b", "The", "b", "Drama", "7"], ["2", "d", "The", "d", "Drama", "5"]]


def test_a_new_user_has_an_empty_history(call: Call) -> None:
    shown = call("--history", "", "-k", "2", "--format", "csv", "--demographics", "sex=M,age=35,zip_code=")
    assert table(shown.out) == [
        {"user": "", "rank": "1", "item": "h", "title": "The h", "score": "11.0", "propensity": "1.0"},
        {"user": "", "rank": "2", "item": "a", "title": "The a", "score": "8.0", "propensity": "1.0"},
    ]


USERS = """user,item,rating,sex,slate
u1,a,4,F,
u1,b,,F,s1
u1,c,3,F,s1

u2,,,,
"u,3",h,1,M,
"""


def test_many_users_are_read_from_a_table(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_users(USERS)
    expected = [("u1", "b"), ("u1", "d"), ("u2", "a"), ("u2", "b"), ("u,3", "a"), ("u,3", "b")]
    for most in (1, 2, 512):
        monkeypatch.setattr(recommend, "_AT_ONCE", most)
        shown = call("--users", str(path), "-k", "2")
        assert [(row["user"], row["item"]) for row in table(shown.out)] == expected
    assert (shown.code, shown.err) == (0, "")


def test_json_has_a_line_per_user(call: Call) -> None:
    shown = call("--users", str(write_users(USERS)), "-k", "1", "--format", "json")
    first, *others = map(json.loads, shown.out.splitlines())
    assert first == {"user": "u1", "items": [{"item": "b", "title": "The b", "score": 7.0, "propensity": 1.0}]}
    assert [line["user"] for line in others] == ["u2", "u,3"]
    assert json.loads(call("--history", "", "-k", "1", "--format", "json").out)["user"] is None


def test_rows_become_slates_and_demographics(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text(
        "item,user,rating,age,zip_code,slate\n"
        "a,1,4,35,55117,x\nb,1,,35,55117,x\nc,1,,35,55117,y\nd,1,2.5,35,55117,\ne,1,,35,55117,\n,2,,,,x\na,2,,,,x\n",
        encoding="utf-8-sig",  # as spreadsheets write it
    )
    one, two = users_file.read_users(path)
    assert one.history == [[("a", 4.0), ("b", None)], [("c", None)], ("d", 2.5), ("e", None)]
    assert one.demographics == {"age": 35.0, "zip_code": "55117"}
    assert (one.line, one.lines) == (2, [2, 3, 4, 5, 6])
    assert (two.history, two.demographics, two.line, two.lines) == ([[("a", None)]], {}, 7, [8])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: there is no column 'user'; the first line names user, item, rating and others"),
        ("user,item\n", "line 1: there is no column 'rating'; the first line names user, item, rating and others"),
        ("user,item,rating,sexe\n", "line 1: the column 'sexe' has no use; there are: user, item, rating, sex, age,"),
        ("user,item,rating,user\n", "line 1: a column stands twice in user,item,rating,user"),
        ("user,item,rating\n1,a,4\n1,b\n", "line 3: expected 3 fields, found 2: '1,b'"),
        ("user,item,rating\n1,a,4\n,b,2\n", "line 3: user is empty"),
        ("user,item,rating\n1,a,four\n", "line 2: rating should be a number, found 'four'"),
        ("user,item,rating\n1,,4\n", "line 2: the rating 4 of no item; both are empty for a user without history"),
        ("user,item,rating\n1,a,4\n2,b,2\n1,c,3\n", "line 4: the user '1' has other rows further up; sort the file"),
        ("user,item,rating,age\n1,a,4,old\n", "line 2: age should be a number, found 'old'"),
        ("user,item,rating,sex\n1,a,4,F\n1,b,4,M\n", "line 3: other demographics of the user '1' than in the line "),
        ('user,item,rating\n1,"a,4\n', "line 2: unexpected end of data"),
        ("user,item,rating\n1,a,4\n2,b,\n2,x,3\n", "line 4: the item 'x' is not in the catalogue of 8 items"),
        ("user,item,rating\n1,a,4\n1,b,9\n", "line 3: the rating 9.0 of the item 'b' is off the scale, 1 to 5"),
        ("user,item,rating\n1,a,nan\n", "line 2: the rating nan of the item 'a' is off the scale, 1 to 5"),
        ("user,item,rating,sex\n1,a,4,F\n2,b,,W\n", "line 3: sex must be one of F, M, it is 'W'"),
        ("user,item,rating,slate\n1,a,4,\n1,b,3,x\n1,c,2,x\n", "line 3: a slate has several ratings"),
    ],
)
def test_a_row_that_cannot_be_read_is_one_line_with_its_place(call: Call, text: str, message: str) -> None:
    path = write_users(text)
    assert error(call("--users", str(path), "-k", "1", "--out", "out.csv")).startswith(f"{path}, {message}")
    assert not Path("out.csv").exists()


def test_other_bytes_than_text_are_one_line(call: Call) -> None:
    Path("users.csv").write_bytes(b"user,item,rating\n\xff,a,4\n")
    assert error(call("--users", "users.csv", "-k", "1", "--out", "out.csv")).startswith("users.csv is not in UTF-8: ")


def test_a_file_is_written_whole_and_not_over_another(call: Call) -> None:
    users, out = write_users(USERS), Path("out.csv")
    shown = call("--users", str(users), "-k", "2", "--out", "out.csv")
    assert shown == (0, "6 items for 3 users in out.csv\n", "")
    assert len(table(before := out.read_text())) == 6
    complaint = "out.csv exists; give another --out, or --overwrite to replace it"
    assert error(call("--users", str(users), "-k", "1", "--out", "out.csv")) == complaint
    assert out.read_text() == before
    assert call("--users", str(users), "-k", "1", "--out", "out.csv", "--overwrite").code == 0
    assert len(table(out.read_text())) == 3


def test_explored_slates_are_repeated_by_their_seed_and_have_propensities(call: Call) -> None:
    path = str(write_users(USERS))
    for option in (("--epsilon", "0.5"), ("--temperature", "3")):
        one, same, other = (call("--users", path, "-k", "3", *option, "--seed", seed).out for seed in "001")
        assert one == same
        assert one != other
        assert all(0 < float(row["propensity"]) <= 1 for row in table(one))
        assert len({row["propensity"] for row in table(one)}) > 1
    assert "propensity" in call("--history", "", "-k", "2", "--temperature", "1").out


def test_unknown_items_are_left_out_and_counted(call: Call) -> None:
    path = write_users("user,item,rating\n1,x,4\n1,a,4\n2,y,\n2,z,\n")
    shown = call("--users", str(path), "-k", "1", "--skip-unknown")
    assert [row["item"] for row in table(shown.out)] == ["b", "a"]
    assert shown.err == "3 items of histories are not in the catalogue: they were left out\n"


def test_users_with_too_few_items_left_are_counted(call: Call) -> None:
    shown = call("--history", "a=1,b=1,c=1", "-k", "6", "--format", "csv")
    assert len(table(shown.out)) == 5
    assert shown.err == "1 of 1 users have fewer than 6 items left\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of --history, --user and --users; --history '' is a new user"),
        (["--history", "", "--user", "1"], "give one of --history, --user and --users; --history '' is a new user"),
        (["--user", "1", "--demographics", "sex=F"], "--demographics is without effect without --history"),
        (
            ["--users", "policy/items.jsonl", "--format", "table"],
            "a table is for one user on the screen; give",
        ),
        (["--history", "", "--format", "table", "--out", "o"], "a table is for one user on the screen; give"),
        (["--history", "", "--overwrite"], "--overwrite is without effect without --out"),
        (["--history", "", "--seed", "1"], "--seed is without effect without --epsilon or --temperature"),
        (["--history", "", "--epsilon", "0.1", "--temperature", "1"], "--epsilon and --temperature are two ways"),
        (["--history", "", "--epsilon", "2"], "epsilon must be in [0, 1], it is 2.0"),
        (["--history", "", "--temperature", "0"], "temperature must be at least 1e-09, it is 0.0"),
        (["--history", "a", "-k", "1"], "--history has 'a', without a name and '='; give ID=RATING,ID=,..."),
        (["--history", "a=4,", "-k", "1"], "--history has '', without a name and '='; give ID=RATING,ID=,..."),
        (["--history", "a=good"], "the rating of a should be a number, found 'good'"),
        (["--history", "x=4", "-k", "1"], "the item 'x' is not in the catalogue of 8 items"),
        (["--history", "a=6", "-k", "1"], "the rating 6.0 of the item 'a' is off the scale, 1 to 5"),
        (["--history", "", "-k", "9"], "k is 9, but the catalogue has 8 items; give at most as many"),
        (["--history", "", "-k", "1", "--demographics", "sex"], "--demographics has 'sex', without a name and '='"),
        (["--history", "", "-k", "1", "--demographics", "sexe=F"], "there is no 'sexe' among demographics"),
        (["--history", "", "-k", "1", "--demographics", "age=x"], "age should be a number, found 'x'"),
        (["--history", "", "-k", "1", "--demographics", "sex=F,sex=M"], "--demographics has 'sex' twice"),
        (["--users", "none.csv"], "Invalid value for '--users': File 'none.csv' does not exist."),
    ],
)
def test_options_that_cannot_be_are_one_line(call: Call, arguments: list[str], message: str) -> None:
    assert error(call(*arguments)).startswith(message)


def test_a_folder_that_is_no_policy_is_one_line(call: Call) -> None:
    Path("empty").mkdir()
    assert error(call("--history", "", policy="empty")).startswith("empty is not the folder of a policy: ")
    assert "'nowhere' does not exist" in error(call("--history", "", policy="nowhere"))


def test_a_run_is_asked_by_its_own_policy(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    export = ModuleType("pydeeprecsys.serving.export")
    opened: list[Path] = []

    def policy_of(run: Path) -> Policy:
        opened.append(run)
        return Policy.load("policy")

    export.policy_of = policy_of  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, export.__name__, export)
    Path("run").mkdir()
    Path("run/config.json").write_text("{}")
    shown = call("--history", "", "-k", "1", "--format", "csv", "--demographics", "sex=F", policy="run")
    assert [row["item"] for row in table(shown.out)] == ["a"]
    assert opened == [Path("run")]


RATINGS = "user,item,rating,timestamp\n1,a,8,30\n1,b,2,10\n1,c,5,20\n2,d,1,5\n2,e,9,6\n3,f,9,1\n"
PEOPLE = "user,sex,age,occupation,zip_code\n1,F,35,writer,55117\n2,M,,,\n3,,,,\n"


@pytest.fixture
def trained(call: Call) -> str:
    """A data set, on whose users the policy was trained; gives its name."""
    Path("ratings.csv").write_text(RATINGS)
    Path("people.csv").write_text(PEOPLE)
    source = "ratings.csv?users=people.csv&scale=0,10"
    trained_on = {"dataset": source, "checksum": read_dataset(source).checksum, "pool": "train"}
    write_policy(Path("policy"), model=graph(sex=10.0), trained_on=trained_on, rating_scale=[0, 10])
    return source


def test_users_of_the_data_set_have_their_demographics_and_ratings(
    call: Call, trained: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    rank_batch = Policy.rank_batch

    def remember(self: Policy, *arguments: Any, **options: Any) -> Any:
        asked.extend(arguments)
        return rank_batch(self, *arguments, **options)

    monkeypatch.setattr(Policy, "rank_batch", remember)
    shown = call("--user", "1", "-k", "2", "--format", "csv")
    assert [(row["user"], row["item"]) for row in table(shown.out)] == [("1", "d"), ("1", "e")]
    assert call("--user", "3", "-k", "1").code == 0
    first, history, last, others = asked
    assert first == [{"sex": "F", "age": 35, "occupation": 20, "zip_code": "55117"}]
    assert history == [[("b", 2.0), ("c", 5.0), ("a", 8.0)]]  # in the order of time
    assert (last, others) == ([{}], [[("f", 9.0)]])
    assert DEMOGRAPHICS["occupation"]["codes"]["writer"] == 20


def test_a_user_that_is_not_in_the_data_set_is_one_line(call: Call, trained: str) -> None:
    assert error(call("--user", "7")) == f"there is no user '7' in {trained}; give --history '' for a new user"


def test_other_ratings_than_those_of_training_are_one_line(call: Call, trained: str) -> None:
    Path("ratings.csv").write_text(RATINGS.replace("1,a,8", "1,a,7"))
    complaint = f"{trained} is not the data that the policy was trained on; give --history"
    assert error(call("--user", "1")) == complaint


def test_a_saved_world_has_no_users_to_read(call: Call) -> None:
    write_policy(Path("policy"), trained_on={"dataset": "a.world", "checksum": "", "pool": "train"})
    complaint = "the policy was trained on a.world, which has no table of users; give --history"
    assert error(call("--user", "1")) == complaint


@pytest.mark.slow
def test_a_reader_that_closes_its_end_early_is_no_error(call: Call) -> None:
    items = [Item(f"{item.id}{'x' * 5000}", item.title, item.categories) for item in ITEMS]
    write_policy(Path("policy"), items=items)
    Path("users.csv").write_text("user,item,rating\n" + "".join(f"{user},,\n" for user in range(100)))
    command = [sys.executable, "-m", "pydeeprecsys.cli", "recommend", "policy", "--users", "users.csv", "-k", "8"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"user,rank,item,title,score,propensity\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
