import numpy as np
import pytest
import torch

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork
from pydeeprecsys.rl.neural_networks.item_head import ItemHead, output_layer

FEATURES = np.random.default_rng(0).normal(3.0, 2.0, (6, 4))


def head(n_atoms: int = 1, seed: int = 0) -> ItemHead:
    return ItemHead(5, FEATURES, torch.Generator().manual_seed(seed), n_atoms, embedding_size=8)


def test_a_score_is_the_scaled_product_of_both_towers_plus_the_bias_of_the_item() -> None:
    layer = head()
    inputs = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    items = layer.item_tower(torch.from_numpy((FEATURES - FEATURES.mean(0)) / FEATURES.std(0)).float())
    states = layer.state_tower(inputs)
    expected = [[(s @ i[:8]) / 8**0.5 + i[8] for i in items] for s in states]
    torch.testing.assert_close(layer(inputs), torch.stack([torch.stack(row) for row in expected]))


@pytest.mark.parametrize("n_atoms", [1, 3])
def test_one_item_a_row_gets_what_it_gets_among_all(n_atoms: int) -> None:
    layer = head(n_atoms)
    inputs = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    actions = torch.tensor([0, 5, 5, 2])
    everything = layer(inputs).view(4, 6, n_atoms)
    torch.testing.assert_close(layer.chosen(inputs, actions), everything[torch.arange(4), actions])
    losses = layer.chosen(inputs, actions).square().sum(), everything[torch.arange(4), actions].square().sum()
    gradients = [torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True) for loss in losses]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_atoms_of_an_item_stand_together() -> None:
    layer = head(n_atoms=3)
    inputs = torch.randn(2, 5, generator=torch.Generator().manual_seed(1))
    states = layer.state_tower(inputs).view(2, 3, 8)
    items = layer._items()
    expected = torch.einsum("nae,ie->nia", states, items[:, :8]) / 8**0.5 + items[:, 8][None, :, None]
    torch.testing.assert_close(layer(inputs).view(2, 6, 3), expected)


def test_items_alike_score_alike_and_a_constant_feature_says_nothing() -> None:
    features = np.concatenate([FEATURES, np.ones((6, 1))], axis=1)
    features[3] = features[1]
    layer = ItemHead(5, features, torch.Generator().manual_seed(0))
    scores = layer(torch.randn(7, 5, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(scores[:, 3], scores[:, 1])
    assert not torch.equal(scores[:, 2], scores[:, 1])
    assert torch.isfinite(scores).all()
    assert (layer.features[:, -1] == 0).all()


class Network(BaseNetwork):
    def __init__(self) -> None:
        super().__init__("cpu")
        self.model = head()
        self.optimizer = torch.optim.Adam(self.parameters(), lr=0.1, fused=True)


@pytest.mark.parametrize("change", ["learn", "load", "follow"])
def test_kept_embeddings_follow_every_change_of_the_parameters(change: str) -> None:
    network, other = Network(), Network()
    inputs = torch.ones(1, 5)
    with torch.no_grad():
        before = network(inputs)
    other.run_backpropagation(other(inputs).square().sum())
    if change == "learn":
        loss = network(inputs).square().sum()
        with torch.no_grad():
            assert torch.equal(network(inputs), before)  # kept once more, between loss and step
        network.run_backpropagation(loss)
    elif change == "load":
        network.load_state_dict(other.state_dict())
    else:
        network.soft_parameter_update(other, 1.0)
    with torch.inference_mode():
        after = network(inputs)
    assert not torch.equal(after, before)
    torch.testing.assert_close(after, other(inputs).detach())


def test_kept_embeddings_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = head()
    calls = []
    monkeypatch.setattr(layer.item_tower, "forward", lambda features: calls.append(1) or torch.zeros(6, 9))
    with torch.inference_mode():
        for _ in range(3):
            layer(torch.ones(1, 5))
    assert len(calls) == 1


def test_without_features_outputs_are_independent() -> None:
    layer = output_layer(5, 6, torch.Generator().manual_seed(0))
    assert isinstance(layer, torch.nn.Linear)
    assert layer.weight.shape == (6, 5)


def test_features_are_no_part_of_what_is_saved() -> None:
    assert "features" not in head().state_dict()


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros(6), r"shape \(items, features\)"),
        (np.full((6, 2), np.nan), "finite"),
        (np.zeros((5, 2)), "5 rows, there are 6 actions"),
    ],
)
def test_wrong_features_are_refused(features: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        output_layer(5, 6, torch.Generator(), item_features=features)
