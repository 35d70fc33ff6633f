"""Training runs of BenchMARL on mpe2's simple_spread, in a Python environment of their own.

`python -m coordbench.benchmarks.rivals.learning_comparison --rival PYTHON` runs this file with that
interpreter, which needs nothing of this project. Measured with Python 3.11 and

    torch==2.13.0 benchmarl==1.5.2 torchrl==0.11.1 tensordict==0.11.0 mpe2==1.1.1 pettingzoo==1.27.0

One request, an object in JSON, is the only argument; the answer is one line of JSON on standard output.
Without an argument: the versions that this interpreter has.

BenchMARL finds simple_spread below ``pettingzoo.mpe``, which PettingZoo has given up for mpe2, so the
environment is made here. BenchMARL gives all its copies one seed, so that they start their episodes alike;
here each has its own, in BenchMARL's favour. All else is BenchMARL's.
"""

import copy
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from typing import Any

PACKAGES = ("benchmarl", "torchrl", "tensordict", "torch", "mpe2", "pettingzoo")
EXPERIMENT = {
    "loggers": [],
    "create_json": True,  # without any logger BenchMARL does not evaluate
    "render": False,
    "evaluation": True,
    "evaluation_static": False,
}


def main(arguments: list[str]) -> None:
    """List the packages, or train one run."""
    if not arguments:
        print(json.dumps(versions()))
        return
    # What the packages print must not come between the caller and the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps(trained(json.loads(arguments[0]))), file=answer, flush=True)


def versions() -> dict[str, str | None]:
    """The version of each package, None where it is missing."""
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def trained(request: dict[str, Any]) -> dict[str, Any]:
    """Train one run; imports are not counted.

    Args:
        request: "algorithm" ("maddpg" or "masac"), "seed", "task" (arguments of ``parallel_env``), "hidden"
            (widths), "activation" (of ``torch.nn``, BenchMARL's if None), "experiment" and
            "algorithm_settings" (BenchMARL's settings by name), "random_episodes".

    Returns:
        "evaluations": [frames, returns of the episodes]; "random": returns of random play; "seconds" of wall
        time and "processor_seconds", from building the experiment to its end, evaluations included;
        "updates": gradient steps; "frames"; "versions". Returns are means over the members.
    """
    import torch
    from benchmarl.algorithms import (  # pyright: ignore[reportMissingImports]
        MaddpgConfig,
        MasacConfig,
    )
    from benchmarl.experiment import (  # pyright: ignore[reportMissingImports]
        Callback,
        Experiment,
        ExperimentConfig,
    )
    from benchmarl.models.mlp import MlpConfig  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(1)
    evaluations: list[tuple[int, list[float]]] = []
    updates = 0

    class Notes(Callback):
        def on_evaluation_end(self, rollouts: list[Any]) -> None:
            evaluations.append((self.experiment.total_frames, [team_return(r) for r in rollouts]))

        def on_train_end(self, training_td: Any, group: str) -> None:
            nonlocal updates
            del group
            updates += training_td.shape[0]

    algorithm = {"maddpg": MaddpgConfig, "masac": MasacConfig}[request["algorithm"]].get_from_yaml()
    config, model = ExperimentConfig.get_from_yaml(), MlpConfig.get_from_yaml()
    assign(algorithm, request["algorithm_settings"])
    model.num_cells = list(request["hidden"])
    if request["activation"]:
        model.activation_class = getattr(torch.nn, request["activation"])
    random = random_returns(request["task"], request["seed"], request["random_episodes"])
    with tempfile.TemporaryDirectory() as folder:
        assign(config, EXPERIMENT | request["experiment"] | {"save_folder": folder})
        began, began_processor = time.perf_counter(), time.process_time()
        experiment = Experiment(
            task=task_of(request["task"]),
            algorithm_config=algorithm,
            model_config=model,
            critic_model_config=copy.deepcopy(model),
            seed=request["seed"],
            config=config,
        )
        # Not given to the experiment, which would pickle it.
        notes = Notes()
        notes.experiment = experiment
        experiment.callbacks.append(notes)
        experiment.run()
        seconds, processor = time.perf_counter() - began, time.process_time() - began_processor
    return {
        "evaluations": evaluations,
        "random": random,
        "seconds": seconds,
        "processor_seconds": processor,
        "updates": updates,
        "frames": experiment.total_frames,
        "versions": versions(),
    }


def assign(config: Any, settings: dict[str, Any]) -> None:
    """Set BenchMARL's settings by name; one that it lacks is an error."""
    for name, value in settings.items():
        if not hasattr(config, name):
            raise ValueError(f"{type(config).__name__} has no setting {name!r}")
        setattr(config, name, value)


def maker(settings: dict[str, Any], seed: int | None) -> Callable[[], Any]:
    """Makes mpe2's environment in torchrl's wrapper, with the wrapper's settings that BenchMARL uses."""
    from mpe2 import simple_spread_v3
    from torchrl.envs import PettingZooWrapper  # pyright: ignore[reportMissingImports]

    def make() -> Any:
        env = simple_spread_v3.parallel_env(**settings, continuous_actions=True)
        return PettingZooWrapper(env, categorical_actions=True, seed=seed, return_state=True)

    return make


def task_of(settings: dict[str, Any]) -> Any:
    """BenchMARL's task, with the environment from mpe2."""
    from benchmarl.environments.pettingzoo.common import (  # pyright: ignore[reportMissingImports]
        PettingZooClass,
    )

    copies = count()

    def get_env_fun(
        self: Any, num_envs: int, continuous_actions: bool, seed: int | None, device: Any
    ) -> Callable[[], Any]:
        del num_envs, device
        assert continuous_actions
        return lambda: maker(self.config, 1000 * (seed or 0) + next(copies))()

    # BenchMARL pickles its tasks, so it must be this class, not one made here.
    PettingZooClass.get_env_fun = get_env_fun
    return PettingZooClass("SIMPLE_SPREAD", dict(settings))


def random_returns(settings: dict[str, Any], seed: int, episodes: int) -> list[float]:
    """Returns of actions drawn uniformly from the action space."""
    import torch

    torch.manual_seed(seed)
    env = maker(settings, seed)()
    found = [team_return(env.rollout(settings["max_cycles"])) for _ in range(episodes)]
    env.close()
    return found


def team_return(rollout: Any) -> float:
    """The return of one episode, mean over the members; its shape is (steps,)."""
    return float(rollout["next", "agent", "reward"].sum(0).mean())


if __name__ == "__main__":
    main(sys.argv[1:])
