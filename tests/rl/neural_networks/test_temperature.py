import math

import pytest
import torch

from pydeeprecsys.rl.neural_networks.temperature import Temperature
from pydeeprecsys.rl.ops.soft_actor_critic import temperature_losses


def test_it_starts_where_it_is_told() -> None:
    temperature = Temperature(0.2, device="cpu")
    assert temperature.value.item() == pytest.approx(0.2)
    assert temperature.logarithm.item() == pytest.approx(math.log(0.2))
    assert not temperature.value.requires_grad


@pytest.mark.parametrize(("entropy", "rises"), [(1.0, True), (3.0, False)])
def test_it_rises_where_entropy_is_below_its_target_and_falls_above(entropy: float, rises: bool) -> None:
    temperature = Temperature(0.2, learning_rate=0.01, device="cpu")
    for _ in range(10):
        before = temperature.value.item()
        losses = temperature_losses(temperature.logarithm, torch.full((4,), -entropy), target_entropy=2.0)
        temperature.run_backpropagation(losses.mean())
        assert (temperature.value.item() > before) == rises
    assert temperature.value.item() > 0


def test_restored_it_goes_on_identically() -> None:
    original, restored = Temperature(0.2, 0.01, device="cpu"), Temperature(1.0, 0.01, device="cpu")
    original.run_backpropagation(original.logarithm.square())
    restored.load_learning_state(original.learning_state())
    for temperature in (original, restored):
        temperature.run_backpropagation(temperature.logarithm.exp())
    assert restored.value.item() == original.value.item()
