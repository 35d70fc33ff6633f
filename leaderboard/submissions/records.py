"""The records of a submission, read one file at a time by rules stricter than those for our own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...analysis import schema
from ...analysis.reading import Run, read_run
from ...analysis.records import settings_hash
from ...analysis.schema import ABSOLUTE_FILE, DONE_FILE, EVALUATIONS_FILE, FAILED_FILE, RUN_FILE
from .files import KIB, Files, read
from .report import Report
from .strict_json import strict_json

LARGEST_LINE = 256 * KIB
"""Bytes of a line of ``evaluations.jsonl``."""
MADE_WITH = ("version_coordbench", "version_numpy", "python", "platform")
"""Fields of the provenance that every run must have."""
_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    RUN_FILE: schema.check_run,
    ABSOLUTE_FILE: schema.check_absolute,
    DONE_FILE: schema.check_done,
    FAILED_FILE: schema.check_failed,
}
_LARGEST_SEED, _LARGEST_RETURN, _LONGEST_WORDS = 2**31 - 1, 1e12, 300


@dataclass(frozen=True)
class Submitted:
    """One run of a submission whose files are what they should be.

    Attributes:
        place: its folder, seen from the submission.
        run: its records.
        done: content of ``done.json``, None for a run that failed.
        absolute: content of ``absolute.json``, if there is one.
    """

    place: str
    run: Run
    done: Mapping[str, Any] | None
    absolute: Mapping[str, Any] | None


def read_submitted(folder: Path, files: Files, report: Report) -> list[Submitted]:
    """The runs whose files can be read and lie where they should; the others are reported.

    Args:
        folder: the submission.
        files: what may be read of it.
        report: gets what is wrong with records, places and versions.
    """
    runs: list[Submitted] = []
    for parts, names in files.runs.items():
        before = len(report.findings)
        contents = {name: _content(folder, (*parts, name), report) for name in names}
        meta = contents.get(RUN_FILE)
        if meta is None or EVALUATIONS_FILE not in contents or None in contents.values():
            continue
        _check_place(parts, meta, report)
        _check_provenance("/".join(parts), meta["provenance"], report)
        if any(one.is_error for one in report.findings[before:]):
            continue
        try:
            run = read_run(folder.joinpath(*parts))
        except ValueError as error:
            report.error("records", "/".join(parts), str(error))
            continue
        runs.append(Submitted("/".join(parts), run, contents.get(DONE_FILE), contents.get(ABSOLUTE_FILE)))
    if runs:
        report.looked_at["records"] = f"{sum(len(one.run.evaluations) for one in runs):,} evaluations"
        report.looked_at["places"] = f"{len(runs)} runs"
        made = sorted({one.run.meta["provenance"]["version_coordbench"] for one in runs})
        report.looked_at["versions"] = f"coordbench {' / '.join(made)}"
        if len(made) > 1:
            report.warn("versions", RUN_FILE, f"runs were made with coordbench {' and '.join(made)}")
    return runs


def recorded_hash(run: Mapping[str, Any]) -> str:
    """The settings hash that belongs to a ``run.json``: of all that decides a run but its seed.

    Args:
        run: the content; it has passed ``schema.check_run``.
    """
    win_metric = run["task"].get("win_metric")
    return settings_hash(
        {
            **({} if win_metric is None else {"win_metric": win_metric}),
            **{name: run[name] for name in ("suite_version", "budget", "steps", "num_envs", "evaluation")},
            **{"task": run["task"]["id"], "task_settings": run["task"]["settings"]},
            "evaluation_settings": run["task"]["evaluation_settings"],
            **{"agent": run["agent"]["id"], "agent_settings": run["agent"]["settings"]},
        }
    )


def _content(folder: Path, parts: tuple[str, ...], report: Report) -> dict[str, Any] | None:
    """The object in a file, None where something is wrong; of ``evaluations.jsonl`` an empty one."""
    place, name = "/".join(parts), parts[-1]
    try:
        text = read(folder, parts)
        if name == EVALUATIONS_FILE:
            _check_lines(text)
            return {}
        content = strict_json(text)
        _CHECKS[name](content)
        _check_further(name, content)
    except ValueError as error:
        report.error("records", place, str(error))
        return None
    return content


def _check_lines(text: bytes) -> None:
    """Raises ValueError unless every line is an evaluation, and its step follows."""
    *lines, rest = text.split(b"\n")
    if rest:
        raise ValueError("its last line is torn; finish the run with `bench run`")
    if not lines:
        raise ValueError("it holds no evaluation")
    before = -1
    for number, line in enumerate(lines, start=1):
        if len(line) > LARGEST_LINE:
            raise ValueError(f"line {number} has {len(line):,} bytes; {LARGEST_LINE:,} at most")
        try:
            content = strict_json(line)
            schema.check_evaluation(content)
            _check_further(EVALUATIONS_FILE, content)
            if content["step"] <= before:
                raise ValueError(f"step {content['step']} does not follow step {before}")
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        before = content["step"]


def _check_further(name: str, content: Mapping[str, Any]) -> None:
    """Raises ValueError for fields that records have not, and for numbers that runs cannot have."""
    extra = schema.extra_fields(name, content)
    if extra:
        raise ValueError(f"unknown field {extra[0][:60]!r}; records have no such field")
    wrong = [one for one in ("step", "steps", "updates", "seconds") if content.get(one, 0) < 0]
    if wrong:
        raise ValueError(f"{wrong[0]} is {content[wrong[0]]}, below 0")
    if any(abs(value) > _LARGEST_RETURN for value in content.get("return", ())):
        raise ValueError(f"a return beyond {_LARGEST_RETURN:g}")
    if name == RUN_FILE:
        if not 0 <= content["seed"] <= _LARGEST_SEED:
            raise ValueError(f"seed {content['seed']} is out of range; 0 to {_LARGEST_SEED}")
        if not re.fullmatch(r"[0-9a-f]{10}", content["settings_hash"]):
            raise ValueError("settings_hash is not ten hexadecimal digits")


def _check_place(parts: tuple[str, ...], run: Mapping[str, Any], report: Report) -> None:
    place, agent = "/".join(parts), run["agent"]["id"].replace(":", ".")
    digest = recorded_hash(run)
    if run["settings_hash"] != digest:
        text = f"settings_hash is {run['settings_hash']}, its settings give {digest}; do not edit records"
        report.error("places", f"{place}/{RUN_FILE}", text)
    said = (run["suite"], run["task"]["id"], f"{agent}-{run['settings_hash']}", f"seed_{run['seed']}")
    if parts != said:
        text = f"it says that it belongs in {'/'.join(said)}; move it there, or leave it out"
        report.error("places", f"{place}/{RUN_FILE}", text)


def _check_provenance(place: str, made: Mapping[str, Any], report: Report) -> None:
    where = f"{place}/{RUN_FILE}"
    for name in MADE_WITH:
        if not made.get(name):
            report.error("versions", where, f"provenance.{name} is missing; `bench run` records it")
    for name, value in made.items():
        if not re.fullmatch(r"\w{1,60}", name, re.ASCII) or not isinstance(value, str):
            text = f"provenance holds {name[:60]!r}: {repr(value)[:60]}; it has names and words"
        elif len(value) > _LONGEST_WORDS or not value.isprintable():
            text = f"provenance.{name} is no short line of text: {value[:60]!r}"
        elif name == "source":
            text = "it was imported from another tool; only runs of `bench run` can be submitted"
        else:
            continue
        report.error("versions", where, text)
