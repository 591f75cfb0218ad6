"""The founding document: its names, its constructors, and its experiments, with Gymnasium's names."""

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from torch import nn

NAMES = {
    "pydeeprecsys.movielens_fairness_env": "MovieLensFairness",
    "pydeeprecsys.rl.manager": "Manager MovieLensFairnessManager CartpoleManager LunarLanderManager HighwayManager "
    "EpisodeOutput",
    "pydeeprecsys.rl.learning_statistics": "LearningStatistics",
    "pydeeprecsys.rl.agents.agent": "ReinforcementLearning RandomAgent",
    "pydeeprecsys.rl.agents.epsilon_greedy": "DecayingEpsilonGreedy",
    "pydeeprecsys.rl.agents.dqn": "DQNAgent",
    "pydeeprecsys.rl.agents.reinforce": "ReinforceAgent",
    "pydeeprecsys.rl.agents.actor_critic": "ActorCriticAgent",
    "pydeeprecsys.rl.agents.soft_actor_critic": "SoftActorCritic",
    "pydeeprecsys.rl.agents.rainbow": "RainbowDQNAgent",
    "pydeeprecsys.rl.experience_replay.buffer_parameters": "ExperienceReplayBufferParameters PERBufferParameters",
    "pydeeprecsys.rl.experience_replay.experience_buffer": "ExperienceBuffer ExperienceReplayBuffer",
    "pydeeprecsys.rl.experience_replay.priority_replay_buffer": "PrioritizedExperienceReplayBuffer",
    "pydeeprecsys.rl.neural_networks.base_network": "BaseNetwork sequential_architecture",
    "pydeeprecsys.rl.neural_networks.noisy_layer": "NoisyLayer",
    "pydeeprecsys.rl.neural_networks.policy_estimator": "PolicyEstimator",
    "pydeeprecsys.rl.neural_networks.deep_q_network": "DeepQNetwork",
    "pydeeprecsys.rl.neural_networks.dueling": "DuelingDDQN",
    "pydeeprecsys.rl.neural_networks.q_value_estimator": "QValueEstimator TwinnedQValueEstimator",
    "pydeeprecsys.rl.neural_networks.value_estimator": "ValueEstimator",
    "pydeeprecsys.rl.neural_networks.gaussian_actor": "GaussianActor",
}

# Names in their order, with the defaults it states; of the others it says only that they exist.
CONSTRUCTORS = {
    "RandomAgent": "action_space, random_state=42",
    "DecayingEpsilonGreedy": "initial_exploration_probability=0.2, decay_rate=1, minimum_exploration_probability=0.01, "
    "random_state",
    "DQNAgent": "input_size, output_size, hidden_layers, network_update_frequency=3, "
    "initial_exploration_probability=1.0, decay_rate=0.99, minimum_exploration_probability=0.05, buffer_size=10000, "
    "buffer_burn_in=1000, batch_size=32, discount_factor=0.99, learning_rate, random_state",
    "ReinforceAgent": "n_actions, state_size, hidden_layers=None, discount_factor=0.99, learning_rate=1e-3",
    "ActorCriticAgent": "n_actions, state_size, discount_factor=0.99, actor_hidden_layers=None, "
    "critic_hidden_layers=None, actor_learning_rate=1e-3, critic_learning_rate=1e-3",
    "SoftActorCritic": "action_space, state_size, timesteps_to_start_predicting=256, learning_rate=1e-4, "
    "soft_target_update_rate=0.005, entropy_coefficient=0.2, target_update_interval=2, discount_factor=0.99, "
    "buffer_parameters, per_parameters",
    "RainbowDQNAgent": "input_size, output_size, network_update_frequency=5, network_sync_frequency=200, "
    "priority_importance=0.6, priority_weight_growth=0.001, buffer_size=10000, buffer_burn_in=1000, batch_size=32, "
    "noise_sigma=0.017, discount_factor=0.99, learning_rate=1e-4, hidden_layers=None, random_state, statistics=None",
    "ExperienceReplayBufferParameters": "max_experiences=50, minimum_experiences_to_start_predicting=32, "
    "batch_size=32, random_state",
    "PERBufferParameters": "beta=0.01, beta_growth=0.001, alpha=0.6, epsilon=0.01",
    "NoisyLayer": "in_features, out_features, bias=True, sigma=0.017",
    "MovieLensFairness": "slate_size=1, seed=None",
    "Manager": "env_name=None, seed=None, env=None, max_episode_steps=float('inf'), reward_threshold=float('inf')",
    "MovieLensFairnessManager": "seed=None, slate_size=1",
    "CartpoleManager": "seed=None",
    "LunarLanderManager": "seed=None",
    "HighwayManager": "seed=None, vehicles=50",
    "LearningStatistics": "model_name=None, env_name=None",
    "EpisodeOutput": "timesteps, reward_sum",
}
FOUNDING_RAINBOW = {
    "network_update_frequency": 3,
    "network_sync_frequency": 300,
    "priority_importance": 0.4,
    "priority_weigth_growth": 0.01,
    "buffer_size": 10000,
    "buffer_burn_in": 1000,
    "batch_size": 32,
    "noise_sigma": 0.017,
    "discount_factor": 0.95,
    "learning_rate": 0.001,
    "hidden_layers": [512, 512, 128, 128],
}


@pytest.fixture(autouse=True)
def _no_windows() -> None:
    mpl.use("agg")


@pytest.fixture
def names() -> dict[str, Any]:
    """Every name of the document, from where it says."""
    return {
        name: getattr(importlib.import_module(path), name) for path, listed in NAMES.items() for name in listed.split()
    }


@pytest.mark.parametrize(("path", "name"), [(path, name) for path in NAMES for name in NAMES[path].split()])
def test_every_name_is_where_the_document_says(path: str, name: str) -> None:
    found = getattr(importlib.import_module(path), name)
    assert found.__name__ == name
    assert found.__doc__


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_constructors_take_what_the_document_gives_them(names: dict[str, Any], name: str) -> None:
    parsed = ast.parse(f"call({CONSTRUCTORS[name].replace('=', '==')})", mode="eval").body
    assert isinstance(parsed, ast.Call)
    expected = {}
    for argument in parsed.args:
        compared = isinstance(argument, ast.Compare)
        default = eval(ast.unparse(argument.comparators[0])) if compared else inspect.Parameter.empty
        expected[ast.unparse(argument.left if compared else argument)] = default

    parameters = inspect.signature(names[name]).parameters
    assert list(parameters)[: len(expected)] == list(expected)
    for parameter, default in expected.items():
        assert parameters[parameter].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        if default is not inspect.Parameter.empty:
            assert parameters[parameter].default == default, parameter
    # What we added has a default: no call of the document lacks anything.
    for added in list(parameters.values())[len(expected) :]:
        assert added.default is not inspect.Parameter.empty or added.kind is inspect.Parameter.VAR_KEYWORD, added


def _weights(agent: object) -> set[tuple[int, ...]]:
    modules = [value for value in vars(agent).values() if isinstance(value, nn.Module)]
    return {tuple(parameter.shape) for module in modules for parameter in module.parameters() if parameter.ndim == 2}


def test_hidden_layers_that_are_not_given_follow_from_the_state(names: dict[str, Any]) -> None:
    assert _weights(names["ReinforceAgent"](7, 10)) == {(20, 10), (20, 20), (7, 20)}
    assert _weights(names["ActorCriticAgent"](7, 10)) == {(20, 10), (20, 20), (7, 20), (5, 20), (1, 5)}
    rainbow = {shape for shape in _weights(names["RainbowDQNAgent"](10, 7)) if shape[0] > 7}
    assert rainbow == {(256, 10), (256, 256), (64, 256)}


def test_the_environment_as_the_document_explores_it(names: dict[str, Any]) -> None:
    env = gym.make("MovieLensFairness-v0", slate_size=3)
    assert isinstance(env.unwrapped, names["MovieLensFairness"])
    assert env.observation_space == gym.spaces.Box(0.0, 1.0, (25,), np.float32)
    assert env.action_space == gym.spaces.MultiDiscrete([3883] * 3)

    state, _ = env.reset()
    assert (state[4:] == 0).all()  # nothing has been recommended yet
    state, reward, terminated, truncated, info = env.step(env.action_space.sample())
    assert env.observation_space.contains(state)
    assert state[4:23].any()
    assert 0 <= reward <= 1
    assert (terminated, truncated) == (False, False)
    assert info["chosen_action"] in range(3)
    assert len(env.unwrapped.dcg) == len(env.unwrapped.ndcg) == 1


@pytest.mark.slow
def test_experiment_1_a_random_agent(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    manager = names["MovieLensFairnessManager"](slate_size=1)
    manager.print_overview()
    assert "Discrete(3883)" in capsys.readouterr().out

    agent = names["RandomAgent"](action_space=manager.env.action_space)
    stats = names["LearningStatistics"]()
    manager.train(agent, stats, max_episodes=200, should_print=True)
    assert "Episode 199 Mean Rewards" in capsys.readouterr().out
    assert len(stats.episode_rewards) == 200
    # Random recommendations earn about 35 of 50; the mean of 100 sessions has a standard deviation near 1.
    assert 31 < stats.moving_rewards.iloc[-1] < 39
    assert len(manager.env.unwrapped.ndcg) == 50  # of the last session

    figure = stats.plot_learning_stats()
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["Return", "Return, moving average", "Loss", "Exploration probability"]
    assert figure.axes[0].lines[0].get_ydata().tolist() == stats.episode_rewards.tolist()


@pytest.mark.parametrize(
    ("agent", "facts", "params"),
    [
        (
            "ReinforceAgent",
            ("n_actions", "state_size"),
            {"hidden_layers": [128, 128], "discount_factor": 0.9, "learning_rate": 0.001},
        ),
        (
            "ActorCriticAgent",
            ("n_actions", "state_size"),
            {
                "actor_hidden_layers": [128, 128],
                "critic_hidden_layers": [128, 64],
                "discount_factor": 0.99,
                "actor_learning_rate": 0.001,
                "critic_learning_rate": 0.0001,
            },
        ),
        ("RainbowDQNAgent", ("output_size", "input_size"), FOUNDING_RAINBOW),
    ],
)
@pytest.mark.filterwarnings("ignore:priority_weigth_growth:DeprecationWarning")
def test_experiment_2_full_training(
    names: dict[str, Any], agent: str, facts: tuple[str, str], params: dict[str, Any], tmp_path: Path
) -> None:
    trainings, episodes = 2, 3
    frames = []
    for _ in range(trainings):
        manager = names["MovieLensFairnessManager"](slate_size=1)
        sizes = dict(zip(facts, (manager.env.action_space.n, manager.env.observation_space.shape[0]), strict=True))
        stats = names["LearningStatistics"]()
        manager.train(names[agent](**sizes, **params), max_episodes=episodes, statistics=stats)
        frames.append(pd.DataFrame(stats.collected_metrics).assign(model=agent))
    pd.concat(frames).to_csv(tmp_path / f"{agent}_optimized_results.csv", index=False)

    metrics = pd.read_csv(tmp_path / f"{agent}_optimized_results.csv")
    assert list(metrics.columns) == ["metric", "measurement", "timestep", "episode", "model", "env"]
    assert set(metrics["model"]) == {agent}
    for metric in ("episode_rewards", "timestep_rewards", "moving_rewards"):
        rows = metrics[metrics["metric"] == metric]
        assert rows["episode"].tolist() == [0, 1, 2] * trainings
    returns = metrics[metrics["metric"] == "episode_rewards"]["measurement"].astype(float)
    assert returns.between(10, 50).all()


def test_the_old_spelling_of_an_argument_is_taken_with_a_warning(names: dict[str, Any]) -> None:
    with pytest.warns(DeprecationWarning, match="priority_weight_growth"):
        names["RainbowDQNAgent"](input_size=4, output_size=3, **FOUNDING_RAINBOW)


@pytest.mark.filterwarnings("ignore:priority_weigth_growth:DeprecationWarning")
def test_experiment_3_slates_of_ten(names: dict[str, Any], tmp_path: Path) -> None:
    seeds, episodes = 2, 2
    results: dict[str, list[float]] = {
        f"{measure}_{who}": [] for who in ("random", "dqn") for measure in ("dcg", "ndcg")
    }
    for _ in range(seeds):
        for who in ("random", "dqn"):
            manager = names["MovieLensFairnessManager"](slate_size=10)
            if who == "random":
                agent = names["RandomAgent"](manager.env.action_space)
            else:
                sizes = {
                    "output_size": manager.env.action_space.nvec[0],
                    "input_size": manager.env.observation_space.shape[0],
                }
                agent = names["RainbowDQNAgent"](**sizes, **FOUNDING_RAINBOW)
            manager.train(rl=agent, statistics=names["LearningStatistics"](), max_episodes=episodes, should_print=True)
            results[f"ndcg_{who}"] += manager.env.unwrapped.ndcg
            results[f"dcg_{who}"] += manager.env.unwrapped.dcg
    pd.DataFrame(results).to_csv(tmp_path / "relevance_metrics.csv")
    pd.DataFrame(results).describe().to_csv(tmp_path / "relevance_metrics_describe.csv")

    relevance = pd.read_csv(tmp_path / "relevance_metrics.csv", index_col=0)
    assert len(relevance) == seeds * 5  # steps of the last session of each seed: 50 ratings, ten at a time
    best = 5 * (1 / np.log2(np.arange(10) + 2)).sum()
    for who in ("random", "dqn"):
        assert relevance[f"ndcg_{who}"].between(0.2, 1).all()  # no rating is below 1 of 5
        np.testing.assert_allclose(relevance[f"dcg_{who}"], relevance[f"ndcg_{who}"] * best)
    described = pd.read_csv(tmp_path / "relevance_metrics_describe.csv", index_col=0)
    assert described.loc["mean", "dcg_dqn"] == pytest.approx(relevance["dcg_dqn"].mean())


@pytest.mark.slow
def test_experiment_4_the_comparison(names: dict[str, Any], tmp_path: Path) -> None:
    training_iterations, training_episodes = 2, 3
    manager = names["MovieLensFairnessManager"](slate_size=1)
    state_size, n_actions = manager.env.observation_space.shape[0], manager.env.action_space.n

    def rainbow(statistics: object) -> object:
        return names["RainbowDQNAgent"](
            state_size,
            n_actions,
            network_update_frequency=5,
            network_sync_frequency=250,
            batch_size=32,
            learning_rate=0.00025,
            discount_factor=0.9,
            buffer_size=10000,
            buffer_burn_in=32,
            statistics=statistics,
        )

    sizes = {"state_size": state_size, "n_actions": n_actions}
    makers = {
        "DuelingDQN": rainbow,
        "RandomAgent": lambda statistics: names["RandomAgent"](gym.spaces.Discrete(3883)),
        "REINFORCE": lambda statistics: names["ReinforceAgent"](**sizes, discount_factor=0.95, learning_rate=0.001),
        "ActorCritic": lambda statistics: names["ActorCriticAgent"](**sizes, discount_factor=0.99),
    }
    frames = []
    for model, make in makers.items():
        manager = names["MovieLensFairnessManager"](slate_size=1)
        for _ in range(training_iterations):
            stats = names["LearningStatistics"]()
            manager.train(make(stats), max_episodes=training_episodes, statistics=stats)
            frames.append(pd.DataFrame(stats.collected_metrics).assign(model=model))
    pd.concat(frames).to_csv(tmp_path / "all_metrics_test.csv")

    metrics = pd.read_csv(tmp_path / "all_metrics_test.csv", index_col=0)
    losses = metrics[metrics["metric"] == "loss"]
    assert set(losses["model"]) == {"DuelingDQN"}  # the only one that was given the statistics
    assert len(losses) > 20 * training_iterations  # one every fifth step, once 32 of the 150 were collected
    assert np.isfinite(losses["measurement"].astype(float)).all()
    metrics = metrics.query('metric=="moving_rewards"').reset_index(drop=True)
    metrics["measurement"] = metrics.measurement.astype(float)
    assert metrics.groupby("model").size().to_dict() == dict.fromkeys(makers, training_iterations * training_episodes)
    figure = mpl.figure.Figure()
    axes = figure.subplots()
    sns.lineplot(
        metrics, x="episode", y="measurement", hue="model", errorbar=("ci", 95), legend="full", n_boot=50, ax=axes
    )
    axes.set(xlabel="Episodes", ylabel="Return Moving Average (100)")
    figure.savefig(tmp_path / "preliminary_results.pdf")
    assert (tmp_path / "preliminary_results.pdf").read_bytes().startswith(b"%PDF")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(makers)


# The edits that the document needs, and then those that only make its budgets smaller.
EDITS = {
    "import gym\n": "import gymnasium as gym\n",
    "state, reward, done, info = env.step": "state, reward, done, truncated, info = env.step",
    "manager.env.ndcg": "manager.env.unwrapped.ndcg",
    "manager.env.dcg": "manager.env.unwrapped.dcg",
    "training_iterations = 3": "training_iterations = 1",
    "training_episodes = 100": "training_episodes = 2",
    "training_episodes = 300": "training_episodes = 2",
    "seeds = 5": "seeds = 1",
    "max_episodes=200": "max_episodes=5",
    "max_episodes=500": "max_episodes=2",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_document_itself_runs_from_top_to_bottom(
    founding_documents: Path, names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (document,) = founding_documents.glob("*.txt")
    text = document.read_text()
    # The part between defines the classes that the package has.
    explored, _, rest = text.partition("\n## Experience Replay\n")
    experiments = rest.partition("\n## Run\n")[2]
    source = explored + experiments
    for before, after in EDITS.items():
        assert before in source, f"{before!r} has gone from the document"
        source = source.replace(before, after)
    cells = re.findall(r"^```python[^\n]*\n(.*?)^```", source, re.S | re.M)
    cells = [cell for cell in cells if not re.search(r"^(# )?[!%]", cell, re.M)]  # those that install
    assert len(cells) > 25

    monkeypatch.chdir(tmp_path)
    scope = names | {"pandas": pd}
    with mpl.rc_context():
        for cell in cells:
            exec(compile(cell, cell, "exec"), scope)
    assert {path.name for path in tmp_path.iterdir()} == {
        "ReinforceAgent_optimized_results.csv",
        "ActorCriticAgent_optimized_results.csv",
        "RainbowDQNAgent_optimized_results.csv",
        "relevance_metrics.csv",
        "relevance_metrics_describe.csv",
        "all_metrics_test.csv",
        "preliminary_results.pdf",
    }
    assert set(scope["metrics"]["model"]) == {"DuelingDQN", "RandomAgent", "REINFORCE", "ActorCritic"}
    assert scope["plot"].get_ylabel() == "Return Moving Average (100)"
