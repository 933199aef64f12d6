"""What the hosts say, and what Placement says of those that agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sev_scheduling.diagnosis import NO_CANDIDATE
from sev_scheduling.explain.explanation import Explanation, explain
from sev_scheduling.explain.reasons import Reason, guest_name, host_reasons
from sev_scheduling.hosts.host import Host
from sev_scheduling.hosts.hostfilter import Verdict, filter_hosts
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.diagnosis import diagnose
from sev_scheduling.prefilter import translate
from sev_scheduling.request.request import EncryptionRequest


class Outlook:
    """Every host's answer to a request, from all that a scheduler knows.

    :ivar verdicts: what the hosts say, in their order
    :ivar fit: of these, the hosts that agree and that Placement offers
    :ivar lacking: of these, the hosts that agree and that it does not offer
    :ivar explanation: all of it in words; every host counts once
    """

    def __init__(
        self,
        api: Api,
        request: EncryptionRequest,
        hosts: Iterable[Host],
    ) -> None:
        """Ask Placement, where any host agrees.

        :param hosts: as :meth:`.PlacementClient.hosts` returns them
        :raises InvalidRequest: where a problem is an error
        :raises PlacementError: one of its children
        """
        result = filter_hosts(request, hosts)
        self.verdicts = result.verdicts
        self.fit: tuple[Verdict, ...] = ()
        self.lacking: tuple[Verdict, ...] = ()
        self.explanation: Explanation = explain(result)
        if not result.accepted:
            return
        answer = api.candidates(translate(request))
        offered = {host.uuid for host in answer.hosts()}
        agreed = [verdict for verdict in self.verdicts if verdict.fits]
        self.fit = tuple(v for v in agreed if v.host.uuid in offered)
        self.lacking = tuple(v for v in agreed if v.host.uuid not in offered)
        if not self.lacking:
            return
        guest = guest_name(request)
        why = () if answer else explain(diagnose(api, request)).reasons
        reasons = (
            *host_reasons(result, for_tenant=not self.fit),
            _lacking_reason(len(self.lacking), told=bool(why or self.fit)),
        )
        self.explanation = replace(
            self.explanation,
            headline=f'{len(self.fit)} of {len(self.verdicts)} hosts can run '
            f'this {guest}:',
            tenant_headline=f'This {guest} can be placed.'
            if self.fit
            else f'No host can run this {guest}:',
            reasons=(
                *sorted(reasons, key=lambda reason: -reason.hosts),
                *(_uncounted(reason) for reason in why),
            ),
        )


def _lacking_reason(hosts: int, *, told: bool) -> Reason:
    """Say what is known without asking further.

    :param told: a tenant reads a better reason, or needs none
    """
    one = hosts == 1
    return Reason(
        NO_CANDIDATE,
        hosts,
        f'{"lacks" if one else "lack"} something else that is asked for '
        '(resources, traits, aggregates)',
        tenant_text=''
        if told
        else 'Hosts that could run it are too small or too full, or lack '
        'something else that is asked for.',
        tenant_fix='' if told else 'Use a flavor that asks for less.',
    )


def _uncounted(reason: Reason) -> Reason:
    """The same in words alone: its hosts have been counted."""
    text = f'{reason.hosts} {reason.text}' if reason.hosts else reason.text
    return replace(reason, hosts=0, text=text)
