"""The problems of a request on one page.

Who asks for what is said once, each problem takes a line, and each flavor,
image or volume has one command that solves what it can. An audit of all
flavors with all images takes one page too, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sev_scheduling.audit.results import (
    Audit,
    AuditFix,
    AuditProblem,
    Item,
)
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.fixes import condition, phrase
from sev_scheduling.explain.values.naming import Count, owner, sentence
from sev_scheduling.explain.values.problems import problem_values
from sev_scheduling.problems import (
    Field,
    Fix,
    Problem,
    Severity,
    Source,
    Target,
    merge,
)
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.text import quoted

_INDENT = '  '


@dataclass(frozen=True, slots=True)
class RequestPage:
    """What there is to say about a request.

    :ivar request: None where it is not known
    :ivar problems: errors first
    """

    request: EncryptionRequest | None
    problems: tuple[Problem, ...]

    @property
    def headline(self) -> str:
        """Who asks for what, and what is not ready for it."""
        return ' '.join(filter(None, (self._lead(), *self._sections()[0][:1])))

    def adding(self, problem: Problem) -> RequestPage:
        """Return the same with one more problem, as the last."""
        return replace(self, problems=(*self.problems, problem))

    def view(self, *, tenant: bool) -> str:
        """Return headline, problems and changes, in lines.

        :param tenant: leave out what only operators can change
        """
        lines = [self.headline]
        first, *others = self._sections()
        lines += first[1:]
        for section in others:
            lines += section
        fixes = [problem.fix for problem in self.problems]
        for change in merge(fixes):
            lines += _change_lines(change, fixes, tenant=tenant)
        return '\n'.join(filter(None, lines))

    def _lead(self) -> str:
        request = self.request
        errors = any(problem.is_error for problem in self.problems)
        requesters = self._requesters()
        if requesters:
            names = dict.fromkeys(f.owner or owner(f) for f in requesters)
            models = [p.model for p in self.problems if p.model]
            model = request.model_name if request else next(iter(models), '')
            if request and model and not request.models:
                # Somebody else's word, which may have spaces.
                model = model if model.split() == [model] else quoted(model)
            askers = ' and '.join(names)
            return catalogue.request.ASKS[errors].format(
                # A name is left as it is.
                askers=askers if requesters[0].owner else sentence(askers),
                n=Count(len(names)),
                model=model or 'memory encryption',
            )
        if request is None:
            return '' if self.problems else catalogue.request.NO_PROBLEMS
        flavor = request.field(Source.FLAVOR, '')
        image = request.field(Source.IMAGE, '')
        nobody = (
            catalogue.request.NOBODY_OF_TWO
            if image.owner
            else catalogue.request.NOBODY_OF_ONE
        ).format(owner=owner(flavor), other=owner(image))
        return catalogue.request.NOT_ASKED[errors].format(nobody=nobody)

    def _requesters(self) -> tuple[Field, ...]:
        if self.request is not None:
            return self.request.requesters
        return next((p.requesters for p in self.problems if p.requesters), ())

    def _sections(self) -> list[list[str]]:
        """Return the lines about each owner, its name in the first."""
        by_owner: dict[str, list[Problem]] = {}
        for problem in self.problems:
            by_owner.setdefault(self._owner(problem.field), []).append(problem)
        sections = []
        for name, problems in by_owner.items():
            errors = any(problem.is_error for problem in problems)
            kind = 'warnings'
            if errors:
                kind = 'not-ready' if self._requesters() else 'unusable'
            lines = dict.fromkeys(f'{_INDENT}{_line(one)}' for one in problems)
            header = catalogue.request.OWNERS[kind].format(
                owner=name, n=Count(len(lines))
            )
            sections.append([sentence(header), *lines])
        return sections or [[]]

    def _owner(self, field: Field) -> str:
        if field.source in (Source.REQUEST, Source.ACTION):
            return catalogue.request.OWNER_OF[field.source]
        request = self.request
        if field.source is Source.IMAGE and request is not None:
            if request.server is not None:
                return catalogue.request.OWNER_OF[Source.ACTION]
            if request.image_of_volume:
                name = request.volume_name
                return f'volume {name}' if name else 'the volume'
            image = request.views[1]
            if not (request.image_name or image.properties or image.unread):
                return catalogue.request.NO_IMAGE
        return owner(field)


def _line(problem: Problem) -> str:
    return f'{problem.severity:9}{_text(problem)}'


def _text(problem: Problem) -> str:
    """Return what is, and what is needed, without the owner."""
    row = catalogue.request.PROBLEMS[problem.code, problem.case]
    return (row.line or row.text).format_map(problem_values(problem))


def _change_lines(
    change: Fix, fixes: Sequence[Fix], *, tenant: bool
) -> Iterator[str]:
    """Yield what to do about one target, and what would do as well."""
    of_target = [fix for fix in fixes if _same_target(fix, change)]
    command = change.command()
    if not command:
        if not (tenant and change.target is Target.HOST):
            yield f'{sentence(phrase(change))}.'
    else:
        yield from _command_lines(change)
        if any(caveat.of_image for caveat in change.caveats):
            yield catalogue.fixes.OTHERWISE[change.target]
    others = [other for fix in of_target for other in fix.alternatives]
    for other in merge(o for o in others if o.command()):
        yield from _command_lines(other)
    if command and change.public and change.target is not None:
        # Of all of these commands.
        template = catalogue.fixes.PUBLIC[change.target]
        yield template.format(name=change.name)
    # What is changed on the hosts solves none of the other problems.
    of_hosts = len(of_target) == 1 and not tenant
    prose = dict.fromkeys(
        phrase(other)
        for other in others
        if not other.command()
        and (of_hosts or other.target is not Target.HOST)
    )
    if prose:
        yield catalogue.fixes.OR.format(others=', or '.join(prose))


def _same_target(fix: Fix, change: Fix) -> bool:
    if change.target is None:
        return (fix.advice, fix.values) == (change.advice, change.values)
    return (fix.target, fix.name, bool(fix.set)) == (
        change.target,
        change.name,
        bool(change.set),
    )


def _command_lines(change: Fix) -> Iterator[str]:
    yield f'{sentence(condition(change)) or catalogue.fixes.CHANGE}:'
    yield f'{_INDENT}{change.command()}'


def commands(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield the commands of a page, to be copied."""
    fixes = [problem.fix for problem in problems]
    others = [other for fix in fixes for other in fix.alternatives]
    for fix in (*merge(fixes), *merge(others), *fixes):
        if command := fix.command():
            yield command


#: So many problems, commands and names are shown, and the number of others.
_MOST_PROBLEMS = 12
_MOST_FIXES = 5
_MOST_NAMES = 3


def names(items: Sequence[Item]) -> str:
    """Return such as ``m1, m2, m3 and 4 more``."""
    return _few([item.label for item in items])


def _few(words: Sequence[str]) -> str:
    shown = ', '.join(words[:_MOST_NAMES])
    more = len(words) - _MOST_NAMES
    if more <= 0:
        return shown
    return f'{shown} {catalogue.request.AUDIT["and-more"].format(more=more)}'


def nothing_to_audit(flavors: int, images: int) -> str:
    """Say that there are no pairs.

    :param images: with volumes, those that can be booted from
    """
    return catalogue.request.AUDIT['nothing'].format(
        flavors=flavors, images=images
    )


@dataclass(frozen=True, slots=True)
class AuditPage:
    """What there is to say about an audit.

    :ivar left_out: how many flavors, images and volumes cannot be used as
        they are, and were not looked at
    """

    audit: Audit
    left_out: int = 0

    @property
    def headline(self) -> str:
        """How much was looked at, and whether all is well."""
        found = self.audit
        return catalogue.request.AUDIT['headline'].format(
            flavors=f'{found.flavors:,}',
            images=f'{found.images:,}',
            pairs=f'{found.pairs:,}',
            n=Count(found.pairs),
            never=f'{found.count(severity=Severity.ERROR):,}',
        )

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands in it, to be copied: none may be folded."""
        return tuple(
            change.command()
            for fix in self.audit.fixes[:_MOST_FIXES]
            for change in fix.changes
        )

    def operator(self) -> str:
        """Return all of it, in lines."""
        return '\n'.join(
            [
                self.headline,
                *self._models(),
                *self._problems(),
                *self._fixes(),
            ]
        )

    def _models(self) -> Iterator[str]:
        """Yield a line for each model that is asked for, and for none."""
        found = self.audit
        pairs: dict[str, tuple[bool, str | None]] = {}
        for group in found.groups:
            name = catalogue.request.AUDIT['plain']
            if group.encrypted:
                name = group.model or catalogue.request.AUDIT['no-model']
            pairs.setdefault(name, (group.encrypted, group.model))
        width = max(map(len, pairs), default=0)
        digits = len(f'{found.pairs:,}')
        for name in sorted(pairs, key=lambda n: (not pairs[n][0], n)):
            encrypted, model = pairs[name]
            asked = {'encrypted': encrypted, 'model': model}
            counts = [
                f'{number:,} {catalogue.request.AUDIT[word]}'
                for word, severity in (
                    ('ready', None),
                    ('warnings', Severity.WARNING),
                    ('errors', Severity.ERROR),
                )
                if (number := found.count(severity=severity, **asked))
            ]
            total = f'{found.count(**asked):,}'
            yield (
                f'{_INDENT}{name:{width}}  {total:>{digits}}  '
                f'{", ".join(counts)}'
            )
        if self.left_out:
            yield _INDENT + catalogue.request.AUDIT['left-out'].format(
                n=Count(self.left_out)
            )

    def _problems(self) -> Iterator[str]:
        problems = self.audit.problems
        if not problems:
            return
        yield catalogue.request.AUDIT['problems']
        digits = max(len(f'{p.pairs:,}') for p in problems)
        for problem in problems[:_MOST_PROBLEMS]:
            count = f'{problem.pairs:>{digits},}'
            severity = problem.problem.severity
            yield f'{_INDENT}{count}  {severity:9}{said(problem)}'
            yield (
                f'{_INDENT}{"":{digits}}  '
                + catalogue.request.AUDIT['where'].format(
                    flavors=names(problem.flavors),
                    images=names(problem.images),
                )
            )
        more = len(problems) - _MOST_PROBLEMS
        if more > 0:
            yield _INDENT + catalogue.request.AUDIT['more-problems'].format(
                n=Count(more)
            )

    def _fixes(self) -> Iterator[str]:
        fixes = self.audit.fixes
        if not fixes:
            return
        yield catalogue.request.AUDIT['fixes']
        for fix in fixes[:_MOST_FIXES]:
            yield from command_lines(fix)
        more = len(fixes) - _MOST_FIXES
        if more > 0:
            yield _INDENT + catalogue.request.AUDIT['more-fixes'].format(
                n=Count(more)
            )


def said(problem: AuditProblem) -> str:
    """Return what is, with all its values, and what is needed."""
    text = _text(problem.problem)
    others = [quoted(v) for v in problem.values[1:] if v is not None]
    if others:
        text += ' ' + catalogue.request.AUDIT['values'].format(
            values=_few(others)
        )
    return text


def command_lines(fix: AuditFix) -> Iterator[str]:
    """Yield what a fix does for how many pairs, and its commands."""
    kind = 'mends' if fix.mends else 'helps'
    what = catalogue.request.AUDIT[kind].format(
        n=Count(fix.mends or fix.pairs), number=f'{fix.mends or fix.pairs:,}'
    )
    for change in fix.changes:
        only_if = condition(change)
        text = f'{only_if}, {what}' if only_if else what
        yield f'{_INDENT}{sentence(text)}:'
        yield f'{_INDENT * 2}{change.command()}'
