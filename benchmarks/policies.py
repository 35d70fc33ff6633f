"""What a run has learned, kept in its folder: enough to act again, not to go on learning."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from .. import agents, envs
from ..agents import Agent
from ..analysis.records import Run, RunFolder, read_run
from ..analysis.schema import POLICY_FILE, RUN_FILE
from .errors import SuiteError


def save_policy(folder: RunFolder, agent: Agent, row: int) -> None:
    """Write one seed's ``policy.pt``; nothing for agents that keep none.

    Args:
        folder: of the run.
        agent: has learned.
        row: of the run in the stack.
    """
    state = agent.policy_state(row)
    if state:
        content = io.BytesIO()
        torch.save(state, content)
        folder.keep_policy(content.getvalue())


def load_policy(run: Run) -> Agent:
    """The agent of a run, alone and ready to act as it did at the end of its training.

    Args:
        run: a run that is done.

    Raises:
        SuiteError: the run holds no policy, or one that this version does not understand.
    """
    path = run.path / POLICY_FILE
    if not path.exists():
        remedy = (
            f"{run.agent_id} keeps none, or it was trained before policies were kept: train it again"
            if run.status == "done"
            else f"the run is not done ({run.status}); `bench run` trains it"
        )
        raise SuiteError(f"{run.path} holds no policy: {remedy}")
    team = envs.spec(run.task_id, run.meta["task"]["settings"])
    agent = agents.make(run.agent_id, team, (run.seed,), settings=run.meta["agent"]["settings"])
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise SuiteError(f"{path} is damaged; train the run again") from error
    try:
        agent.load_policy_state(0, state)
    except (KeyError, TypeError) as error:
        raise SuiteError(f"{path} is not what {run.agent_id} stores now; train the run again") from error
    except ValueError as error:
        raise SuiteError(f"{path}: {error}; train the run again") from error
    return agent


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
    if not results.is_dir():
        raise SuiteError(f"there is no results folder {results}; `bench run --results {results}` makes one")
    label = agent.replace(":", ".")
    folders = sorted(path.parent.resolve() for path in results.rglob(RUN_FILE))
    ours = [path for path in folders if path.parts[-3] == task and path.parts[-2].rpartition("-")[0] == label]
    found = [path for path in ours if path.name == f"seed_{seed}"]
    if not found:
        seeds = sorted({int(path.name.removeprefix("seed_")) for path in ours})
        hint = f"it has the seeds {', '.join(map(str, seeds))}" if seeds else "`bench run` trains one"
        raise SuiteError(f"{results} holds no run of {agent} on {task} with seed {seed}; {hint}")
    runs = [read_run(path) for path in found]
    if len(runs) > 1:
        choices = "; ".join(f"{run.path.parent} (budget {run.budget})" for run in runs)
        raise SuiteError(f"{len(runs)} runs fit; give --results one of: {choices}")
    return runs[0]
