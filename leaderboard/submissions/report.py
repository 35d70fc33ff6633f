"""What the check of a submission found: one line a finding, each safe to print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...analysis.words import one_line

RULES: Mapping[str, str] = {
    "names": "every name is short, plain and the same on every system",
    "files": "the files of records and nothing else: no links, none missing, none too large",
    "manifest": "who, what, from where, under which licence, how to repeat it",
    "records": "every file is strict JSON with the fields and ranges of records",
    "places": "every run lies where its content says, under the hash of its settings",
    "versions": "every run says what it was made with",
    "agent": "one agent, under a name that nobody else has",
    "seeds": "exactly the suite's seeds on every task, once each",
    "protocol": "task, budget, steps and evaluation are those of the suite that ships",
    "evaluations": "steps, episodes, lengths, updates and times are those of such a run",
    "returns": "returns are in a credible range and vary",
    "copies": "no two runs are the same, here or among the published ones",
}
"""Rule to what it demands, in the order of the report; docs/submitting.md tells more."""
_MOST_TOLD = 100
_MOST_SIGNS = 400


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or that a maintainer should look at.

    Attributes:
        rule: one of `RULES`.
        is_error: whether the submission is refused for it.
        text: one line: the place, what is wrong, the remedy.
    """

    rule: str
    is_error: bool
    text: str


@dataclass
class Report:
    """Collects findings.

    Attributes:
        findings: in the order they were made.
        looked_at: rule to what was looked at; a rule that is not here could not be checked.
    """

    findings: list[Finding] = field(default_factory=list)
    looked_at: dict[str, str] = field(default_factory=dict)

    def error(self, rule: str, place: str, text: str) -> None:
        """Refuse the submission; any text may be given, it is made safe to print."""
        self.findings.append(Finding(rule, True, _line(place, text)))

    def warn(self, rule: str, place: str, text: str) -> None:
        """Something for a maintainer to look at."""
        self.findings.append(Finding(rule, False, _line(place, text)))

    @property
    def is_accepted(self) -> bool:
        """Whether every rule was checked and none is broken."""
        return set(self.looked_at) == set(RULES) and not any(one.is_error for one in self.findings)

    def lines(self) -> Iterator[str]:
        """The report: every rule, each with its findings or what was looked at, and the result."""
        for rule in RULES:
            found = [one for one in self.findings if one.rule == rule]
            for one in found[:_MOST_TOLD]:
                yield f"{'REFUSED' if one.is_error else 'warning':8} {rule:12} {one.text}"
            if len(found) > _MOST_TOLD:
                yield f"{'REFUSED':8} {rule:12} and {len(found) - _MOST_TOLD:,} more like these"
            if not any(one.is_error for one in found):
                is_open = rule not in self.looked_at
                note = "not checked, for what is wrong elsewhere" if is_open else self.looked_at[rule]
                yield f"{'-' if is_open else 'ok':8} {rule:12} {note}"
        errors = sum(one.is_error for one in self.findings)
        warnings = len(self.findings) - errors
        counted = f"{errors} wrong, {warnings} to look at"
        yield f"accepted ({counted})" if self.is_accepted else f"refused ({counted})"


def _line(place: str, text: str) -> str:
    return f"{one_line(place, _MOST_SIGNS)}: {one_line(text, _MOST_SIGNS)}"
