"""What one exported model is: a module, its inputs at given dimensions, and which may vary."""

import dataclasses
import typing

import torch


@dataclasses.dataclass
class Model:
    """A module whose `forward` takes the inputs in order and gives a tensor or a tuple of them.

    `inputs(**dims)` makes the inputs by name, seeded. `dims` are the dimensions of the export and
    of each run, of which the first has those of the export; `dynamic` names, for each input, the
    axes that vary. `outputs` are the names of the results.
    Weights that are not `trained` are made larger: initializers draw small ones, with which all
    attention would be even.
    """

    module: torch.nn.Module
    inputs: typing.Callable
    dims: list
    dynamic: dict
    outputs: list
    trained: bool = False


MAKERS = {}


def model(maker):
    """Registers a function that makes a Model under its name."""
    MAKERS[maker.__name__] = maker
    return maker


class Picked(torch.nn.Module):
    """A transformers model that takes tensors by position and gives those of its outputs."""

    def __init__(self, module, inputs, outputs):
        super().__init__()
        self.module, self.names, self.picked = module, inputs, outputs

    def forward(self, *tensors):
        result = self.module(**dict(zip(self.names, tensors)))
        return tuple(result[name] for name in self.picked)


def integers(high, *shape):
    return torch.randint(0, high, shape)


def mask(batch, length):
    """1 for what is there; the first row is whole, of the others a little is missing at the end."""
    there = torch.ones(batch, length, dtype=torch.int64)
    for row in range(1, batch):
        there[row, max(1, length - row) :] = 0
    return there
