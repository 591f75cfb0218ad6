from pathlib import Path

import numpy as np
import pytest
import torch

from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork
from pydeeprecsys.rl.neural_networks.policy_estimator import PolicyEstimator
from pydeeprecsys.rl.neural_networks.standardizer import LIMIT, RunningStandardizer
from pydeeprecsys.rl.neural_networks.value_estimator import ValueEstimator

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(loc=(1e6, -3.0, 0.02), scale=(1.0, 50.0, 1e-4), size=(300, 3))


def networks(seed: int, standardize: bool = True) -> list[BaseNetwork]:
    return [
        PolicyEstimator(3, [8], 5, standardize_inputs=standardize, random_state=seed, device="cpu"),
        ValueEstimator(3, [8], standardize_inputs=standardize, random_state=seed, device="cpu"),
    ]


@pytest.mark.parametrize("ends", [[300], [1, 2, 150, 300], [299, 300]])
def test_batches_of_any_size_add_up_to_the_mean_and_variance_of_all(ends: list[int]) -> None:
    standardizer = RunningStandardizer(3)
    for start, end in zip([0, *ends], ends, strict=False):
        standardizer.observe(torch.from_numpy(INPUTS[start:end]))
    assert standardizer.count == 300
    np.testing.assert_allclose(standardizer.mean, INPUTS.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(standardizer.variance, INPUTS.var(axis=0), rtol=1e-9)


def test_it_passes_inputs_on_until_it_has_observed_some_and_standardises_them_then() -> None:
    standardizer = RunningStandardizer(3)
    inputs = torch.from_numpy(RNG.normal(2.0, 0.5, size=(300, 3)).astype(np.float32))
    assert torch.equal(standardizer(inputs), inputs)
    standardizer.observe(inputs)
    outputs = standardizer(inputs)
    assert outputs.dtype == torch.float32
    torch.testing.assert_close(outputs.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(outputs.std(dim=0, correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_what_was_never_seen_to_vary_stays_within_the_limit() -> None:
    standardizer = RunningStandardizer(2)
    assert standardizer(torch.tensor([[0.5, 1e9]])).tolist() == [[0.5, LIMIT]]
    standardizer.observe(torch.tensor([[0.5, 1.0], [0.5, 2.0]]))
    assert standardizer(torch.tensor([[0.5, 1.5], [0.6, 1e9], [0.0, -1e9]])).tolist() == [
        [0.0, 0.0],
        [LIMIT, LIMIT],
        [-LIMIT, -LIMIT],
    ]


@pytest.mark.parametrize("kind", [0, 1])
def test_a_network_with_one_sees_through_the_scale_of_its_inputs(kind: int) -> None:
    scaled, plain = networks(0)[kind], networks(0, standardize=False)[kind]
    scaled.observe(INPUTS)
    inputs = plain.as_tensor((INPUTS - INPUTS.mean(axis=0)) / INPUTS.std(axis=0))
    # As a float32 the first column is known to a sixteenth of its deviation.
    torch.testing.assert_close(scaled(scaled.as_tensor(INPUTS)), plain(inputs), atol=0.1, rtol=0)
    plain.observe(INPUTS)
    assert plain.state_dict().keys() == {key for key in scaled.state_dict() if "standardizer" not in key}


@pytest.mark.parametrize("kind", [0, 1])
def test_what_was_observed_is_saved_with_the_network(kind: int, tmp_path: Path) -> None:
    saved, loaded, resumed = (networks(seed)[kind] for seed in (0, 1, 2))
    saved.observe(INPUTS)
    saved.save(tmp_path / "network.safetensors")
    loaded.load(tmp_path / "network.safetensors")
    resumed.load_learning_state(saved.learning_state())
    inputs = saved.as_tensor(INPUTS)
    assert torch.equal(saved(inputs), loaded(inputs))
    assert torch.equal(saved(inputs), resumed(inputs))
    assert loaded.standardizer is not None
    assert loaded.standardizer.count == 300
