"""A plan to empty hosts, in words and commands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sev_scheduling.diagnosis import Feasibility
from sev_scheduling.explain.explanation import explain
from sev_scheduling.explain.values.naming import Count
from sev_scheduling.hosts.drain import (
    DrainCode,
    DrainPlan,
    Outcome,
    Step,
    Unknown,
)
from sev_scheduling.text import counted, printable, quoted

#: The first microversion of nova's API in which a cold migration names a host.
_MICROVERSION = '2.56'

CODES: Mapping[DrainCode, str] = {
    DrainCode.MOVE: 'to {target}',
    DrainCode.NO_HOST: 'stays: no other host can take it',
    DrainCode.TAKEN: 'stays: guests before it take what hosts have of {short}',
    DrainCode.GROUP: 'stays: its server group keeps it from the hosts left',
    DrainCode.STATE: 'stays: nova migrates no server that is {state}',
    DrainCode.NOT_A_SERVER: 'stays: nova has no such server; it is a '
    'migration to be confirmed or reverted ("openstack server migration '
    'list"), or a claim of another service',
    DrainCode.UNKNOWN: 'stays: it is not known what it needs',
}

#: Of one guest, and of several.
OUTCOMES: Mapping[Outcome, tuple[str, str]] = {
    Outcome.ALL: ('The {guests} can move', 'All {count} {guests} can move'),
    Outcome.UNKNOWN: (
        'It is not known whether the {guests} can move; there is room for it, '
        'as far as is known',
        'It is not known whether all {count} {guests} can move; there is room '
        'for them, as far as is known',
    ),
    Outcome.NONE: (
        'The {guests} cannot move',
        '{moves} of {count} {guests} can move, and there is no order in which '
        'all do',
    ),
    Outcome.NOT_FOUND: (
        'The {guests} cannot move, as far as {tried} went',
        '{moves} of {count} {guests} can move; no order in which all do was '
        'found within {tried}',
    ),
}

UNKNOWNS: Mapping[Unknown, str] = {
    Unknown.FLAVOR: 'its flavor (taken from what it holds in Placement)',
    Unknown.IMAGE: 'its image',
    Unknown.FLAVOR_COPY: "its flavor at boot (today's stands for it)",
    Unknown.IMAGE_COPY: "its image at boot (today's stands for it)",
    Unknown.MACHINE_TYPE: 'the default machine type of {target}',
    Unknown.TOPOLOGY: 'whether NUMA cells, pages and devices fit',
    Unknown.SERVER: 'its server',
}

_AS_FAR_AS_KNOWN = ', as far as is known'
_AS_ABOVE = 'The hosts say the same as of {who}.'
_NOTHING = 'No guest holds a slot of {hosts}.'
_OTHERS = (
    '{n} {n:guest|guests} without a slot on {host} {n:is|are} not planned; to '
    'live-migrate {n:it|them} takes room as well.'
)
_NOT_JUDGED = '{who} cannot be judged by {what}.'
_OF_FILES = 'its {noun} {name}, which no file of --{noun}s has'
_NOT_NAMED = 'its {noun}, which its file of --servers does not name'
_PARTLY = 'Not known: {what}.'


def headline(plan: DrainPlan) -> str:
    """Return whether all guests can move, in one line."""
    hosts = ', '.join(_name(plan, host) for host in plan.hosts)
    if not plan.steps:
        return _NOTHING.format(hosts=hosts)
    count = len(plan.steps)
    text = OUTCOMES[plan.outcome][count > 1].format(
        count=count,
        guests=f'encrypted {"guests" if count > 1 else "guest"} of {hosts}',
        moves=len(plan.moves),
        tried=counted(plan.tried, 'step'),
    )
    unknown = any(step.unknown for step in plan.steps)
    if unknown and plan.outcome is not Outcome.UNKNOWN:
        text += _AS_FAR_AS_KNOWN
    return f'{text}.'


def describe(plan: DrainPlan) -> str:
    """Return the plan, with the commands to type."""
    return '\n'.join((headline(plan), *_lines(plan)))


def _lines(plan: DrainPlan) -> Iterator[str]:
    number = 0
    #: What hosts say -> of which guest they have said it first.
    told: dict[str, str] = {}
    for host in plan.hosts:
        steps = [step for step in plan.steps if step.guest.host == host]
        if steps:
            yield f'{_name(plan, host)}:'
        for step in steps:
            mark = '-'
            if step.code is DrainCode.MOVE:
                number += 1
                mark = f'{number}.'
            yield f'  {mark} {_who(step)} {what(plan, step)}'
            unknown = unknowns(plan, step)
            if unknown:
                yield f'     {_PARTLY.format(what=", ".join(unknown))}'
            found = step.guest.verdicts
            # Without verdicts there is no other host at all.
            if step.code is DrainCode.NO_HOST and found and found.verdicts:
                text = explain(Feasibility(found)).of_hosts().operator()
                if text in told:
                    text = _AS_ABOVE.format(who=told[text])
                else:
                    told[text] = _who(step)
                yield from (f'     {line}' for line in text.splitlines())
            yield from (f'     {line}' for line in commands(plan, step))
        if others := plan.others.get(host):
            yield '  ' + _OTHERS.format(
                n=Count(others), host=_name(plan, host)
            )


@dataclass(frozen=True, slots=True)
class NotJudged:
    """A server of a file whose flavor or image is in none.

    :ivar missing: noun -> its name or id; None where the server has none
    """

    server: str
    name: str
    missing: Mapping[str, str | None]


def not_judged(server: NotJudged) -> str:
    """Return what a server cannot be judged by, in a line."""
    what = ', nor by '.join(
        (_NOT_NAMED if name is None else _OF_FILES).format(
            noun=noun, name=quoted(name)
        )
        for noun, name in server.missing.items()
    )
    who = _named(server.name, server.server)
    return _NOT_JUDGED.format(who=who, what=what)


def what(plan: DrainPlan, step: Step) -> str:
    """Return what becomes of a guest, in words."""
    return CODES[step.code].format(
        target=_name(plan, step.target),
        short=', '.join(step.short),
        state=printable(step.guest.state),
    )


def unknowns(plan: DrainPlan, step: Step) -> tuple[str, ...]:
    """Return what is not known of a guest and its target, in words."""
    target = _name(plan, step.target)
    return tuple(UNKNOWNS[one].format(target=target) for one in step.unknown)


def commands(plan: DrainPlan, step: Step) -> tuple[str, ...]:
    """Return the commands to type for a guest; none where none helps.

    One that stays is stopped for the time of the maintenance.
    """
    if step.guest.made_up:
        return ()
    instance = shlex.quote(step.guest.instance)
    if step.code is DrainCode.MOVE:
        host = plan.service(str(step.target))
        # A name may look like an option.
        option = '--host=' if host.startswith('-') else '--host '
        return (
            f'openstack --os-compute-api-version {_MICROVERSION} server '
            f'migrate --wait {option}{_word(host)} {instance}',
            f'openstack server migration confirm {instance}',
        )
    if step.stops:
        return (
            f'openstack server stop {instance}',
            f'openstack server start {instance}',
        )
    return ()


def _word(text: str) -> str:
    """Return a word for a shell, on one line."""
    if text.isprintable():
        return shlex.quote(text)
    # As bash, zsh and ksh read it; fish and dash do not.
    escaped = json.dumps(text)[1:-1].replace("'", "\\'")
    return f"$'{escaped}'"


def _who(step: Step) -> str:
    return _named(step.guest.name, step.guest.instance)


def _named(name: str, instance: str) -> str:
    return f'{printable(name)} ({instance})' if name else instance


def _name(plan: DrainPlan, host: str | None) -> str:
    return printable(plan.names.get(host or '', host or ''))
