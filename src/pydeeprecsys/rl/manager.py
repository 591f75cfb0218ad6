"""Managers: train and evaluate agents in an environment."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from inspect import signature
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from pydeeprecsys.envs.adapted import Adapted, adapted
from pydeeprecsys.envs.batch_of_one import BatchOfOne
from pydeeprecsys.errors import InputError
from pydeeprecsys.extras import naming_extras
from pydeeprecsys.notebook import table
from pydeeprecsys.progress import Line
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.policy_search import PolicySearch
from pydeeprecsys.rl.callback import Callback, Callbacks, together
from pydeeprecsys.rl.generations import Candidate, GenerationLoop, Play, Played
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.rollout import Episode, EpisodeLoop, EpisodeOutput, OnStep, Step

__all__ = [
    "CartpoleManager",
    "Episode",
    "EpisodeOutput",
    "HighwayManager",
    "LunarLanderManager",
    "Manager",
    "MovieLensFairnessManager",
]

MOVING_AVERAGE = 100
"""Over how many of the last episodes the moving average of the return goes."""


class Manager:
    """Trains and evaluates agents on an environment.

    Args:
        env_name: name of a registered environment; exactly one of `env_name` and `env` is given.
        seed: of the environment's random streams; environment i of a batch has seed + i.
        env: an environment made already.
        max_episode_steps: where episodes are cut off; the environment's own limit if it names a lower one.
        reward_threshold: mean return of the last 100 episodes, not of fewer, at which training stops; that of the
            environment by default, if it names one.
        n_envs: how many environments run side by side; needs `env_name`.
        **kwargs: options of the environment.

    Attributes:
        env: the environment, or one like the many.
        batch: what the loop steps: `env` alone, or `n_envs` like it.
    """

    def __init__(
        self,
        env_name: str | None = None,
        seed: int | None = None,
        env: gym.Env[Any, Any] | None = None,
        max_episode_steps: float = math.inf,
        reward_threshold: float = math.inf,
        n_envs: int = 1,
        **kwargs: Any,
    ) -> None:
        if (env_name is None) == (env is None):
            raise ValueError("Must specify exactly one of [env_name, env]")
        if not isinstance(n_envs, int | np.integer) or n_envs < 1 or (n_envs > 1 and env_name is None):
            raise InputError(f"n_envs is {n_envs}; give an integer, at least 1, and an env_name for more than 1")
        if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
            raise InputError(f"the seed is {seed!r}; give an integer, at least 0")
        self.env = adapted(gym.make(env_name, **kwargs) if env_name is not None else env)
        self.env_name = env_name
        spec = self.env.spec
        own_limit = getattr(self.env.unwrapped, "max_episode_steps", None)
        limit = (spec and spec.max_episode_steps) or own_limit or math.inf
        if math.inf > max_episode_steps > limit:
            raise InputError(f"max_episode_steps={max_episode_steps:g} is without effect: episodes end after {limit:g}")
        self.max_episode_steps = min(limit, max_episode_steps)
        self.reward_threshold = reward_threshold
        if spec and spec.reward_threshold and reward_threshold == math.inf:
            self.reward_threshold = spec.reward_threshold
        self.slate_size: int = getattr(self.env.unwrapped, "slate_size", 1)
        self.batch = self._batch(n_envs, kwargs)
        self._training: EpisodeLoop | GenerationLoop | None = None
        self._last_returns: deque[float] = deque(maxlen=MOVING_AVERAGE)
        self._resumed: dict[str, Any] | None = None
        self.setup_reproducibility(seed)

    def _batch(self, n_envs: int, options: dict[str, Any]) -> VectorEnv[Any, Any, Any]:
        # Without autoreset the loop sees the true last observation, and nothing is begun that nobody asked for.
        mode = AutoresetMode.DISABLED
        if n_envs == 1:
            return BatchOfOne(self.env)
        assert self.env_name is not None
        if self.env.spec is not None and str(self.env.spec.vector_entry_point).startswith("pydeeprecsys."):
            return gym.make_vec(
                self.env_name, n_envs, vectorization_mode="vector_entry_point", autoreset_mode=mode, **options
            )
        return gym.make_vec(
            self.env_name,
            n_envs,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": mode},
            wrappers=[Adapted],
            **options,
        )

    def setup_reproducibility(self, seed: int | None = None) -> np.random.Generator:
        """Seed the environments at their next reset, 0 included, and give a generator of the same seed.

        Agents bring their own `random_state`: no generator is shared and none is global.
        """
        self._seed = self._next_seed = seed
        return np.random.default_rng(seed)

    def print_overview(self) -> None:
        """Print the most important facts of the environment."""
        print(f"Reward threshold: {self.reward_threshold}")
        print(f"Reward signal range: {getattr(self.env.unwrapped, 'reward_range', (-math.inf, math.inf))}")
        print(f"Maximum episode steps: {self.max_episode_steps}")
        print(f"Action space: {self.env.action_space}")
        print(f"Observation space: {self.env.observation_space}")

    def _repr_html_(self) -> str:
        """The environment and how it is stepped, for notebooks."""
        facts = {
            "environments": self.batch.num_envs,
            "actions": self.env.action_space,
            "observations": self.env.observation_space,
            "slate size": self.slate_size,
            "longest episode, in steps": self.max_episode_steps,
            "reward threshold": self.reward_threshold,
        }
        return table(f"Manager of {self.env_name or self.env.unwrapped}", facts)

    def train(
        self,
        rl: ReinforcementLearning,
        statistics: LearningStatistics | None = None,
        max_episodes: int | None = 50,
        should_print: bool = True,
        on_episode: Callable[[int, Episode], None] | None = None,
        max_steps: int | None = None,
        on_step: OnStep | None = None,
        play: Play | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Let an agent act and learn.

        After `load_state_dict` it continues where `state_dict` was called, in `on_episode` for example; the limits
        include the episodes and steps before.

        Args:
            rl: the agent; for slates it is asked for its top k, and learns from the item that the user chose.
            statistics: receives `episode_rewards`, `timestep_rewards`, `moving_rewards` (mean of the last 100 episodes,
                of all if there are fewer), the mean of each of the environment's `metadata["measures"]` in `info` and,
                with slates of several items, `timestep_<name>` for each of its `metadata["series"]`.
            max_episodes: number of episodes, over all environments together, in the order in which they end; None for
                no limit.
            should_print: keep one line of progress on screen, with a bar in a notebook; in a log one per half minute.
            on_episode: called after each episode with its number from 0.
            max_steps: how many environment steps, over all environments together; episodes that are not over by then
                do not count. No limit when not given.
            on_step: called after each step.
            play: plays the candidates of a policy search, and no other agent; by default these environments do.
            callbacks: called before the training, after each step and episode, and at the end.

        Raises:
            DivergenceError: a loss or a reward is NaN or infinite; the agent keeps its last finite parameters.
        """
        if callbacks:
            statistics = LearningStatistics() if statistics is None else statistics
            calls = Callbacks(callbacks, statistics)
            env = self.env.spec.id if self.env.spec else type(self.env.unwrapped).__name__
            with calls.running({"agent": type(rl).__name__, "env": env, "seed": self._seed}):
                self.train(
                    rl,
                    statistics,
                    max_episodes,
                    should_print,
                    on_episode=together(calls.on_episode, on_episode),
                    max_steps=max_steps,
                    on_step=together(calls.on_step, on_step),
                    play=play,
                )
            return
        limit = math.inf if max_steps is None else max_steps
        most = math.inf if max_episodes is None else max_episodes
        line = Line(most, is_shown=should_print)
        episodes: EpisodeLoop | GenerationLoop
        if isinstance(rl, PolicySearch):
            play = play or partial(self.play, rl, on_step=on_step)
            episodes = GenerationLoop(
                rl, play, seed=self._seed, statistics=statistics, max_episodes=most, max_steps=limit
            )
        else:
            episodes = self._rollout(rl, training=True, max_steps=limit, statistics=statistics, on_step=on_step)
        self._training = episodes
        last: deque[float] = deque(maxlen=MOVING_AVERAGE)
        if self._resumed is not None:
            episodes.load_state_dict(self._resumed["rollout"])
            last.extend(self._resumed["last_returns"])
            self._resumed = None
        self._last_returns = last
        while episodes.episodes < most and not self._is_solved(last):
            number = episodes.episodes
            episode = next(episodes, None)
            if episode is None:
                break
            timesteps, reward_sum = episode.output
            last.append(reward_sum)
            moving_average = math.fsum(last) / len(last)
            if statistics is not None:
                statistics.episode, statistics.timestep = number, timesteps
                statistics.append_metric("episode_rewards", reward_sum)
                statistics.append_metric("timestep_rewards", episode.rewards)
                for name, values in episode.series.items():
                    statistics.append_metric(f"timestep_{name}", values)
                statistics.append_metric("moving_rewards", moving_average)
                for name, mean in episode.measures.items():
                    if not math.isnan(mean):  # what is not known is not recorded
                        statistics.append_metric(name, mean)
            line.update(f"Episode {number} Mean Rewards {moving_average:.2f} Last Reward {reward_sum:.2f}", number + 1)
            if on_episode is not None:
                on_episode(number, episode)
        line.end("Reward threshold reached" if self._is_solved(last) else "")

    def _is_solved(self, returns: Collection[float]) -> bool:
        """Whether the mean of the last episodes has reached the threshold."""
        return len(returns) == MOVING_AVERAGE and math.fsum(returns) / MOVING_AVERAGE >= self.reward_threshold

    def execute_episodes(
        self,
        rl: ReinforcementLearning,
        n_episodes: int = 1,
        should_render: bool = False,
        should_print: bool = False,
        on_episode: Callable[[int, Episode], None] | None = None,
        on_step: OnStep | None = None,
    ) -> list[EpisodeOutput]:
        """Let an agent act without exploring or learning; afterwards it is what it was before.

        Args:
            rl: the agent.
            n_episodes: number of episodes over all environments, the first ones of each: among those that end first
                overall, too many are short.
            should_render: render `env` after each step, and print what comes as text; needs `n_envs=1`.
            should_print: print each step.
            on_episode: called after each episode with its number from 0.
            on_step: called after each step, also in sessions that are not counted.
        """
        if should_render and self.batch.num_envs > 1:
            raise InputError("only a single environment can be rendered; make the manager with n_envs=1")

        def watch(step: Step) -> None:
            if on_step is not None:
                on_step(step)
            if should_print:
                print(f"t={step.timestep} a={step.actions} r={step.rewards} s={step.observations}")
            if should_render and isinstance(text := self.env.render(), str):
                print(text)

        outputs: list[EpisodeOutput] = []
        # Agents may give their own arrays.
        before = deepcopy(rl.state_dict()) if rl.evaluation_changes_state else None
        try:
            for episode in self._first(n_episodes, self._rollout(rl, training=False, on_step=watch)):
                if on_episode is not None:
                    on_episode(len(outputs), episode)
                outputs.append(episode.output)
        finally:
            if before is not None:
                rl.load_state_dict(before)
        return outputs

    def play(
        self, rl: PolicySearch, candidates: Iterable[Candidate], on_step: OnStep | None = None
    ) -> Iterator[Played]:
        """Play the sessions of candidates of a policy search, without exploring or learning, see `GenerationLoop`."""
        for parameters, seed, n_episodes, max_steps in candidates:
            self._next_seed, policy = seed, rl.base.with_parameters(parameters)
            episodes = self._rollout(policy, training=False, max_steps=max_steps, series=True, on_step=on_step)
            yield Played(list(self._first(n_episodes, episodes)), episodes.steps)

    def _first(self, n_episodes: int, episodes: EpisodeLoop) -> Iterator[Episode]:
        """The first episodes of each environment: among those that end first overall, too many are short."""
        n_envs = self.batch.num_envs
        wanted = [n_episodes // n_envs + (i < n_episodes % n_envs) for i in range(n_envs)]
        while any(wanted) and (episode := next(episodes, None)) is not None:
            if wanted[episode.environment]:
                wanted[episode.environment] -= 1
                yield episode

    def _rollout(
        self,
        rl: ReinforcementLearning,
        training: bool,
        max_steps: float = math.inf,
        series: bool | None = None,
        statistics: LearningStatistics | None = None,
        on_step: OnStep | None = None,
    ) -> EpisodeLoop:
        seed, self._next_seed = self._next_seed, None
        series = training if series is None else series
        return EpisodeLoop(
            rl,
            self.batch,
            training=training,
            slate_size=self.slate_size,
            measures=self.env.unwrapped.metadata.get("measures", ()),
            series=self.env.unwrapped.metadata.get("series", ()) if series and self.slate_size > 1 else (),
            seed=seed,
            max_episode_steps=self.max_episode_steps,
            max_steps=max_steps,
            statistics=statistics,
            on_step=on_step,
        )

    @property
    def can_resume(self) -> bool:
        """Whether the environments have a `state_dict`, without which a training cannot be resumed."""
        return hasattr(self.batch.unwrapped, "state_dict")

    def state_dict(self) -> dict[str, Any]:
        """State of the training between two episodes, without agent and statistics.

        Raises:
            InputError: nothing was trained yet, or the environments have no `state_dict`.
        """
        if self._training is None:
            raise InputError("there is no training whose state could be kept; call train first")
        return {"rollout": self._training.state_dict(), "last_returns": list(self._last_returns)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next `train` continue from where `state_dict` was taken."""
        self._resumed = state

    def hyperparameter_search(
        self,
        agent: Callable[..., ReinforcementLearning],
        params: dict[str, list[Any]],
        default_params: dict[str, Any],
        episodes: int = 100,
        runs_per_combination: int = 3,
        verbose: bool = True,
    ) -> dict[str, list[float]]:
        """Train a fresh agent for every combination of parameters and every run.

        Args:
            agent: the class of the agent, or what makes one.
            params: the values to try, by name.
            default_params: what every agent gets besides.
            episodes: for each training.
            runs_per_combination: trainings; run i has seed i, and so has its agent where it takes a `random_state`.
            verbose: as `should_print` of `train`.

        Returns:
            For each combination, "name=value, ...", the last moving average of the return of each run.
        """
        line = Line(is_shown=verbose)
        results: dict[str, list[float]] = {}
        seeded = "random_state" in signature(agent).parameters and "random_state" not in default_params
        for values in itertools.product(*params.values()):
            combination = dict(zip(params, values, strict=True))
            key = ", ".join(f"{name}={value}" for name, value in combination.items())
            results[key] = []
            for run in range(runs_per_combination):
                options = default_params | ({"random_state": run} if seeded else {}) | combination
                self.setup_reproducibility(run)
                statistics = LearningStatistics()
                self.train(agent(**options), statistics, episodes, should_print=False)
                moving_rewards = statistics.moving_rewards
                assert moving_rewards is not None
                results[key].append(float(moving_rewards.iloc[-1]))
                line.update(f"Tested combination {key} round {run} result was {results[key][-1]:.2f}")
        line.end()
        return results


class MovieLensFairnessManager(Manager):
    """A manager of `MovieLensFairness-v0`, or of v1.

    Args:
        seed: of the users' random streams.
        slate_size: items shown at a time.
        n_envs: how many users at once.
        version: 0, the world of the notebook, or 1, the more faithful one: see docs/worlds.md.
        **options: the simulated world, see `pydeeprecsys.envs.options.WorldOptions`.

    Raises:
        InputError: an unknown version, or an invalid option.
    """

    def __init__(
        self, seed: int | None = None, slate_size: int = 1, n_envs: int = 1, version: int = 0, **options: Any
    ) -> None:
        if version not in (0, 1):
            raise InputError(f"there is no version {version} of MovieLensFairness; give 0 or 1")
        super().__init__(f"MovieLensFairness-v{version}", seed, n_envs=n_envs, slate_size=slate_size, **options)


class CartpoleManager(Manager):
    """A manager of `CartPole-v1`.

    Args:
        seed: of the first states.
        n_envs: how many environments at once.
    """

    def __init__(self, seed: int | None = None, n_envs: int = 1) -> None:
        super().__init__("CartPole-v1", seed, n_envs=n_envs)


class LunarLanderManager(Manager):
    """A manager of `LunarLander-v3`; needs the extra `pydeeprecsys[envs]`.

    Args:
        seed: of the first states and the terrain.
        n_envs: how many environments at once.
    """

    def __init__(self, seed: int | None = None, n_envs: int = 1) -> None:
        with naming_extras():
            super().__init__("LunarLander-v3", seed, n_envs=n_envs)


class HighwayManager(Manager):
    """A manager of `highway-v0`; needs the extra `pydeeprecsys[envs]`.

    Args:
        seed: of the traffic.
        vehicles: how many there are on the road.
        n_envs: how many roads at once.
    """

    def __init__(self, seed: int | None = None, vehicles: int = 50, n_envs: int = 1) -> None:
        with naming_extras():
            import highway_env  # noqa: F401 - registers the environment
        super().__init__("highway-v0", seed, n_envs=n_envs, config={"vehicles_count": vehicles})
        self.max_episode_steps = self.env.unwrapped.config["duration"]  # type: ignore[attr-defined]
