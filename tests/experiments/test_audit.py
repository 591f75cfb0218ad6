"""Audits of policies: their sessions, their tables, and what cannot be audited."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from command_line import run as command
from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.experiments import audited_sessions
from pydeeprecsys.experiments.audit import _label, audit
from pydeeprecsys.experiments.audit_folder import TABLES, audit_table, audits_of
from pydeeprecsys.experiments.audit_tables import Groups, StepTable, gap_rows, session_rows
from pydeeprecsys.experiments.audited_items import exposure_figures, exposure_rows
from pydeeprecsys.experiments.audited_sessions import AuditedSessions, planned_users, roll_out
from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.experiments.report import write_report
from pydeeprecsys.experiments.run import run
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.rl.manager import MovieLensFairnessManager
from pydeeprecsys.simulation.movielens.patience import Patience

PLANTED = "planted-gap?n_users=400&n_items=40"


def random_run(folder: Path, task: Task, agent: str = "random", **settings: Any) -> RunConfig:
    """A run that is only evaluated."""
    config = RunConfig(task=task, agent=agent, episodes=0, evaluation_episodes=1, **settings)
    run(config, folder)
    return config


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two policies, random and the oracle from two seeds in a world with a planted gap, audited by default."""
    folder = tmp_path_factory.mktemp("audit") / "compared"
    task = Task(dataset=PLANTED, env_options={"session_length": 5, "delta": 0.0})
    compare(Comparison(task=task, agents=["popular", "best-rated"], episodes=1, seeds=2, evaluation_episodes=4), folder)
    audit(folder, sessions=900, pool="all")
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was only evaluated."""
    folder = tmp_path_factory.mktemp("audit") / "run"
    random_run(folder, Task(dataset=PLANTED, env_options={"session_length": 5}))
    return folder


def audited(folder: Path) -> RunFolder:
    (one,) = audits_of(RunFolder(folder))
    return one


def test_every_user_has_as_many_sessions_and_the_rest_are_drawn() -> None:
    pool = np.arange(10, 17)
    counts = pd.Series(planned_users(pool, 16)).value_counts()
    assert set(counts.index) == set(pool)
    assert sorted(counts) == [2, 2, 2, 2, 2, 3, 3]
    few = planned_users(pool, 3)
    assert len(set(few)) == 3
    assert set(few) < set(pool)
    np.testing.assert_array_equal(few, planned_users(pool, 3))
    half = planned_users(np.arange(100), 50)
    assert len(set(half)) == 50
    assert 25 < half.mean() < 75
    with pytest.raises(InputError, match="an audit needs at least one session, not 0"):
        planned_users(pool, 0)


@pytest.mark.parametrize(("version", "slate_size"), [(0, 1), (1, 1), (1, 3)])
def test_the_sessions_are_those_of_the_users_and_of_the_streams(
    world: World, monkeypatch: pytest.MonkeyPatch, version: int, slate_size: int
) -> None:
    monkeypatch.setattr(audited_sessions, "_BATCH", 3 * world.n_items)
    task = Task(world=world, env=f"MovieLensFairness-v{version}", env_options={"slate_size": slate_size})
    config = RunConfig(task=task, agent="best-rated", episodes=0)
    policy = make_agent("best-rated", MovieLensFairnessManager(0, slate_size, version=version, dataset=world), 0)
    users = np.array([5, 5, 30, 2, 59, 5, 7])
    found = roll_out(config, policy, users, "all")
    shown, returns, steps, ratings = np.zeros(world.n_items, dtype=int), [], [], []
    for number, user in enumerate(users):
        env = gym.make(f"MovieLensFairness-v{version}", dataset=world, slate_size=slate_size)
        state, info = env.reset(seed=audited_sessions._SEED + number, options={"user": user})
        rewards, given, over = [], [], False
        policy.begin_episodes(np.ones(1, dtype=np.bool_))
        while not over:
            mask = info.get("action_mask")
            slate = policy.top_k_actions_for_state(state, slate_size, explore=False, action_mask=mask)
            state, reward, ended, cut, info = env.step(slate if slate_size > 1 else slate[0])
            shown += np.bincount(slate, minlength=world.n_items)
            rewards.append(float(reward))
            given.append(info["ratings"].mean())
            over = ended or cut
        returns.append(sum(rewards))
        steps.append(len(rewards))
        ratings.append(np.mean(given))
    np.testing.assert_array_equal(found.lengths, steps)
    table = session_rows("best-rated", 0, world.user_ids[users].tolist(), found)
    np.testing.assert_allclose(table["return"], returns)
    np.testing.assert_allclose(table["rating"], ratings)
    np.testing.assert_array_equal(found.shown.sum(axis=0), shown)
    assert found.shown.shape == (slate_size, world.n_items)


def test_sessions_do_not_depend_on_their_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"patience": Patience(budget=5.0, gain=0.99)}
    config = RunConfig(
        task=Task(world=world, env="MovieLensFairness-v1", env_options=options), agent="best-rated", episodes=0
    )
    policy = make_agent("best-rated", MovieLensFairnessManager(0, version=1, dataset=world, **options), 0)
    users = np.arange(60)
    together = roll_out(config, policy, users, "all")
    assert 2 * together.lengths.min() < together.lengths.max()  # some have a second session while the longest runs
    monkeypatch.setattr(audited_sessions, "_BATCH", 7 * world.n_items)
    apart = roll_out(config, policy, users, "all")
    np.testing.assert_array_equal(together.lengths, apart.lengths)
    np.testing.assert_array_equal(together.shown, apart.shown)
    for name, numbers in together.steps.items():
        np.testing.assert_allclose(numbers, apart.steps[name], err_msg=name)
    for name in ("concentration_before", "disparity", "shifts"):
        np.testing.assert_allclose(getattr(together, name), getattr(apart, name), err_msg=name)


def by_hand() -> AuditedSessions:
    """Three sessions of two, one and two steps with slates of one, of three items."""
    nan = float("nan")
    steps = {
        "reward": [[1, 1, 0.5], [0.5, nan, 0.5]],
        "rating": [[5, 5, 3], [3, nan, 3]],
        "violence": [[0.2, 0.9, 0.4], [0.6, nan, 0.4]],
        "unmeasured": [[0, 1, 1], [0, nan, 1]],
        "popularity": [[0.5, 0.5, 0.5], [0.1, nan, 0.5]],
        "awrf": [[nan] * 3] * 2,
        "distance": [[1, 2, 3], [4, nan, 5]],
        "drift": [[0.1, 0.2, 0.3], [0.4, nan, 0.5]],
        "concentration": [[0.1, 0.2, 0.3], [0.3, nan, 0.4]],
    }
    return AuditedSessions(
        {name: np.array(numbers, dtype=float) for name, numbers in steps.items()},
        lengths=np.array([2, 1, 2]),
        concentration_before=np.array([0.1, 0.1, 0.2]),
        disparity=np.array([0.5, 1, 1]),
        shifts=np.array([[0.1, -0.1], [0.3, -0.3], [0.2, -0.2]]),
        shown=np.array([[2, 3, 0]]),
    )


def test_a_session_is_summed_up_by_hand() -> None:
    rows = session_rows("a", 4, ["u", "v", "u"], by_hand())
    assert rows["return"].tolist() == [1.5, 1, 1]
    assert rows["steps"].tolist() == [2, 1, 2]
    np.testing.assert_allclose(rows["violence"], [0.4, 0.9, 0.4])
    np.testing.assert_allclose(rows["popularity"], [0.3, 0.5, 0.5])
    assert rows["drift"].tolist() == [0.4, 0.2, 0.5]
    assert rows["distance"].tolist() == [4, 2, 5]
    assert rows["concentration"].tolist() == [0.3, 0.2, 0.4]
    assert rows["awrf"].isna().all()
    assert rows[["agent", "seed", "session", "user"]].to_numpy().tolist() == [
        ["a", 4, 0, "u"],
        ["a", 4, 1, "v"],
        ["a", 4, 2, "u"],
    ]


def test_figures_along_the_session_are_those_of_the_sessions_still_running() -> None:
    sexes = pd.DataFrame({"sex": pd.Categorical(["F", "M"], ordered=True)})
    groups = Groups.of(sexes, np.array([0, 1, 0]))
    table = StepTable(groups, alpha=0.5, threshold=0.45)
    table.add("a", by_hand())
    table.add("a", by_hand())
    rows = table.rows().set_index(["agent", "column", "group", "step"])
    everybody = rows.loc[("a", "everybody", "everybody")]
    assert everybody["sessions"].tolist() == [6, 4]
    np.testing.assert_allclose(everybody["reward"], [2.5 / 3, 0.5])
    np.testing.assert_allclose(everybody["so_far"], [0.5, 0.4])
    # The worst half of 0.2, 0.4 and 0.9 is 0.9 and half of 0.4; then 0.9 is over.
    np.testing.assert_allclose(everybody["cvar"], [1.1 / 1.5, 0.4])
    np.testing.assert_allclose(everybody["beyond"], [1 / 3, 0])
    assert rows.loc[("a", "sex", "F"), "sessions"].tolist() == [4, 4]
    assert rows.loc[("a", "sex", "M"), "sessions"].tolist() == [2]


def test_crossings_are_groups_and_those_without_users_are_listed() -> None:
    world_groups = pd.DataFrame(
        {
            "sex": pd.Categorical(["F", "M", None, "M"], ["F", "M"], ordered=True),
            "age": pd.Categorical(["old", "old", "young", "young"], ["young", "old"], ordered=True),
        }
    )
    groups = Groups.of(world_groups, np.array([0, 1, 2, 1]))
    assert groups.columns["sex and age"].astype(object).fillna("?").tolist() == ["F, old", "M, old", "?", "M, old"]
    assert groups.single == ["sex", "age"]
    assert groups.empty == {"sex": [], "age": [], "sex and age": ["M, young"]}


def test_gaps_are_corrected_together_and_two_sides_of_a_gap_count_once() -> None:
    generator = np.random.default_rng(0)
    users = np.arange(90)
    world_groups = pd.DataFrame(
        {
            "sex": pd.Categorical(np.where(users < 40, "F", "M"), ["F", "X", "M"], ordered=True),
            "level": pd.Categorical(np.array(["a", "b", "c"])[users % 3], ["a", "b", "c", "d"], ordered=True),
        }
    )
    groups = Groups.of(world_groups, users)
    figures = {name: generator.normal(size=90) for name in ("return", "rating", "violence", "drift")}
    figures["return"] += 2.0 * (users % 3 == 0)
    sessions = pd.DataFrame({"agent": "a", "seed": 0, "user": users.astype(str), **figures})
    rows = gap_rows(sessions, groups, alpha=0.5)
    tested = rows[rows["p"].notna()]
    sexes = tested[tested["column"] == "sex"]
    assert sexes["p_holm"].notna().all()
    assert (sexes.groupby(["figure", "statistic"])["p_holm"].nunique() == 1).all()
    distinct = len(tested) - len(sexes) // 2
    smallest = tested.loc[tested["p"].idxmin()]
    assert smallest["p_holm"] == pytest.approx(smallest["p"] * distinct)
    none = rows[rows["group"] == "d"]
    assert (none["users"] == 0).all()
    assert none["too_small"].all()
    assert none["value"].isna().all()
    assert set(none["note"]) == {"no users in the audit"}


def test_exposure_is_shared_between_the_categories_of_an_item(world: World) -> None:
    flags = np.array([[1, 1], [1, 0], [0, 0]], dtype=np.bool_)
    three = replace(
        world,
        categories=("Action", "Drama"),
        genres=flags,
        genres_known=flags.any(axis=1),
        item_vectors=world.item_vectors[:3],
        violence=np.array([0.1, 0.7, np.nan], dtype=np.float32),
        rating_items=np.array([0, 1, 1], dtype=np.int32),
    )
    rows = exposure_rows({"a": [np.array([[2, 1, 1]]), np.array([[0, 4, 0]])]}, three).set_index(["by", "group"])
    shown = rows["shown"]
    assert shown["category"].to_dict() == {"Action": 0.75, "Drama": 0.125, "not known": 0.125}
    assert rows.loc["category", "catalogue"].to_dict() == pytest.approx(
        {"Action": 1.5 / 3, "Drama": 0.5 / 3, "not known": 1 / 3}
    )
    assert shown["violence"].to_dict() == {"0 to 0.2": 0.25, "0.6 to 0.8": 0.625, "not known": 0.125}
    assert shown["popularity"].sum() == pytest.approx(1)
    figures = exposure_figures([np.array([[2, 1, 1]])], three)
    assert figures["min_max"][0].tolist() == [0.5]  # Drama 1, Action 2
    assert figures["mmf"][0].tolist() == pytest.approx([1 / 3])


@pytest.mark.slow
def test_a_planted_gap_is_found_and_its_interval_holds_it(compared: Path) -> None:
    gaps = audit_table(audited(compared), "groups")
    popular = gaps.query("agent == 'popular' and figure == 'rating' and column == 'sex' and group == 'F'").iloc[0]
    assert popular["gap_low"] <= -0.5 <= popular["gap_high"]
    assert popular["p_holm"] < 0.001
    rows = audit_table(audited(compared), "agents").query("agent == 'popular' and statistic == 'worst group'")
    assert rows["note"].tolist() == ["sex F"]


@pytest.mark.slow
def test_tables_name_agents_seeds_users_and_their_groups(compared: Path) -> None:
    folder = audited(compared)
    assert folder.path == compared / "audits" / "all-900"
    sessions = audit_table(folder, "sessions")
    assert sessions["agent"].unique().tolist() == ["popular", "best-rated", "random", "oracle"]
    assert len(sessions) == 900 * 8
    by_run = [own["user"].tolist() for _, own in sessions.groupby(["agent", "seed"])]
    assert all(users == by_run[0] for users in by_run)
    assert {"sex", "age", "occupation"} <= set(sessions.columns)
    gaps = audit_table(folder, "groups")
    assert gaps["column"].unique().tolist() == [
        *("sex", "age", "occupation", "sex and age", "sex and occupation", "age and occupation"),
    ]
    assert gaps.loc[gaps["users"] < 30, "too_small"].all()
    assert gaps.loc[gaps["too_small"], ["low", "gap_low", "p", "p_holm"]].isna().all(axis=None)
    items = audit_table(folder, "items")
    assert items.groupby("agent")["shown"].sum().tolist() == [900 * 2 * 5] * 4
    tastes = audit_table(folder, "tastes")
    assert tastes.groupby("agent")["shift"].sum().abs().max() < 1e-9
    assert folder.config["notes"] == [
        "900 sessions, 2 of each of the 400 users of the pool 'all'; 100 of them, drawn at random, have one more",
        "agents may have met these users in training, in the pool 'train'",
    ]


@pytest.mark.slow
def test_an_audit_changes_no_results_of_the_runs_and_repeats_its_numbers(compared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    shutil.copytree(compared, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "log.txt"}
    audit(folder, sessions=900, pool="all")
    for path, content in before.items():
        assert path.read_bytes() == content, path


@pytest.mark.slow
def test_any_column_of_the_users_own_table_makes_groups(tmp_path: Path, world: World) -> None:
    task = Task(world=world, env_options={"session_length": 3})
    config = random_run(tmp_path / "run", task)
    users = pd.DataFrame({"user": world.user_ids, "team": ["red", "blue"] * 30, "age": range(20, 80)})
    folder = audit(tmp_path / "run", config, pool="all", sessions=60, groups=["team", "age:50"], users=users)
    assert folder.path.name.startswith("all-60-team-age_50-users-")
    gaps = audit_table(folder, "groups").query("figure == 'return'")
    assert dict(zip(gaps["column"] + ": " + gaps["group"], gaps["users"], strict=True)) == {
        **{"team: blue": 30, "team: red": 30, "age: under 50": 30, "age: 50+": 30},
        **{"team and age: blue, under 50": 15, "team and age: blue, 50+": 15},
        **{"team and age: red, under 50": 15, "team and age: red, 50+": 15},
    }
    renamed = audit(
        tmp_path / "run", config, pool="all", groups=["rating"], users=users.rename(columns={"team": "rating"})
    )
    assert set(audit_table(renamed, "groups")["column"]) == {"rating of the user"}


@pytest.mark.slow
def test_a_world_without_demographics_and_violence_is_audited_without_groups(
    tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = replace(
        world,
        demographics=np.full((60, 4), np.nan, dtype=np.float32),
        violence=np.full(80, np.nan, dtype=np.float32),
        violence_measured=np.zeros(80, dtype=np.bool_),
    )
    bare.save(tmp_path / "bare.world")
    task = Task(dataset=str(tmp_path / "bare.world"), env_options={"session_length": 3})
    random_run(tmp_path / "run", task)
    assert command("audit", str(tmp_path / "run"), "--sessions", "5") == 0
    shown = capsys.readouterr().out
    assert (
        "holds neither sex, age nor occupation of these users: there are no groups and no gaps to audit; --group"
        in shown
    )
    assert "one of each of a simple random sample of 5 of the 9 users" in shown
    assert "not known" in shown
    assert shown.endswith(f": {tmp_path / 'run' / 'report.html'}\n")
    sessions = audit_table(audited(tmp_path / "run"), "sessions")
    assert sessions["violence"].isna().all()
    with pytest.raises(InputError, match="holds nothing of its users but their ratings; to audit groups, give their"):
        audit(tmp_path / "run", groups=["sex"])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--group", "sexx"], "has no column 'sexx' of users; .*did you mean 'sex'"),
        (["--group", "zip_code"], r"zip_code is a number with \d+ different values; give cut points, as in zip_code:"),
        (["--group", "age:18,x"], "cut points are numbers that rise, as in age:18,35,50, not 'age:18,x'"),
        (["--group", "sex:18"], "sex has values such as '.', which cut points cannot band; give sex without them"),
        (["--group", "sex", "--group", "sex"], "the column 'sex' is given twice"),
        (["--group", "age:99"], "age makes no groups of the 60 users audited: all are 'under 99'"),
        (["--sessions", "0"], "0 is not in the range x>=1"),
        (["--sessions", "1", "--group", "sex"], "sex makes no groups of the 1 users audited: all are"),
        (["--alpha", "1"], r"alpha must be in \(0, 1\)"),
        (["--threshold", "2"], r"threshold must be in \[0, 1\]"),
        (["--pool", "none"], "'none' is not one of 'all', 'train', 'evaluation', 'test'"),
    ],
)
def test_what_cannot_be_audited_is_said_in_a_line(
    done: Path, arguments: list[str], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert command("audit", str(done), *arguments) == 2
    error = capsys.readouterr().err
    assert re.search(match, error), error
    assert "Traceback" not in error


@pytest.mark.slow
def test_the_values_of_a_sweep_are_audited_side_by_side(tmp_path: Path) -> None:
    task = Task(dataset=PLANTED, env_options={"session_length": 3})
    sweep = Comparison(
        task=task, agents=["random"], sweep="lambda_non_violent=0,1", seeds=1, episodes=1, evaluation_episodes=2
    )
    compare(sweep, tmp_path / "swept")
    agents = audit_table(audit(tmp_path / "swept", sessions=10), "agents")
    names = {f"{agent}@lambda_non_violent={value}" for agent in ("random", "oracle") for value in (0, 1)}
    assert set(agents["agent"]) == names
    page = tmp_path / "page.html"
    write_report([tmp_path / "swept"], page)
    assert "trained since this audit" not in page.read_text()


@pytest.mark.slow
def test_runs_that_are_not_done_or_simulate_no_users_are_refused(tmp_path: Path, compared: Path) -> None:
    random_run(tmp_path / "cartpole", Task(env="CartPole-v1"))
    with pytest.raises(InputError, match="CartPole-v1 does not simulate users of a data set; an audit needs MovieLens"):
        audit(tmp_path / "cartpole")
    shutil.copytree(compared, tmp_path / "compared")
    for result in (tmp_path / "compared").glob("runs/*/result.json"):
        if "popular" in str(result):
            result.unlink()
    with pytest.raises(InputError, match=r"popular-0 is not finished; continue it with 'pydeeprecsys resume"):
        audit(tmp_path / "compared" / "runs" / "popular-0")
    assert "popular" not in set(audit_table(audit(tmp_path / "compared", sessions=4), "agents")["agent"])
    for result in (tmp_path / "compared").glob("runs/*/result.json"):
        result.unlink()
    with pytest.raises(InputError, match=r"no run in .*compared is finished; continue with 'pydeeprecsys resume"):
        audit(tmp_path / "compared")


@pytest.mark.slow
def test_other_settings_are_another_audit() -> None:
    words = "test-2000-sex-alpha=0.5"
    assert _label(words) == words
    spaced, scored = (_label(f"test-2000-a{sign}b") for sign in " _")
    assert spaced.startswith("test-2000-a_b-")
    assert scored == "test-2000-a_b"
    assert len({_label(f"age:{','.join(map(str, range(n)))}") for n in (200, 201)}) == 2
    assert len(_label("x" * 500)) < 100


def test_audits_belong_to_their_folder(tmp_path: Path, compared: Path) -> None:
    folder = tmp_path / "compared"
    shutil.copytree(compared, folder)
    audit(folder / "runs" / "popular-0", sessions=4)
    for each in (RunFolder(folder), RunFolder(folder / "runs" / "popular-0")):
        (one,) = audits_of(each)
        assert one.outer is not None
        assert one.outer.path.resolve() == each.path.resolve()
    assert not list(RunFolder(folder)._foreign())
    (folder / "audits" / "all-900" / "mine.csv").write_text("mine")
    assert list(RunFolder(folder)._foreign()) == ["audits/all-900"]
    (folder / "audits" / "all-900" / "mine.csv").unlink()
    comparison = Comparison.from_json(RunFolder(folder).config)
    compare(replace(comparison, seeds=1), folder, overwrite=True)
    assert not (folder / "audits").exists()


@pytest.mark.slow
def test_tables_of_an_audit_are_whole_or_said_to_be_damaged(
    tmp_path: Path, compared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "compared"
    shutil.copytree(compared, folder)
    assert {path.stem for path in audited(folder).path.glob("*.csv")} == set(TABLES)
    (audited(folder).path / "groups.csv").write_text("")
    with pytest.raises(InputError, match=r"groups\.csv is not as it was written .*; audit it again"):
        audit_table(audited(folder), "groups")
