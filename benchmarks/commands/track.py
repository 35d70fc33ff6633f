"""`bench track`: results in TensorBoard or Weights & Biases, when they are there or as they grow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click

from ..choices import parse_names
from ..errors import SuiteError

_PATH = click.Path(path_type=Path)
_POLL_SECONDS = 2.0


@click.command("track")
@click.option("--results", type=_PATH, default="results", show_default=True, help="Folder of the records.")
@click.option("--to", "kinds", metavar="A,B", required=True, help="tensorboard, wandb or both.")
@click.option("--suite", metavar="NAME", help="Only this suite.")
@click.option("--follow", is_flag=True, help="Go on with what is trained meanwhile, until Ctrl-C.")
def track(results: Path, kinds: str, suite: str | None, follow: bool) -> None:
    """Show results in TensorBoard or Weights & Biases.

    Training knows nothing of it: the records are read, of finished runs or of a `bench run` that goes on.

    Example: bench track --to tensorboard; tensorboard --logdir results/coordination/tensorboard
    """
    from ...analysis.records import RunFolder
    from .loggers import RecordLog

    log = RecordLog(parse_names(kinds))
    known: set[Path] = set()
    n_lines = 0
    try:
        while True:
            for path in _run_folders(results, suite):
                if path not in known:
                    known.add(path)
                    log.follow(RunFolder(path))
            if not known and not follow:
                raise SuiteError(f"{results} holds no records; `bench run` makes them")
            n_lines += log.poll()
            if not follow:
                break
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        log.close()
    click.echo(f"{n_lines} evaluations of {len(known)} runs written to {kinds}")


def _run_folders(results: Path, suite: str | None) -> Iterator[Path]:
    if not results.is_dir():
        raise SuiteError(f"there is no results folder {results}; `bench run --results {results}` makes one")
    suites = sorted(path for path in results.iterdir() if path.is_dir() and suite in (None, path.name))
    for place in suites:
        yield from sorted(path.parent for path in place.glob("*/*/seed_*/run.json"))
