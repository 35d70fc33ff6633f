"""Removing, adding, reordering and renaming rivals, tasks and seeds changes exactly what it should."""

from pathlib import Path

import numpy as np
import pandas as pd
from coordbench.analysis import ReferenceScores, TaskReference
from coordbench.analysis.reading import Evaluation, Run
from coordbench.leaderboard import Bootstrap, Leaderboard, leaderboard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_factory import run_content

TASKS = ("a-v1", "b-v1", "c-v1")
REFERENCES = ReferenceScores(1, {task: TaskReference(0.0, 2.0, 1, {}, 0) for task in (*TASKS, "renamed-v1")})
OF_THE_TABLE = ["rank", "rank_low", "rank_high", "first", "runs_missing", "status"]
Data = dict[tuple[str, str], list[float]]


def run_of(task: str, agent: str, seed: int, value: float) -> Run:
    content = run_content(agent, task, seed)
    content["task"]["return_unit"] = "team"
    points = tuple(
        Evaluation(step, step // 4, step / 10, (value * step / 100,), (25.0,), {}, {})
        for step in (0, 50, 100)
    )
    return Run(Path("/nowhere"), content, points, "done", False, 100, None)


def board_of(data: Data, seeds: dict[int, int] | None = None, *, backwards: bool = False) -> Leaderboard:
    runs = [
        run_of(task, agent, (seeds or {}).get(seed, seed), value)
        for (task, agent), values in data.items()
        for seed, value in enumerate(values)
    ]
    return leaderboard(runs[::-1] if backwards else runs, REFERENCES, Bootstrap(3, 60))


@st.composite
def sweeps(draw: st.DrawFn) -> Data:
    numbers = st.floats(-3, 5, width=32)
    agents = ["x", "y", "z"][: draw(st.integers(2, 3))]
    return {
        (task, agent): draw(st.lists(numbers, min_size=1, max_size=4))
        for task in TASKS[: draw(st.integers(1, 3))]
        for agent in agents
    }


def agent_rows(board: Leaderboard, drop: list[str] | None = None) -> pd.DataFrame:
    frame = board.agents.set_index("agent").sort_index()
    return frame.drop(columns=["agent_id", *(drop or [])], errors="ignore")


def task_rows(board: Leaderboard, drop: list[str] | None = None) -> pd.DataFrame:
    frame = board.tasks.set_index(["task", "agent"]).sort_index()
    return frame.drop(columns=["agent_id", *(drop or [])], errors="ignore")


cheap = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cheap
@given(sweeps())
def test_removing_a_rival_changes_no_number_of_the_others(data: Data) -> None:
    alone = board_of({key: values for key, values in data.items() if key[1] != "x"})
    together = board_of(data)
    kept = agent_rows(together, OF_THE_TABLE).drop(index="x")
    pd.testing.assert_frame_equal(agent_rows(alone, OF_THE_TABLE), kept)
    rows = task_rows(together, OF_THE_TABLE).drop(index="x", level="agent")
    pd.testing.assert_frame_equal(task_rows(alone, OF_THE_TABLE), rows)
    for name in ("curves", "profiles", "efficiency"):
        before, after = getattr(alone, name), getattr(together, name)
        after = after[after["agent"] != "x"].reset_index(drop=True)
        pd.testing.assert_frame_equal(before, after, check_dtype=False)


@cheap
@given(sweeps())
def test_removing_a_task_changes_no_row_of_the_other_tasks(data: Data) -> None:
    less = {key: values for key, values in data.items() if key[0] != TASKS[-1]}
    ours, theirs = (task_rows(board_of(chosen), OF_THE_TABLE) for chosen in (less, data))
    # intervals of a task's mean are by-products of the resamples of all tasks: equal to Monte-Carlo error
    intervals = ["low", "high", "score_low", "score_high", "area_low", "area_high"]
    kept = theirs.loc[ours.index].drop(columns=intervals)
    pd.testing.assert_frame_equal(ours.drop(columns=intervals), kept)


@cheap
@given(sweeps(), st.permutations(range(4)))
def test_the_order_of_runs_and_of_seeds_means_nothing(data: Data, order: list[int]) -> None:
    full = {key: (values * 4)[:4] for key, values in data.items()}
    shuffled = {key: [values[place] for place in order] for key, values in full.items()}
    there, back = board_of(full), board_of(shuffled, backwards=True)
    pd.testing.assert_frame_equal(agent_rows(there), agent_rows(back))
    pd.testing.assert_frame_equal(task_rows(there), task_rows(back))
    pd.testing.assert_frame_equal(there.pairs, back.pairs)
    pd.testing.assert_frame_equal(there.profiles, back.profiles)


@cheap
@given(sweeps())
def test_renaming_changes_names_alone(data: Data) -> None:
    names = {"x": "k", "y": "a", "z": "zz"}
    tasks = {**{task: task for task in TASKS}, TASKS[0]: "renamed-v1"}
    renamed = {(tasks[task], names[agent]): values for (task, agent), values in data.items()}
    there, back = board_of(data), board_of(renamed, seeds={0: 11, 1: 5, 2: 8, 3: 2})
    ours = agent_rows(there).rename(index=names).sort_index()
    pd.testing.assert_frame_equal(ours, agent_rows(back), check_exact=False, atol=1e-12)
    on_tasks = task_rows(there).rename(index=names, level="agent").rename(index=tasks, level="task")
    pd.testing.assert_frame_equal(on_tasks.sort_index(), task_rows(back), check_exact=False, atol=1e-12)


@cheap
@given(sweeps(), st.floats(6, 9))
def test_an_added_seed_changes_its_row_and_only_its_row(data: Data, value: float) -> None:
    more = {**data, (TASKS[0], "y"): [*data[TASKS[0], "y"], value]}
    before, after = (task_rows(board_of(chosen), OF_THE_TABLE) for chosen in (data, more))
    changed = (TASKS[0], "y")
    assert after.loc[changed, "return"] > before.loc[changed, "return"]
    others = [key for key in before.index if key[1] != "y"]
    pd.testing.assert_frame_equal(before.loc[others], after.loc[others])
    assert np.isfinite(before["return"].to_numpy()).all()
