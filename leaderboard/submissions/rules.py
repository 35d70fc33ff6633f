"""What the runs of a submission must have in common with the suite, and what is credible."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...analysis.reading import Run
from ...analysis.schema import ABSOLUTE_FILE, DONE_FILE, EVALUATIONS_FILE, plain
from ...analysis.scores import ReferenceScores, run_value, scales
from ...analysis.winning import win_metric
from ..protocol import difference
from .records import Submitted
from .report import Report

INCREDIBLE_SCORE = 3.0
"""A higher score than so many references is a reason to look."""
_CLOSE = 1e-9


@dataclass(frozen=True)
class SuiteRules:
    """What a suite and budget demand, as plain data.

    Attributes:
        suite: name of the suite.
        version: its version.
        budget: name of the budget.
        seeds: of every task.
        tasks: task id to what a ``run.json`` must say: ``task``, ``steps``, ``num_envs``, ``evaluation``.
        own_agents: names of the agents that ship with the benchmark.
    """

    suite: str
    version: int
    budget: str
    seeds: tuple[int, ...]
    tasks: Mapping[str, Mapping[str, Any]]
    own_agents: tuple[str, ...]


def check_agent(
    runs: Sequence[Submitted], name: str | None, rules: SuiteRules, published: Sequence[Run], report: Report
) -> None:
    """One agent, that of the manifest, whose name is nobody else's."""
    for one in runs:
        if one.run.agent_id != name:
            text = (
                f"its agent is {one.run.agent_id!r}, the manifest says {name!r}; submit one agent at a time"
            )
            report.error("agent", one.place, text)
    for agent in sorted({one.run.agent_id for one in runs}):
        like = [own for own in rules.own_agents if _folded(own) == _folded(agent)]
        if like:
            text = f"{like[0]} ships with the benchmark; register yours under another name and run it again"
            report.error("agent", agent, text)
        known = {run.agent_id for run in published}
        near = [other for other in sorted(known - {agent}) if _folded(other) == _folded(agent)]
        if near and not like:
            report.error("agent", agent, f"looks like {near[0]}, which is published; choose another name")
        if agent in known and not like:
            text = "is published already: if that is not yours choose another name; else rows become variants"
            report.warn("agent", agent, text)
    there = {"/".join(run.path.parts[-4:]) for run in published}
    again = [one.place for one in runs if one.place in there]
    if again:
        text = f"is published already, with these settings, and so are {len(again) - 1} more; leave them out"
        report.error("agent", again[0], text)
    report.looked_at["agent"] = f"{name}, beside {len(rules.own_agents)} of our own"


def check_seeds(runs: Sequence[Submitted], rules: SuiteRules, report: Report) -> None:
    """Every task of the suite with exactly its seeds, under one setting of the agent."""
    seeds: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for one in runs:
        seeds[one.run.task_id][one.run.settings_hash].append(one.run.seed)
    for task, cells in sorted(seeds.items()):
        if len(cells) > 1:
            text = f"runs with {len(cells)} settings ({', '.join(sorted(cells))}); submit one a task"
            report.error("seeds", task, text)
        for digest, found in sorted(cells.items()):
            counted = Counter(found)
            missing, surplus = sorted(set(rules.seeds) - set(found)), sorted(set(found) - set(rules.seeds))
            twice = sorted(seed for seed, count in counted.items() if count > 1)
            for word, which in (
                ("are missing", missing),
                ("are none of the suite's", surplus),
                ("stand twice", twice),
            ):
                if which:
                    wanted = f"the suite has {_listed(rules.seeds)}, each once"
                    report.error("seeds", f"{task}, {digest}", f"seeds {_listed(which)} {word}; {wanted}")
    absent = sorted(set(rules.tasks) - set(seeds))
    if absent:
        text = f"no runs on {', '.join(absent)}: an agent is ranked over the tasks that it has"
        report.warn("seeds", rules.suite, text)
    for one in runs:
        if one.done is None:
            text = f"the run failed ({one.run.failure}); tables will list it as such, and in no number"
            report.warn("seeds", one.place, text)
    report.looked_at["seeds"] = f"{len(seeds)} of {len(rules.tasks)} tasks, {len(rules.seeds)} seeds each"


def check_protocol(
    runs: Sequence[Submitted], rules: SuiteRules, references: ReferenceScores, report: Report
) -> list[Submitted]:
    """Suite, budget, task and evaluation are those that ship; the runs of which that is true."""
    good = []
    for one in runs:
        meta = one.run.meta
        wanted = rules.tasks.get(one.run.task_id)
        about = (meta["suite"], meta["suite_version"], meta["budget"])
        if about != (rules.suite, rules.version, rules.budget):
            text = (
                f"suite, version and budget are {about}, not {(rules.suite, rules.version, rules.budget)}; "
                "submit one suite and budget at a time, of the version that ships"
            )
        elif wanted is None:
            near = difflib.get_close_matches(one.run.task_id, rules.tasks, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(rules.tasks))}"
            text = f"the suite has no task {one.run.task_id!r}; {hint}"
        else:
            text = difference(_flat({name: meta[name] for name in wanted}), _flat(wanted))
        if text:
            report.error("protocol", one.place, text)
        else:
            good.append(one)
    for task in sorted({one.run.task_id for one in good} - set(references.tasks)):
        report.warn("protocol", task, "has no reference scores here: it will have returns and no scores")
    report.looked_at["protocol"] = f"{rules.suite} version {rules.version}, budget {rules.budget}"
    return good


def check_evaluations(runs: Sequence[Submitted], report: Report) -> None:
    """Steps, episodes, lengths, updates and times; runs keep the protocol."""
    for one in runs:
        text = next(_faults(one), None)
        if text:
            report.error("evaluations", one.place, text)
    seconds = sum(one.run.evaluations[-1].seconds for one in runs)
    report.looked_at["evaluations"] = f"{seconds / 3600:.1f} hours of training"


def check_returns(runs: Sequence[Submitted], references: ReferenceScores, report: Report) -> None:
    """Returns that are beyond belief, or always the same; runs keep the protocol."""
    won = {one.run.task_id for one in runs if win_metric(one.run) is not None}
    known = scales(references, won).tasks
    scores = []
    for one in runs:
        try:
            value = run_value(one.run)
        except ValueError as error:
            report.error("returns", one.place, str(error))
            continue
        if one.run.task_id in known:
            scores.append(known[one.run.task_id].score(value))
            if scores[-1] > INCREDIBLE_SCORE:
                text = f"its score is {scores[-1]:.3g}, a scripted team has 1; repeat the run before merging"
                report.warn("returns", one.place, text)
        values = {value for evaluation in one.run.evaluations for value in evaluation.returns}
        if len(values) == 1:
            report.warn("returns", one.place, f"every return of every evaluation is {values.pop():g}")
    between = f"scores from {min(scores):.2f} to {max(scores):.2f}" if scores else "no scores"
    report.looked_at["returns"] = between


def evaluation_steps(every: int, steps: int, num_envs: int) -> list[int]:
    """When a run is evaluated: before training, each `every` steps, and at the end; all in whole rounds."""
    end = -(-steps // num_envs) * num_envs
    due = range(max(every, num_envs), end, max(every, num_envs))
    rounds = [-(-step // num_envs) * num_envs for step in due]
    return [0, *[step for step in rounds if step < end], end]


def _faults(one: Submitted) -> Any:
    """What is wrong with the evaluations of a run, worst first."""
    run, meta = one.run, one.run.meta
    found = run.evaluations
    wanted = evaluation_steps(meta["evaluation"]["every"], run.steps, meta["num_envs"])
    steps = [evaluation.step for evaluation in found]
    whole = wanted if one.done else wanted[: len(steps)]
    if steps != whole:
        odd = next((pair for pair in zip(steps, whole, strict=False) if pair[0] != pair[1]), None)
        where = f"{len(steps)} evaluations instead of {len(whole)}"
        if odd:
            where = f"an evaluation at step {odd[0]} instead of {odd[1]}"
        yield f"{EVALUATIONS_FILE} has {where}"
    for evaluation in found:
        at = f"step {evaluation.step}"
        if len(evaluation.returns) != meta["evaluation"]["episodes"]:
            yield f"{at}: {len(evaluation.returns)} episodes instead of {meta['evaluation']['episodes']}"
        if set(evaluation.metrics) != set(meta["task"]["metrics"]):
            yield f"{at}: the metrics are {sorted(evaluation.metrics)}, not {sorted(meta['task']['metrics'])}"
        if not all(1 <= length <= meta["task"]["horizon"] for length in evaluation.episode_length):
            yield f"{at}: an episode's length is not within 1 to {meta['task']['horizon']}"
    for name in ("seconds", "updates"):
        values = [getattr(evaluation, name) for evaluation in found]
        if values != sorted(values):
            yield f"{name} run backwards"
    if found[-1].seconds <= 0:
        yield "seconds do not count: the training took no time"
    if one.done is not None:
        if one.done["steps"] != steps[-1] or one.done["updates"] != found[-1].updates:
            yield f"{DONE_FILE} says other steps or updates than the last evaluation"
        if one.done["seconds"] < found[-1].seconds:
            yield f"{DONE_FILE} says {one.done['seconds']} seconds, the last evaluation {found[-1].seconds}"
    if one.absolute is not None:
        best = max(found, key=lambda evaluation: evaluation.mean_return)
        chosen = [e for e in found if e.step == one.absolute["step"]]
        means = [chosen[0].mean_return, best.mean_return] if chosen else []
        if not chosen or any(
            abs(mean - one.absolute["chosen_return"]) > _CLOSE * (1 + abs(mean)) for mean in means
        ):
            yield f"{ABSOLUTE_FILE} does not speak of the run's best evaluation, step {best.step}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted name to JSON text."""
    flat: dict[str, str] = {}
    for name, value in plain(values).items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = json.dumps(value, sort_keys=True)
    return flat


def _folded(name: str) -> str:
    """A name as a hurried reader sees it."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _listed(seeds: Sequence[int]) -> str:
    shown = ", ".join(map(str, seeds[:10]))
    return shown if len(seeds) <= 10 else f"{shown} and {len(seeds) - 10} more"
