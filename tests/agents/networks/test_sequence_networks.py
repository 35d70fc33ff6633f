"""Networks over sequences against torch's own, padding that changes no bit, gradients clipped by seed."""

import subprocess
import sys

import pytest
import torch
from coordbench.agents.networks.optimizing import Adam, RMSprop, clip_gradients
from coordbench.agents.networks.sequences import RecurrentTrunk, SequenceMLP
from coordbench.agents.streams import Streams

S, K, B, N, IN, H = 2, 16, 3, 2, 5, 12


def generators(seeds=(3, 4)):
    return Streams(seeds)["init"]


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def torchs_states(parameters, x, start, anew):
    """torch's GRU cell over one network's rows: x (K, rows, in), start (rows, H), anew (K, rows)."""
    first, first_bias, inward, inward_bias, onward, new_bias = parameters
    inner_bias = torch.cat([torch.zeros(2 * H, dtype=x.dtype), new_bias])
    h, states = start, []
    for row, begins in zip(torch.relu(x @ first.T + first_bias), anew, strict=True):
        h = torch.where(begins[:, None], torch.zeros_like(h), h)
        h = torch._VF.gru_cell(row, h, inward, onward, inward_bias, inner_bias)
        states.append(h)
    return torch.stack(states)


@pytest.mark.parametrize("members", [1, N])
def test_the_trunk_is_torchs_gru_forwards_and_backwards(members):
    net = RecurrentTrunk(IN, H, generators(), members, dtype=torch.float64)
    x, start = randn(S, K, B, N, IN), randn(S, B, N, H, seed=1)
    weight = randn(S, K, B, N, H, seed=2)
    anew = torch.rand(S, K, B, generator=torch.Generator().manual_seed(3)) < 0.3
    states = net(x, start, anew)
    (states * weight).sum().backward()
    for s in range(S):
        for m in range(members):
            mine = [p[0, s, m].clone().requires_grad_() for p in net.parameters]
            rows = slice(None) if members == 1 else slice(m, m + 1)
            some_anew = anew[s, :, :, None].expand(K, B, N)[:, :, rows].flatten(1)
            expected = torchs_states(
                mine, x[s, :, :, rows].flatten(1, 2), start[s, :, rows].flatten(0, 1), some_anew
            )
            found = states[s, :, :, rows].flatten(1, 2)
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
            (expected * weight[s, :, :, rows].flatten(1, 2)).sum().backward()
            for gradient, parameter in zip(net.gradients, mine, strict=True):
                torch.testing.assert_close(gradient[0, s, m], parameter.grad, rtol=0, atol=1e-11)


def test_stepping_is_unrolling():
    net = RecurrentTrunk(IN, H, generators(), dtype=torch.float64)
    x = randn(S, K, B, N, IN)
    whole, h = net.frozen(x), net.no_state(B, N)
    for t in range(K):
        h = net.frozen(x[:, t : t + 1], h)[:, 0]
        torch.testing.assert_close(h, whole[:, t], rtol=0, atol=1e-12)


@pytest.mark.parametrize("members", [1, N])
def test_perceptrons_are_torchs(members):
    net = SequenceMLP((IN, 7, 3), generators(), members, dtype=torch.float64)
    x, weight = randn(S, K, B, N, IN).requires_grad_(), randn(S, K, B, N, 3, seed=1)
    y = net(x)
    (y * weight).sum().backward()
    for s in range(S):
        for i in range(N):
            mine = [p[0, s, i % members].clone() for p in net.parameters]
            own = x.detach()[s, :, :, i].requires_grad_()
            expected = torch.relu(own @ mine[0].T + mine[1]) @ mine[2].T + mine[3]
            torch.testing.assert_close(y[s, :, :, i], expected)
            (expected * weight[s, :, :, i]).sum().backward()
            torch.testing.assert_close(x.grad[s, :, :, i], own.grad)


def test_frozen_networks_pass_gradients_on_and_keep_none():
    net = SequenceMLP((IN, 4, 1), generators())
    x = randn(S, 8, B, IN, dtype=torch.float32).requires_grad_()
    net.frozen(x).sum().backward()
    assert x.grad is not None
    assert x.grad.any()
    assert not net.flat.grad.any()


def learned(seeds, x, weight, hidden=H):
    trunk, head = RecurrentTrunk(IN, hidden, generators(seeds)), SequenceMLP((hidden, 3), generators(seeds))
    y = head(trunk(x))
    (y[:, :K] * weight).sum().backward()
    return [y[:, :K].detach(), *(g[0] for net in (trunk, head) for g in net.gradients)]


@pytest.mark.parametrize("hidden", [12, 64])
def test_neither_padding_nor_other_seeds_change_a_bit(hidden):
    x, weight = randn(3, K, B, N, IN, dtype=torch.float32), randn(3, K, B, N, 3, dtype=torch.float32)
    padded = torch.cat([x, torch.zeros(3, 24, B, N, IN)], 1)
    together = learned((7, 8, 9), padded, weight, hidden)
    for row in range(3):
        alone = learned((7 + row,), x[row : row + 1], weight[row : row + 1], hidden)
        for mine, all_of_them in zip(alone, together, strict=True):
            assert torch.equal(mine, all_of_them[row : row + 1])


def test_gradients_are_clipped_seed_by_seed_as_torch_does():
    nets = [SequenceMLP((IN, 4, 2), generators()), SequenceMLP((IN, 1), generators())]
    for net in nets:
        for gradient in net.gradients:
            gradient.copy_(randn(*gradient.shape, dtype=torch.float32))
            gradient[:, 1] *= 1e-3  # of the second seed: too small to be clipped
    before = [g.clone() for net in nets for g in net.gradients]
    norm = clip_gradients(nets, 1.0)
    after = [g for net in nets for g in net.gradients]
    for seed in range(S):
        copies = [g[:, seed].clone().requires_grad_() for g in before]
        for copy, gradient in zip(copies, before, strict=True):
            copy.grad = gradient[:, seed].clone()
        expected = torch.nn.utils.clip_grad_norm_(copies, 1.0)
        torch.testing.assert_close(norm[seed], expected)
        for copy, gradient in zip(copies, after, strict=True):
            torch.testing.assert_close(gradient[:, seed], copy.grad)
    assert norm[0] > 1 > norm[1]


def test_a_seed_that_explodes_leaves_the_others_alone():
    net = SequenceMLP((IN, 2), generators())
    for gradient in net.gradients:
        gradient[:, 0] = torch.nan
        gradient[:, 1] = 0.1
    clip_gradients([net], 10.0)
    RMSprop([net], 1e-3).step()
    assert not net.flat.grad.any()
    for parameter in net.parameters:
        assert parameter[:, 0].isnan().all()
        assert parameter[:, 1].isfinite().all()


@pytest.mark.parametrize("kind", [RMSprop, Adam])
def test_optimisers_step_as_torchs(kind):
    net = SequenceMLP((IN, 2), generators())
    mine = net.flat.detach().clone().requires_grad_()
    if kind is RMSprop:
        plain = torch.optim.RMSprop([mine], lr=0.01, alpha=0.99, eps=1e-5)
    else:
        plain = torch.optim.Adam([mine], lr=0.01, fused=True)
    stepper = kind([net], 0.01)
    for k in range(3):
        gradient = randn(*mine.shape, seed=k, dtype=torch.float32)
        net.flat.grad.copy_(gradient)
        mine.grad = gradient.clone()
        stepper.step()
        plain.step()
    assert torch.equal(net.flat, mine)


@pytest.mark.parametrize("kind", [RMSprop, Adam])
def test_an_optimiser_goes_on_from_its_state(kind):
    nets = [SequenceMLP((IN, 2), generators()) for _ in range(2)]
    steppers = [kind([net], 0.01) for net in nets]

    def step(which, k):
        nets[which].flat.grad.copy_(randn(*nets[which].flat.shape, seed=k, dtype=torch.float32))
        steppers[which].step()

    for k in range(3):
        step(0, k)
    state = steppers[0].state_dict()
    nets[1].load(nets[0].flat.detach())
    steppers[1].load_state_dict(state)
    step(0, 3)  # changes neither the state that was taken nor the other optimiser
    step(1, 3)
    assert torch.equal(nets[0].flat, nets[1].flat)
    assert int(state["steps"][0]) == 3
    assert not torch.equal(state["moments"][0][0], steppers[0].state_dict()["moments"][0][0])


def test_compiled_steps_are_torchs_to_single_precision():
    x, start = randn(S, K, B, N, IN), randn(S, B, N, H, seed=1)
    weight, anew = randn(S, K, B, N, H, seed=2), randn(S, K, B, seed=3) > 0.5
    nets = [RecurrentTrunk(IN, H, generators(), dtype=dtype) for dtype in (torch.float32, torch.float64)]
    nets[1].load(nets[0].flat.detach().double())
    found = []
    for net in nets:
        dtype = net.flat.dtype
        states = net(3 * x.to(dtype), start.to(dtype), anew)
        (states * weight.to(dtype)).sum().backward()
        found.append([states.detach(), *net.gradients])
    for mine, exact in zip(*found, strict=True):
        scale = float(exact.abs().max())
        torch.testing.assert_close(mine.double(), exact, rtol=0, atol=3e-6 * scale)


@pytest.mark.parametrize("name", ["RMSprop", "Adam"])
def test_a_step_does_not_pay_for_compilers(name):
    code = f"""
import sys, torch
from coordbench.agents.networks.optimizing import {name}
from coordbench.agents.networks.sequences import SequenceMLP
net = SequenceMLP((2, 1), [torch.Generator()])
{name}([net], 0.01).step()
sys.exit("torch._dynamo" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
