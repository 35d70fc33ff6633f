"""A page a task, `docs/tasks/<id>.md`, from its module's docstring, its settings and its reference scores.

    python -m coordbench.benchmarks.commands.task_pages [TASK ...]

writes the pages and pictures of these tasks (all, if none is named) and the list of tasks in
`docs/environments.md`. It belongs to a checkout: installed packages hold no docs.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from ... import envs
from ...analysis.scores import reference_scores
from ...envs.registry import task_class
from ...envs.team import TeamSpec
from ..errors import SuiteError
from .watch import Request, play

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "tasks"
GUIDE = ROOT / "docs" / "environments.md"
COMMAND = "python -m coordbench.benchmarks.commands.task_pages"
HEADINGS = (
    "Task",
    "Observation",
    "Action",
    "Reward",
    "Episode",
    "State",
    "Metrics",
    "Settings",
    "Source",
    "Versions",
)
"""Of every task module's docstring, in this order."""
LIST = ("<!-- tasks: made by task_pages -->\n", "<!-- end of tasks -->\n")
"""What stands around the list of tasks in the guide."""
MOMENTS, SIZE = 3, 320
"""Of the picture: moments of one episode, and pixels of each."""


def page(task: str) -> str:
    """The text of a task's page.

    Raises:
        ValueError: an unknown task, a docstring without the headings, a setting without an explanation.
    """
    cls, team = task_class(task), envs.spec(task)
    title, parts = sections(task)
    lines = [f"<!-- made by `{COMMAND}`; edit the docstring instead -->", f"# {task}", "", title, ""]
    lines += [f"![moments of an episode](img/{task}.png)", "", *_facts(team), ""]
    for heading in HEADINGS:
        lines += [f"## {heading}", "", parts[heading], ""]
        if heading == "Settings":
            lines += [*_settings_table(task, cls.settings_type, team), ""]
        if heading == "Source":
            path = inspect.getsourcefile(cls)
            if path and Path(path).resolve().is_relative_to(ROOT):
                code = Path(path).resolve().relative_to(ROOT).as_posix()
                lines += [f"Code: [{code}](../../{code}).", ""]
    return "\n".join(lines)


def sections(task: str) -> tuple[str, dict[str, str]]:
    """First line and sections of the docstring of a task's module.

    Raises:
        SuiteError: there is none, or its headings are not `HEADINGS`.
    """
    module = inspect.getmodule(task_class(task))
    text = inspect.cleandoc((module and module.__doc__) or "")
    title, _, rest = text.partition("\n")
    pieces = re.split(r"^(\w+)\n(?= )", rest, flags=re.M)
    found = tuple(pieces[1::2])
    if found != HEADINGS:
        raise SuiteError(
            f"{task}: the docstring of its module must have the headings {', '.join(HEADINGS)}; "
            f"it has {', '.join(found) or 'none'}"
        )
    return title, {name: inspect.cleandoc(body) for name, body in zip(found, pieces[2::2], strict=True)}


def guide_list() -> str:
    """The list of tasks in the guide: a table, then the settings of each kind."""
    lines = [
        "| Task | Members | Steps an episode | Observation | Action | Return is | More |",
        "|---|---|---|---|---|---|---|",
    ]
    kinds: dict[type, list[str]] = {}
    for task in envs.names():
        team = envs.spec(task)
        link = f"[page](tasks/{task}.md)"
        lines.append(
            f"| `{task}` | {team.n_agents} | {team.horizon} | {team.observation_size} | {_action(team)} | "
            f"{team.return_unit} | {link} |"
        )
        kinds.setdefault(task_class(task), []).append(task)
    lines += ["", "Settings, arguments of `make`; the pages explain them:", ""]
    for cls, tasks in kinds.items():
        names = ", ".join(f"`{field.name}`" for field in dataclasses.fields(cls.settings_type))  # type: ignore
        lines.append(f"- {', '.join(f'`{task}`' for task in tasks)}: {names}")
    return "\n".join(lines) + "\n"


def guide(text: str) -> str:
    """The guide's text with the list of tasks renewed.

    Raises:
        SuiteError: the lines around the list are gone.
    """
    before, begin, rest = text.partition(LIST[0])
    _, end, after = rest.partition(LIST[1])
    if not (begin and end):
        raise SuiteError(f"{GUIDE} has no lines {LIST[0].strip()!r} and {LIST[1].strip()!r}")
    return before + begin + "\n" + guide_list() + "\n" + end + after


def picture(task: str) -> Image.Image:
    """Moments of an episode of the task's reference policy, or of random actions where it has none."""
    (film,) = play(Request(task))
    return film.sheet(SIZE, MOMENTS).quantize(256, dither=Image.Dither.NONE)


def _facts(team: TeamSpec) -> list[str]:
    won = f"| Scored by | the win rate, mean of `{team.win_metric}`; the return stands beside it |"
    sizes = sorted(set(team.observation_sizes))
    return [
        "| | |",
        "|---|---|",
        f"| Members | {team.n_agents} |",
        f"| Steps an episode | {team.horizon} |",
        f"| Observation | {' or '.join(map(str, sizes))} numbers a member |",
        f"| State | {team.state_size} numbers |",
        f"| Action | {_action(team)} |",
        *([won] if team.win_metric else []),
        f"| Return is | {team.return_unit} |",
        f"| Reference scores | {_scores(team)} |",
        f"| To see it | `bench watch {team.task_id} --out clip.gif` |",
    ]


def _scores(team: TeamSpec) -> str:
    """What the two fixed policies reach."""
    known = reference_scores().tasks.get(team.task_id)
    if not known:
        return "not measured yet; `bench references` does it"
    settings = ", ".join(f"`{name}={value!r}`" for name, value in known.evaluation_settings.items())
    episodes = f"{known.episodes} episodes" + (f" with {settings}" if settings else "")
    if team.win_metric is None or known.random_wins is None or known.reference_wins is None:
        return f"random {known.random:g} (score 0), reference {known.reference:g} (score 1); {episodes}"
    random = f"random {100 * known.random_wins:.3g} % (return {known.random:g})"
    reference = f"reference {100 * known.reference_wins:.3g} % (return {known.reference:g})"
    return f"win rates: {random}, {reference}; {episodes}"


def _action(team: TeamSpec) -> str:
    if team.action_kind == "discrete":
        return f"one of {team.action_size}"
    return "1 number" if team.action_size == 1 else f"{team.action_size} numbers"


def _settings_table(task: str, settings_type: type, team: TeamSpec) -> list[str]:
    meanings, hints = _meanings(settings_type), typing.get_type_hints(settings_type)
    lines = ["| Setting | Type | Value | Meaning |", "|---|---|---|---|"]
    for field in dataclasses.fields(settings_type):  # type: ignore[arg-type]
        if field.name not in meanings:
            raise SuiteError(
                f"{task}: the docstring of {settings_type.__name__} does not explain {field.name!r}"
            )
        value = f"`{team.settings[field.name]!r}`"
        meaning = meanings[field.name].replace("|", "\\|")
        lines.append(f"| `{field.name}` | {_in_words(hints[field.name])} | {value} | {meaning} |")
    return lines


def _meanings(settings_type: type) -> dict[str, str]:
    """The `Attributes:` section of a docstring: what each setting means."""
    text = inspect.cleandoc(settings_type.__doc__ or "")
    _, _, attributes = text.partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", attributes, re.M)
    return {name: " ".join(meaning.split()) for name, meaning in found}


def _in_words(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return " or ".join(f"`{option!r}`" for option in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return f"list of {_in_words(typing.get_args(kind)[0])}"
    if typing.get_args(kind):
        return " or ".join(map(_in_words, typing.get_args(kind)))
    return "none" if kind is type(None) else getattr(kind, "__name__", str(kind))


def main(tasks: Sequence[str]) -> None:
    """Write pages and pictures of these tasks, of all if empty, and the list of tasks in the guide.

    Raises:
        SuiteError: this is no checkout.
    """
    if not GUIDE.exists():
        raise SuiteError(f"there is no {GUIDE}: pages are made in a checkout, not in an installed package")
    (PAGES / "img").mkdir(parents=True, exist_ok=True)
    for task in tasks or envs.names():
        (PAGES / f"{task}.md").write_text(page(task), encoding="utf-8")
        picture(task).save(PAGES / "img" / f"{task}.png", optimize=True)
        print(PAGES / f"{task}.md")
    GUIDE.write_text(guide(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
