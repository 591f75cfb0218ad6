"""One run: an agent trained from one seed and evaluated, in a folder from which it can be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pydeeprecsys.errors import DivergenceError, InputError
from pydeeprecsys.evaluation.oracle import OracleAgent
from pydeeprecsys.experiments.claimed_folder import NO_IDENTITY, difference
from pydeeprecsys.experiments.config import RunConfig
from pydeeprecsys.experiments.evaluate import evaluate
from pydeeprecsys.experiments.longer import BUDGET, lengthen
from pydeeprecsys.experiments.provenance import provenance
from pydeeprecsys.experiments.registry import DEFAULT_BASE, make_agent, read_base
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.rl.agents.agent import ReinforcementLearning
from pydeeprecsys.rl.agents.policy_search import PolicySearch
from pydeeprecsys.rl.callback import Callback, Callbacks
from pydeeprecsys.rl.generations import Play
from pydeeprecsys.rl.learning_statistics import LearningStatistics
from pydeeprecsys.rl.manager import Episode, Manager

OnEpisode = Callable[[int, Episode], None]
Log = Callable[[str], None]

_METRICS_EVERY = 2.0  # seconds
_EVALUATION_RETURN = "evaluation_return"  # the metric


def run(
    config: RunConfig,
    folder: str | Path,
    *,
    on_episode: OnEpisode = lambda number, episode: None,
    overwrite: bool = False,
    play: Play | None = None,
    callbacks: Sequence[Callback] = (),
) -> RunFolder:
    """Train and evaluate an agent, as far as that is not done yet, and keep the folder up to date.

    A run that was stopped, or killed at any moment, continues from its last checkpoint to the same numbers as without
    the stop, bit for bit; a finished run is left as it is, or trained for longer if it is given more episodes or steps.
    In an environment without `state_dict` there is no checkpoint before the end of training, and a stopped run starts
    anew.

    Args:
        config: the settings of the run.
        folder: of the files of the run, see `RunFolder`.
        on_episode: called after each training episode with its number and the episode; an exception from it stops the
            run, after a checkpoint.
        overwrite: remove the run that the folder holds, and begin anew.
        play: plays the candidates of a policy search, see `open_players`; by default this process does.
        callbacks: called before and during the training, after each evaluation and at the end; not if the run is done.
            An exception from `on_episode` stops the run like one from the function.

    Returns:
        The folder, to read the results from.

    Raises:
        InputError: the folder is another run's, or another process is using it, or its checkpoint is damaged; or
            it is to be overwritten and holds anything that is not of a run.
        DivergenceError: a loss or a reward is no longer finite; the last checkpoint stays.
    """
    results = RunFolder(folder)
    with results.claimed(overwrite=overwrite) as log:
        made = {"provenance": provenance(config.task.world)}
        results.begin(config.as_json() | made, on_change=partial(lengthen, results, config))
        if not RunFolder(folder).result:  # which must be readable
            part = _Run(config, results, log, play=play, callbacks=callbacks)
            with closing(part.metrics), part.calls.running(config.as_json()):
                part.finish(on_episode)
    return results


def why_failed(error: Exception, folder: Path) -> str:
    """Why a run among others failed, in one line."""
    if isinstance(error, DivergenceError | InputError):
        return str(error)
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{text}; 'pydeeprecsys resume {folder}' shows where"


def check(config: RunConfig) -> None:
    """Take the first training step, before anything is written.

    Raises:
        InputError: an invalid option of environment or agent, or the agent cannot learn in the environment.
    """
    config.task.manager(0, 1, config.evaluation_pool)
    manager = config.training_manager()
    agent = _made(config, manager)
    if config.episodes != 0:
        with suppress(DivergenceError):  # a result of the run, not an invalid option
            manager.train(agent, max_episodes=None, max_steps=1, should_print=False)


def _made(config: RunConfig, manager: Manager, statistics: LearningStatistics | None = None) -> ReinforcementLearning:
    agent = make_agent(config.agent, manager, config.seed, statistics=statistics, **config.hyperparameters)
    if config.evaluate_every is not None and not agent.can_resume:
        raise InputError(f"the agent {config.agent!r} has no state_dict, so evaluate_every cannot keep its best policy")
    return agent


class _Run:
    """A run in progress: the agent, its environments and its statistics, whose state a checkpoint holds."""

    def __init__(
        self, config: RunConfig, folder: RunFolder, log: Log, *, play: Play | None, callbacks: Sequence[Callback]
    ) -> None:
        log(f"{config.agent}, seed {config.seed}: started")
        self.config, self.folder, self.log, self.play = config, folder, log, play
        self.manager = config.training_manager()
        self.statistics = LearningStatistics(config.agent, config.task.env)
        self.agent = _made(config, self.manager, self.statistics)
        self.can_resume = self.manager.can_resume and self.agent.can_resume
        if not self.can_resume:
            log("agent or environment has no state_dict: no checkpoints are kept, and a stopped run begins anew")
        self.seconds = 0.0
        self.trained = config.episodes == 0
        self._budget = [getattr(config, name) for name in BUDGET]
        settings = config.as_json().items()
        self._settings = {name: value for name, value in settings if name not in {*BUDGET, *NO_IDENTITY}}
        self.metrics = folder.open_metrics(self.statistics)
        if (state := folder.load_checkpoint()) is not None:
            self.load_state_dict(state)
        self.calls = Callbacks(callbacks, self.statistics)

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run depends on; the metrics are written first, for it says how far they were."""
        return {
            "settings": self._settings,
            "metrics": self.metrics.append(),
            "seconds": self.seconds,
            "trained": self._budget if self.trained else None,
            "agent": self.agent.state_dict(),
            "manager": self.manager.state_dict() if self.manager.can_resume else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            InputError: it is the state of another run, or not of a run, or the metrics are not those of that time.
        """
        if state.keys() != {"settings", "metrics", "seconds", "trained", "agent", "manager"}:
            raise InputError(
                f"the checkpoint in {self.folder.path} is not of a run of this version; resume with the release that "
                "wrote it, or delete it to begin anew"
            )
        if found := difference(state["settings"], self._settings):
            raise InputError(f"the checkpoint in {self.folder.path} is of another run: its {found}")
        self.agent.load_state_dict(state["agent"])
        self.metrics.read_back(state["metrics"])
        self.seconds, self.trained = state["seconds"], state["trained"] == self._budget
        if not self.trained:
            self.manager.load_state_dict(state["manager"])

    def finish(self, on_episode: OnEpisode) -> None:
        """Train, if that is not done yet, and evaluate."""
        config, folder = self.config, self.folder
        try:
            if not self.trained:
                self._train(on_episode)
            updates, note = self.agent.updates, self._note()
            if config.evaluate_every is not None and (best := folder.load_checkpoint(best=True)) is not None:
                self.agent.load_state_dict(best)
        finally:
            self.metrics.append()
            if hasattr(self.agent, "save"):
                self.agent.save(folder.agent_file)
        if isinstance(self.agent, PolicySearch) and self.agent.parameters:
            base, options = read_base(config.hyperparameters.get("base", DEFAULT_BASE))
            folder.write_parameters(base, options | self.agent.parameters)
        manager = config.evaluation_manager()
        evaluation = evaluate(policy_in(config, self.agent, manager), manager, config.evaluation_episodes)
        folder.write_evaluation(evaluation)
        mean_return = float(evaluation.episodes["return"].mean())
        if note:
            self.log(note)
        folder.finish({"seconds": self.seconds, "mean_return": mean_return, "updates": updates, "note": note})
        self.log(f"evaluated in {config.evaluation_episodes} episodes: mean return {mean_return:.3f}")
        self.metrics.add_final(folder.measures or {})
        self.calls.on_evaluation(len(self._returns()), folder.measures or {}, final=True)

    def _train(self, on_episode: OnEpisode) -> None:
        config, log = self.config, self.log
        if done := len(self._returns()):
            log(f"resumed after {done} episodes")
        begun = time.monotonic() - self.seconds
        kept = written = time.monotonic()

        def after_episode(number: int, episode: Episode) -> None:
            nonlocal begun, kept, written
            self.seconds = time.monotonic() - begun
            if config.evaluate_every is not None and (number + 1) % config.evaluate_every == 0:
                self._evaluate_policy()
            now = time.monotonic()
            begun = now - self.seconds  # evaluations are no time of training
            if now - kept >= config.checkpoint_every and self.can_resume:
                self.folder.save_checkpoint(self.state_dict())
                kept = written = now
                log(f"checkpoint after {number + 1} episodes")
            elif now - written >= _METRICS_EVERY:
                self.metrics.append()
                written = now
            try:
                self.calls.on_episode(number, episode)
                on_episode(number, episode)
            except BaseException:
                if self.can_resume:
                    self.folder.save_checkpoint(self.state_dict())
                log(f"stopped after {number + 1} episodes")
                raise

        try:
            self.manager.train(
                self.agent,
                self.statistics,
                max_episodes=config.episodes,
                max_steps=config.steps,
                should_print=False,
                on_episode=after_episode,
                on_step=self.calls.on_step,
                play=self.play,
            )
        except DivergenceError as error:
            log(str(error))
            raise
        self.seconds = time.monotonic() - begun
        if config.evaluate_every is not None and len(self._returns()) % config.evaluate_every:
            self._evaluate_policy()
        self.trained = True
        if self.agent.can_resume:
            self.folder.save_checkpoint(self.state_dict())
        log(f"trained for {self.seconds:.1f} s")

    def _returns(self) -> Sequence[float]:
        returns = self.statistics.episode_rewards
        return [] if returns is None else returns.tolist()

    def _evaluate_policy(self) -> None:
        """Measure the policy as it is now, and keep it if none before was better."""
        before = self.statistics.get_metrics(_EVALUATION_RETURN)
        manager = self.config.selection_manager()
        outputs = manager.execute_episodes(policy_in(self.config, self.agent, manager), self.config.evaluation_episodes)
        mean_return = float(np.mean([output.reward_sum for output in outputs]))
        self.statistics.append_metric(_EVALUATION_RETURN, mean_return)
        if before is None or mean_return > before.max():
            self.folder.save_checkpoint(self.agent.state_dict(), best=True)
        self.calls.on_evaluation(len(self._returns()), {"return": mean_return}, final=False)

    def _note(self) -> str:
        """Why an agent that learns never updated, or what it did not reach, in one line; empty for all others."""
        if self.agent.updates != 0:
            return self.agent.note
        episodes = self.statistics.get_metrics("timestep_rewards")
        lengths = [] if episodes is None else list(map(len, episodes))
        done = f"{self.config.agent} never updated in {len(lengths)} episodes ({sum(lengths)} steps)"
        if not self.agent.first_update:
            return f"{done}; train for more episodes"
        return f"{done}: the first update waits for {self.agent.first_update}; train for more episodes or lower that"


def policy_in(config: RunConfig, agent: ReinforcementLearning, manager: Manager) -> ReinforcementLearning:
    """The agent as it is evaluated: the oracle reads the users of an environment, so it has to be that one's."""
    if isinstance(agent, OracleAgent):
        return make_agent(config.agent, manager, config.seed, **config.hyperparameters)
    return agent
