"""One member's policy by itself acts as it does in the team, as a module, in TorchScript and in ONNX."""

from __future__ import annotations

import io
import json

import pytest
import torch
from coordbench import agents
from coordbench.agents import exporting
from coordbench.agents.actor_critics.maddpg import MADDPG, MADDPGConfig
from coordbench.agents.checking.synthetic import team
from coordbench.agents.exporting import ExportError, member_policy, to_onnx, to_torchscript
from test_single_seed import PlainConfig, ReinforceAgent

SETTINGS = {"hidden": (8, 12), "warm_up": 0, "buffer_size": 200}
SIZES = (3, 6, 4)
CASES = [
    *[("continuous", name) for name in ("ma_ac", "ma_sac", "maddpg", "si_moa", "vm3ac")],
    *[("discrete", name) for name in ("ma_ac", "ma_sac", "maddpg", "vm3ac")],
]
LOOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(autouse=True)
def _precise():
    with exporting.full_precision():
        yield


def make(name, kind="continuous", **settings):
    return agents.make(name, team(SIZES, 4, kind), (3, 5), settings={**SETTINGS, **settings})


def draws(kind, copies=300):
    """Random observations and masks of a stack of two."""
    generator = torch.Generator().manual_seed(2)
    observation = 2 * torch.randn(2, copies, 3, 6, generator=generator)
    mask = torch.rand(2, copies, 3, 4, generator=generator) < 0.6
    mask[..., 1] |= ~mask.any(-1)
    return observation, mask if kind == "discrete" else None, torch.ones(2, copies, dtype=torch.bool)


def run_torchscript(content, inputs):
    loaded = torch.jit.load(io.BytesIO(content))
    return loaded(*inputs)


def run_onnx(content, inputs):
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    fed = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
    return torch.from_numpy(session.run(["action"], fed)[0])


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_member_alone_acts_as_in_its_team(kind, name, shared):
    agent = make(name, kind, share_parameters=shared)
    observation, mask, start = draws(kind)
    theirs = agent.policy("greedy", seed=0).act(observation, mask, start)
    for member, size in enumerate(SIZES):
        policy = member_policy(agent, member, row=1)
        inputs = [observation[1, :, member, :size], *([] if mask is None else [mask[1, :, member]])]
        assert policy.input_names == ("observation", "mask")[: len(inputs)]
        for ours in (policy(*inputs), run_torchscript(to_torchscript(policy, {}), inputs)):
            torch.testing.assert_close(ours, theirs[1, :, member], **LOOSE)
        other = member_policy(agent, member, row=0)(*inputs)
        assert not torch.allclose(other.float(), theirs[1, :, member].float(), **LOOSE)


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_onnx_acts_as_the_team_for_any_number_of_copies(kind):
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    agent = make("vm3ac", kind)
    observation, mask, start = draws(kind)
    theirs = agent.policy("greedy", seed=0).act(observation, mask, start)[0, :, 1]
    inputs = [observation[0, :, 1], *([] if mask is None else [mask[0, :, 1]])]
    content = to_onnx(member_policy(agent, 1), {"member": 1})
    torch.testing.assert_close(run_onnx(content, inputs), theirs, **LOOSE)
    torch.testing.assert_close(run_onnx(content, [part[:1] for part in inputs]), theirs[:1], **LOOSE)
    import onnx

    properties = {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}
    assert json.loads(properties["coordbench"]) == {"member": 1}


def test_a_latent_of_each_step_can_be_an_input():
    agent = make("vm3ac")
    observation, _, start = draws("continuous")
    acting = agent.policy("shared_seed", seed=9)
    theirs, z = acting.act(observation, None, start), agent.policy("shared_seed", seed=9).latent(start)
    policy = member_policy(agent, 2, "input")
    assert policy.input_names == ("observation", "latent")
    torch.testing.assert_close(policy(observation[0, :, 2, :4], z[0, 0]), theirs[0, :, 2], **LOOSE)
    inputs = [observation[0, :, 2, :4], z[0, 0]]
    loaded = run_torchscript(to_torchscript(policy, {}), inputs)
    torch.testing.assert_close(loaded, theirs[0, :, 2], **LOOSE)


def test_a_latent_of_an_episode_is_an_input_or_fixed():
    agent = make("maven_ac", latent_values=5)
    observation, _, start = draws("continuous")
    acting = agent.policy("greedy", seed=0)
    theirs, z = acting.act(observation, None, start)[0, :, 0], acting.episode.as_input()[0, 0]
    policy = member_policy(agent, 0)
    assert policy.input_names == ("observation", "latent")
    torch.testing.assert_close(policy(observation[0, :, 0, :3], z), theirs, **LOOSE)
    for value in range(5):
        own = z[:, value] > 0
        fixed = member_policy(agent, 0, value)
        assert fixed.input_names == ("observation",)
        torch.testing.assert_close(fixed(observation[0, own, 0, :3]), theirs[own], **LOOSE)
    assert member_policy(make("maven_ac", latent_values=1), 0).input_names == ("observation",)


def test_torchscript_carries_what_it_is_about():
    extra = {"coordbench.json": ""}
    content = to_torchscript(member_policy(make("maddpg"), 0), {"task": "somewhere"})
    torch.jit.load(io.BytesIO(content), _extra_files=extra)
    assert json.loads(extra["coordbench.json"]) == {"task": "somewhere"}


@pytest.mark.parametrize(
    ("name", "member", "latent", "reason"),
    [
        ("maddpg", 3, "default", "has the members 0 to 2, not 3"),
        ("maddpg", -1, "default", "has the members 0 to 2, not -1"),
        ("maddpg", 0, "input", "can be nothing: it has none; not 'input'"),
        ("vm3ac", 0, 1, "can be 'zero' or 'input'; not 1"),
        ("vm3ac", 0, "sampled", "can be 'zero' or 'input'; not 'sampled'"),
        ("maven_ac", 0, 16, "can be 'input' or a number from 0 to 15; not 16"),
        ("maven_ac", 0, "zero", "can be 'input' or a number from 0 to 15; not 'zero'"),
        ("random", 0, "default", "Random cannot be exported"),
    ],
)
def test_what_cannot_be_exported_is_refused(name, member, latent, reason):
    agent = agents.make("random", team(SIZES), (0,)) if name == "random" else make(name)
    with pytest.raises(ExportError, match=reason):
        member_policy(agent, member, latent)


class Contrary(MADDPG):
    """Acts otherwise than its actor says."""

    def policy(self, mode="explore", seed=None):
        policy = super().policy(mode, seed)
        act = policy.act
        policy.act = lambda *given: -act(*given)
        return policy


def test_agents_of_other_kinds_are_refused():
    config = MADDPGConfig(hidden=(8, 12), warm_up=0, buffer_size=200)
    with pytest.raises(ExportError, match="Contrary acts otherwise than by its networks"):
        member_policy(Contrary(team(SIZES), config, (0,)), 0)
    single = ReinforceAgent(team((2, 2), 2, "discrete"), PlainConfig(), (0,))
    with pytest.raises(ExportError, match="ReinforceAgent cannot be exported"):
        member_policy(single, 0)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    policy = member_policy(make("maddpg"), 0)
    with pytest.raises(ExportError, match=r"pip install 'coordbench\[onnx\]'"):
        to_onnx(policy, {})


def test_fast_matrix_products_do_not_refuse_what_is_right():
    torch.set_float32_matmul_precision("medium")
    assert member_policy(make("ma_sac", hidden=(64, 64)), 0).action_size == 4
    assert torch.get_float32_matmul_precision() == "medium"
