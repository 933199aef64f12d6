"""Fixes in words: the exact command where one does it.

So are a plan of changes, and what has become of them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sev_scheduling.audit.results import AuditFix, Change, Outcome, Plan
from sev_scheduling.diagnosis import Diagnosis, UnknownName
from sev_scheduling.diagnosis.askers import name_askers
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.values.naming import Count, caller, sentence
from sev_scheduling.explain.values.problems import fix_values
from sev_scheduling.problems import (
    Advice,
    Caveat,
    Fix,
    Target,
    merge,
    message,
)
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.text import CUSTOM_NAME

_INDENT = '  '


def phrase(fix: Fix) -> str:
    """Return a fix as it follows "or": a command, a change or advice."""
    command = fix.command()
    if command:
        return command
    if fix.target is None:
        return _advice(fix)
    return brief(fix)


def condition(fix: Fix) -> str:
    """Return such as ``if the image boots with UEFI and runs on q35``."""
    by_subject: dict[str, list[str]] = {}
    for caveat in fix.caveats:
        subject, text = (
            template.format_map(fix_values(fix))
            for template in catalogue.fixes.CAVEATS[caveat]
        )
        by_subject.setdefault(subject, []).append(text)
    clauses = ' and '.join(
        f'{subject} {_listed(texts)}' for subject, texts in by_subject.items()
    )
    return catalogue.fixes.IF.format(clauses=clauses) if clauses else ''


def _listed(texts: Sequence[str]) -> str:
    *most, last = texts
    return f'{", ".join(most)} and {last}' if most else last


def brief(fix: Fix) -> str:
    """Return such as ``set hw_disk_bus=virtio on image u``."""
    if fix.target is None:
        return _advice(fix)
    template = catalogue.fixes.CHANGES[fix.target, bool(fix.set)]
    return template.format_map(fix_values(fix))


def _advice(fix: Fix) -> str:
    if fix.advice is None:
        return ''
    return catalogue.fixes.ADVICE[fix.advice].format_map(fix_values(fix))


class Step(NamedTuple):
    """One thing to do.

    :ivar text: what to do; before a command, what it does or when it is
        right
    :ivar command: '' where none does it
    :ivar other: in place of the one before
    :ivar caveats: what must be true for the command to be the right one
    :ivar whole: the text is sentences of its own
    :ivar beside: to be done beside what stands before it
    :ivar some: for so many of the hosts alone; 0 for all of them
    """

    text: str
    command: str = ''
    other: bool = False
    caveats: tuple[Caveat, ...] = ()
    whole: bool = False
    beside: bool = False
    some: int = 0

    def joined(self) -> Step:
        """Return the same, to be done beside what stands before it."""
        return self if self.other else self._replace(beside=True)

    def of_some(self, count: int) -> Step:
        """Return the same for some of the hosts."""
        return self.joined()._replace(some=count)

    @property
    def words(self) -> str:
        """Its text as a clause."""
        text = self.text
        if self.some:
            text = catalogue.fixes.OF_SOME.format(text=text, count=self.some)
        if self.other:
            return catalogue.fixes.OTHER.format(text=text)
        return catalogue.fixes.AND.format(text=text) if self.beside else text

    @property
    def line(self) -> str:
        """All of it as sentences on one line."""
        words = sentence(self.words)
        if self.command:
            return f'{words}: {self.command}'
        return words if self.whole else f'{words}.'

    def lines(self, mark: str = '') -> Iterator[str]:
        """Yield it in lines, the command on one of its own."""
        yield f'{mark}{self.words}{":" if self.command else ""}'
        if self.command:
            yield f'{" " * len(mark)}{self.command}'


def steps_of(
    fixes: Iterable[Fix], *, tenant: bool = False, public: bool = False
) -> Iterator[Step]:
    """Yield what to change, all of it, and what would do in its place.

    :param tenant: leave out what only operators can change, and begin with
        whom to ask where others use it as well
    :param public: do the latter alone
    """
    for number, fix in enumerate(merge(fixes, alternatives=True)):
        if (tenant or public) and fix.public and fix.target is not None:
            template = catalogue.fixes.PUBLIC[fix.target]
            yield Step(template.format(name=fix.name), whole=True)
        for n, way in enumerate((fix, *fix.alternatives)):
            if tenant and way.target is Target.HOST:
                continue
            command = way.command()
            text = (command and condition(way)) or brief(way)
            step = Step(text, command, n > 0, way.caveats)
            yield step.joined() if number else step


def enabling(host: str) -> str:
    """Return the command that enables a host's compute service; or ''."""
    if not host.isprintable():
        return ''
    words = ['openstack', 'compute', 'service', 'set', '--enable']
    # A name may look like an option.
    words += ['--'] if host.startswith('-') else []
    return shlex.join([*words, host, 'nova-compute'])


def correcting_callers(found: Diagnosis) -> tuple[Step, ...]:
    """Return how callers correct what they ask for by unknown names."""
    steps = []
    for one in found.unknown:
        constraint = one.constraint
        if constraint.asker is None:
            continue
        near = ''
        if one.near:
            near = catalogue.placement.NEAR.format(near=one.near)
        who = caller(constraint.asker)
        text = catalogue.placement.CORRECT_OPTION.format(
            asker=f'{who} {one.name}', near=near
        )
        steps.append(Step(text))
    return tuple(steps)


def creating(unknown: UnknownName, request: EncryptionRequest) -> Step:
    """Return how to make a name known to Placement."""
    name = unknown.name
    if any(
        not field.key.endswith(f':{name}')
        for field, _ in name_askers(request, unknown)
    ):
        # Nova makes it of a feature; hosts that have that bring it along.
        fix = Fix(advice=Advice.USE_HOSTS_WITH, values=(name,))
        return Step(brief(fix))
    if not CUSTOM_NAME.fullmatch(name):
        return Step(catalogue.placement.UPDATE_NAMES.format(name=name))
    if unknown.trait:
        words = ['--os-placement-api-version', '1.6', 'trait', 'create']
        text = catalogue.placement.CREATE_TRAIT
        if unknown.forbidden:
            text = catalogue.placement.CREATE_FORBIDDEN
    else:
        words = ['--os-placement-api-version', '1.2', 'resource', 'class']
        words.append('create')
        text = catalogue.placement.CREATE_CLASS
    return Step(text, shlex.join(['openstack', *words, name]))


class Cells(NamedTuple):
    """What to do, for programs.

    :ivar fix: the commands, a line each; the advice where none does it;
        None where nothing is known
    :ivar caveats: what must be true for the commands to be the right ones
    :ivar advice: sentences about what else is needed, or would do as well
    """

    fix: str | None
    caveats: tuple[str, ...]
    advice: str | None


def cells(steps: Sequence[Step]) -> Cells:
    """Part the commands from all else."""
    done = [step for step in steps if step.command and not step.other]
    prose = ' '.join(step.line for step in steps if step not in done)
    if not done:
        return Cells(prose or None, (), None)
    caveats = dict.fromkeys(str(c) for step in done for c in step.caveats)
    commands = '\n'.join(step.command for step in done)
    return Cells(commands, tuple(caveats), prose or None)


def steps_on_hosts(fixes: Iterable[Fix], *, other: bool) -> Iterator[Step]:
    """Yield what operators can do on hosts.

    :param other: in place of what flavor or image are to be changed
    """
    for fix in fixes:
        yield Step(brief(fix), other=other)


@message.register
def fix_text(fix: Fix) -> str:
    """Return a command alone as it is, everything else as a sentence."""
    text = phrase(fix)
    if fix.alternatives:
        others = ' or '.join(map(_conditional, fix.alternatives))
        return f'{text} (or {others})'
    if text and fix.target in (None, Target.HOST):
        return f'{sentence(text)}.'
    return text


def how_to(fixes: Iterable[Fix], *, tenant: bool = False) -> str:
    """Return what to change; it ends with the commands.

    :param tenant: begin with whom to ask where others use it as well
    """
    changes = merge(fixes, alternatives=True)
    notes = dict.fromkeys(
        catalogue.fixes.PUBLIC[fix.target].format(name=fix.name)
        for fix in changes
        if tenant and fix.public and fix.target is not None
    )
    ways = [
        ' or '.join(map(_conditional, (fix, *fix.alternatives)))
        for fix in changes
    ]
    text = '; '.join(ways)
    return ' '.join((*notes, sentence(text) if notes else text))


def _conditional(fix: Fix) -> str:
    only_if = condition(fix)
    return f'{only_if}: {phrase(fix)}' if only_if else phrase(fix)


@dataclass(frozen=True, slots=True)
class PlanPage:
    """What there is to say about a plan."""

    plan: Plan

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands in it, to be copied: none may be folded."""
        plan = self.plan
        return _commands((*plan.fixes, *plan.left_out))

    def script(self) -> str:
        """Return the commands, all else as comments of a shell."""
        plan = self.plan
        lines = [*_commands(plan.fixes), *_by_condition(plan.left_out)]
        return '\n'.join(lines or [f'# {self._nothing()}'])

    def _nothing(self) -> str:
        """Say that there is no command, and whether all is well."""
        key = 'nothing' if self.plan.severity_after is None else 'no-command'
        return catalogue.fixes.PLAN[key]

    def preview(self) -> str:
        """Return what would be changed, and what is left out."""
        plan = self.plan
        lines: list[str] = []
        if plan.fixes:
            lines.append(catalogue.fixes.PLAN['changes'])
        elif plan.left_out:
            lines.append(catalogue.fixes.PLAN['nothing-unconditional'])
        else:
            lines.append(self._nothing())
        lines += _indented(_commands(plan.fixes))
        if plan.left_out:
            lines.append(catalogue.fixes.PLAN['left-out'])
            lines += _indented(_by_condition(plan.left_out))
        return '\n'.join(lines)

    @property
    def not_made(self) -> str:
        """What to say where the answer is no."""
        return catalogue.fixes.PLAN['not-made']

    def question(self) -> str:
        """Ask whether to make the changes."""
        question = catalogue.fixes.PLAN['question']
        return f'{question.format(n=Count(len(self.plan.fixes)))} '


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """What there is to say about changes that were to be made."""

    changes: Sequence[Change]

    @property
    def headline(self) -> str:
        """How many were made."""
        done = sum(c.outcome is Outcome.DONE for c in self.changes)
        if all(change.outcome.is_well for change in self.changes):
            return catalogue.fixes.MADE['done'].format(n=Count(done))
        return catalogue.fixes.MADE['stopped'].format(
            count=done, n=Count(len(self.changes))
        )

    @property
    def reason(self) -> str:
        """How many were made, and what stopped the others."""
        errors = [change.error for change in self.changes if change.error]
        return ' '.join([self.headline, *errors])

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands in it, to be copied: none may be folded."""
        return _commands(change.fix for change in self.changes)

    def line(self, change: Change) -> str:
        """Return which one it is, and what became of it."""
        return catalogue.fixes.MADE['line'].format(
            number=1 + self.changes.index(change),
            count=len(self.changes),
            outcome=catalogue.fixes.OUTCOMES[change.outcome],
            commands='; '.join(_commands([change.fix])),
        )

    def view(self) -> str:
        """Return what became of each, in lines."""
        lines = [self.headline]
        for change in self.changes:
            lines.append(
                f'{_INDENT}{catalogue.fixes.OUTCOMES[change.outcome]}:'
            )
            lines += (
                f'{_INDENT * 2}{command}'
                for command in _commands([change.fix])
            )
            if change.keys and not change.outcome.is_well:
                text = catalogue.fixes.MADE['in-part'].format(
                    keys=', '.join(change.keys)
                )
                lines.append(f'{_INDENT * 2}{text}')
            if change.error:
                lines.append(f'{_INDENT * 2}{change.error}')
        return '\n'.join(lines)


def _commands(fixes: Iterable[AuditFix]) -> tuple[str, ...]:
    return tuple(change.command() for fix in fixes for change in fix.changes)


def _by_condition(fixes: Iterable[AuditFix]) -> Iterator[str]:
    """Yield all commands, those of one condition together."""
    by_condition: dict[str, list[str]] = {}
    for fix in fixes:
        for change in fix.changes:
            only_if = sentence(condition(change))
            if fix.choice:
                accept = fix.condition
                # A name may look like an option.
                sign = '=' if accept.startswith('-') else ' '
                only_if = catalogue.fixes.CHOICE.format(
                    condition=only_if, accept=sign + shlex.quote(accept)
                )
            commands = by_condition.setdefault(only_if, [])
            commands.append(change.command())
    for only_if, commands in by_condition.items():
        if only_if:
            yield f'# {only_if}:'
        yield from commands


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f'{_INDENT}{line}' for line in lines)
