import json
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
from pydeeprecsys.experiments.run import carry_out, check
from pydeeprecsys.rl.manager import Episode
from pydeeprecsys.simulation.movielens.simulator import Pool, user_pool


def test_a_run_leaves_what_it_did(world: World, tmp_path: Path) -> None:
    run = carry_out(quick_run("reinforce", slate_size=2), world, tmp_path)
    metrics = pd.read_csv(tmp_path / "metrics.csv")
    assert metrics["measurement"].map(json.loads).tolist() == [
        row["measurement"] for row in run.statistics.collected_metrics
    ]
    events = EventAccumulator(str(tmp_path)).Reload()
    returns = run.statistics.episode_rewards
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
    run = carry_out(quick_run(agent, options=options), world, tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    assert run.updates == result["updates"] == 0
    assert run.note == result["note"]
    # 8 sessions of 10 slates of 5.
    assert run.note.startswith(f"{agent} never updated in 8 episodes (80 steps): the first update waits for {waits}")
    assert run.note.endswith("; train for more episodes or lower that")
    assert run.note in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize("agent", [*QUICK, "linucb", "thompson"])
def test_updates_are_told_of_agents_that_learned_and_outlast_a_stop(world: World, tmp_path: Path, agent: str) -> None:
    def stop(number: int, episode: Episode) -> None:
        if number == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(quick_run(agent), world, tmp_path / "stopped", on_episode=stop)
    whole, stopped = (carry_out(quick_run(agent), world, tmp_path / name) for name in ("whole", "stopped"))
    assert whole.updates == stopped.updates
    assert whole.updates
    assert not whole.note


def test_nothing_is_said_of_updates_where_there_is_nothing_to_learn(world: World, tmp_path: Path) -> None:
    run = carry_out(quick_run("random"), world, tmp_path)
    assert run.updates is None
    assert not run.note


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
    carry_out(quick_run("random", episodes=400, n_envs=2, evaluation_episodes=500, **pools), world, tmp_path)
    for users, pool in ((met[2], pools.get("train_pool", "train")), (met[100], pools.get("evaluation_pool", "test"))):
        assert users == set(user_pool(world.n_users, pool).tolist())
    assert not met[2] & met[100]


def test_a_pool_of_the_world_is_refused() -> None:
    with pytest.raises(InputError, match="hold a pool; give train_pool and evaluation_pool"):
        quick_run("random", world_options={"pool": "test"})


def test_a_pool_that_there_is_not_is_said_before_anything_is_written(world: World) -> None:
    for name in ("train_pool", "evaluation_pool"):
        with pytest.raises(InputError, match=f"{name} must be one of all, train, evaluation, test, it is 'tset'"):
            check(quick_run("random", **{name: "tset"}), world)


def test_a_folder_belongs_to_one_run(world: World, tmp_path: Path) -> None:
    carry_out(quick_run("random"), world, tmp_path)
    with pytest.raises(InputError, match="holds another run: its n_envs is 3, not 2; go on with that one by"):
        carry_out(quick_run("random", n_envs=2), world, tmp_path)
    carry_out(quick_run("random", checkpoint_every=5.0), world, tmp_path)  # how often it is kept is not what it is


def test_divergence_leaves_the_last_checkpoint(world: World, tmp_path: Path) -> None:
    config = quick_run("reinforce", episodes=60, options={"hidden_layers": [8], "learning_rate": 1e37})
    with pytest.raises(DivergenceError, match="ReinforceAgent stopped at environment step"):
        carry_out(config, world, tmp_path)
    kept = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(DivergenceError):
        carry_out(config, world, tmp_path)  # it meets the same end again
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == kept
    assert not (tmp_path / "result.json").exists()
