"""A command line whose errors are one line."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

import click

from ..analysis.words import one_line


class Bench(click.Group):
    """Turns errors of the user into one line and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        if ctx.params["debug"]:
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever reads our output has had enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            stop(f"{place}{error.strerror or error}")
        except (ValueError, NotImplementedError) as error:
            stop(str(error))
        except KeyboardInterrupt:
            stop("interrupted", 130)


def stop(message: str, status: int = 2) -> NoReturn:
    """Print one line to stderr and leave."""
    click.echo(f"bench: {one_line(message)}", err=True)
    sys.exit(status)
