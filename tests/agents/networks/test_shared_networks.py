"""Parameter sharing and attention critics against plain loops, and what they must not depend on."""

import pytest
import torch
from coordbench.agents.networks.attention import AttentionCritic
from coordbench.agents.networks.optimizing import Adam
from coordbench.agents.networks.sharing import SharedMLP
from coordbench.agents.settings import SettingError
from tiny import agent, fill, team
from torch.nn.functional import leaky_relu, relu

S, B = 2, 5
ROLES = [0, 1, 0]


def generators(seeds=(0, 1)):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def shared(twins=1):
    return SharedMLP(ROLES, (6, 7, 4, 2), generators(), twins=twins, dtype=torch.float64)


def plainly(network, twin, seed, role, number, x):
    """One member's outputs by the definition: its role's weights, its own first bias."""
    parameters = [p[twin, seed, role] for p in network.parameters]
    h = relu(x @ parameters[0].T + parameters[1][number])
    h = relu(h @ parameters[2].T + parameters[3])
    return h @ parameters[4].T + parameters[5]


@pytest.mark.parametrize("twins", [1, 2])
@pytest.mark.parametrize("is_joint", [True, False])
def test_shared_networks_equal_their_definition(twins, is_joint):
    network = shared(twins)
    x = torch.randn(*((S, B, 6) if is_joint else (S, 3, B, 6)), dtype=torch.float64)
    y = network(x) if twins > 1 else network(x)[None]
    for t in range(twins):
        for s in range(S):
            for m, (role, number) in enumerate([(0, 0), (1, 0), (0, 1)]):
                expected = plainly(network, t, s, role, number, x[s] if is_joint else x[s, m])
                torch.testing.assert_close(y[t, s, m].detach(), expected, rtol=0, atol=1e-12)


def test_members_of_a_role_differ_by_their_own_first_bias_alone():
    network, x = shared(), torch.randn(S, B, 6, dtype=torch.float64)
    assert not torch.allclose(network.frozen(x)[:, 0], network.frozen(x)[:, 2])
    network.parameters[1][:] = 0.1
    assert torch.equal(network.frozen(x)[:, 0], network.frozen(x)[:, 2])
    assert not torch.allclose(network.frozen(x)[:, 0], network.frozen(x)[:, 1])


@pytest.mark.parametrize("make", [shared, lambda: attention()])
def test_gradients_are_those_of_finite_differences(make):
    network = make()
    width = 6 if isinstance(network, SharedMLP) else 18
    x = torch.randn(S, B, width, dtype=torch.float64)
    weight = torch.randn(network.frozen(x).shape, dtype=torch.float64)
    (network(x) * weight).sum().backward()
    found = network.flat.grad.clone()
    network.stepped()
    assert not network.flat.grad.any(), "a step begins anew"
    for index in torch.randperm(len(found), generator=torch.Generator().manual_seed(0))[:60].tolist():
        values = []
        for change in (1e-6, -1e-6):
            network.flat.detach()[index] += change
            values.append((network.frozen(x) * weight).sum())
            network.flat.detach()[index] -= change
        assert found[index] == pytest.approx(float(values[0] - values[1]) / 2e-6, abs=1e-6)


def test_own_gradient_of_shared_networks_is_that_of_its_columns():
    network, columns = shared(), torch.tensor([[0, 1], [2, 3], [4, 5]])
    x = torch.randn(S, B, 6, dtype=torch.float64)
    own = torch.stack([x[:, :, 2 * m : 2 * m + 2] for m in range(3)], 1).requires_grad_()
    network.frozen(x, own=own, columns=columns).sum().backward()
    for s in range(S):
        for m, (role, number) in enumerate([(0, 0), (1, 0), (0, 1)]):
            leaf = x[s].clone().requires_grad_()
            plainly(network, 0, s, role, number, leaf).sum().backward()
            torch.testing.assert_close(own.grad[s, m], leaf.grad[:, 2 * m : 2 * m + 2], rtol=0, atol=1e-12)


def attention(roles=(0, 1, 2), actions=2, twins=1):
    return AttentionCritic(roles, 4, actions, 8, 2, generators(), twins=twins, dtype=torch.float64)


def attended_plainly(network, seed, observation, action):
    """All members' values for one transition, observation (N, 4), action (N, 2)."""
    roles, p = network.roles.tolist(), [q[0, seed] for q in network.parameters]
    select, key, value, bias = (q[0] for q in p[8:])
    told, answers = [], []
    for i, r in enumerate(roles):
        told.append(leaky_relu(p[0][r] @ torch.cat([observation[i], action[i]]) + p[1][r]))
    for i, r in enumerate(roles):
        query = (select @ leaky_relu(p[6][r] @ observation[i] + p[7][r])).view(2, 4)
        others = [told[j] for j in range(len(roles)) if j != i]
        keys = torch.stack([(key @ e).view(2, 4) for e in others], 1)
        values = torch.stack([leaky_relu(value @ e + bias).view(2, 4) for e in others], 1)
        weights = torch.softmax((query[:, None] * keys).sum(-1) / 2, -1)
        heard = (weights[..., None] * values).sum(1).flatten()
        hidden = relu(p[2][r] @ torch.cat([told[i], heard]) + p[3][r])
        answers.append(p[4][r] @ hidden + p[5][r])
    return torch.stack(answers)


def test_attention_equals_its_definition():
    network = attention()
    x = torch.randn(S, B, 18, dtype=torch.float64)
    found = network.frozen(x)
    for s in range(S):
        for b in range(B):
            expected = attended_plainly(network, s, x[s, b, :12].view(3, 4), x[s, b, 12:].view(3, 2))
            torch.testing.assert_close(found[s, :, b], expected, rtol=0, atol=1e-12)
    each = network.frozen(x[:, None].expand(S, 3, B, 18))
    torch.testing.assert_close(each, found, rtol=0, atol=1e-12)


def test_attention_does_not_see_in_what_order_others_of_a_role_come():
    network = attention(roles=(0, 0, 0))
    observation, action = torch.randn(S, B, 3, 4).double(), torch.randn(S, B, 3, 2).double()
    swapped = [0, 2, 1]
    q, other = (
        network.frozen(torch.cat([observation[:, :, p].flatten(2), action[:, :, p].flatten(2)], -1))
        for p in ([0, 1, 2], swapped)
    )
    torch.testing.assert_close(other[:, 0], q[:, 0], rtol=0, atol=1e-12)
    torch.testing.assert_close(other[:, 1], q[:, 2], rtol=0, atol=1e-12)


def test_attention_moves_an_action_by_its_own_members_critic_alone():
    network = attention()
    x = torch.randn(S, B, 18, dtype=torch.float64)
    own = x[..., 12:].unflatten(-1, (3, 2)).transpose(1, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(network.frozen(x, own=own)[:, 1].sum(), own)
    assert gradient[:, 1].any()
    assert not gradient[:, [0, 2]].any()


def test_a_single_member_hears_nobody():
    assert attention(roles=(0,)).frozen(torch.randn(S, B, 6).double()).shape == (S, 1, B, 1)


def test_the_optimiser_moves_them():
    network = shared()
    before, optimizer = network.flat.detach().clone(), Adam([network], 1e-3)
    network(torch.randn(S, B, 6, dtype=torch.float64)).sum().backward()
    optimizer.step()
    assert not torch.equal(before, network.flat)
    assert torch.equal(
        network.parameters[0].flatten(), network.flat.detach()[: network.parameters[0].numel()]
    )


@pytest.mark.parametrize("name", ["maddpg", "ma_ac", "vm3ac"])
@pytest.mark.parametrize("settings", [{"share_parameters": True}, {"critic": "attention"}])
def test_agents_learn_with_them_and_members_of_other_sizes_keep_their_own(name, settings):
    learner = agent(name, team(3), **settings)
    fill(learner)
    before = learner.actor.flat.detach().clone()
    assert learner.update()
    assert not torch.equal(before, learner.actor.flat)
    assert learner.actor.networks == (1 if "share_parameters" in settings else 3)


def test_settings_that_do_not_fit():
    with pytest.raises(SettingError, match="'attention_heads' must divide the last of 'hidden'"):
        agent("ma_ac", critic="attention", attention_heads=3)
    with pytest.raises(SettingError, match="'hidden' needs at least one layer"):
        agent("ma_ac", critic="attention", hidden=())
    with pytest.raises(SettingError, match="needs 'critic_input' = 'observations'"):
        agent("ma_ac", critic="attention", critic_input="state")
