"""`bench speed recurrent`: the plain loops have the agents' losses and gradients; they act and learn."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from coordbench import agents, envs
from coordbench.agents.distributions.categorical import chosen
from coordbench.benchmarks.speed import measure as speed
from coordbench.benchmarks.speed.plain_fop import PlainVM3FOP
from coordbench.benchmarks.speed.plain_recurrent import PlainQMIX
from coordbench.benchmarks.speed.recurrent import Life, alone, side_by_side
from torch import nn

SEEDS = (3, 8)
SIZES = {"hidden": 8, "batch_size": 6, "buffer_size": 40, "trace": 0.7, "learning_rate": 0.01}


@pytest.fixture(autouse=True)
def exact_products():
    """Full single precision, whatever another test has set."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


def lived(name, **settings) -> Any:
    """An agent of two seeds whose memory holds random battles and whose targets differ from their sources."""
    life = Life(name, SIZES | settings, SEEDS, 4)
    for _ in range(80):
        life.step(learns=False)
    for target, network in life.agent.networks().items():
        if target.startswith("target"):
            network.flat.mul_(0.7)
    return life.agent


def both_batches(agent):
    """The same episodes laid one after another, and side by side."""
    drawn = agent.streams.state_dict()
    packed = agent.replay.sample(agent.config.batch_size, agent.streams)
    after = agent.streams.state_dict()
    agent.streams.load_state_dict(drawn)
    wide = side_by_side(agent)
    agent.streams.load_state_dict(after)
    return packed, wide


def check_gradients(agent, learner, row):
    """Of every trained perceptron and of the recurrent layers."""
    members, trunk = learner.members, agent.trunk.gradients
    cell = members.cell
    found = [members.first.weight, members.first.bias, cell.weight_ih, cell.bias_ih, cell.weight_hh]
    for parameter, gradient in zip(found, trunk, strict=False):
        torch.testing.assert_close(parameter.grad, gradient[0, row, 0], rtol=1e-3, atol=1e-5)
    new_bias = cell.bias_hh.grad[2 * cell.hidden_size :]
    torch.testing.assert_close(new_bias, trunk[5][0, row, 0], rtol=1e-3, atol=1e-5)
    for name, module in learner.perceptrons().items():
        if not name.startswith("target"):
            gradients = agent.networks()[name].gradients
            for parameter, gradient in zip(module.parameters(), gradients, strict=True):
                torch.testing.assert_close(parameter.grad, gradient[0, row, 0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "settings", [{}, {"hypernet_hidden": 0, "see_member": False, "see_last_action": False}]
)
def test_plain_qmix_has_the_losses_and_gradients_of_the_stack(settings):
    agent = lived("qmix", **settings)
    packed, wide = both_batches(agent)
    loss, _ = agent.td_loss(packed, agent.action_values(packed))
    loss.sum().backward()
    for row in range(len(SEEDS)):
        learner = PlainQMIX(agent.team, agent.config)
        learner.take_weights(agent.networks(), row)
        plain = learner.loss(alone(wide, row))
        torch.testing.assert_close(plain, loss[row], rtol=1e-4, atol=1e-5)
        plain.backward()
        check_gradients(agent, learner, row)


def test_plain_vm3_fop_has_the_losses_and_gradients_of_the_stack():
    agent = lived("vm3_fop", critic_hidden=8, q_hidden=8, temperature_start=0.4, temperature_end=0.4)
    _, batch = both_batches(agent)
    drawn = agent.streams.state_dict()
    logits = agent.logits(batch)
    with torch.no_grad():
        probability, _ = agent.policies(logits, batch.mask)
    own, gain = agent.gains(batch, probability)
    surprise = agent.prediction_loss(batch, probability)
    target = agent.targets(batch, logits, gain)
    actor, _ = agent.actor_loss(batch, logits, own)
    errors = [agent.critic_loss(critic, batch, target, gain)[0] for critic in agent.critics]
    expected = torch.stack([actor, *errors, surprise])
    expected.sum().backward()
    agent.streams.load_state_dict(drawn)  # draws once more what the losses above have drawn
    size, (steps, episodes) = agent.config.latent_size, batch.filled.shape[1:]
    latent = agent.streams.normal("latent", agent.length_of(batch), episodes, size)[:, :steps]
    draws = [agent.draws_along(batch, f"{what} action", 3) for what in ("predicted", "next")]
    for row in range(len(SEEDS)):
        learner = PlainVM3FOP(agent.team, agent.config)
        learner.take_weights(agent.networks(), row)
        given = iter([u[row] for u in draws])
        learner.sample = lambda probability, given=given: chosen(probability, next(given)[: len(probability)])
        single = alone(batch, row)
        losses = torch.stack(learner.losses(single, latent[row, : len(single.filled)]))
        torch.testing.assert_close(losses, expected[:, row], rtol=1e-4, atol=1e-5)
        losses.sum().backward()
        check_gradients(agent, learner, row)
        layers = [layer for layer in learner.predictor if isinstance(layer, nn.Linear)]
        rest = agent.predictor.parts["rest"].gradients
        for layer, (weight, bias) in zip(layers[1:], (rest[:2], rest[2:]), strict=True):
            torch.testing.assert_close(layer.weight.grad, weight[0, row, 0], rtol=1e-3, atol=1e-5)
            torch.testing.assert_close(layer.bias.grad, bias[0, row, 0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["qmix", "vm3_fop"])
def test_packing_changes_no_loss(name):
    agent = lived(name, **({"latent_size": 0, "q_coef": 0.0} if name == "vm3_fop" else {}))
    packed, wide = both_batches(agent)
    assert packed.filled.shape[2] == 3 < wide.filled.shape[2] == 6
    assert packed.filled.mean() > wide.filled.mean()
    if name == "qmix":
        found = [agent.td_loss(batch, agent.action_values(batch))[0] for batch in (packed, wide)]
    else:
        found = [agent.actor_loss(batch, agent.logits(batch))[0] for batch in (packed, wide)]
    torch.testing.assert_close(*found)


def test_report(monkeypatch, tmp_path):
    """Small: table and JSON; ratios are those of the medians."""
    plan = speed.Plan(seeds=2, recurrent_rounds=70, recurrent_steps=2, recurrent_chunks=1)
    out = tmp_path / "speed.json"
    rows = {row["agent"]: row for row in speed.run(out, plan, ["recurrent"])["recurrent"]}
    assert set(rows) == {"qmix", "vm3_fop"} == set(agents.names()) & set(rows)
    assert json.loads(out.read_text())["recurrent"]
    for row in rows.values():
        assert row["task"] in envs.names()
        assert 0.3 < row["batch_filled"] <= 1
        for what in ("updates", "training"):
            rates = row[what]["per_second"]
            ratio = rates["stacked"]["median"] / rates["plain"]["median"]
            assert row[what]["ratio_to_plain"] == pytest.approx(ratio)
            assert row[what]["ratio_to_faster_plain"] <= ratio
