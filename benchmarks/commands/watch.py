"""What `bench watch` does: play episodes of a task, and show or write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ... import agents, envs
from ...agents import Agent
from ...envs import TeamEnv
from ...envs.drawing import hide, show
from ...envs.registry import task_class
from ..choices import parse_value
from ..errors import SuiteError
from ..startup import prepare_worker
from ..training.evaluate import evaluate
from ..training.policies import find_run, load_policy
from .film import Film, check_place, frames, write

UNTRAINED = ("random", "reference")
"""Agents that need no run."""


@dataclass(frozen=True)
class Request:
    """What the user asks for.

    Attributes:
        task: id.
        agent: name, or ``module:Class``; the reference policy if None, random actions where there is none.
        results: folder of the runs, of one that is trained.
        seed: of the run.
        settings: ``SETTING=VALUE`` of the task, over its defaults or the run's.
        episodes: to be shown; the first ones of every evaluation.
        out: file of the clip; a window if None.
        size: pixels of the longer side of the scene.
        fps: pictures a second.
    """

    task: str
    agent: str | None = None
    results: Path = Path("results")
    seed: int = 0
    settings: tuple[str, ...] = ()
    episodes: int = 1
    out: Path | None = None
    size: int = 480
    fps: float = 10.0


@dataclass
class _Camera:
    """Films the first copies of an environment."""

    env: TeamEnv
    films: list[Film] = field(default_factory=list)

    def __call__(self, returns: np.ndarray, playing: np.ndarray) -> None:
        for copy, film in enumerate(self.films):
            if playing[copy]:
                film.scenes.append(self.env.scene(copy))
                film.returns.append(float(returns[copy]))


def watch(request: Request) -> None:
    """Play, then write the file or show a window; a line for each episode's return.

    Raises:
        ValueError: a choice that makes no sense, no such run, no screen.
        OSError: the file cannot be written.
    """
    prepare_worker()
    if request.out is not None:
        check_place(request.out)
    films = play(request)
    for number, film in enumerate(films, 1):
        print(f"episode {number}: {len(film.returns) - 1} steps, return {film.returns[-1]:.6g}, {film.unit}")
    if request.out is not None:
        write(films, request.out, request.size, request.fps)
        print(request.out)
        return
    try:
        for picture in frames(films, request.size):
            if not show(picture, f"coordbench: {films[0].title}", request.fps):
                break
    except ValueError as error:
        raise SuiteError(f"{error}: --out clip.gif") from error
    finally:
        hide()


def play(request: Request) -> list[Film]:
    """The episodes that the request asks for.

    A trained agent plays what its evaluations play, with as many copies, so that its actions are those of
    the last one bit for bit on the machine that trained it.

    Raises:
        ValueError: an unknown task, agent or setting, no such run.
    """
    task = task_class(request.task)
    chosen = parse_settings(request.settings)
    has_script = task.reference_policy is not TeamEnv.reference_policy
    name = request.agent or ("reference" if has_script else "random")
    agents.load(name)
    mode, copies = "greedy", request.episodes
    trained: Agent | None = None
    if name not in UNTRAINED:
        run = find_run(request.results, request.task, name, request.seed)
        chosen = {**run.meta["task"]["settings"], **run.meta["task"]["evaluation_settings"], **chosen}
        mode, copies = run.meta["evaluation"]["mode"], max(copies, run.meta["evaluation"]["episodes"])
        trained = load_policy(run)
        print(f"{run.path}: {run.last_step} steps of training, mode {mode}")
    env = envs.make(request.task, num_envs=copies, **chosen)
    agent = agents.make(name, env.team, (request.seed,)) if trained is None else trained
    same = ("observation_sizes", "action_kind", "action_size")
    if trained is not None and any(getattr(trained.team, s) != getattr(env.team, s) for s in same):
        raise SuiteError(f"{name} was trained on {request.task} of another shape; leave out --set")
    camera = _Camera(env)
    for number in range(request.episodes):
        episode = f", episode {number + 1} of {request.episodes}" if request.episodes > 1 else ""
        seed = f", seed {request.seed}" if trained is not None else ""
        title = f"{request.task}, {name}{seed}{episode}"
        camera.films.append(Film(title, env.team.return_unit, env.team.horizon))
    evaluate(env, agent, mode, camera)
    env.close()
    return camera.films


def parse_settings(assignments: tuple[str, ...]) -> Mapping[str, Any]:
    """Task settings from ``SETTING=VALUE``, values read as TOML.

    Raises:
        SuiteError: another form.
    """
    settings = {}
    for assignment in assignments:
        name, equals, value = (part.strip() for part in assignment.partition("="))
        if not (name and equals and value):
            raise SuiteError(f"cannot read --set {assignment!r}; write SETTING=VALUE")
        settings[name] = parse_value(value)
    return settings
