"""One member's policy as a file of its own: what has to run on that member, and nothing of this package.

The policy is the greedy one: the mean action, or the likeliest allowed one. It reads that member's own
observation (without padding) and, in this order, the latent variable and the mask of allowed actions if any.
Every export is compared with what the team's own policy does before it is handed out.
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .actor_critics.maven_ac import MAVENAC
from .actor_critics.off_policy import OffPolicyAgent
from .base import Agent
from .networks.flat import Network
from .networks.sharing import SharedMLP
from .networks.stacked import StackedMLP

TOLERANCE = 1e-5
"""Largest difference between an exported action and the team's: sums run in another order."""

_TRIALS = 256


class ExportError(ValueError):
    """A policy cannot be exported; one line says why."""


class MemberPolicy(nn.Module):
    """One member's greedy policy.

    Call it with an observation (B, obs) float32, then the latent (B, K) float32 if `reads_latent`, then the
    mask (B, n) bool of allowed actions if `is_discrete`; it gives actions (B, act) in [-1, 1] or (B,) int64.

    Args:
        layers: weight (out, in) and bias (out,) of each.
        latent_size: K, inputs of the first layer after the observation; 0 where no latent is to be given.
        is_discrete: whether the outputs are logits.
    """

    def __init__(self, layers: list[tuple[Tensor, Tensor]], latent_size: int, is_discrete: bool) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for weight, bias in layers:
            linear = nn.Linear(weight.shape[1], weight.shape[0])
            linear.load_state_dict({"weight": weight, "bias": bias})
            parts += [linear, nn.ReLU()]
        self.net = nn.Sequential(*parts[:-1])
        self.observation_size = layers[0][0].shape[1] - latent_size
        self.latent_size, self.is_discrete = latent_size, is_discrete
        self.action_size = layers[-1][0].shape[0]
        self.requires_grad_(False).eval()

    @property
    def input_names(self) -> tuple[str, ...]:
        """What it reads, in order."""
        return (
            "observation",
            *(("latent",) if self.latent_size else ()),
            *(("mask",) if self.is_discrete else ()),
        )

    def example(self, batch: int) -> tuple[Tensor, ...]:
        """Inputs of the right shapes."""
        sizes = {"observation": self.observation_size, "latent": self.latent_size, "mask": self.action_size}
        made = {name: torch.zeros(batch, sizes[name]) for name in self.input_names}
        return tuple(value.bool().logical_not() if name == "mask" else value for name, value in made.items())

    def forward(self, *inputs: Tensor) -> Tensor:
        """Actions (B, act), or (B,) int64."""
        x = torch.cat(inputs[:2], -1) if self.latent_size else inputs[0]
        y = self.net(x)
        return y.masked_fill(~inputs[-1], -torch.inf).argmax(-1) if self.is_discrete else torch.tanh(y)


def member_policy(agent: Agent, member: int, latent: int | str = "default", row: int = 0) -> MemberPolicy:
    """One member's greedy policy, by itself.

    Args:
        agent: has learned.
        member: 0 to N - 1.
        latent: what stands for the latent variable, if there is one: ``"zero"`` (what `greedy` means for one
            drawn each step, and the default then), ``"input"`` (the caller gives it; the default for one
            drawn once an episode), or the number of one of an episode's K values.
        row: of the run, in ``agent.seeds``.

    Raises:
        ExportError: no such member or latent, an agent whose policies are no perceptrons of this package, or
            an export that would not act as the agent does.
    """
    team, name = agent.team, type(agent).__name__
    if not 0 <= member < team.n_agents:
        raise ExportError(f"{team.task_id} has the members 0 to {team.n_agents - 1}, not {member}")
    actor = agent.networks().get("actor") if isinstance(agent, OffPolicyAgent) else None
    if actor is None:
        raise ExportError(f"{name} cannot be exported: only feed-forward actors of this package can")
    layers = layers_of(actor, row, member)
    size = layers[0][0].shape[1] - team.observation_size
    of_episode = isinstance(agent, MAVENAC)
    if latent == "default":
        latent = "input" if of_episode and size else "zero"
    _check_latent(latent, size, of_episode)
    (weight, bias), *others, (last_weight, last_bias) = layers
    own, of_latent = weight.split([team.observation_size, size], -1)
    own = own[:, : team.observation_sizes[member]]
    if latent == "input":
        own = torch.cat([own, of_latent], -1)
    elif latent != "zero":
        bias = bias + of_latent[:, int(latent)]
    act = team.action_size  # a Gaussian policy's other outputs are its spread
    policy = MemberPolicy(
        [(own, bias), *others, (last_weight[:act], last_bias[:act])],
        size if latent == "input" else 0,
        team.action_kind == "discrete",
    )
    _compare(agent, policy, member, row, latent)
    return policy


def layers_of(network: Network, row: int, member: int) -> list[tuple[Tensor, Tensor]]:
    """Copies of the weights (out, in) and biases (out,) that one member's perceptron consists of.

    Raises:
        ExportError: the network is of another kind.
    """
    if isinstance(network, StackedMLP):
        flat = [parameter[0, row, member] for parameter in network.parameters]
    elif isinstance(network, SharedMLP):
        role, place = divmod(int(network.places[member]), network.slots.shape[1])
        flat = [parameter[0, row, role] for parameter in network.parameters]
        flat[1] = flat[1][place]
    else:
        raise ExportError(f"a {type(network).__name__} cannot be exported; perceptrons can")
    flat = [parameter.detach().cpu().clone() for parameter in flat]
    return list(zip(flat[::2], flat[1::2], strict=True))


def to_torchscript(policy: MemberPolicy, about: Mapping[str, Any]) -> bytes:
    """A TorchScript module, for `torch.jit.load` and libtorch; `about` as its extra file coordbench.json."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch prefers torch.export, which C++ lacks
        traced = torch.jit.trace(policy, policy.example(2))
        torch.jit.save(traced, content, {"coordbench.json": json.dumps(about)})
    return content.getvalue()


def to_onnx(policy: MemberPolicy, about: Mapping[str, Any]) -> bytes:
    """An ONNX model; `about` as its metadata property coordbench.

    Raises:
        ExportError: the extra is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ExportError(f"ONNX needs {error.name}: pip install 'coordbench[onnx]'") from error
    batch = torch.export.Dim("batch")
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it names every library that is not installed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                policy,
                policy.example(2),
                dynamo=True,
                dynamic_shapes=(tuple({0: batch} for _ in policy.input_names),),
                input_names=policy.input_names,
                output_names=["action"],
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None
    program.model.metadata_props["coordbench"] = json.dumps(about)
    return program.model_proto.SerializeToString()


def _check_latent(latent: int | str, size: int, of_episode: bool) -> None:
    """Refuses what cannot stand for the latent variable."""
    if latent == "zero" and not (size and of_episode):
        return
    if latent == "input" and size:
        return
    if isinstance(latent, int) and of_episode and 0 <= latent < size:
        return
    choices = "nothing: it has none"
    if size:
        choices = f"'input' or a number from 0 to {size - 1}" if of_episode else "'zero' or 'input'"
    raise ExportError(f"the latent variable of this policy can be {choices}; not {latent!r}")


@contextmanager
def full_precision() -> Iterator[None]:
    """Matrix products in float32 for as long as the context lasts."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@torch.no_grad()
def _compare(agent: Agent, policy: MemberPolicy, member: int, row: int, latent: int | str) -> None:
    """Refuses an export that does not act as the team's own policy on random observations.

    In full precision: what training sets means bfloat16 on some processors.
    """
    team, generator = agent.team, torch.Generator().manual_seed(0)
    shape = (len(agent.seeds), _TRIALS, team.n_agents)
    observation = torch.randn(*shape, team.observation_size, generator=generator)
    mask = torch.rand(*shape, team.action_size, generator=generator) < 0.7
    mask[..., 0] |= ~mask.any(-1)
    where = torch.ones(shape[:2], dtype=torch.bool)
    acting = agent.policy("greedy", seed=0)
    allowed = mask.to(agent.device) if policy.is_discrete else None
    with full_precision():
        everybody = acting.act(observation.to(agent.device), allowed, where.to(agent.device))
    theirs = everybody[row, :, member].cpu()
    inputs = [observation[row, :, member, : policy.observation_size]]
    rows = torch.ones(_TRIALS, dtype=torch.bool)
    if isinstance(agent, MAVENAC) and agent.latent_size:
        value = acting.episode.as_input()[row, 0].cpu()  # type: ignore[attr-defined]
        rows = rows if latent == "input" else value[:, int(latent)] > 0
        inputs += [value] if latent == "input" else []
    elif policy.latent_size:
        inputs.append(torch.zeros(_TRIALS, policy.latent_size))
    inputs += [mask[row, :, member]] if policy.is_discrete else []
    with full_precision():
        ours = policy(*inputs)
    differ = (ours != theirs) if policy.is_discrete else ((ours - theirs).abs().amax(-1) > TOLERANCE)
    if differ[rows].any():
        raise ExportError(
            f"{type(agent).__name__} acts otherwise than by its networks 'actor' alone: it cannot be exported"
        )
