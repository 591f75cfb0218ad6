import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.noisy_layer import NoiseKind, NoisyLayer

KINDS: tuple[NoiseKind, ...] = ("factorised", "independent")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randomized(kind: NoiseKind, bias: bool = True) -> NoisyLayer:
    """A layer whose means and deviations are all different."""
    layer = NoisyLayer(4, 3, bias, kind=kind)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator(1)) + 0.2)
    return layer


def noise_of(layer: NoisyLayer) -> tuple[Tensor, Tensor]:
    """The present noise of the weights and of the biases, seen from outside."""
    kept = {name: value.clone() for name, value in layer.state_dict().items()}
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            parameter.fill_(1.0 if name.startswith("sigma") else 0.0)
        bias = layer(torch.zeros(1, layer.in_features))[0]
        weight = (layer(torch.eye(layer.in_features)) - bias).T
        layer.load_state_dict(kept)
    return weight, bias


@pytest.mark.parametrize(
    ("kind", "bound", "deviation"),
    [("factorised", 1 / math.sqrt(300), 0.5 / math.sqrt(300)), ("independent", math.sqrt(3 / 300), 0.5)],
)
def test_it_starts_as_the_paper_says(kind: NoiseKind, bound: float, deviation: float) -> None:
    layer = NoisyLayer(300, 200, sigma=0.5, kind=kind)
    for mean in (layer.weight, layer.bias):
        assert 0.97 * bound < mean.abs().max() <= bound
        assert mean.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    assert layer.sigma_bias is not None
    for sigma in (layer.sigma_weight, layer.sigma_bias):
        torch.testing.assert_close(sigma, torch.full_like(sigma, deviation))


def test_the_kind_is_factorised_and_sigma_small_by_default() -> None:
    layer = NoisyLayer(100, 2)
    assert layer.factorised
    torch.testing.assert_close(layer.sigma_weight, torch.full((2, 100), 0.0017))
    assert NoisyLayer(100, 2, bias=False).bias is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
def test_the_output_is_that_of_means_plus_deviations_times_noise(kind: NoiseKind, bias: bool) -> None:
    layer = randomized(kind, bias)
    inputs = torch.rand(5, 4, generator=generator(2))
    layer.resample(generator(3))
    weight_noise, bias_noise = noise_of(layer)
    weight = layer.weight + layer.sigma_weight * weight_noise
    expected = linear(inputs, weight, layer.bias + layer.sigma_bias * bias_noise if bias else None)
    output = layer(inputs)
    torch.testing.assert_close(output, expected)
    # The gradients are those of the definition, too.
    parameters = list(layer.parameters())
    assert len(parameters) == (4 if bias else 2)
    upstream = torch.rand(5, 3, generator=generator(4))
    gradients = torch.autograd.grad(output, parameters, upstream)
    for gradient, wanted in zip(gradients, torch.autograd.grad(expected, parameters, upstream), strict=True):
        torch.testing.assert_close(gradient, wanted)


@pytest.mark.parametrize(
    ("kind", "weight_variance", "bias_variance"),
    [
        ("factorised", 2 / math.pi, math.sqrt(2 / math.pi)),
        ("independent", 1.0, 1.0),
    ],
)
def test_mean_and_variance_of_the_output_are_those_of_the_closed_form(
    kind: NoiseKind, weight_variance: float, bias_variance: float
) -> None:
    layer, n = randomized(kind), 8000
    inputs, draws = torch.tensor([[0.5, -1.0, 2.0, 0.0]]), generator(5)
    outputs = np.empty((n, 3))
    with torch.no_grad():
        for i in range(n):
            layer.resample(draws)
            outputs[i] = layer(inputs)[0].numpy()
        mean = linear(inputs, layer.weight, layer.bias)[0].numpy()
        assert layer.sigma_bias is not None
        variance = weight_variance * linear(inputs**2, layer.sigma_weight**2)[0] + bias_variance * layer.sigma_bias**2
    np.testing.assert_allclose(outputs.var(axis=0), variance.numpy(), rtol=0.08)
    np.testing.assert_allclose(outputs.mean(axis=0), mean, atol=4 * outputs.std() / math.sqrt(n))


def test_factorised_noise_is_a_product_and_independent_is_not() -> None:
    ranks = {}
    for kind in KINDS:
        layer = NoisyLayer(6, 5, kind=kind)
        layer.resample(generator(1))
        ranks[kind] = int(torch.linalg.matrix_rank(noise_of(layer)[0], rtol=1e-4))
    assert ranks == {"factorised": 1, "independent": 5}


@pytest.mark.parametrize("kind", KINDS)
def test_noise_stays_until_it_is_drawn_anew_or_taken_away(kind: NoiseKind) -> None:
    layer, draws = randomized(kind), generator()
    inputs = torch.rand(2, 4, generator=generator(1))
    silent = linear(inputs, layer.weight, layer.bias)
    assert layer(inputs).tolist() == silent.tolist()
    layer.resample(draws)
    first = layer(inputs)
    assert layer(inputs).tolist() == first.tolist()
    # All rows meet the same weights.
    torch.testing.assert_close(layer(inputs[1:]), first[1:])
    layer.resample(draws)
    assert not torch.isclose(layer(inputs), first).any()
    layer.silence()
    assert layer(inputs).tolist() == silent.tolist()
    layer.resample(generator())
    assert layer(inputs).tolist() == first.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_no_part_of_what_is_saved(kind: NoiseKind) -> None:
    layer = NoisyLayer(4, 3, kind=kind)
    before = list(layer.state_dict())
    layer.resample(generator())
    assert list(layer.state_dict()) == before == ["weight", "bias", "sigma_weight", "sigma_bias"]


def test_the_generator_draws_the_means_and_the_global_one_does_not() -> None:
    before = torch.get_rng_state()
    a, b, c = (NoisyLayer(4, 3, generator=generator(seed)) for seed in (1, 1, 2))
    a.resample(generator())
    assert torch.equal(a.weight, b.weight)
    assert torch.equal(a.bias, b.bias)
    assert not torch.isclose(a.weight, c.weight).any()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "pink"}, "kind must be one of factorised, independent, it is 'pink'"),
        ({"sigma": -0.1}, "sigma must be at least 0, it is -0.1"),
    ]
    + [({"sigma": bad}, f"sigma must be a .*number, it is {bad}") for bad in (math.nan, math.inf)],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        NoisyLayer(4, 3, **arguments)  # type: ignore[arg-type]
