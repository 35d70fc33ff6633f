"""The time limit is no end: what happens to a whole training run if an agent takes it for one."""

from dataclasses import asdict

import numpy as np
import pytest
from coordbench.agents.actor_critics.ma_sac import MASAC, MASACConfig
from coordbench.analysis import read_runs
from coordbench.benchmarks.suites.cell import Cell, Evaluation
from coordbench.benchmarks.training.train import train


class TimeLimitIsTerminal(MASAC):
    """MA-SAC with the field's commonest mistake."""

    def observe(self, transition):
        super().observe(transition._replace(terminated=transition.terminated | transition.truncated))


def final_return(agent, results):
    cell = Cell(
        suite="truncation",
        suite_version=1,
        budget="test",
        task="cooperative_navigation_3-v1",
        task_settings={},
        evaluation_settings={},
        agent=agent,
        agent_settings=asdict(MASACConfig.build("small")),
        steps=24_000,
        num_envs=4,
        evaluation=Evaluation(every=3_000, episodes=20, score_last=2),
    )
    train(cell, (0, 1), results)
    ends = [run.evaluations[-2:] for run in read_runs(results)]
    assert len(ends) == 2
    return np.mean([evaluation.mean_return for end in ends for evaluation in end])


@pytest.mark.slow
def test_a_time_limit_taken_for_an_end_ruins_navigation(tmp_path):
    wrong = final_return(f"{__name__}:TimeLimitIsTerminal", tmp_path / "wrong")
    right = final_return("ma_sac", tmp_path / "right")
    print(f"time limit as terminal {wrong:.1f}, bootstrapped {right:.1f}")
    assert right > wrong + 5
    assert right > -45
