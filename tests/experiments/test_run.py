import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from contracts.quick import QUICK, quick_run
from pydeeprecsys.data.world import World
from pydeeprecsys.envs.vector import MovieLensFairnessVector
from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.evaluate_again import evaluate_again
from pydeeprecsys.experiments.run import check, run
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.rl.manager import Episode
from pydeeprecsys.simulation.movielens.simulator import Pool, user_pool


def test_a_run_leaves_what_it_did(world: World, tmp_path: Path) -> None:
    results = run(quick_run("reinforce", world, slate_size=2), tmp_path)
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    assert metrics["measurement"].map(json.loads).tolist() == [
        row["measurement"] for row in results.statistics.collected_metrics
    ]
    events = EventAccumulator(str(tmp_path)).Reload()
    returns = results.statistics.episode_rewards
    assert returns is not None
    assert [event.value for event in events.Scalars("episode_rewards")] == pytest.approx(returns.tolist())

    evaluation = pd.read_csv(tmp_path / "evaluation.csv")
    assert evaluation["episode"].tolist() == list(range(7))
    assert (evaluation["steps"] == 25).all()
    exposure = pd.read_csv(tmp_path / "exposure.csv")
    assert len(exposure) == world.n_items
    told = json.loads((tmp_path / "sessions.json").read_text())
    assert len(told["sessions"]) == 7
    for session, judged in zip(told["sessions"], evaluation["return"], strict=True):
        assert len(session["steps"]) == 25
        assert sum(step["reward"] for step in session["steps"]) == pytest.approx(judged)
        shown = [item for step in session["steps"] for item in step["shown"]]
        assert len(shown) == 50
        assert sum(item["rating"] / 5 for item in shown) / 2 == pytest.approx(judged, abs=0.01)
        user = world.user_ids.tolist().index(session["user"])
        assert session["steps"][0]["affinities"] == pytest.approx(world.user_vectors[user, -19:], abs=1e-4)
        # A movie that is liked, three stars or more, doubles the affinities for its genres.
        before, after = (np.array(step["affinities"]) for step in session["steps"][:2])
        liked = [item["genres"] for item in session["steps"][0]["shown"] if item["rating"] >= 3.001]
        times = np.array([2.0 ** sum(genre in genres for genres in liked) for genre in told["genres"]])
        np.testing.assert_allclose(after, before * times, atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("agent", "options", "waits"),
    [
        ("ppo", {"actor_hidden_layers": [8], "critic_hidden_layers": [8]}, "steps_per_update=2048"),
        ("dqn", {}, "buffer_burn_in=1000, network_update_frequency=3"),
        ("rainbow", {}, "buffer_burn_in=1000, network_update_frequency=5"),
        ("slate-q", {"network_update_frequency": 4}, "buffer_burn_in=1000, network_update_frequency=4"),
        ("sac", {"timesteps_to_start_predicting": 500}, "timesteps_to_start_predicting=500, batch_size=256, "),
        ("reinforce", {"episodes_per_update": 10}, "episodes_per_update=10"),
        ("actor-critic", {"episodes_per_update": 10}, "episodes_per_update=10"),
        ("linucb", {"update_frequency": 5000}, "update_frequency=5000"),
        ("thompson", {"update_frequency": 5000}, "update_frequency=5000"),
    ],
)
def test_an_agent_that_never_updated_says_so(
    world: World, tmp_path: Path, agent: str, options: dict[str, Any], waits: str
) -> None:
    results = run(quick_run(agent, world, hyperparameters=options), tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    assert results.result["updates"] == result["updates"] == 0
    assert results.note == result["note"]
    # 8 sessions of 10 slates of 5, but in v1 users leave when they like.
    steps = r"\d+" if agent == "slate-q" else "80"
    waiting = f"the first update waits for {re.escape(waits)}"
    assert re.match(rf"{agent} never updated in 8 episodes \({steps} steps\): {waiting}", results.note)
    assert results.note.endswith("; train for more episodes or lower that")
    assert results.note in (tmp_path / "log.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("agent", [*QUICK, "linucb", "thompson"])
def test_updates_are_told_of_agents_that_learned_and_outlast_a_stop(world: World, tmp_path: Path, agent: str) -> None:
    def stop(number: int, episode: Episode) -> None:
        if number == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(quick_run(agent, world), tmp_path / "stopped", on_episode=stop)
    whole, stopped = (run(quick_run(agent, world), tmp_path / name) for name in ("whole", "stopped"))
    assert whole.result["updates"] == stopped.result["updates"]
    assert whole.result["updates"]
    assert not whole.note


def test_nothing_is_said_of_updates_where_there_is_nothing_to_learn(world: World, tmp_path: Path) -> None:
    results = run(quick_run("random", world), tmp_path)
    assert results.result["updates"] is None
    assert not results.note


@pytest.mark.slow
@pytest.mark.parametrize("pools", [{}, {"train_pool": "evaluation", "evaluation_pool": "train"}])
def test_nobody_is_evaluated_whom_the_agent_has_met_in_training(
    world: World, tmp_path: Path, pools: dict[str, Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    met: dict[int, set[int]] = {2: set(), 100: set()}  # by how many users there are at once: in training, in evaluation
    reset = MovieLensFairnessVector.reset

    def watched(self: MovieLensFairnessVector, **arguments: Any) -> Any:
        observations, infos = reset(self, **arguments)
        met[self.num_envs] |= set(infos["user"][infos["_user"]].tolist())
        return observations, infos

    monkeypatch.setattr(MovieLensFairnessVector, "reset", watched)
    run(quick_run("random", world, episodes=400, n_envs=2, evaluation_episodes=500, **pools), tmp_path)
    for users, pool in ((met[2], pools.get("train_pool", "train")), (met[100], pools.get("evaluation_pool", "test"))):
        assert users == set(user_pool(world.n_users, pool).tolist())
    assert not met[2] & met[100]


def test_a_pool_that_there_is_not_is_said_before_anything_is_written(world: World) -> None:
    for name in ("train_pool", "evaluation_pool"):
        with pytest.raises(InputError, match=f"{name} must be one of all, train, evaluation, test, it is 'tset'"):
            check(quick_run("random", world, **{name: "tset"}))


def test_a_folder_belongs_to_one_run(world: World, tmp_path: Path) -> None:
    run(quick_run("random", world), tmp_path)
    with pytest.raises(InputError, match="holds another run: its n_envs is 3, not 2; continue that one with"):
        run(quick_run("random", world, n_envs=2), tmp_path)
    run(quick_run("random", world, checkpoint_every=5.0), tmp_path)  # how often it is kept is not what it is


def stop_after(last: int) -> Any:
    def on_episode(number: int, episode: Episode) -> None:
        if number == last:
            raise KeyboardInterrupt

    return on_episode


@pytest.mark.parametrize("agent", ["dqn", "random", "win-stay"])
def test_evaluation_during_training_changes_no_bit_of_it_and_the_best_policy_is_evaluated(
    world: World, tmp_path: Path, agent: str
) -> None:
    plain = run(quick_run(agent, world), tmp_path / "plain")
    config = quick_run(agent, world, evaluate_every=3)
    results = run(config, tmp_path / "evaluated")
    curve = results.series("evaluation_return")
    assert len(curve) == 3  # after 3, 6 and all 8 episodes
    others = [row for row in results.measurements() if row["metric"] != "evaluation_return"]
    assert others == plain.measurements()
    checkpoints = [folder.load_checkpoint() for folder in (plain, results)]
    assert checkpoints[0] is not None
    assert checkpoints[1] is not None
    assert repr(checkpoints[0]["agent"]) == repr(checkpoints[1]["agent"])

    # The policy of the best evaluation is the one of a training that ends there.
    best = [3, 6, 8][int(np.argmax(curve))]
    ends = run(quick_run(agent, world, episodes=best), tmp_path / "ends")
    pd.testing.assert_frame_equal(results.evaluation, ends.evaluation, check_exact=True)

    for last in (2, 4, 6):
        with pytest.raises(KeyboardInterrupt):
            run(config, tmp_path / "stopped", on_episode=stop_after(last))
    stopped = run(config, tmp_path / "stopped")
    for name in ("metrics.csv", "evaluation.csv"):
        assert (stopped.path / name).read_bytes() == (results.path / name).read_bytes()
    assert repr(stopped.load_checkpoint(best=True)) == repr(results.load_checkpoint(best=True))


def test_the_policy_is_never_chosen_on_the_pool_it_is_evaluated_on(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    make = Task.manager

    def manager(self: Task, seed: int, n_envs: int = 1, pool: Pool | None = None) -> Any:
        asked.append(pool)
        return make(self, seed, n_envs, pool)

    monkeypatch.setattr(Task, "manager", manager)
    run(quick_run("random", world, evaluate_every=4), tmp_path)
    assert asked == ["train", "evaluation", "evaluation", "test"]


def test_a_run_may_have_a_budget_of_steps_and_stop_early(tmp_path: Path) -> None:
    cartpole = {"task": Task(env="CartPole-v1"), "agent": "random", "seed": 0, "evaluation_episodes": 3}
    results = run(RunConfig(episodes=None, steps=300, **cartpole), tmp_path / "steps")
    assert 250 < sum(map(len, results.series("timestep_rewards"))) <= 300
    results = run(RunConfig(episodes=150, stop_at=1.0, **cartpole), tmp_path / "stopped")
    assert len(results.series("episode_rewards")) == 100
    with pytest.raises(InputError, match="either as episodes or as steps"):
        RunConfig(steps=300, **cartpole)


def test_an_environment_without_users_leaves_what_there_is(tmp_path: Path) -> None:
    config = RunConfig(
        task=Task(env="CartPole-v1"), agent="reinforce", seed=0, episodes=5, n_envs=2, evaluation_episodes=4
    )
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path, on_episode=stop_after(2))  # CartPole tells no state: what is stopped begins anew
    results = run(config, tmp_path)
    assert list(results.evaluation.columns) == ["episode", "return", "steps"]
    assert len(results.series("episode_rewards")) == 5
    assert not {"exposure.csv", "sessions.json"} & set(results.files)
    assert results.measures is not None
    assert results.measures["return"] == results.evaluation["return"].mean()
    assert np.isnan([results.measures["violence"], results.measures["coverage"]]).all()


def test_evaluating_again_gives_the_same_and_leaves_the_run_alone(world: World, tmp_path: Path) -> None:
    for agent in ("dqn", "random", "oracle"):
        config = quick_run(agent, world, evaluate_every=4)
        results = run(config, tmp_path / agent)
        before = {name: (results.path / name).read_bytes() for name in results.files}
        again = evaluate_again(results, config)
        pd.testing.assert_frame_equal(again.evaluation, results.evaluation, check_exact=True)
        other = evaluate_again(results, config, pool="train", episodes=3, env_options={"slate_size": 2})
        assert {again.path.name, other.path.name} == {"test-7", "train-3-slate_size=2"}
        assert len(other.evaluation) == 3
        assert sum(len(step["shown"]) for step in other.sessions["sessions"][0]["steps"]) == 2 * 25
        assert {name: (results.path / name).read_bytes() for name in before} == before
    with pytest.raises(InputError, match="the policy was trained on observations of Box"):
        evaluate_again(results, config, env_options={"observe_time": True})
    with pytest.raises(InputError, match="is not finished; continue it with"):
        evaluate_again(RunFolder(tmp_path / "other"), config)
    run(quick_run("random", world), results.path, overwrite=True)
    assert "evaluations" not in results.files


def test_divergence_leaves_the_last_checkpoint(world: World, tmp_path: Path) -> None:
    config = quick_run("reinforce", world, episodes=60, hyperparameters={"hidden_layers": [8], "learning_rate": 1e37})
    with pytest.raises(DivergenceError, match="ReinforceAgent stopped at environment step"):
        run(config, tmp_path)
    kept = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(DivergenceError):
        run(config, tmp_path)  # it meets the same end again
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == kept
    assert not (tmp_path / "result.json").exists()
