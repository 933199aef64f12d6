"""What the hosts say, and what Placement says of those that agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sev_scheduling.diagnosis import Feasibility
from sev_scheduling.hosts.host import MACHINE_TYPE_TRAIT_PREFIX, Host
from sev_scheduling.hosts.hostfilter import filter_hosts
from sev_scheduling.hosts.verdict import FilterResult, VerdictCode
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.diagnosis import diagnose
from sev_scheduling.prefilter import ANYWHERE, Scope, translate
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation, validated


def feasibility(
    api: Api,
    request: EncryptionRequest | Validation,
    hosts: Iterable[Host],
    scope: Scope = ANYWHERE,
) -> Feasibility:
    """Return every host's answer; ask Placement, where any host agrees.

    :param hosts: as :meth:`.PlacementClient.hosts` returns them, of the same
        scope
    :raises InvalidRequest: where a problem is an error
    :raises PlacementError: one of its children
    """
    validation = validated(request)
    result = filter_hosts(validation, hosts)
    if not result.accepted and (result.verdicts or not scope):
        return Feasibility(result)
    query = translate(validation, scope=scope)
    query = replace(
        query,
        root_forbidden=query.root_forbidden | _unfit_machine_types(result),
    )
    answer = api.candidates(query)
    offered = frozenset(host.uuid for host in answer.hosts() if host.uuid)
    if answer:
        return Feasibility(result, offered)
    found = diagnose(api, validation.request, query)
    return Feasibility(result, offered, found)


def _unfit_machine_types(result: FilterResult) -> frozenset[str]:
    """Return the traits of machine types of rejected hosts alone."""

    def published(hosts: Iterable[Host]) -> frozenset[str]:
        return frozenset(
            trait
            for host in hosts
            for trait in host.traits
            if trait.startswith(MACHINE_TYPE_TRAIT_PREFIX)
        )

    rejected = (
        verdict.host
        for verdict in result.rejected
        if verdict.code is VerdictCode.MACHINE_TYPE_NOT_Q35
    )
    return published(rejected) - published(result.accepted)
