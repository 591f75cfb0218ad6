import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.neural_networks.base_network import BaseNetwork, choose_device, sequential_architecture


class Network(BaseNetwork):
    def __init__(self, *layers: int, seed: int = 0, learning_rate: float = 0.1) -> None:
        super().__init__("cpu")
        self.model = sequential_architecture(layers, generator=torch.Generator().manual_seed(seed))
        self.optimizer = torch.optim.SGD(self.parameters(), lr=learning_rate)


def parameters(network: nn.Module) -> list[np.ndarray[Any, Any]]:
    return [parameter.detach().numpy().copy() for parameter in network.parameters()]


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(parameters(a), parameters(b), strict=True))


def test_architecture_has_activations_between_layers_only() -> None:
    modules = sequential_architecture([3, 4, 5, 2])
    assert [isinstance(module, nn.Linear) for module in modules] == [True, False, True, False, True]
    assert isinstance(modules[1], nn.ReLU)
    assert [tuple(m.weight.shape) for m in modules if isinstance(m, nn.Linear)] == [(4, 3), (5, 4), (2, 5)]
    assert isinstance(sequential_architecture([3, 4, 2], activation=nn.Tanh)[1], nn.Tanh)
    assert sequential_architecture([3, 2], bias=False)[0].bias is None


def test_initial_parameters_come_from_the_generator_alone() -> None:
    before = torch.get_rng_state()
    a, b, c = (Network(3, 4, 2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert same(a, b)
    assert not same(a, c)
    assert same(sequential_architecture([3, 4, 2]), a)


def test_initial_parameters_are_distributed_as_torch_does_it() -> None:
    weight, bias = parameters(sequential_architecture([16, 5000]))
    torch_weight, torch_bias = parameters(nn.Linear(16, 5000))
    for ours, theirs in ((weight, torch_weight), (bias, torch_bias)):
        assert np.abs(ours).max() == pytest.approx(0.25, rel=1e-3)
        assert np.abs(ours).max() <= 0.25
        assert ours.std() == pytest.approx(theirs.std(), rel=0.05)
        assert ours.mean() == pytest.approx(0, abs=0.01)


def test_device() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(InputError, match="'gpu' is not a device"):
        choose_device("gpu")
    with pytest.raises(InputError, match="there is no device cuda:99"):
        choose_device("cuda:99")


def test_cuda_is_detected_before_anything_initialised_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    assert choose_device(None).type == "cuda"


@pytest.mark.parametrize("name", ["policy.safetensors", "policy", "new/folder/policy"])
def test_save_and_load(tmp_path: Path, name: str) -> None:
    saved, loaded = Network(3, 4, 2, seed=1), Network(3, 4, 2, seed=2)
    saved.save(tmp_path / name)
    loaded.load(str(tmp_path / name))
    assert same(saved, loaded)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [Path(name).name]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "policy"
    Network(3, 2).save(path)
    old = path.read_bytes()

    def full_disk(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space"):
        Network(3, 2, seed=5).save(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_loaded_is_refused_in_one_line(tmp_path: Path) -> None:
    network = Network(3, 4, 2)
    before = parameters(network)
    good = tmp_path / "good"
    network.save(good)
    files = {
        "text": b"not a network",
        "empty": b"",
        "cut": good.read_bytes()[:-7],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    Network(3, 5, 2).save(tmp_path / "wider")
    Network(3, 4, 4, 2).save(tmp_path / "deeper")
    Network(3, 2).save(tmp_path / "shallower")
    for name, message in {
        "missing": "No such file",
        "text": "damaged",
        "empty": "damaged",
        "cut": "damaged",
        "wider": r"model.0.bias is of shape \(5,\) there and \(4,\) here",
        "deeper": r"model.2.bias is of shape \(4,\) there and \(2,\) here",
        "shallower": r"model.0.bias is of shape \(2,\) there and \(4,\) here",
    }.items():
        with pytest.raises(InputError, match=message) as caught:
            network.load(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
    assert all(np.array_equal(x, y) for x, y in zip(before, parameters(network), strict=True))


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_soft_parameter_update(rate: float) -> None:
    target, source = Network(3, 4, 2, seed=1), Network(3, 4, 2, seed=2)
    expected = [(1 - rate) * t + rate * s for t, s in zip(parameters(target), parameters(source), strict=True)]
    before = parameters(source)
    target.soft_parameter_update(source, rate)
    for parameter, value in zip(parameters(target), expected, strict=True):
        np.testing.assert_allclose(parameter, value, rtol=1e-6)
    assert same(target, source) == (rate == 1)
    assert all(np.array_equal(x, y) for x, y in zip(before, parameters(source), strict=True))


def test_soft_parameter_update_refuses_another_rate() -> None:
    with pytest.raises(InputError, match=r"in \[0, 1\], it is 1.5"):
        Network(3, 2).soft_parameter_update(Network(3, 2), 1.5)


def test_backpropagation_steps_down_the_gradient() -> None:
    network = Network(1, 1, learning_rate=0.1)
    before = [p.item() for p in network.parameters()]
    # The gradient of 3 · weight is 3, of 2 · bias 2.
    for _ in range(2):
        loss = 3 * network.model[0].weight.sum() + 2 * network.model[0].bias.sum()
        assert network.run_backpropagation(loss) == pytest.approx(loss.item())
    after = [p.item() for p in network.parameters()]
    assert after == pytest.approx([before[0] - 2 * 0.3, before[1] - 2 * 0.2])


def test_backpropagation_of_summands_is_that_of_their_sum() -> None:
    whole, parts = Network(3, 4, 2), Network(3, 4, 2)
    inputs = torch.arange(12.0).reshape(4, 3)
    loss = whole.run_backpropagation(whole(inputs).square().sum())
    assert parts.run_backpropagation(parts(x).square().sum() for x in inputs) == pytest.approx(loss)
    for a, b in zip(parameters(whole), parameters(parts), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize("factor", [torch.nan, torch.inf])
def test_a_broken_loss_changes_nothing(factor: float) -> None:
    network = Network(3, 2)
    before = parameters(network)
    with pytest.raises(FloatingPointError, match=r"loss of Network is (nan|inf|-inf)"):
        network.run_backpropagation(network(torch.ones(1, 3)).sum() * factor)
    assert all(np.array_equal(x, y) for x, y in zip(before, parameters(network), strict=True))


def test_a_broken_gradient_of_a_finite_loss_changes_nothing() -> None:
    network = Network(3, 2)
    before = parameters(network)
    with pytest.raises(FloatingPointError, match=r"gradient of Network is (nan|inf)"):
        network.run_backpropagation((network(torch.ones(1, 3)) * 0).sqrt().sum())
    assert all(np.array_equal(x, y) for x, y in zip(before, parameters(network), strict=True))


def test_disable_learning() -> None:
    network = Network(3, 4, 2)
    assert network(torch.ones(1, 3)).requires_grad
    network.disable_learning()
    assert not network(torch.ones(1, 3)).requires_grad


def test_learning_state_goes_on_exactly() -> None:
    a, b = Network(3, 4, 2, seed=1), Network(3, 4, 2, seed=2)
    for network in (a, b):
        network.optimizer = torch.optim.Adam(network.parameters())
    inputs = torch.arange(12.0).reshape(4, 3)
    for _ in range(3):
        a.run_backpropagation(a(inputs).square().sum())
    state = a.learning_state()
    b.load_learning_state(state)
    for network in (a, b):
        network.run_backpropagation(network(inputs).square().sum())
    assert same(a, b)
    # The state is a copy: it can be loaded again after learning went on.
    c = Network(3, 4, 2)
    c.optimizer = torch.optim.Adam(c.parameters())
    c.load_learning_state(state)
    c.run_backpropagation(c(inputs).square().sum())
    assert same(a, c)
    with pytest.raises(InputError, match="the saved state does not fit this Network"):
        Network(3, 2).load_learning_state(state)


def test_add_to_tensorboard_writes_both_graphs(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    pytest.importorskip("torchviz")
    if shutil.which("dot") is None:
        pytest.skip("graphviz is not installed")
    Network(3, 4, 2).add_to_tensorboard(np.ones(3), tmp_path)
    (events,) = (tmp_path / "writer" / "Network").iterdir()
    assert b"Linear" in events.read_bytes()
    assert [path.name for path in (tmp_path / "graphs").iterdir()] == ["Network.pdf"]
    assert (tmp_path / "graphs" / "Network.pdf").read_bytes().startswith(b"%PDF")


def test_add_to_tensorboard_says_which_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchviz", None)
    with pytest.raises(InputError, match=r"torchviz is not installed: pip install 'pydeeprecsys\[graphs\]'"):
        Network(3, 2).add_to_tensorboard(np.ones(3), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_add_to_tensorboard_says_that_graphviz_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    pytest.importorskip("torchviz")
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(InputError, match="install graphviz"):
        Network(3, 2).add_to_tensorboard(np.ones(3), tmp_path)
    assert list(tmp_path.iterdir()) == []
