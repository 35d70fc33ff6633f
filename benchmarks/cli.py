"""The command `bench`. Heavy libraries are imported by the commands that need them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .. import agents, envs
from .choices import parse_names
from .command import Bench, stop
from .commands.claims_command import claims
from .commands.coordination_report import coordination
from .commands.determinism_report import check_determinism
from .commands.evaluation_report import evaluate_command
from .commands.exchange import export, import_runs
from .commands.leaderboard_command import leaderboard
from .commands.policy_export import export_policy
from .commands.submission import submit_check
from .commands.track import track
from .suites.suite_file import read_suite, suite_names
from .sweeps.commands import logs, retry, run, status

_PATH = click.Path(path_type=Path)


@click.group(cls=Bench, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="coordbench", prog_name="bench")
@click.option("--debug", is_flag=True, help="Show the tracebacks of errors.")
def main(debug: bool) -> None:
    """Benchmarks of cooperative multi-agent reinforcement learning.

    Example: bench run --suite coordination --budget smoke
    """
    del debug
    here = str(Path.cwd())
    if here not in sys.path:  # for module:Class in a file of the user's; last: it must shadow nothing
        sys.path.append(here)


main.add_command(claims)
main.add_command(coordination)
main.add_command(evaluate_command)
main.add_command(leaderboard)
main.add_command(export_policy)
for _command in (check_determinism, export, import_runs, submit_check, track):
    main.add_command(_command)

for _command in (run, status, logs, retry):
    main.add_command(_command)

_suite = click.option(
    "--suite", default="coordination", show_default=True, metavar="NAME", help="A suite, or a .toml file."
)
_results = click.option(
    "--results", type=_PATH, default="results", show_default=True, help="Folder of the records."
)


@main.command("list")
@click.argument("kind", required=False, type=click.Choice(["suites", "tasks", "agents"]))
def list_names(kind: str | None) -> None:
    """List suites, tasks and agents.

    Example: bench list agents
    """
    if kind in (None, "suites"):
        click.echo("suites")
        for name in suite_names():
            suite = read_suite(name)
            budgets = ", ".join(suite.budgets)
            click.echo(f"  {name:28} {suite.description} (version {suite.version}; budgets: {budgets})")
    if kind in (None, "tasks"):
        click.echo("tasks")
        for name in envs.names():
            click.echo(f"  {name}")
    if kind in (None, "agents"):
        click.echo("agents")
        for name in agents.names():
            click.echo(f"  {name:28} {agents.summary(name)}")


@main.command()
@_suite
@click.option("--tasks", metavar="X,Y", help="Only these of the suite's.")
@click.option("--episodes", type=click.IntRange(1), default=10_000, show_default=True, help="Of each policy.")
@click.option("--out", type=_PATH, help="File to update.  [default: the package's own]")
def references(suite: str, tasks: str | None, episodes: int, out: Path | None) -> None:
    """Measure the reference scores: random policy = 0, scripted policy = 1.

    Example: bench references --episodes 1000 --out reference_scores.json
    """
    from .commands.references import measure_suite

    measure_suite(suite, parse_names(tasks), episodes, out)


@main.command()
@click.argument("task")
@click.option("--agent", metavar="A", help="Who plays.  [default: reference, or random where there is none]")
@_results
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the run.")
@click.option(
    "--set", "settings", metavar="SETTING=VALUE", multiple=True, help="Of the task; may be repeated."
)
@click.option("--episodes", type=click.IntRange(1), default=1, show_default=True, help="How many.")
@click.option("--out", type=_PATH, help="Clip .gif or .mp4, contact sheet .png.  [default: a window]")
@click.option(
    "--size", type=click.IntRange(64, 4096), default=480, show_default=True, help="Pixels of the longer side."
)
@click.option("--fps", type=click.FloatRange(0.5, 50), default=10, show_default=True, help="Steps a second.")
def watch(
    task: str,
    agent: str | None,
    results: Path,
    seed: int,
    settings: tuple[str, ...],
    episodes: int,
    out: Path | None,
    size: int,
    fps: float,
) -> None:
    """Show what an agent does: a window, an animation or a contact sheet.

    Example: bench watch predator_prey_4-v1 --agent vm3ac --seed 0 --out clip.gif
    """
    from .commands.watch import Request
    from .commands.watch import watch as show

    show(Request(task, agent, results, seed, settings, episodes, out, size, fps))


@main.command("check-env")
@click.argument("task")
def check_env(task: str) -> None:
    """Test a task against the contract of environments.

    Example: bench check-env predator_prey_2-v1
    """
    try:
        envs.check_env(task)
    except envs.ContractError as error:
        stop(f"{task}: {error}", 1)
    click.echo(f"{task} keeps the contract: spaces, resets, seeds, batching, snapshots, time limit, refusals")


@main.command("check-agent")
@click.argument("agent")
@click.option(
    "--set", "settings", metavar="SETTING=VALUE", multiple=True, help="Of the agent; may be repeated."
)
@click.pass_context
def check_agent(ctx: click.Context, agent: str, settings: tuple[str, ...]) -> None:
    """Test an agent, a name or module:Class, against the contract of agents.

    Says of every rule whether it holds, what was found and what usually mends it; exit status 1 if one is
    broken.

    Example: bench check-agent mypackage.cool:Cool
    """
    from .commands.agent_report import report
    from .commands.watch import parse_settings

    debug = ctx.find_root().params["debug"]
    sys.exit(0 if report(agent, parse_settings(settings), with_tracebacks=debug) else 1)


@main.command()
@click.argument("parts", nargs=-1, metavar="[PART]...")
@click.option("--out", type=_PATH, help="JSON file for the figures.")
@click.option("--quick", is_flag=True, help="A shorter look: fewer rounds, fewer agents.")
@click.option(
    "--rivals", metavar="PYTHON", multiple=True, help="An interpreter with VMAS, JaxMARL or SMAClite."
)
def speed(parts: tuple[str, ...], out: Path | None, quick: bool, rivals: tuple[str, ...]) -> None:
    """Measure steps and updates a second beside plain implementations, and waiting times.

    Parts: environments (or envs), battles, updates, recurrent, scaling, training,
    overhead, startup. All take minutes on an idle core.

    Example: bench speed environments startup --out speed.json
    """
    from .speed import measure

    measure.run(out, measure.QUICK if quick else measure.Plan(), measure.chosen(parts), rivals)
