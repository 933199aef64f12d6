"""What the hosts say, and what Placement says of those that agree."""

from __future__ import annotations

from collections.abc import Iterable

from sev_scheduling.diagnosis import Feasibility
from sev_scheduling.hosts.host import Host
from sev_scheduling.hosts.hostfilter import filter_hosts
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.diagnosis import diagnose
from sev_scheduling.prefilter import translate
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import Validation, validated


def feasibility(
    api: Api,
    request: EncryptionRequest | Validation,
    hosts: Iterable[Host],
) -> Feasibility:
    """Return every host's answer; ask Placement, where any host agrees.

    :param hosts: as :meth:`.PlacementClient.hosts` returns them
    :raises InvalidRequest: where a problem is an error
    :raises PlacementError: one of its children
    """
    validation = validated(request)
    result = filter_hosts(validation, hosts)
    if not result.accepted:
        return Feasibility(result)
    query = translate(validation)
    answer = api.candidates(query)
    offered = frozenset(host.uuid for host in answer.hosts() if host.uuid)
    if answer:
        return Feasibility(result, offered)
    found = diagnose(api, validation.request, query=query)
    return Feasibility(result, offered, found)
