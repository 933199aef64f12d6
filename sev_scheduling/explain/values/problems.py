"""What a finding puts into the templates of the catalogue.

And the sentence that this makes of one problem or one verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sev_scheduling.diagnosis.other_models import offered_models, protects_less
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.values.cases import verdict_case
from sev_scheduling.explain.values.naming import (
    Count,
    asker,
    key,
    owner,
    sentence,
    what,
)
from sev_scheduling.hosts.verdict import Verdict, VerdictCode
from sev_scheduling.models import excluding_models
from sev_scheduling.problems import (
    Fix,
    Problem,
    Target,
    advice,
    message,
)
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.rule import set_image
from sev_scheduling.text import printable, quoted

Values = Mapping[str, Any]


def problem_values(problem: Problem) -> Values:
    field, value = problem.field, problem.value
    return {
        'key': key(field),
        'what': what(field),
        'owner': owner(field),
        'value': quoted(value),
        'name': value,
        'has': f'has no {field.key}'
        if value is None
        else f'has {field.key}={quoted(value)}',
        'is_set': 'is not set' if value is None else f'is {quoted(value)}',
        'needs': ' or '.join(problem.needs),
        'listed': ', '.join(problem.needs),
        'model': problem.model,
        'other': owner(problem.other) if problem.other else '',
        'other_key': key(problem.other) if problem.other else '',
        'other_what': what(problem.other) if problem.other else '',
        'other_value': quoted(problem.other_value),
        'other_name': problem.other_value or 'the machine type',
        'who': asker(problem.requesters),
        'ignored': '' if problem.is_error else catalogue.request.IGNORED,
    }


def _provided(fix: Fix) -> str:
    """Return what gives hosts the traits and resources of a fix."""
    return ' and '.join(
        dict.fromkeys(
            catalogue.fixes.PROVIDED.get(name, name) for name in fix.values
        )
    )


def fix_values(fix: Fix) -> Values:
    equals = ' = ' if fix.target is Target.HOST else '='
    pairs = [f'{name}{equals}{value}' for name, value in fix.set.items()]
    return {
        'keys': ', '.join(pairs or fix.unset),
        'owner': f'{fix.target} {fix.name}'
        if fix.name
        else f'the {fix.target}',
        'hosts': printable(fix.name or 'every such host'),
        'values': ' or '.join(fix.values),
        'listed': ', '.join(fix.values),
        'provided': _provided(fix),
        'first': fix.values[0] if fix.values else '',
        'last': fix.values[-1] if fix.values else '',
    }


def machine_type_values(request: EncryptionRequest) -> Values:
    wanted = request.model.machine_type if request.model else ''
    fix = set_image(request, {'hw_machine_type': wanted})
    return {
        'command': fix.command(),
        'image': 'volume' if request.image_of_volume else 'image',
        'target': catalogue.fixes.PROPERTY_OF[fix.target],
        'it': catalogue.fixes.PROPERTY_OF_IT[fix.target],
    }


def verdict_values(verdicts: Sequence[Verdict]) -> Values:
    """Return what hosts that give one reason have in common, and their sums.

    :param verdicts: at least one, all of one code and model
    """
    first = verdicts[0]
    request, model, host = first.request, first.model, first.host
    ratios = sorted({v.ram_allocation_ratio or 0.0 for v in verdicts})
    reserved = sum(v.reserved for v in verdicts)
    offered = offered_models(verdicts)
    no_pool = first.code is VerdictCode.NO_POOL
    # A host without any of several models counts once for all of them.
    name = request.model_name if no_pool or model is None else model.name
    return {
        'n': Count(len(verdicts)),
        'host': printable(host.name),
        'these': printable(host.name) if len(verdicts) == 1 else 'these hosts',
        'model': name or 'known model',
        'free': first.free,
        'used': sum(v.used for v in verdicts),
        'usable': Count(sum(v.capacity for v in verdicts)),
        'reserved': f', {reserved} reserved' if reserved else '',
        'machine_type': first.machine_type or "''",
        'needs': model.machine_type if model else '',
        **machine_type_values(request),
        **offer_values(request, offered),
        **({'excluded_by': first.excluded_by} if first.excluded_by else {}),
        'hypervisors': ' or '.join(
            sorted({v.host.hypervisor_type or '' for v in verdicts})
        ),
        'needs_hypervisors': ' or '.join(model.hypervisor_types)
        if model
        else '',
        'ratios': ' to '.join(
            dict.fromkeys(f'{ratio:g}' for ratio in (ratios[0], ratios[-1]))
        ),
    }


def offer_values(request: EncryptionRequest, offered: Sequence[str]) -> Values:
    model = request.model
    source = model.exclusion_source if model else ''
    return {
        'offers': ', '.join(
            catalogue.hosts.WEAKER.format(name=name)
            if protects_less(request, name)
            else name
            for name in offered
        ),
        'excluded_by': ' or '.join(
            excluding_models(model, offered) if model else ()
        ),
        'source': f' ({source})' if source else '',
    }


def problem_text(problem: Problem) -> str:
    row = catalogue.request.PROBLEMS[problem.code, problem.case]
    values = problem_values(problem)
    template = row.text
    if row.asked and problem.requesters:
        template = f'{catalogue.request.ASKED}{row.text}'
    return f'{sentence(template.format_map(values))}.'


@message.register
def _(problem: Problem) -> str:
    return problem_text(problem)


@message.register
def _(verdict: Verdict) -> str:
    values = verdict_values((verdict,))
    if verdict.code is None:
        fits = (
            catalogue.hosts.FITS
            if verdict.model
            else catalogue.hosts.FITS_UNENCRYPTED
        )
        if verdict.unlimited:
            fits = catalogue.hosts.FITS_UNLIMITED
        return fits.format_map(values)
    row = catalogue.hosts.VERDICTS[verdict.code, verdict_case([verdict])]
    return f'{verdict.host.name} {row.hosts.format_map(values)}.'


@advice.register
def _(verdict: Verdict) -> str:
    if verdict.code is None:
        return ''
    row = catalogue.hosts.VERDICTS[verdict.code, verdict_case([verdict])]
    return row.host_advice.format_map(verdict_values((verdict,)))
