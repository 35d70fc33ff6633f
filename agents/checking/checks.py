"""The contract of agents as a checklist: `check_agent`; `inspect_agent` goes on after a failure.

Works on any `Agent`, with small teams and synthetic experience of its own; it steps no environment. The
checks run once for every kind of actions that the agent declares. All comparisons are bit for bit, with one
thread and the matrix products of training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..base import Agent
from .acting_checks import check_decentralised, check_masks, check_outputs, check_policies
from .candidates import described, trials_of
from .contract import ContractError, Skip, Trial, as_in_training
from .exactness_checks import (
    check_determinism,
    check_global_generators,
    check_padding,
    check_saving,
    check_stacking,
)
from .learning_checks import check_ends, check_learning
from .synthetic import ActionKind

__all__ = ["CHECKS", "Check", "ContractError", "Finding", "check_agent", "inspect_agent"]


@dataclass(frozen=True)
class Check:
    """One rule of the contract.

    Attributes:
        name: short.
        test: says what holds, or raises ContractError or Skip.
        remedy: what usually mends a failure.
        needs: names of checks without which this one would say nothing.
        discrete_only: whether it concerns discrete actions only.
    """

    name: str
    test: Callable[[Trial], str]
    remedy: str
    needs: tuple[str, ...] = ("outputs",)
    discrete_only: bool = False


_EXACT = ("outputs", "determinism")

CHECKS: tuple[Check, ...] = (
    Check(
        "outputs", check_outputs, "see Agent and Policy in coordbench/agents/base.py for what is asked", ()
    ),
    Check(
        "generators",
        check_global_generators,
        "draw from one generator a seed: coordbench.agents.streams.Streams, or the single-seed form",
    ),
    Check("determinism", check_determinism, "draw all random numbers from generators seeded by `seeds`"),
    Check(
        "masks",
        check_masks,
        "give what the mask forbids a very low logit or value before sampling or arg max, in warm-up too",
        discrete_only=True,
    ),
    Check(
        "stacking",
        check_stacking,
        "reduce over copies, members and features, never over the first axis; one generator a seed",
        _EXACT,
    ),
    Check(
        "saving",
        check_saving,
        "keep networks, targets, optimisers, memory, counters and generators in it; load all of them",
        _EXACT,
    ),
    Check(
        "decentralised",
        check_decentralised,
        "a member's action may depend on observation[..., member, :] alone; critics may see more",
        _EXACT,
    ),
    Check(
        "padding",
        check_padding,
        "member i's observation is the first team.observation_sizes[i] numbers; set the others to zero",
        _EXACT,
    ),
    Check(
        "policies",
        check_policies,
        "with seed=... draw from new generators made from that seed, and change nothing of the agent",
        _EXACT,
    ),
    Check("ends", check_ends, "bootstrap from next_observation with the weight 1 - terminated", _EXACT),
    Check(
        "learning",
        check_learning,
        "look for a wrong sign of loss or advantage, a detached gradient, an optimiser that does not step",
    ),
)

_RAISED = "see the traceback: bench --debug check-agent"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: its name.
        kind: of the actions.
        status: of it.
        text: what holds, what is broken, or why it was skipped; one line.
        remedy: what usually mends it; empty unless failed.
        error: of a failure.
    """

    check: str
    kind: ActionKind
    status: Literal["passed", "failed", "skipped"]
    text: str
    remedy: str = ""
    error: Exception | None = None


def check_agent(agent: str | type[Agent], settings: Mapping[str, Any] | None = None) -> list[str]:
    """Test an agent against its contract.

    Args:
        agent: a name from `names()`, `module:Class`, or the class itself.
        settings: replace the small ones used here, e.g. to reach a branch of the algorithm.

    Returns:
        One line a check and kind of actions.

    Raises:
        ContractError: the first rule that is broken and what usually mends it, in one line.
        ValueError: an unknown agent or setting, or an agent that cannot be built.
    """
    lines = []
    for found in inspect_agent(agent, settings):
        if found.status == "failed":
            raise ContractError(
                f"{found.check} ({found.kind}): {found.text}; {found.remedy}"
            ) from found.error
        skipped = "skipped, " if found.status == "skipped" else ""
        lines.append(f"{found.check} ({found.kind}): {skipped}{found.text}")
    return lines


def inspect_agent(agent: str | type[Agent], settings: Mapping[str, Any] | None = None) -> Iterator[Finding]:
    """The same as a report, check by check; a failure skips only what would say nothing after it.

    Args:
        agent: a name from `names()`, `module:Class`, or the class itself.
        settings: replace the small ones used here.

    Raises:
        ValueError: an unknown agent or setting, or an agent that cannot be built; before the first finding.
    """
    trials = trials_of(agent, settings or {})
    return (found for trial in trials for found in _findings(trial))


def _findings(trial: Trial) -> Iterator[Finding]:
    failed: set[str] = set()
    kind = trial.alike.action_kind
    for check in CHECKS:
        if check.discrete_only and not trial.is_discrete:
            continue
        lacking = [name for name in check.needs if name in failed]
        if lacking:
            failed.add(check.name)
            yield Finding(check.name, kind, "skipped", f"it says nothing while {lacking[0]} fails")
            continue
        found = _found(check, trial)
        if found.status == "failed":
            failed.add(check.name)
        yield found


def _found(check: Check, trial: Trial) -> Finding:
    kind = trial.alike.action_kind
    try:
        with as_in_training():
            text = check.test(trial)
    except ContractError as error:
        return Finding(check.name, kind, "failed", str(error), error.remedy or check.remedy, error)
    except Skip as reason:
        return Finding(check.name, kind, "skipped", str(reason))
    except Exception as error:  # noqa: BLE001  (an agent of somebody else's may raise anything)
        return Finding(check.name, kind, "failed", f"it raised {described(error)}", _RAISED, error)
    return Finding(check.name, kind, "passed", text)
