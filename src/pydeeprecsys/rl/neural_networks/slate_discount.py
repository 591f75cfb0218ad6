"""Learned variety of slates: a policy lowers the logits of items like those before them in the slate."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pydeeprecsys.errors import InputError
from pydeeprecsys.rl.item_estimates import ItemEstimates
from pydeeprecsys.rl.neural_networks.base_network import sequential_architecture
from pydeeprecsys.rl.neural_networks.base_scores import zeroed
from pydeeprecsys.rl.neural_networks.state_encoders.encoding import StateEncoding
from pydeeprecsys.rl.ops.varied_policies import Discount
from pydeeprecsys.rl.ops.variety import kinds_of

DECAY = 0.9


class SlateDiscount(nn.Module):
    """A weight, in logits, of the overlap of an item's categories with those of the items before it in the slate.

    The weight is a linear function of the network's last hidden layer, 0 at first.

    Args:
        item_estimates: with the categories of the items.
        n_inputs: outputs of the last hidden layer.
    """

    units: Tensor
    kinds: Tensor
    decays: Tensor

    def __init__(self, item_estimates: ItemEstimates, n_inputs: int) -> None:
        super().__init__()
        kinds = kinds_of(item_estimates.categories)
        # Arguments of the constructor, as sizes are, and therefore not saved.
        units = torch.from_numpy(np.ascontiguousarray(kinds.units.T)).float()
        buffers = {"units": units, "kinds": torch.from_numpy(kinds.of), "decays": torch.tensor([DECAY])}
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer, persistent=False)
        self.weight = zeroed(sequential_architecture([n_inputs, 1])[0])

    def forward(self, hidden: Tensor) -> Discount:
        """What lowers the logits inside slates, given (n, n_inputs) outputs of the last hidden layer."""
        nothing = hidden.new_zeros(hidden.shape[0], 1, self.units.shape[1])
        return Discount(self.weight(hidden), nothing, self.decays, units=self.units, kinds=self.kinds)


def discount_of(states: int | StateEncoding, n_inputs: int) -> SlateDiscount:
    """The discount of a policy that reads such states.

    Raises:
        InputError: the categories of the items are not known, or items are shown one at a time.
    """
    if isinstance(states, int) or states.item_estimates is None or states.history is None:
        raise InputError("vary_slates needs the categories of the items: give a state encoder of histories")
    if states.history.slate_size == 1:
        raise InputError("vary_slates is about slates, and items are shown one at a time; leave it out")
    return SlateDiscount(states.item_estimates, n_inputs)
