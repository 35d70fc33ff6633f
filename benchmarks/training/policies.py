"""What a run has learned, kept in its folder: enough to act again, not to go on learning."""

from __future__ import annotations

from pathlib import Path

from ...agents import Agent
from ...agents.stored import PolicyFileError, StoredPolicy, read_policy, stored_policy
from ...analysis.records import Run, RunFolder, read_run
from ...analysis.schema import BEST_FILE, OLD_POLICY_FILE, POLICY_FILE, RUN_FILE
from ..errors import SuiteError


def save_policy(folder: RunFolder, agent: Agent, row: int, name: str, step: int) -> None:
    """Write one seed's ``policy.safetensors``; nothing for agents that keep none.

    Args:
        folder: of the run.
        agent: has learned.
        row: of the run in the stack.
        name: of the agent in the registry, or ``module:Class``.
        step: environment steps of training.
    """
    stored = stored_policy(agent, row, name, step)
    if stored is not None:
        folder.keep_policy(stored.to_bytes())


def read_stored(run: Run, *, best: bool = False) -> StoredPolicy:
    """What a run has learned, at its end or at its best evaluation.

    Raises:
        SuiteError: the run holds no such policy, or one that this version does not understand.
    """
    path = run.path / (BEST_FILE if best else POLICY_FILE)
    if not path.exists():
        raise SuiteError(f"{run.path} holds no {'best weights' if best else 'policy'}: {_reason(run, best)}")
    try:
        return read_policy(path)
    except PolicyFileError as error:
        raise SuiteError(f"{error}; train the run again") from error


def load_policy(run: Run, *, best: bool = False) -> Agent:
    """The agent of a run, alone and ready to act as it did at the end of its training, or at its best.

    Args:
        run: a run that is done.
        best: the weights of its best evaluation.

    Raises:
        SuiteError: the run holds no policy, or one that this version does not understand.
    """
    stored = read_stored(run, best=best)
    if stored.agent != run.agent_id:
        raise SuiteError(f"{run.path} holds a policy of {stored.agent}, not of {run.agent_id}; remove it")
    try:
        return stored.restored(run.agent_id)
    except ValueError as error:
        path = run.path / (BEST_FILE if best else POLICY_FILE)
        raise SuiteError(f"{path}: {error}; train the run again") from error


def find_run(results: Path, task: str, agent: str, seed: int) -> Run:
    """The one run of a task, agent and seed under a folder.

    Args:
        results: a results folder or any folder in it, to say which run is meant.
        task: id.
        agent: name, or ``module:Class``.
        seed: of the run.

    Raises:
        SuiteError: there is none, or more than one.
    """
    return find_runs(results, task, agent, (seed,))[0]


def find_runs(results: Path, task: str, agent: str, seeds: tuple[int, ...] | None = None) -> list[Run]:
    """The runs of a task and agent under a folder, one a seed.

    Args:
        results: a results folder or any folder in it, to say which runs are meant.
        task: id.
        agent: name, or ``module:Class``.
        seeds: of the runs; all there are if None.

    Raises:
        SuiteError: one of them is missing, or there is more than one for a seed.
    """
    if not results.is_dir():
        raise SuiteError(f"there is no results folder {results}; `bench run --results {results}` makes one")
    label = agent.replace(":", ".")
    folders = sorted(path.parent.resolve() for path in results.rglob(RUN_FILE))
    ours = [path for path in folders if path.parts[-3] == task and path.parts[-2].rpartition("-")[0] == label]
    there = sorted({int(path.name.removeprefix("seed_")) for path in ours})
    runs = []
    for seed in there if seeds is None else seeds:
        found = [path for path in ours if path.name == f"seed_{seed}"]
        if not found:
            hint = f"it has the seeds {', '.join(map(str, there))}" if there else "`bench run` trains one"
            raise SuiteError(f"{results} holds no run of {agent} on {task} with seed {seed}; {hint}")
        if len(found) > 1:
            choices = "; ".join(f"{path.parent} (budget {read_run(path).budget})" for path in found)
            raise SuiteError(f"{len(found)} runs fit; give --results one of: {choices}")
        runs.append(read_run(found[0]))
    if not runs:
        raise SuiteError(f"{results} holds no run of {agent} on {task}; `bench run` trains one")
    return runs


def _reason(run: Run, best: bool) -> str:
    if run.status != "done":
        return f"the run is not done ({run.status}); `bench run` trains it"
    if (run.path / OLD_POLICY_FILE).exists():
        return f"its {OLD_POLICY_FILE} is of an older version and not read any more; train it again"
    if best and (run.path / POLICY_FILE).exists():
        return "its suite keeps none (evaluation.absolute = false), or it is older than they are"
    return f"{run.agent_id} keeps none, or it was trained before policies were kept: train it again"
