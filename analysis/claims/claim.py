"""What a claim says: who does better than whom, where and by how much."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

POINTS = ("final", "last", "early", "area")
"""When a measure is taken: mean of the last ``score_last`` evaluations, the last evaluation alone, the first
measurement of coordination after learning began, mean over training."""

Relation = Literal["better", "equal"]


class ClaimError(ValueError):
    """A claim that is not understood; one line that names the file, the key and the remedy."""


@dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    Attributes:
        agent: name as recorded, followed by `` (external)`` for one that was trained elsewhere.
        measure: what is compared.
        settings: that tell it from other variants of the agent; those that are not named may be anything.
        is_own_measure: whether the measure is this side's alone.
    """

    agent: str
    measure: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    is_own_measure: bool = False

    @property
    def label(self) -> str:
        """``vm3ac [beta=0.1]``, and the measure where it is this side's alone."""
        named = ", ".join(f"{name}={_shown(value)}" for name, value in self.settings.items())
        label = f"{self.agent} [{named}]" if named else self.agent
        return f"{label} ({self.measure})" if self.is_own_measure else label


@dataclass(frozen=True)
class Claim:
    """One claim: the same is said of every task and of every pair of sides.

    Attributes:
        id: short name, no two alike in a file.
        text: the claim in words.
        source: where it is made: figure, table or section.
        suite: whose records it is held against.
        tasks: ids.
        pairs: the better and the worse side, or the two that are equal.
        relation: ``better``: the difference is greater than ``margin``; ``equal``: within it on either side.
        at: one of ``POINTS``.
        margin: in the measure's unit.
        note: what a reader should know besides.
    """

    id: str
    text: str
    source: str
    suite: str
    tasks: tuple[str, ...]
    pairs: tuple[tuple[Side, Side], ...]
    relation: Relation = "better"
    at: str = "final"
    margin: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class ClaimsFile:
    """The claims of one file.

    Attributes:
        title: of the set.
        source: whose claims these are.
        claims: in the file's order.
        note: about all of them.
        file: name, for messages.
    """

    title: str
    source: str
    claims: tuple[Claim, ...]
    note: str = ""
    file: str = ""


def check_names(
    claims: ClaimsFile, tasks: Mapping[str, Iterable[str]], agents: Mapping[str, Iterable[str]]
) -> None:
    """Refuses suites, tasks and agents that nobody has heard of.

    Args:
        claims: what was read.
        tasks: suite to the tasks it has or has records of.
        agents: suite to the agents it may have; ``module:Class`` is always welcome.

    Raises:
        ClaimError: an unknown name, with the one that was probably meant.
    """
    for claim in claims.claims:
        where = f"{claims.file}: {claim.id}"
        if claim.suite not in tasks:
            raise ClaimError(f"{where}: unknown suite {claim.suite!r}; {hint(claim.suite, tasks)}")
        for task in claim.tasks:
            if task not in tasks[claim.suite]:
                known = hint(task, tasks[claim.suite])
                raise ClaimError(f"{where}: unknown task of suite {claim.suite!r}: {task!r}; {known}")
        for side in (side for pair in claim.pairs for side in pair):
            name = side.agent.removesuffix(" (external)")
            if name not in agents[claim.suite] and ":" not in name:
                raise ClaimError(f"{where}: unknown agent {name!r}; {hint(name, agents[claim.suite])}")


def hint(name: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?``, or all names there are."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(names)) or 'none'}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
