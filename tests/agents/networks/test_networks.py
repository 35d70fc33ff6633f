"""StackedMLP against one torch.nn network each, in double precision, and its contract."""

import pytest
import torch
from coordbench.agents.networks.optimizing import Adam
from coordbench.agents.networks.stacked import StackedMLP
from tiny import set_outputs
from torch import nn

S, M, B = 2, 3, 5


def generators(seeds=(0, 1)):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def make(twins=1, sizes=(6, 7, 4, 2), seeds=(0, 1), dtype=torch.float64):
    return StackedMLP(M, sizes, generators(seeds), twins=twins, dtype=dtype)


def plain(network, twin, seed, member):
    """The same network out of torch.nn."""
    layers = []
    for layer in range(0, len(network.parameters), 2):
        weight, bias = (p[twin, seed, member] for p in network.parameters[layer : layer + 2])
        linear = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
        linear.weight.data, linear.bias.data = weight.clone(), bias.clone()
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("twins", [1, 2])
@pytest.mark.parametrize("shared", [True, False])
def test_outputs_and_gradients_equal_separate_networks(twins, shared):
    network = make(twins)
    x = torch.randn(*((S, B, 6) if shared else (S, M, B, 6)), dtype=torch.float64)
    weights = torch.randn(twins, S, M, B, 2, dtype=torch.float64)
    y = network(x)
    (y * (weights if twins > 1 else weights[0])).sum().backward()
    for t in range(twins):
        for s in range(S):
            for m in range(M):
                reference = plain(network, t, s, m)
                expected = reference(x[s] if shared else x[s, m])
                found = (y if twins > 1 else y[None])[t, s, m]
                torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
                (expected * weights[t, s, m]).sum().backward()
                for mine, theirs in zip(network.gradients, reference.parameters(), strict=True):
                    torch.testing.assert_close(mine[t, s, m], theirs.grad, rtol=0, atol=1e-12)


def test_own_gradient_is_that_of_its_columns():
    network = make(twins=2)
    x = torch.randn(S, B, 6, dtype=torch.float64)
    columns = torch.tensor([[0, 1], [2, 3], [4, 5]])
    own = torch.stack([x[:, :, 2 * m : 2 * m + 2] for m in range(M)], 1).requires_grad_()
    network.frozen(x, own=own, columns=columns).sum().backward()
    for s in range(S):
        for m in range(M):
            leaf = x[s].clone().requires_grad_()
            sum(plain(network, t, s, m)(leaf).sum() for t in range(2)).backward()
            torch.testing.assert_close(own.grad[s, m], leaf.grad[:, columns[m]], rtol=0, atol=1e-12)
    assert not network.flat.grad.any(), "a frozen pass must not touch the parameters' gradients"


def test_one_twin_alone_equals_its_part_of_both():
    network = make(twins=2)
    x = torch.randn(S, B, 6, dtype=torch.float64)
    assert torch.equal(network.frozen(x, twin=1), network.frozen(x)[1])


def test_a_second_gradient_before_the_step_is_refused():
    network = make(dtype=torch.float32)
    optimizer = Adam([network], 1e-3)
    x = torch.randn(S, B, 6)
    network(x).sum().backward()
    with pytest.raises(RuntimeError, match="once between two optimiser steps"):
        network(x).sum().backward()
    optimizer.step()
    network(x).sum().backward()


def test_second_derivatives_are_refused():
    network = make()
    own = torch.randn(S, M, B, 6, dtype=torch.float64, requires_grad=True)
    y = network.frozen(own.detach(), own=own, columns=torch.arange(6).expand(M, 6)).square().sum()
    (first,) = torch.autograd.grad(y, own, create_graph=True)
    with pytest.raises(RuntimeError):
        first.sum().backward()


def test_a_seed_trains_alike_alone_and_in_a_stack():
    def trained(seeds):
        network = StackedMLP(M, (6, 33, 17, 2), generators(seeds))
        target, optimizer = network.copy(), Adam([network], 1e-2)
        for step in range(10):
            rows = [
                torch.randn(128, 6, generator=torch.Generator().manual_seed(100 * s + step)) for s in seeds
            ]
            network(torch.stack(rows)).square().mean((-1, -2)).sum().backward()
            optimizer.step()
            target.track(network, 0.1)
        return [p for net in (network, target) for p in net.parameters]

    together = trained((3, 4, 5, 6))
    for row, seed in enumerate((3, 4, 5, 6)):
        for mine, alone in zip(together, trained((seed,)), strict=True):
            assert torch.equal(mine[:, row], alone[:, 0])


def test_initial_weights_have_the_bounds_of_linear_layers():
    network = StackedMLP(M, (100, 50, 1), generators(), last_bound=3e-3)
    for parameter, bound in zip(network.parameters, (0.1, 0.1, 3e-3, 3e-3), strict=True):
        assert parameter.abs().max() <= bound
    assert network.parameters[0].abs().max() > 0.099
    assert not torch.equal(network.parameters[0][0, 0], network.parameters[0][0, 1])


def test_target_moves_by_the_rate():
    network = make()
    target = network.copy()
    set_outputs(network, [1.0, 1.0] * M)
    set_outputs(target, [3.0, 5.0] * M)
    target.track(network, 0.25)
    assert torch.equal(target.parameters[-1][0, 0, 0], torch.tensor([2.5, 4.0], dtype=torch.float64))
