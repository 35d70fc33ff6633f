"""Our metrics and rliable's on the project's own published records, and how often intervals cover."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from coordbench.analysis.pairs import ALL_TASKS, pair_table
from coordbench.analysis.reading import read_tables
from coordbench.analysis.scores import reference_scores, run_return
from coordbench.analysis.statistics import AGGREGATES, iqm, mean, mean_over_seeds

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rliable import metrics

RECORDS = Path(__file__).resolve().parents[2] / "leaderboard" / "published" / "records"
THEIRS = {
    "iqm": metrics.aggregate_iqm,
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "optimality_gap": metrics.aggregate_optimality_gap,
}


@pytest.mark.skipif(not RECORDS.is_dir(), reason="the published records are not part of the package")
def test_metrics_agree_with_rliable_on_real_records() -> None:
    references = reference_scores().tasks
    for runs in read_tables(RECORDS).values():
        scores: dict[str, dict[str, list[float]]] = {}
        for run in runs:
            if run.task_id in references and run.status == "done":
                value = references[run.task_id].score(run_return(run))
                scores.setdefault(run.agent_id, {}).setdefault(run.task_id, []).append(value)
        matrices = {agent: np.array(list(tasks.values())).T for agent, tasks in scores.items()}
        for agent, matrix in matrices.items():
            for name, aggregate in AGGREGATES.items():
                assert float(aggregate(matrix)) == pytest.approx(THEIRS[name](matrix), abs=1e-12), agent
        returns = {(task, agent): np.array(v) for agent, tasks in scores.items() for task, v in tasks.items()}
        pairs = pair_table(returns, dict.fromkeys(references, ""), 0, 10, 0.95)
        for row in pairs[pairs["task"] == ALL_TASKS].to_dict("records"):
            a, b = str(row["agent_a"]), str(row["agent_b"])
            shared = [task for task in scores[a] if task in scores[b]]
            x, y = (np.array([scores[name][task] for task in shared]).T for name in (a, b))
            theirs = metrics.probability_of_improvement(x, y)
            assert row["probability"] == pytest.approx(theirs, abs=1e-12)


def test_intervals_of_aggregates_cover_about_as_often_as_they_say() -> None:
    # 8 tasks x 7 seeds, normal scores with task means 0.1 ... 0.8: the true mean and IQM are 0.45
    rng = np.random.default_rng(0)
    hits = {"iqm": 0, "mean": 0, "one task": 0}
    n_trials = 250
    from coordbench.analysis.statistics import estimates

    for _ in range(n_trials):
        scores = rng.normal(np.linspace(0.1, 0.8, 8), 0.15, (7, 8))
        found = estimates(scores, {"iqm": iqm, "mean": mean}, rng, 400)
        for name in ("iqm", "mean"):
            hits[name] += found[name].low <= 0.45 <= found[name].high
        one = mean_over_seeds(scores[:, 0], rng, 400)
        hits["one task"] += one.low <= 0.1 <= one.high
    assert 0.86 <= hits["mean"] / n_trials <= 0.97
    assert 0.86 <= hits["iqm"] / n_trials <= 0.98
    assert 0.80 <= hits["one task"] / n_trials <= 0.96  # 7 seeds: percentile intervals are known to be short
