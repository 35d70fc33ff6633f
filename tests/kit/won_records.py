"""Synthetic records of battles: runs whose wins are chosen by the test."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coordbench.analysis import RunFolder
from record_factory import folder_of, run_content

BATTLE = "battle-v1"
EPISODES = 10


def battle_content(
    agent: str = "alpha", seed: int = 0, *, is_won: bool = True, **options: Any
) -> dict[str, Any]:
    """The content of a ``run.json`` of a battle; one from before there were win rates unless ``is_won``."""
    content = run_content(agent, options.pop("task", BATTLE), seed, **options)
    content["task"] |= {"metrics": ["dead_enemies", "won"], "return_unit": "team (shared reward)"}
    if is_won:
        content["task"]["win_metric"] = "won"
        content["settings_hash"] = content["settings_hash"][::-1]
    return content


def battle_evaluation(step: int, wins: int, value: float) -> dict[str, Any]:
    """Ten battles of which so many are won, with mean return ``value``."""
    return {
        **{"step": step, "updates": step // 4, "seconds": step / 10, "training": {}},
        "return": [value - 1.0, value + 1.0] * (EPISODES // 2),
        "episode_length": [20] * EPISODES,
        "metrics": {"won": [1.0] * wins + [0.0] * (EPISODES - wins), "dead_enemies": [2.0] * EPISODES},
    }


def write_battles(
    results: Path,
    content: Mapping[str, Any],
    wins: Sequence[int],
    returns: Sequence[float],
    best: int | None = None,
    ending: str = "done",
) -> RunFolder:
    """Writes a run with one evaluation each 50 steps; ``best``: battles that the best weights win."""
    folder = folder_of(results, content)
    folder.start(content)
    for place, (won, value) in enumerate(zip(wins, returns, strict=True), start=1):
        folder.append(battle_evaluation(50 * place, won, value))
    if best is not None:
        found = battle_evaluation(50, best, 5.0)
        kept = {name: found[name] for name in ("step", "return", "episode_length", "metrics")}
        folder.keep_absolute({**kept, "chosen_return": 4.0, "start_seed": 1, "mode": "greedy"})
    if ending == "done":
        folder.finish(steps=content["steps"], updates=25, seconds=10.0)
    return folder
