"""What the hosts say, and what Placement says of those that agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from sev_scheduling.diagnosis import (
    Feasibility,
    Limit,
    UnknownName,
)
from sev_scheduling.diagnosis.other_models import (
    as_another_model,
    models_in_its_place,
)
from sev_scheduling.hosts.host import Host
from sev_scheduling.hosts.hostfilter import filter_hosts, with_pool
from sev_scheduling.hosts.verdict import FilterResult, VerdictCode
from sev_scheduling.placement.answers import Candidates
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.diagnosis import diagnose, unmet_by_host
from sev_scheduling.placement.diagnosis.names import (
    names_diagnosis,
    unknown_names,
)
from sev_scheduling.placement.diagnosis.relaxation import (
    can_be_asked,
    slot_constraint,
    without,
)
from sev_scheduling.placement.diagnosis.trees.surroundings import Surroundings
from sev_scheduling.placement.hosts import (
    HostTrees,
    guests_if_empty,
    host_trees,
    is_sole_source,
    pins_memory,
    ram_allocation_ratios,
)
from sev_scheduling.prefilter import (
    ANYWHERE,
    PlacementRequest,
    Scope,
    translate,
)
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation, validated

#: What Placement knows of a host, too.
_KNOWN_TO_PLACEMENT = frozenset(
    {VerdictCode.NO_POOL, VerdictCode.HOST_DISABLED, VerdictCode.NO_FREE_SLOT}
)
#: What may change while the host stays what it is: then the rest matters.
_MENDABLE = frozenset(
    {
        VerdictCode.MACHINE_TYPE_NOT_Q35,
        VerdictCode.MEMORY_OVERCOMMITTED,
        VerdictCode.NO_FREE_SLOT,
    }
)


#: Hosts, beside those whose ratio is known, that are asked for it, a call
#: each, where one of those overcommits memory.
MAX_RATIOS = 100


def feasibility(
    api: Api,
    request: EncryptionRequest | Validation,
    hosts: Iterable[Host] | None,
    scope: Scope = ANYWHERE,
    *,
    count: int = 1,
    fit: int | None = None,
    limits: tuple[Limit, ...] = (),
    ratios: Mapping[str, float] | None = None,
    answer: Candidates | None = None,
) -> Feasibility:
    """Return every host's answer; ask Placement, where it matters.

    :param hosts: as :meth:`.PlacementClient.hosts` returns them, of the same
        scope; where there are none, they are asked for, with
        ``ram_allocation_ratio`` where it counts, and what each lacks beside
        is found
    :param count: how many guests there are to be: how many would fit without
        others is found where there are several, and all hosts are asked
    :param fit: of these, how many fit; None where it is not known
    :param limits: what keeps one more of them off
    :param ratios: root uuid -> by how much a host overcommits memory, as far
        as it is known
    :param answer: all candidates, where Placement has just named them
    :raises InvalidRequest: where a problem is an error
    :raises PlacementError: one of its children
    """
    validation = validated(request)
    trees = None
    if hosts is None:
        trees = host_trees(api, scope)
        hosts = _with_ratios(api, validation, trees.as_hosts(), ratios)
    hosts = [*hosts]
    result = filter_hosts(validation, hosts)
    query = translate(validation, scope=scope)
    traits = set() if trees else {t for host in hosts for t in host.traits}
    shown = trees.every.values() if trees else ()
    unknown = unknown_names(api, query, traits, shown)
    if unknown:
        query = without(query, {one.constraint for one in unknown})
    around = Surroundings(query)
    if unknown:
        found = _but_for_names(api, validation, result, query, unknown)
    else:
        found = _placed(
            api, validation, result, query, scope, trees, around, answer
        )
        if not found.fit:
            found = replace(
                found, runnable=_runnable(api, result, scope, ratios)
            )
    if scope.in_tree and found.diagnosis and result.verdicts:
        (verdict,) = result.verdicts
        found = replace(
            found, diagnosis=replace(found.diagnosis, host=verdict.host.name)
        )
    found = replace(
        found, scope=scope, guests=count, guests_fit=fit, limits=limits
    )
    if trees is None:
        return found
    unmet = {}
    if unfit := found.unfit:
        # What is against hosts that would do is asked for, too.
        not_given = {
            one.host.uuid or '' for one in unfit if found.lacks_more(one)
        }
        unmet = unmet_by_host(api, query, trees.every, around, not_given)
    found = replace(found, unmet=unmet, left_out=trees.left_out)
    found = found.with_figures()
    if count > 1:
        most = guests_if_empty(query, trees, found.usable_if_empty)
        limits = tuple(
            limit
            if is_sole_source(trees, limit.resource_class)
            else replace(limit, shared_by='')
            for limit in limits
        )
        found = replace(found, guests_if_empty=most, limits=limits)
    return found


def _but_for_names(
    api: Api,
    validation: Validation,
    result: FilterResult,
    query: PlacementRequest,
    unknown: tuple[UnknownName, ...],
) -> Feasibility:
    """Return what hosts say where Placement does not know some names.

    :param query: what is asked beside these
    """
    roots: frozenset[str] = frozenset()
    suitable: frozenset[str] | None = None
    if can_be_asked(query):
        roots = api.candidates(query).roots()
        roots -= _union(_roots_by_code(result), VerdictCode)
        suitable = _suitable(api, query)
    return Feasibility(
        result,
        diagnosis=names_diagnosis(validation.request, unknown, roots),
        suitable=suitable,
        runnable=frozenset(),
    )


def _placed(
    api: Api,
    validation: Validation,
    result: FilterResult,
    query: PlacementRequest,
    scope: Scope,
    trees: HostTrees | None,
    around: Surroundings,
    answer: Candidates | None,
) -> Feasibility:
    """Ask Placement about hosts, where it matters.

    :param trees: those of all hosts, where they were read
    :param around: of the query, for whoever asks for it next
    :param answer: all candidates, where they are known
    """
    if not result.verdicts and not scope:
        return Feasibility(result)
    roots = _roots_by_code(result)
    accepted = bool(result.accepted)
    if accepted or not result.verdicts:
        if answer is None:
            answer = api.candidates(query)
        offered = answer.roots() - _union(roots, VerdictCode)
        if offered:
            return Feasibility(result, offered)
    suitable = None
    mendable = _union(roots, _MENDABLE)
    if mendable:
        suitable = _suitable(api, query)
    # A slot that is freed helps no host that lacks something else, too.
    in_vain = suitable is not None and not suitable & mendable
    full = roots[VerdictCode.NO_FREE_SLOT]
    if not accepted and result.verdicts and not (full and in_vain):
        return Feasibility(result, suitable=suitable)
    ignored = _union(roots, set(VerdictCode) - _KNOWN_TO_PLACEMENT)
    found = diagnose(
        api,
        validation.request,
        query,
        ignored,
        is_empty=answer is not None and not answer,
        trees=trees,
        around=around,
    )
    return Feasibility(result, diagnosis=found, suitable=suitable)


def _runnable(
    api: Api,
    result: FilterResult,
    scope: Scope,
    ratios: Mapping[str, float] | None,
) -> frozenset[str]:
    """Return other models that hosts offer, as which one runs the request.

    At most one call a model, where what hosts say does not rule it out.
    """
    found = set()
    request = result.request
    if request.server is not None:
        # It keeps its flavor, and so its model.
        return frozenset()
    hosts = [verdict.host for verdict in result.verdicts]
    for name in models_in_its_place(result.verdicts):
        other = as_another_model(request, name)
        if other is None:
            continue
        known = _with_ratios(api, other.validation, hosts, ratios)
        fit = filter_hosts(other.validation, known)
        roots = _roots_by_code(fit)[None]
        if roots and not roots.isdisjoint(
            api.candidates(translate(other.validation, scope=scope)).roots()
        ):
            found.add(name)
    return frozenset(found)


def _roots_by_code(
    result: FilterResult,
) -> defaultdict[VerdictCode | None, set[str]]:
    """Return the root uuids of hosts by the code of their verdict."""
    roots = defaultdict[VerdictCode | None, set[str]](set)
    for verdict in result.verdicts:
        if verdict.host.uuid:
            roots[verdict.code].add(verdict.host.uuid)
    return roots


def _union(
    roots: Mapping[VerdictCode | None, set[str]], codes: Iterable[VerdictCode]
) -> frozenset[str]:
    return frozenset[str]().union(*(roots.get(code, ()) for code in codes))


def _suitable(api: Api, query: PlacementRequest) -> frozenset[str] | None:
    """Ask for the hosts that would do with a free slot; None for unknown."""
    relaxed = without(query, {slot_constraint(query)})
    if not can_be_asked(relaxed) or not api.supports(relaxed.microversion):
        return None
    return api.candidates(relaxed).roots()


def _overcommits(ratio: float) -> bool:
    return ratio > 1.0


def _with_ratios(
    api: Api,
    validation: Validation,
    hosts: list[Host],
    ratios: Mapping[str, float] | None,
) -> list[Host]:
    """Add by how much hosts overcommit memory, where that counts.

    :param ratios: those that are known
    """
    if not pins_memory(validation):
        return hosts
    few = ratios is not None
    ratios = dict(ratios or {})
    missing = {
        host.uuid
        for host in with_pool(validation, hosts)
        if host.uuid and host.uuid not in ratios
    }
    most = MAX_RATIOS if any(map(_overcommits, ratios.values())) else 0
    if not few or len(missing) <= most:
        # What is said of one host is said of its like.
        ratios |= ram_allocation_ratios(api, missing)
    return [
        replace(host, ram_allocation_ratio=ratios[host.uuid])
        if host.uuid and host.uuid in ratios
        else host
        for host in hosts
    ]
