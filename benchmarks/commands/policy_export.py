"""`bench export-policy`: one member's policy as a file that runs without this package."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import SuiteError

FORMATS = {".pt": "torchscript", ".onnx": "onnx"}
"""Ends of file names, and what they stand for."""


@click.command("export-policy")
@click.option(
    "--run",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run: RESULTS/SUITE/TASK/AGENT-HASH/seed_0.",
)
@click.option("--member", type=click.IntRange(0), required=True, help="Which member, from 0.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS.values())),
    help="[default: what the file's name ends in says: .pt, .onnx]",
)
@click.option(
    "--weights",
    type=click.Choice(["last", "best"]),
    default="last",
    show_default=True,
    help="Of the end of training, or of its best evaluation.",
)
@click.option(
    "--latent", metavar="zero|input|K", help="For the latent variable.  [default: as greedy, else input]"
)
@click.option("--agent", metavar="A", help="module:Class of an agent without a registered name.")
def export_policy(
    folder: Path,
    member: int,
    out: Path,
    form: str | None,
    weights: str,
    latent: str | None,
    agent: str | None,
) -> None:
    """Export one member's greedy policy to TorchScript or ONNX.

    Example: bench export-policy --run results/…/seed_0 --member 0 --out member_0.onnx
    """
    if form is None:
        if out.suffix not in FORMATS:
            raise SuiteError(f"--out {out} ends in neither {' nor '.join(FORMATS)}; say which --format")
        form = FORMATS[out.suffix]
    chosen = "default" if latent is None else int(latent) if latent.isdecimal() else latent
    inputs = write_export(folder, member, out, form, weights == "best", chosen, agent)
    print(f"{out}: reads {', '.join(inputs)}")


def write_export(
    folder: Path,
    member: int,
    out: Path,
    form: str,
    best: bool,
    latent: int | str,
    agent: str | None,
) -> tuple[str, ...]:
    """Write the file; see `agents.exporting.member_policy` for what may go wrong.

    Returns:
        What the exported policy reads, in order.

    Raises:
        ValueError: no such run, no weights, or a policy that cannot be exported.
        OSError: the file cannot be written.
    """
    from ...agents.exporting import member_policy, to_onnx, to_torchscript
    from ...analysis.files import write_atomically
    from ...analysis.records import read_run
    from ..startup import prepare_worker
    from ..training.policies import read_stored

    prepare_worker()
    run = read_run(folder.resolve())
    stored = read_stored(run, best=best)
    try:
        actor = stored.restored(agent)
    except ValueError as error:
        raise SuiteError(
            f"{run.path}: {error}; --agent {stored.agent}" if agent is None else f"{error}"
        ) from error
    policy = member_policy(actor, member, latent)
    about = {
        "agent": stored.agent,
        "task": stored.team.task_id,
        "seed": stored.seed,
        "step": stored.step,
        "member": member,
        "latent": latent,
        "inputs": [
            [name, list(value.shape[1:])]
            for name, value in zip(policy.input_names, policy.example(1), strict=True)
        ],
        "versions": dict(stored.versions),
    }
    write_atomically(out, (to_onnx if form == "onnx" else to_torchscript)(policy, about))
    return policy.input_names
