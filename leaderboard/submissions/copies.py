"""Runs that are copies of each other: the same numbers where chance cannot make them.

Another seed gives other losses and, on most tasks, other returns. Where a task pays few different returns,
equal returns prove nothing, so only evaluations that tell are compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence

from ...analysis.reading import Evaluation, Run
from .records import Submitted
from .report import Report

_TELLING_RETURNS, _TELLING_LOSSES, _ENOUGH = 5, 2, 3
"""Different returns of an evaluation, and fractions among its training metrics, that tell; and lists of them
that two runs may not have in common."""


def check_copies(runs: Sequence[Submitted], published: Sequence[Run], report: Report) -> None:
    """Reports runs that share their numbers with another one.

    Args:
        runs: the submission.
        published: runs of the same suite that are published.
        report: gets what is found.
    """
    places = {one.place: one.run for one in runs}
    known = {"/".join(run.path.parts[-4:]): run for run in published}
    others = {f"the published {place}": run for place, run in known.items() if place not in places}
    by_task: dict[str, dict[str, Run]] = defaultdict(dict)
    for name, run in {**others, **places}.items():
        by_task[run.task_id][name] = run
    for group in by_task.values():
        alike = _pairs_alike(group, places)
        for one, other, shared in alike:
            text = f"{shared} of its lists of returns and losses are those of {other}; train every seed"
            report.error("copies", one, text)
        told = {one for one, *_ in alike}
        for one, other in _equal_returns(group, places):
            if one in told:
                continue
            text = f"all its returns are those of {other}; the task may pay no others: compare the losses"
            report.warn("copies", one, text)
    beside = f" and {len(published)} published ones" if published else ", no published ones at hand"
    report.looked_at["copies"] = f"{len(runs)} runs{beside}"


def _pairs_alike(group: Mapping[str, Run], places: Mapping[str, Run]) -> list[tuple[str, str, int]]:
    """Each submitted run with the one before it with which it shares too much, and how much."""
    first: dict[Hashable, str] = {}
    found = []
    for name, run in group.items():
        keys = {key for one in run.evaluations for key in _telling(one)}
        owners = Counter(first.setdefault(key, name) for key in keys)
        del owners[name]
        if name in places and owners:
            other, shared = owners.most_common(1)[0]
            if shared >= min(_ENOUGH, len(keys)):
                found.append((name, other, shared))
    return found


def _equal_returns(group: Mapping[str, Run], places: Mapping[str, Run]) -> list[tuple[str, str]]:
    """Each submitted run with the first one that has all its returns, where those do not tell."""
    first: dict[Hashable, str] = {}
    found = []
    for name, run in group.items():
        telling = any(key[0] == "returns" for one in run.evaluations for key in _telling(one))
        other = first.setdefault(tuple(one.returns for one in run.evaluations), name)
        if other != name and name in places and not telling:
            found.append((name, other))
    return found


def _telling(one: Evaluation) -> list[tuple[str, int, Hashable]]:
    """What of an evaluation no other seed can have by chance."""
    keys: list[tuple[str, int, Hashable]] = []
    if len(set(one.returns)) >= _TELLING_RETURNS:
        keys.append(("returns", one.step, one.returns))
    losses = {name: value for name, value in one.training.items() if name != "return" and value is not None}
    if sum(float(value) != int(value) for value in losses.values()) >= _TELLING_LOSSES:
        keys.append(("losses", one.step, tuple(sorted(losses.items()))))
    return keys
