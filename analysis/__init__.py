"""From records to claims: run records, scores, statistics and learning curves; needs no torch.

Modules:
    records: the folders a run leaves behind, written and read.
    scores: returns normalised by fixed, versioned reference scores.
    statistics: aggregates and bootstrap intervals on arrays of runs x tasks.
    curves: learning curves in long form.
    claims: what papers say, in a file, and held against numbers.
    coordination: do members act together?
    exchange: records in the forms of others.
"""

from .records import Evaluation, RecordError, Run, RunFolder, read_runs, run_folder, settings_hash
from .scores import ReferenceScores, TaskReference, reference_scores, write_reference_scores

__all__ = [
    "Evaluation",
    "RecordError",
    "ReferenceScores",
    "Run",
    "RunFolder",
    "TaskReference",
    "read_runs",
    "reference_scores",
    "run_folder",
    "settings_hash",
    "write_reference_scores",
]
