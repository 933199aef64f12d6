"""A plan to empty hosts, in words and commands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping

from sev_scheduling.diagnosis import Feasibility
from sev_scheduling.explain.explanation import explain
from sev_scheduling.hosts.drain import (
    DrainCode,
    DrainPlan,
    Outcome,
    Step,
    Unknown,
)
from sev_scheduling.text import printable

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

OUTCOMES: Mapping[Outcome, str] = {
    Outcome.ALL: 'All {count} can move',
    Outcome.NONE: '{moves} of {count} can move, and there is no order in '
    'which all do',
    Outcome.NOT_FOUND: '{moves} of {count} can move; no order in which all '
    'do was found within {tried} steps',
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
_NOTHING = 'No guest holds a slot of {hosts}.'
_OTHERS = (
    '{count} without a slot on {host} not planned; to live-migrate them takes '
    'room as well.'
)
_PARTLY = 'Not known: {what}.'


def headline(plan: DrainPlan) -> str:
    """Return whether all guests can move, in one line."""
    hosts = ', '.join(_name(plan, host) for host in plan.hosts)
    if not plan.steps:
        return _NOTHING.format(hosts=hosts)
    count = f'{len(plan.steps)} encrypted guests of {hosts}'
    if len(plan.steps) == 1:
        count = f'1 encrypted guest of {hosts}'
    text = OUTCOMES[plan.outcome].format(
        count=count, moves=len(plan.moves), tried=plan.tried
    )
    if any(step.unknown for step in plan.steps):
        text += _AS_FAR_AS_KNOWN
    return f'{text}.'


def describe(plan: DrainPlan) -> str:
    """Return the plan, with the commands to type."""
    return '\n'.join((headline(plan), *_lines(plan)))


def _lines(plan: DrainPlan) -> Iterator[str]:
    number = 0
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
            if step.code is DrainCode.NO_HOST and step.guest.verdicts:
                told = explain(Feasibility(step.guest.verdicts)).operator()
                yield from (f'     {line}' for line in told.splitlines())
            yield from (f'     {line}' for line in commands(plan, step))
        if others := plan.others.get(host):
            yield '  ' + _OTHERS.format(
                count=f'{others} guests' if others > 1 else '1 guest',
                host=_name(plan, host),
            )


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
    if step.code in (DrainCode.NO_HOST, DrainCode.TAKEN, DrainCode.GROUP):
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
    name, instance = printable(step.guest.name), step.guest.instance
    return f'{name} ({instance})' if name else instance


def _name(plan: DrainPlan, host: str | None) -> str:
    return printable(plan.names.get(host or '', host or ''))
