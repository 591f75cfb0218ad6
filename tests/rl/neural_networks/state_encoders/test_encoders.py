"""What holds for every encoder of histories, and the numbers of each."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.agents import histories
from pydeeprecsys.arrays import Floats, Singles
from pydeeprecsys.errors import InputError
from pydeeprecsys.history import HistoryLayout
from pydeeprecsys.rl.item_estimates import ItemEstimates
from pydeeprecsys.rl.neural_networks.base_network import initialize
from pydeeprecsys.rl.neural_networks.policy_estimator import PolicyEstimator
from pydeeprecsys.rl.neural_networks.state_encoders.attention import AttentionEncoder
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import ENCODERS_OF_HISTORIES, StateEncoding
from pydeeprecsys.rl.neural_networks.state_encoders.fold_in import FoldInEncoder
from pydeeprecsys.rl.neural_networks.state_encoders.gru import GRUEncoder
from pydeeprecsys.rl.neural_networks.state_encoders.sessions import SessionReader
from pydeeprecsys.rl.neural_networks.state_encoders.state_encoder import Observed, StateEncoder

LAYOUT = HistoryLayout(n_items=7, slate_size=2, n_rated=1, length=5)
USER = [0.0, 1.0, 0.5, 0.25]
LEARNED = ["gru", "attention"]


def estimates(n_items: int = 7, dimensions: int = 3) -> ItemEstimates:
    rng = np.random.default_rng(0)
    return ItemEstimates(
        vectors=rng.normal(size=(n_items, dimensions)),
        offsets=rng.normal(3, 0.5, n_items),
        prior_mean=np.full(dimensions, 0.1),
        prior_covariance=0.5 * np.eye(dimensions),
        noise=0.8,
        mean_ratings=np.full(n_items, 3.0),
        counts=np.full(n_items, 10),
        categories=rng.random((n_items, 2)) < 0.5,
    )


def make(name: str, seed: int = 0, given: ItemEstimates | None = None) -> StateEncoder:
    encoding = StateEncoding(name, LAYOUT.size, LAYOUT, given or estimates())
    return encoding.make(torch.Generator().manual_seed(seed))


def of(encoder: StateEncoder, states: Singles) -> Floats:
    with torch.no_grad():
        return encoder(torch.from_numpy(states)).double().numpy()


def row(slates: list[list[int]], choices: list[int], stars: list[float]) -> Singles:
    return LAYOUT.row(USER, slates, choices, ratings=[[each] for each in stars])


@pytest.mark.parametrize("name", ENCODERS_OF_HISTORIES)
def test_a_state_is_encoded_alike_in_every_batch(name: str) -> None:
    states, encoder = histories(np.random.default_rng(1), 40, LAYOUT), make(name)
    together = of(encoder, states)
    assert together.shape == (40, encoder.out_size)
    np.testing.assert_allclose(together, np.concatenate([of(encoder, state[None]) for state in states]), atol=1e-5)
    np.testing.assert_allclose(together.reshape(8, 5, -1), of(encoder, states.reshape(8, 5, -1)), atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS_OF_HISTORIES)
def test_a_session_is_encoded_at_each_step_as_if_it_had_ended_there(name: str) -> None:
    encoder, shown = make(name), [[3, 4], [0, 1], [5, 6], [2, 4]]
    session = np.stack([row(shown[t:], [0, -1, 1, 0][t:], [4.0, 0, 2, 5][t:]) for t in range(5)])
    together = of(encoder, session)
    np.testing.assert_allclose(together, np.concatenate([of(encoder, state[None]) for state in session]), atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS_OF_HISTORIES)
@pytest.mark.parametrize(
    "other",
    [
        row([[3, 4], [0, 1]], [0, 1], [4, 1]),  # another rating of the first slate
        row([[3, 4], [0, 2]], [0, 1], [4, 2]),  # another item consumed
        row([[3, 4], [0, 1]], [0, -1], [4, 0]),  # a refusal
        row([[0, 1], [3, 4]], [1, 0], [2, 4]),  # another order
        row([[3, 4]], [0], [4]),
    ],
)
def test_other_histories_are_encoded_otherwise(name: str, other: Singles) -> None:
    encoder = make(name)
    assert np.abs(of(encoder, other[None]) - of(encoder, row([[3, 4], [0, 1]], [0, 1], [4, 2])[None])).max() > 1e-3


@pytest.mark.parametrize("name", LEARNED)
def test_parameters_are_those_of_the_generator_alone(name: str) -> None:
    before = torch.get_rng_state()
    first, same, other = make(name), make(name), make(name, seed=1)
    assert torch.equal(before, torch.get_rng_state())
    for key, parameter in first.state_dict().items():
        assert torch.equal(parameter, same.state_dict()[key])
        if "norm" not in key and "blocks.2" not in key and "vectors" not in key:
            assert not torch.equal(parameter, other.state_dict()[key]), key


@pytest.mark.parametrize("name", LEARNED)
def test_item_vectors_begin_at_the_estimates_and_learn(name: str) -> None:
    encoder = make(name)
    vectors = encoder.get_parameter("reader.vectors")
    scale = np.sqrt(np.square(estimates().vectors).mean())
    np.testing.assert_allclose(vectors.detach(), estimates().vectors / scale, rtol=1e-6)
    encoder(torch.from_numpy(row([[3, 4]], [0], [4]))[None]).sum().backward()
    assert vectors.grad is not None
    assert vectors.grad.any(dim=1).tolist() == [False, False, False, True, False, False, False]


@pytest.mark.parametrize("name", LEARNED)
def test_item_vectors_begin_at_random_where_nothing_is_known(name: str) -> None:
    encoder = StateEncoding(name, LAYOUT.size, LAYOUT).make(torch.Generator().manual_seed(0))
    vectors = encoder.get_parameter("reader.vectors").detach()
    assert abs(vectors.mean()) < 0.2
    assert abs(vectors.std() - 1) < 0.2


def test_what_a_sequence_encoder_reads_of_a_slate() -> None:
    known = estimates(dimensions=2)
    known.vectors[:] = [[2, 0], [0, 2], [2, 2], [-2, 2], [2, -2], [0, 0], [2, 2]]
    known.offsets[:], known.prior_mean[:] = 3, 0
    scale = float(np.sqrt(np.square(known.vectors).mean()))
    layout = HistoryLayout(n_items=7, slate_size=2, n_rated=2, length=2)
    reader = SessionReader(Observed(layout, known), 4, torch.Generator())
    reader.projection = nn.Sequential()
    both = layout.row(USER, [[0, 1]], [1], ratings=[[5, 2]])
    refused = layout.row(USER, [[2, 4]], [-1], ratings=[[0, 0]])
    with torch.no_grad():
        vectors = reader(torch.from_numpy(np.stack([both, refused]))).vectors
    assert not vectors[:, 0].any()
    # Vectors averaged; weighted by ratings of 2 above and 1 below the expected 3; stars; chosen; refused.
    np.testing.assert_allclose(
        vectors[:, 1],
        [[1 / scale, 1 / scale, 2 / scale, -1 / scale, 3.5, 0.5, 1, 0], [2 / scale, 0, 0, 0, 0, 0, 0, 1]],
        rtol=1e-6,
    )


def test_the_gated_recurrent_unit_steps_through_the_slates_in_time() -> None:
    encoder = make("gru")
    assert isinstance(encoder, GRUEncoder)
    state = torch.from_numpy(row([[3, 4], [0, 1]], [0, 1], [4, 2]))[None]
    inputs, hidden = encoder.reader(state).vectors[0], torch.zeros(64)
    assert len(inputs) == 3  # that of no slate, and two
    for x in inputs:
        inner_x = nn.functional.linear(x, encoder.gru.weight_ih_l0, encoder.gru.bias_ih_l0).chunk(3)
        inner_h = nn.functional.linear(hidden, encoder.gru.weight_hh_l0, encoder.gru.bias_hh_l0).chunk(3)
        reset, update = torch.sigmoid(inner_x[0] + inner_h[0]), torch.sigmoid(inner_x[1] + inner_h[1])
        hidden = update * hidden + (1 - update) * torch.tanh(inner_x[2] + reset * inner_h[2])
    torch.testing.assert_close(encoder(state)[0], torch.cat([hidden, torch.tensor(USER)]))


def test_attention_sees_no_later_slate() -> None:
    encoder = make("attention")
    assert isinstance(encoder, AttentionEncoder)
    inputs = torch.randn(1, 4, 64, generator=torch.Generator().manual_seed(0))
    changed = inputs + torch.tensor([0.0, 0, 1, 0])[:, None]
    before, after = (encoder.blocks(each)[0] for each in (inputs, changed))
    assert torch.equal(before[:2], after[:2])
    assert (before[2:] != after[2:]).any(dim=1).all()


def test_fold_in_by_hand() -> None:
    known = ItemEstimates(
        vectors=np.array([[2.0], [1.0], [0.0]]),
        offsets=np.array([3.0, 2.0, 3.0]),
        prior_mean=np.array([1.0]),
        prior_covariance=np.array([[4.0]]),
        noise=1.0,
        mean_ratings=np.full(3, 3.0),
        counts=np.ones(3, dtype=np.int64),
        categories=np.array([[True, False], [True, True], [False, False]]),
    )
    layout = HistoryLayout(n_items=3, slate_size=2, n_rated=1, length=4)
    encoder = FoldInEncoder(Observed(layout, known), torch.Generator())
    states = np.stack([
        layout.row(USER, [], [], ratings=[]),
        layout.row(USER, [[0, 1]], [0], ratings=[[4]]),
        layout.row(USER, [[1, 2], [0, 1]], [-1, 0], ratings=[[0], [4]]),
    ])  # fmt: skip
    # Precision 1/4 + 2² = 17/4, so the variance is 4/17, the mean 4/17 · (1/4 + 2 · (4 − 3)) = 9/17: 8/17 below 1.
    posterior, memory = [-8 / 17 / 2, np.sqrt(1 / 17)], [0.6, 0, 0.9, 0, 0.97, 0]
    np.testing.assert_allclose(
        of(encoder, states),
        [
            [0, 1, *[0] * 6, 0, 0, 0, *USER],
            [*posterior, *memory, 0.8, 0, 0.25, *USER],
            [*posterior, *memory, 0, 1, 0.5, *USER],
        ],
        atol=1e-6,
    )
    assert not list(encoder.parameters())


def test_an_encoder_that_the_observations_do_not_feed() -> None:
    with pytest.raises(InputError, match=r"^state_encoder 'gru' reads .* with observation='items'$"):
        StateEncoding("gru", 10)
    with pytest.raises(InputError, match=r"an observation has 10 numbers, the history .* has 24"):
        StateEncoding("attention", 10, LAYOUT)
    with pytest.raises(InputError, match="'fold-in' needs estimates of the items from ratings"):
        StateEncoding("fold-in", LAYOUT.size, LAYOUT).make(torch.Generator())
    with pytest.raises(InputError, match="estimates are of 6 items, the history of 7"):
        make("gru", given=estimates(6))


@pytest.mark.parametrize("name", LEARNED)
def test_what_learns_is_not_standardized(name: str) -> None:
    encoding = StateEncoding(name, LAYOUT.size, LAYOUT)
    with pytest.raises(InputError, match="standardize_states is for state encoders that do not learn"):
        PolicyEstimator(encoding, [8], 7, standardize_inputs=True, device="cpu")


def test_what_fold_in_gives_is_standardized() -> None:
    encoding = StateEncoding("fold-in", LAYOUT.size, LAYOUT, estimates())
    network = PolicyEstimator(encoding, [8], 7, standardize_inputs=True, device="cpu")
    states = histories(np.random.default_rng(0), 300, LAYOUT)
    network.observe(states)
    encoded = network.encoded(torch.from_numpy(states))
    varied = network.encoder(torch.from_numpy(states)).std(dim=0) > 1e-3
    torch.testing.assert_close(encoded.std(dim=0)[varied], torch.ones(int(varied.sum())), rtol=0.02, atol=0)


def test_recurrent_layers_are_drawn_within_the_root_of_their_units() -> None:
    layer: nn.GRU = nn.GRU(3, 16)
    initialize(layer, torch.Generator().manual_seed(0))
    parameters: Tensor = torch.cat([parameter.flatten() for parameter in layer.parameters()])
    assert 0.24 < parameters.abs().max() <= 0.25
