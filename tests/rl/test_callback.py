"""Callbacks of `Manager.train`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pydeeprecsys.rl.agents.agent import RandomAgent
from pydeeprecsys.rl.agents.reinforce import ReinforceAgent
from pydeeprecsys.rl.callback import Callback
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import CartpoleManager, Episode, Manager
from pydeeprecsys.rl.rollout import Step


class Diary(Callback):
    """Writes down what it is called with."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def on_begin(self, settings: Mapping[str, Any]) -> None:
        self.lines.append(("begin", dict(settings)))

    def on_step(self, step: Step) -> None:
        self.lines.append(("step", step.timestep))

    def on_episode(self, number: int, episode: Episode, metrics: Mapping[str, float]) -> None:
        self.lines.append(("episode", number, len(episode.rewards), dict(metrics)))

    def on_end(self, error: BaseException | None) -> None:
        self.lines.append(("end", error))


def train(manager: Manager, *callbacks: Callback, **arguments: Any) -> None:
    agent = RandomAgent(manager.env.action_space, random_state=1)
    manager.train(agent, max_episodes=2, should_print=False, callbacks=callbacks, **arguments)


def test_it_is_called_before_and_at_each_step_and_episode_and_at_the_end() -> None:
    diary = Diary()
    train(CartpoleManager(seed=7), diary)
    lengths = [line[2] for line in diary.lines if line[0] == "episode"]
    steps = [("step", timestep) for length in lengths for timestep in range(1, length + 1)]
    first, second = (float(length) for length in lengths)
    expected: list[Any] = [
        ("begin", {"agent": "RandomAgent", "env": "CartPole-v1", "seed": 7}),
        *steps[: lengths[0]],
        ("episode", 0, lengths[0], {"episode_rewards": first, "moving_rewards": first}),
        *steps[lengths[0] :],
        ("episode", 1, lengths[1], {"episode_rewards": second, "moving_rewards": (first + second) / 2}),
        ("end", None),
    ]
    assert diary.lines == expected


def test_it_changes_nothing_and_stands_beside_functions_and_statistics() -> None:
    lengths: list[int] = []
    timesteps: list[int] = []
    statistics, plain = LearningStatistics(), LearningStatistics()
    train(
        CartpoleManager(seed=3),
        Callback(),
        statistics=statistics,
        on_episode=lambda number, episode: lengths.append(len(episode.rewards)),
        on_step=lambda step: timesteps.append(step.timestep),
    )
    train(CartpoleManager(seed=3), statistics=plain)
    assert statistics.collected_metrics == plain.collected_metrics
    assert timesteps == [timestep for length in lengths for timestep in range(1, length + 1)]


def test_metrics_are_means_since_the_last_episode() -> None:
    manager, statistics, diary = CartpoleManager(seed=0), LearningStatistics(), Diary()
    agent = ReinforceAgent(2, 4, hidden_layers=[4])
    agent.statistics = statistics
    manager.train(agent, statistics, 3, False, callbacks=[diary])
    told = [line[3] for line in diary.lines if line[0] == "episode"]
    assert [metrics["loss"] for metrics in told] == statistics.get_metrics("loss").tolist()  # type: ignore[union-attr]
    statistics.episode = 2
    statistics.append_metric("epsilon_values", 1.0)
    statistics.append_metric("epsilon_values", 0.5)

    class Late(Callback):
        def on_episode(self, number: int, episode: Episode, metrics: Mapping[str, float]) -> None:
            assert "epsilon_values" not in metrics  # recorded before this training
            statistics.append_metric("mine", 1.0)
            statistics.append_metric("mine", 2.0)
            assert metrics.get("mine", 1.5) == 1.5

    manager.train(agent, statistics, 2, False, callbacks=[Late()])


@pytest.mark.parametrize("method", ["on_begin", "on_step", "on_episode"])
def test_an_exception_ends_the_training_and_is_given_to_all_that_had_begun(method: str) -> None:
    class Failing(Callback):
        ended: BaseException | None = None

        def on_end(self, error: BaseException | None) -> None:
            self.ended = error
            raise RuntimeError("also at the end")

    def fail(*arguments: Any) -> None:
        raise KeyError("no room")

    class Told(Failing):
        pass

    setattr(Told, method, fail)
    diary, failing = Diary(), Told()
    with pytest.raises(KeyError if method == "on_begin" else RuntimeError):
        train(CartpoleManager(seed=0), diary, failing)
    kind, error = diary.lines[-1]
    assert kind == "end"
    assert isinstance(error, KeyError if method == "on_begin" else RuntimeError)
    assert (failing.ended is None) == (method == "on_begin")


def test_without_a_callback_of_steps_the_loop_calls_nothing_at_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    rollout = Manager._rollout

    def watched(self: Manager, *arguments: Any, **options: Any) -> Any:
        given.append(options["on_step"])
        return rollout(self, *arguments, **options)

    monkeypatch.setattr(Manager, "_rollout", watched)

    class OfEpisodes(Callback):
        def on_episode(self, number: int, episode: Episode, metrics: Mapping[str, float]) -> None:
            assert np.isfinite(metrics["episode_rewards"])

    train(CartpoleManager(seed=0), OfEpisodes())
    train(CartpoleManager(seed=0))
    assert given == [None, None]
