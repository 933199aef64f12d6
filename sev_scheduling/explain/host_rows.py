"""Every host's answer, a row each, and where a guest fits, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sev_scheduling.diagnosis import Feasibility
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.feasibility import feasibility_reasons
from sev_scheduling.explain.fixes import Cells, cells
from sev_scheduling.explain.reason.grouping import of_host
from sev_scheduling.explain.reason.reason import Reason
from sev_scheduling.explain.values.naming import Count
from sev_scheduling.text import printable

#: Hosts that a sentence names.
_MOST_NAMES = 8


class HostRow(NamedTuple):
    """One host, for programs; or what Placement lacks.

    :ivar host: its name; None for what is about no one host
    :ivar codes: of all that is against it
    """

    host: str | None
    fits: bool
    code: str | None
    permanent: bool | None
    codes: tuple[str, ...]
    text: str
    remedy: Cells = Cells(None, (), None)


def host_rows(found: Feasibility) -> Iterator[HostRow]:
    """Yield what Placement lacks, if anything, then a row for each host.

    A host that fits and that Placement does not offer has a reason for it.
    """
    reasons = feasibility_reasons(found)
    of_placement = [
        _row(None, why, (why.code,), why.sentence, cells(why.steps()))
        for why in reasons
        if why.is_diagnosed and why.for_operator
    ]
    # As the views begin.
    leads = bool(reasons) and reasons[0].is_diagnosed
    if leads:
        yield from of_placement
    if not reasons and found.guests_fit is not None:
        text = catalogue.hosts.GUESTS_FIT.format(
            fit=Count(found.guests_fit), count=Count(found.guests)
        )
        yield HostRow(None, found.yes, None, None, (), text)
    by_host = {
        id(answer.verdict): (reason, answer)
        for reason in reasons
        for answer in reason.answers
    }
    for verdict in found.result.verdicts:
        name = verdict.host.name
        if id(verdict) not in by_host:
            yield HostRow(name, True, None, None, (), verdict.message)
            continue
        reason, answer = by_host[id(verdict)]
        codes = answer.codes
        if reason.is_diagnosed:
            codes = reason.code, *verdict.faults
        reason = of_host(reason, answer)
        remedy = cells(reason.host_steps())
        yield _row(name, reason, codes, reason.host_text, remedy)
    if not leads:
        yield from of_placement


def _row(
    name: str | None,
    reason: Reason,
    codes: Iterable[str],
    text: str,
    remedy: Cells,
) -> HostRow:
    code = str(reason.code)
    texts = tuple(map(str, codes))
    return HostRow(name, False, code, reason.stays, texts, text, remedy)


def where_it_fits(feasibility: Feasibility) -> str:
    """Return the hosts that can take the guest, in a sentence; or ''."""
    fit = feasibility.fit
    if not fit:
        return ''
    names = ', '.join(
        f'{printable(v.host.name)} ({v.free} free)'
        if v.model and not v.unlimited
        else printable(v.host.name)
        for v in fit[:_MOST_NAMES]
    )
    more = len(fit) - _MOST_NAMES
    template = (
        catalogue.hosts.FITS_ON_MORE if more > 0 else catalogue.hosts.FITS_ON
    )
    return template.format(names=names, more=more)
