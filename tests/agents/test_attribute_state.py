"""What stands in attributes is saved and put back, without being written down."""

import numpy as np
import pytest
import torch
from coordbench.agents import Config
from coordbench.agents.attribute_state import load_state, state_of, trained_of
from torch import nn


class Memory:
    def __init__(self):
        self.rows, self.count = torch.zeros(3), 0


class Owner:
    def __init__(self):
        self.net = nn.Linear(2, 1)
        self.free = torch.zeros(2, requires_grad=True)
        self.optimizer = torch.optim.SGD([*self.net.parameters(), self.free], 0.1, momentum=0.9)
        self.generator = torch.Generator().manual_seed(3)
        self.memory = Memory()
        self.mixed = {"nets": [nn.Linear(1, 1)], "pair": (1, torch.ones(1)), "none": None}
        self.array = np.zeros(2)
        self.squash = torch.tanh
        self.config = Config()


def changed(owner):
    owner.optimizer.zero_grad()
    (owner.net(torch.ones(1, 2)).sum() + owner.free.sum()).backward()
    owner.optimizer.step()
    owner.memory.rows[1], owner.memory.count, owner.array[0] = 5, 2, 7
    owner.mixed["pair"] = (2, torch.zeros(1))
    torch.rand(1, generator=owner.generator)
    return owner


def test_attributes_of_all_sorts_are_saved_and_put_back_in_place():
    saved_owner, other = changed(Owner()), Owner()
    state = state_of(saved_owner)
    assert state.keys().isdisjoint({"squash", "config"})
    net, free = other.net, other.free
    load_state(other, state)
    assert other.net is net
    assert other.free is free
    changed(saved_owner), changed(other)
    for name in ("weight", "bias"):
        assert torch.equal(getattr(other.net, name), getattr(saved_owner.net, name)), "with its momentum"
    assert torch.equal(other.free, saved_owner.free)
    assert torch.equal(other.mixed["nets"][0].weight, saved_owner.mixed["nets"][0].weight)
    assert (other.memory.count, other.memory.rows.tolist()) == (2, [0, 5, 0])
    assert other.generator.get_state().equal(saved_owner.generator.get_state())
    assert other.array.tolist() == [7, 0]
    assert other.mixed["pair"][0] == 2
    assert set(trained_of(other)) == {"net", "free", "mixed.nets.0"}


def test_a_saved_state_is_a_copy():
    owner = Owner()
    state = state_of(owner)
    before = owner.net.weight.detach().clone()
    changed(owner)
    other = Owner()
    load_state(other, state)
    assert torch.equal(other.net.weight, before)
    assert other.memory.count == 0


def test_what_cannot_be_saved_or_loaded_is_named():
    owner = Owner()
    owner.mixed["nets"].append(value for value in ())
    with pytest.raises(TypeError, match=r"Owner.mixed\['nets'\]\[1\] is a generator, which cannot be saved"):
        state_of(owner)
    late = Owner()
    late.extra = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"state of Owner\.extra: it is not there yet; make it in __init__"):
        load_state(Owner(), state_of(late))
