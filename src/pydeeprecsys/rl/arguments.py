"""The vocabulary of agents' arguments: type, range and help text of those that several constructors share."""

from __future__ import annotations

from typing import Annotated, Literal

from numpy.typing import ArrayLike

from pydeeprecsys.arguments import Count, NonNegative, Positive, Range, Sizes, UnitInterval
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.item_estimates import ItemEstimates as Estimates
from pydeeprecsys.rl.neural_networks.base_scores import Scorer
from pydeeprecsys.rl.ops.values import Loss

NActions = Annotated[Count, "Number of actions."]
StateSize = Annotated[Count, "Size of the observation vector."]
HiddenLayers = Annotated[Sizes, "Sizes of the hidden layers."]
ItemFeatures = Annotated[ArrayLike | None, "(n_actions, features) item features; independent outputs if None."]
StateEncoder = Annotated[
    Literal["features", "fold-in", "gru", "attention"],
    "State encoder: features for the observation itself; the others read the history of observation='items': fold-in "
    "estimates the user, without learning; gru and attention are learned.",
]
History = Annotated[HistoryLayout | None, "Layout of the observation 'items'; None for other observations."]
ItemEstimates = Annotated[
    Estimates | None, "Estimates of the items from ratings, for state encoders and a base; none if None."
]
Base = Annotated[Scorer | None, "Base recommender, with which the agent agrees before it learns; none if None."]
LogitScale = Annotated[
    Positive | None, "Initial factor of the base's scores, in stars, in the logits; 8 if None. It is learned."
]
ValueScale = Annotated[
    Positive | None, "Initial factor of the base's scores, in stars, in the action values; 0.25 if None. It is learned."
]
Device = Annotated[str | None, "Device: cpu, cuda or cuda:N; if None, CUDA where available, otherwise the CPU."]

DiscountFactor = Annotated[UnitInterval, "Discount factor γ."]
LearningRate = Annotated[Positive, "Learning rate of Adam."]
ActorLearningRate = Annotated[Positive, "Learning rate of the actor's Adam."]
CriticLearningRate = Annotated[Positive, "Learning rate of the critic's Adam."]
StandardizeStates = Annotated[bool, "Standardize observations by their running mean and standard deviation."]

# Learning from a replay buffer
BufferSize = Annotated[Count, "Replay buffer size, in transitions."]
BufferBurnIn = Annotated[Count, "Transitions to collect before the first update; from batch_size to buffer_size."]
BatchSize = Annotated[Count, "Batch size of an update, in transitions."]
UpdateFrequency = Annotated[Count, "Environment steps between updates."]
SyncFrequency = Annotated[Count, "Environment steps between copies of the network to the target network."]
NSteps = Annotated[Count, "Number of steps of n-step returns."]
DoubleQ = Annotated[
    bool, "Double Q-learning: the online network selects the next action, the target network values it."
]
TemporalDifferenceLoss = Annotated[
    Loss,
    "Loss of the temporal-difference errors. The Huber loss is biased if rewards or terminations are random, and may "
    "rank a worse action first: prefer squared then, and huber if rare large errors destabilize training.",
]

# Exploration by ε
InitialExploration = Annotated[UnitInterval, "Initial probability ε of a random slate."]
ExplorationDecay = Annotated[float, Range(0, 1, open_low=True), "Factor of ε after each episode."]
MinimumExploration = Annotated[UnitInterval, "Lower bound of ε; at most the initial probability."]

# Policy gradients
GaeLambda = Annotated[UnitInterval, "GAE parameter λ; 0 for one-step errors, 1 for Monte Carlo returns."]
EpisodesPerUpdate = Annotated[Count | None, "Complete episodes per update; one per environment if None."]
Minibatches = Annotated[Count, "Minibatches per update, with one gradient step each."]
EntropyCoefficient = Annotated[NonNegative, "Initial weight of the entropy bonus, in rewards per nat."]
LearningRateDecay = Annotated[float, Range(0, 1, open_low=True), "Factor of the learning rates after each update."]
EntropyDecay = Annotated[float, Range(0, 1, open_low=True), "Factor of the entropy coefficient after each update."]

# Constraints and groups
CostLimit = Annotated[
    NonNegative | None,
    "Bound β on the cost of a session, the mean of info['cost'] over its steps; learned with a Lagrange multiplier λ. "
    "No bound if None.",
]
CvarLevel = Annotated[
    float | None,
    Range(0, 1, open_high=True),
    "Level α of the CVaR, the mean of the worst 1 − α of sessions, which cost_limit then bounds in place of the "
    "expectation; costs are in [0, 1].",
]
MultiplierRate = Annotated[Positive | None, "Learning rate of λ, per unit of cost; if None 1, or 100 of a CVaR."]
QuantileRate = Annotated[Positive | None, "Learning rate of the value at risk, for a CVaR; 3e-5 if None."]
WorstGroupRate = Annotated[
    Positive | None,
    "Step size η of the group weights, per unit of return, to maximize the return of the worst group of info['group'] "
    "(group DRO); the mean over all sessions if None.",
]
