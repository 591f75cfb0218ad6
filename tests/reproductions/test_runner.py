import json
import math
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from reproductions.runner import Claim, Study, learning_curve, measure, reproduce
from reproductions.tables import lines_across, summarize, table, update_docs

from pydeeprecsys.data.world import World
from pydeeprecsys.errors import InputError
from pydeeprecsys.evaluation.standings import SIMPLE_POLICIES
from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.registry import make_agent
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.simulation.movielens.simulator import user_pool
from reproductions import runner

SMALL = Study(
    name="small",
    env_name="CartPole-v1",
    claims=[
        Claim("reinforce", 400, 15.0, {"hidden_layers": [8]}, n_envs=2, published="10 (a friend)"),
        Claim("random", 300),
    ],
    evaluation_episodes=3,
)
AGENTS = ["reinforce", "random"]
STUDIES = [
    "cartpole",
    "pendulum",
    "lunar_lander",
    "movielens_founding",
    "movielens_tuned",
    "movielens_faithful",
    "movielens_faithful_slates",
    "interest_evolution",
    "sardine",
]


def results(folder: Path) -> tuple[pd.DataFrame, bytes]:
    """The rows without the time they took, and the curves."""
    rows = pd.read_csv(folder / "small.csv").drop(columns="seconds")
    return rows, (folder / "small_curves.csv").read_bytes()


def test_a_study_keeps_all_that_came_out(tmp_path: Path) -> None:
    summary = reproduce(SMALL, tmp_path, AGENTS, seeds=2)
    assert {path.name for path in tmp_path.iterdir()} == {"small.csv", "small_curves.csv", "small.png", "runs"}
    assert not list(tmp_path.glob("runs/*/*"))
    rows = pd.read_csv(tmp_path / "small.csv")
    assert list(zip(rows["agent"], rows["seed"], strict=True)) == [(a, s) for a in AGENTS for s in (0, 1)]
    assert (rows["steps"] <= [400, 400, 300, 300]).all()
    assert (rows["steps"] > [100, 100, 100, 100]).all()
    settings = json.loads(rows["settings"][0])
    assert settings["options"] == {"hidden_layers": [8]}
    assert (settings["steps"], settings["n_envs"], settings["env_name"]) == (400, 2, "CartPole-v1")
    assert rows["versions"].str.contains("torch").all()
    curves = pd.read_csv(tmp_path / "small_curves.csv")
    assert curves.groupby(["agent", "seed"]).size().between(50, 100).all()
    assert summary["median"].tolist() == pytest.approx(
        rows.groupby("agent", sort=False)["mean_return"].median().tolist()
    )


@pytest.mark.slow
def test_processes_side_by_side_change_nothing(tmp_path: Path) -> None:
    reproduce(SMALL, tmp_path / "one", AGENTS, seeds=2, jobs=1)
    reproduce(SMALL, tmp_path / "two", AGENTS, seeds=2, jobs=2)  # which takes its time to start them
    (rows, curves), (same_rows, same_curves) = results(tmp_path / "one"), results(tmp_path / "two")
    pd.testing.assert_frame_equal(rows, same_rows, check_exact=True)
    assert curves == same_curves
    assert rows["mean_return"].nunique() > 2  # seeds do differ


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What is trained from here on."""
    seen: list[tuple[str, int]] = []

    def watched(study: Study, claim: Claim, seed: int, folder: Path) -> Any:
        seen.append((claim.agent, seed))
        return measure(study, claim, seed, folder)

    monkeypatch.setattr(runner, "measure", watched)
    return seen


@pytest.mark.slow
def test_what_was_stopped_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[tuple[str, int]]
) -> None:
    reproduce(SMALL, tmp_path / "whole", AGENTS, seeds=2)
    trained.clear()
    watched: Callable[..., Any] = runner.measure

    def interrupted(study: Study, claim: Claim, seed: int, folder: Path) -> Any:
        if (claim.agent, seed) == ("reinforce", 1):
            raise KeyboardInterrupt
        return watched(study, claim, seed, folder)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "measure", interrupted)
        with pytest.raises(KeyboardInterrupt):
            reproduce(SMALL, tmp_path / "stopped", AGENTS, seeds=2)
    assert len(pd.read_csv(tmp_path / "stopped" / "small.csv")) == 2
    reproduce(SMALL, tmp_path / "stopped", AGENTS, seeds=2)
    assert trained == [("reinforce", 0), ("random", 0), ("reinforce", 1), ("random", 1)]
    (rows, curves), (same_rows, same_curves) = results(tmp_path / "whole"), results(tmp_path / "stopped")
    pd.testing.assert_frame_equal(rows, same_rows, check_exact=True)
    assert curves == same_curves


def test_variants_of_an_agent_have_rows_of_their_own(tmp_path: Path) -> None:
    claims = [Claim("random", 30), Claim("random", 60, variant="long")]
    study = replace(SMALL, claims=claims)
    summary = reproduce(study, tmp_path, ["random", "random+long"], seeds=1)
    assert summary["agent"].tolist() == ["random", "random+long"]
    assert summary["steps"].tolist() == [30, 60]
    assert pd.read_csv(tmp_path / "small.csv")["agent"].tolist() == ["random", "random+long"]


@pytest.mark.slow
def test_only_rows_with_other_settings_are_done_anew(tmp_path: Path, trained: list[tuple[str, int]]) -> None:
    reproduce(SMALL, tmp_path, AGENTS, seeds=1)
    before = (tmp_path / "small.csv").read_text()
    trained.clear()
    reproduce(SMALL, tmp_path, AGENTS, seeds=1)
    assert trained == []
    assert (tmp_path / "small.csv").read_text() == before

    longer = replace(SMALL, claims=[SMALL.claims[0], replace(SMALL.claims[1], steps=200)])
    reproduce(longer, tmp_path, AGENTS, seeds=1)
    assert trained == [("random", 0)]
    curves = pd.read_csv(tmp_path / "small_curves.csv").query("agent == 'random'")
    assert curves["steps"].max() <= 200  # nothing is left of the old curve
    # A bar or a number of others changes nothing of what came out.
    barred = replace(longer, claims=[replace(claim, bar=1.0, published="") for claim in longer.claims])
    assert reproduce(barred, tmp_path, AGENTS, seeds=1)["passed"].tolist() == [1, 1]
    assert len(trained) == 1
    reproduce(barred, tmp_path, ["random"], seeds=1, redo=True)
    assert trained[1:] == [("random", 0)]
    assert len(pd.read_csv(tmp_path / "small.csv")) == 2


def test_training_stops_early_where_the_claim_says_so(tmp_path: Path) -> None:
    row, _ = measure(replace(SMALL, claims=[]), replace(SMALL.claims[1], steps=20_000, stop_at=1.0), 0, tmp_path)
    assert 800 < row["steps"] < 4_000  # after a hundred episodes, of 8 steps at least
    assert json.loads(row["settings"])["stop_at"] == 1.0


def test_an_agent_that_never_updated_is_marked(tmp_path: Path) -> None:
    options = {"episodes_per_update": 1000, "hidden_layers": [8]}
    untrained = replace(SMALL, claims=[replace(SMALL.claims[0], hyperparameters=options), SMALL.claims[1]])
    shown = table(reproduce(untrained, tmp_path, AGENTS, seeds=1))
    assert "| reinforce (a seed never updated) |" in shown
    assert "| random |" in shown
    updates = pd.read_csv(tmp_path / "small.csv").set_index("agent")["updates"]
    assert updates["reinforce"] == 0
    assert pd.isna(updates["random"])
    assert "never updated" not in table(reproduce(SMALL, tmp_path, AGENTS, seeds=1))


def test_a_learning_curve_worked_out_by_hand() -> None:
    # A budget of 1,000: a point each 10 steps, over the episodes that ended in the 50 before.
    points = dict(learning_curve([30, 20, 100, 20], [1.0, 3.0, 8.0, 10.0], 1000))
    assert min(points) == 30
    assert points[30] == points[40] == 1.0
    assert points[50] == points[70] == 2.0  # (1 + 3) / 2
    assert points[80] == 3.0  # the first ended 50 steps ago
    assert points[140] == 3.0  # nothing ended since, so the last that did
    assert points[150] == 8.0
    assert points[170] == 9.0
    assert max(points) == 180  # and there the training ended
    assert learning_curve([], [], 1000) == []


def test_what_takes_far_fewer_steps_is_a_line_across() -> None:
    study = Study("x", "x", [Claim("simple", 90), Claim("learner", 1000)])
    rows = [("simple", 0, 50, 3.0), ("simple", 0, 90, 5.0), ("simple", 1, 90, 7.0), ("learner", 0, 500, 1.0)]
    drawn = lines_across(study, pd.DataFrame(rows, columns=["agent", "seed", "steps", "return"]))
    found = sorted(drawn[["agent", "seed", "steps", "return"]].itertuples(index=False, name=None))
    assert found == [
        ("learner", 0, 500, 1.0),
        ("simple", 0, 0, 5.0),
        ("simple", 0, 1000, 5.0),
    ]


def test_the_table_says_which_bars_are_met(tmp_path: Path) -> None:
    def row(agent: str, seed: int, mean_return: float) -> dict[str, Any]:
        return {"agent": agent, "seed": seed, "mean_return": mean_return, "training_return": 7.0}

    returns = [10.0, 16.0, 15.0, 20.0, 30.0]
    rows = [row("reinforce", seed, value) for seed, value in enumerate(returns)] + [row("random", 0, 4.0)]
    summary = summarize(SMALL, rows).set_index("agent")
    assert summary.loc["reinforce", "median"] == 16.0
    assert summary.loc["reinforce", ["worst", "passed", "seeds"]].tolist() == [10.0, 4, 5]
    assert summary.loc["reinforce", "median_low"] < 10 < 30 < summary.loc["reinforce", "median_high"]
    assert math.isnan(summary.loc["random", "median_low"])

    lines = table(summarize(SMALL, rows)).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "| NO, 4 of 5 |" in lines[2]
    assert "| 10 (a friend) |" in lines[2]
    assert "not from 1 seed" in lines[3]
    assert "vs random [95 %]" in lines[0]
    assert "NO" not in lines[3]  # nothing was claimed
    rows += [row("random", seed, 4.0) for seed in range(1, 5)]
    assert "| +12.00 [4.85, 27.15] |" in table(summarize(SMALL, rows))  # 6, 12, 11, 16, 26, and 5.7 % of 20 beyond
    met = [row("reinforce", seed, 15.0) for seed in range(2)]
    assert "| yes, 2 of 2 |" in table(summarize(SMALL, met))

    docs = tmp_path / "docs.md"
    docs.write_text("before\n<!-- small -->\nold\n<!-- /small -->\nafter\n")
    for _ in range(2):
        update_docs("small", "| new |\n", docs)
        assert docs.read_text() == "before\n<!-- small -->\n| new |\n<!-- /small -->\nafter\n"
    with pytest.raises(InputError, match="<!-- other -->"):
        update_docs("other", "", docs)


@pytest.mark.slow
def test_simulated_users_are_evaluated_as_in_a_comparison(world: World, tmp_path: Path) -> None:
    world.save(tmp_path / "small.world")
    study = Study(
        "users",
        "MovieLensFairness-v0",
        [Claim(agent, 12 * 50, n_envs=3) for agent in ("reinforce", "best-rated", "oracle")],
        dataset=str(tmp_path / "small.world"),
        evaluation_envs=100,
    )
    ours = reproduce(study, tmp_path, [claim.agent for claim in study.claims], seeds=2)
    agents = ["reinforce", "best-rated"]
    task = Task(world=world)
    comparison = Comparison(task=task, agents=agents, episodes=12, seeds=2, n_envs=3, evaluation_episodes=100)
    theirs = compare(comparison, tmp_path / "compared")
    expected = theirs.set_index("agent")["median"]
    assert ours["median"].tolist() == pytest.approx([expected[agent] for agent in (*agents, "oracle")], rel=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_users_of_a_study_are_of_the_pool_for_training_or_for_evaluation(
    world: World, tmp_path: Path, training: bool
) -> None:
    world.save(tmp_path / "small.world")
    study = Study("users", "MovieLensFairness-v0", [Claim("random", 1)], dataset=str(tmp_path / "small.world"))
    config = study.config(study.claims[0], 0)
    manager = config.training_manager() if training else config.evaluation_manager()
    met = manager.env.unwrapped.simulator.users
    assert met.tolist() == user_pool(world.n_users, "train" if training else "test").tolist()
    pools = {"train_pool": "train", "evaluation_pool": "test"}
    assert pools.items() <= json.loads(study.settings(study.claims[0])).items()
    assert not pools.keys() & json.loads(SMALL.settings(SMALL.claims[0])).keys()


@pytest.mark.parametrize("name", [name for name in STUDIES if name.startswith("movielens")])
def test_every_study_of_movielens_shows_all_simple_policies(name: str) -> None:
    claimed = [claim.agent for claim in import_module(f"reproductions.{name}").STUDY.claims]
    assert claimed[: len(SIMPLE_POLICIES)] == list(SIMPLE_POLICIES)


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_every_claim_can_be_run(world: World, tmp_path: Path, name: str) -> None:
    for needed in {"lunar_lander": ["Box2D"], "sardine": ["sardine"]}.get(name, []):
        pytest.importorskip(needed)
    study: Study = import_module(f"reproductions.{name}").STUDY
    assert study.name == name
    if study.dataset is not None:
        world.save(tmp_path / "small.world")
        study = replace(study, dataset=str(tmp_path / "small.world"))
    for claim in study.claims:
        make_agent(claim.agent, study.config(claim, 0).training_manager(), 0, **claim.hyperparameters)
        assert json.loads(study.settings(claim))["steps"] == claim.steps
    assert f"<!-- {name} -->" in runner.DOCS.read_text()
    assert study.evaluation_episodes >= 100


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    study = replace(SMALL, claims=[replace(claim, steps=20_000) for claim in SMALL.claims])

    def run(*arguments: str) -> object:
        monkeypatch.setattr("sys.argv", ["python", *arguments])
        with pytest.raises(SystemExit) as stopped:
            runner.main(study)
        return stopped.value.code

    docs = runner.DOCS.read_text()
    assert run("--agents", "random", "--quick") == 0
    assert "| random |" in capsys.readouterr().out
    rows = pd.read_csv(tmp_path / "output" / "reproductions" / "small.csv")
    assert rows["seed"].tolist() == [0, 1]
    assert (rows["steps"] <= 400).all()
    assert runner.DOCS.read_text() == docs
    assert run("--agents", "randon") == 1
    assert "did you mean 'random'" in capsys.readouterr().err
