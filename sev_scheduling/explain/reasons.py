"""Reasons in words: why groups of hosts say no."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from sev_scheduling.hosts.hostfilter import FilterResult, Verdict, VerdictCode
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules import fixes

_CODES = tuple(VerdictCode)
ASK_OPERATOR = "Ask the cloud's operator."
TRY_LATER = 'Try again later, or delete an encrypted server.'


#: Position of the verdict's code, model, machine type.
Key = tuple[int, str, str]

#: Text and fix for operators, text and fix for tenants.
Words = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why a request cannot be placed.

    :ivar code: a :class:`.VerdictCode`, a :class:`.Cause` or a
        :class:`.Code`
    :ivar hosts: how many hosts it keeps out; 0 where it is not about hosts
    :ivar text: for operators, after the count: ``offer no amd-sev slots``
    :ivar fix: what an operator can do, or ''
    :ivar tenant_text: one sentence without host names and counts, or ''
        where it would not help a tenant
    :ivar tenant_fix: what a tenant can do, or ''
    """

    code: str
    hosts: int
    text: str
    fix: str = ''
    tenant_text: str = ''
    tenant_fix: str = ''


def guest_name(request: EncryptionRequest) -> str:
    """Return such as ``amd-sev guest``."""
    if not request.encrypted:
        return 'unencrypted guest'
    return f'{request.model_name or "encrypted"} guest'


def host_reasons(
    result: FilterResult, *, for_tenant: bool
) -> tuple[Reason, ...]:
    """Group rejections by what they say; every rejected host counts once.

    :param for_tenant: fill in the tenant's texts
    """
    groups: defaultdict[Key, list[Verdict]] = defaultdict(list)
    for verdict in result.rejected:
        groups[_key(verdict)].append(verdict)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    reasons = []
    for (position, *_), group in ordered:
        code = _CODES[position]
        text, fix, tenant_text, tenant_fix = _WORDS[code](
            result.request, group
        )
        # Hosts without the model are nothing that a tenant can change,
        # unless there are no others.
        others = len(groups) > 1 or result.accepted
        if not for_tenant or (code is VerdictCode.NO_POOL and others):
            tenant_text = tenant_fix = ''
        reasons.append(
            Reason(code, len(group), text, fix, tenant_text, tenant_fix)
        )
    return tuple(reasons)


def _key(verdict: Verdict) -> Key:
    """Return what verdicts of one group share, in the order of judgement."""
    code = verdict.code or VerdictCode.NO_POOL
    position = _CODES.index(code)
    if code is VerdictCode.NO_POOL or verdict.model is None:
        # A host without any of several models counts once for all of them.
        return position, '', ''
    if code is VerdictCode.MACHINE_TYPE_NOT_Q35:
        return position, verdict.model.name, verdict.machine_type or ''
    return position, verdict.model.name, ''


def _plural(group: list[Verdict], one: str, many: str) -> str:
    return one if len(group) == 1 else many


def _no_pool(request: EncryptionRequest, group: list[Verdict]) -> Words:
    name = request.model_name or 'such'
    return (
        f'{_plural(group, "offers", "offer")} no {name} slots',
        '',
        f'No host offers {name} memory encryption.',
        ASK_OPERATOR,
    )


def _excluded(request: EncryptionRequest, group: list[Verdict]) -> Words:
    model = group[0].model
    others = ' or '.join(model.excluded_by) if model else ''
    source = model.exclusion_source if model else ''
    why = f' ({source})' if source else ''
    return (
        f'{_plural(group, "offers", "offer")} {others} too, which {model} '
        f'must not share a host with{why}',
        '',
        f'Hosts that offer {model} also offer {others}, and the two must '
        f'not share a host{why}.',
        ASK_OPERATOR,
    )


def _hypervisor(request: EncryptionRequest, group: list[Verdict]) -> Words:
    model = group[0].model
    types = sorted({v.host.hypervisor_type or '' for v in group})
    needs = ' or '.join(model.hypervisor_types) if model else ''
    return (
        f'{_plural(group, "runs", "run")} {" or ".join(types)}; {model} '
        f'needs {needs}',
        '',
        f'Hosts with {model} slots cannot run encrypted guests.',
        ASK_OPERATOR,
    )


def _machine_type(request: EncryptionRequest, group: list[Verdict]) -> Words:
    model, machine_type = group[0].model, group[0].machine_type
    wanted = model.machine_type if model else ''
    command = fixes.set_image(request, hw_machine_type=wanted)
    fix = f'set hw_machine_type={wanted} on the image: {command}'
    if request.machine_type is not None:
        what = _plural(group, 'was', 'were') + f' asked for {machine_type}'
        tenant = f'The image asks for machine type {machine_type}'
    elif machine_type is None:
        what = (
            _plural(group, 'does not tell its', 'do not tell their')
            + ' default machine type'
        )
        tenant = 'The image names no machine type'
    else:
        what = (
            _plural(group, 'defaults', 'default')
            + f' to machine type {machine_type}'
        )
        tenant = (
            'The image names no machine type, and hosts give it '
            f'{machine_type}'
        )
    return (
        f'{what}; {model} needs {wanted}',
        fix,
        f'{tenant}; {model} needs {wanted}.',
        f'Set it: {command}',
    )


def _overcommitted(request: EncryptionRequest, group: list[Verdict]) -> Words:
    model = group[0].model
    ratios = sorted({v.ram_allocation_ratio or 0 for v in group})
    shown = f'{ratios[0]:g}'
    if len(ratios) > 1:
        shown += f' to {ratios[-1]:g}'
    hosts = _plural(group, f'{group[0].host.name}', 'these hosts')
    return (
        f'{_plural(group, "overcommits", "overcommit")} memory '
        f'(ram_allocation_ratio {shown}); {model} pins it',
        f'set ram_allocation_ratio = 1.0 in nova.conf of {hosts}',
        f'Hosts with {model} slots are not set up for encrypted guests.',
        ASK_OPERATOR,
    )


def _no_free_slot(request: EncryptionRequest, group: list[Verdict]) -> Words:
    model = group[0].model
    used = sum(v.used for v in group)
    usable = sum(max(0, v.total - v.reserved) for v in group)
    reserved = sum(v.reserved for v in group)
    kept = f', {reserved} reserved' if reserved else ''
    return (
        f'{_plural(group, "has", "have")} no free {model} slot ({used} of '
        f'{usable} in use{kept})',
        '',
        f'All {model} slots that it could use are taken now.',
        TRY_LATER,
    )


_WORDS: dict[
    VerdictCode, Callable[[EncryptionRequest, list[Verdict]], Words]
] = {
    VerdictCode.NO_POOL: _no_pool,
    VerdictCode.EXCLUDED_BY_MODEL: _excluded,
    VerdictCode.HYPERVISOR_UNSUPPORTED: _hypervisor,
    VerdictCode.MACHINE_TYPE_NOT_Q35: _machine_type,
    VerdictCode.MEMORY_OVERCOMMITTED: _overcommitted,
    VerdictCode.NO_FREE_SLOT: _no_free_slot,
}
