"""The traits and resource classes that Placement does not know.

It then refuses the whole query, whatever hosts have.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

import os_resource_classes as orc
import os_traits

from sev_scheduling.diagnosis import (
    Cause,
    Constraint,
    Diagnosis,
    UnknownName,
)
from sev_scheduling.models import model_traits
from sev_scheduling.placement.answers import ProviderSummary
from sev_scheduling.placement.diagnosis.relaxation import (
    group_constraint,
    root_constraints,
    trait_constraint,
)
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.request.request import EncryptionRequest

#: Whatever Placement is asked for, and every Placement knows.
_KNOWN = frozenset(
    {
        *(orc.VCPU, orc.PCPU, orc.MEMORY_MB, orc.DISK_GB),
        orc.MEM_ENCRYPTION_CONTEXT,
        os_traits.COMPUTE_STATUS_DISABLED,
    }
)

#: The names that Placement knows unless it is older than these libraries.
STANDARD_NAMES = frozenset({*orc.STANDARDS, *os_traits.get_traits()})

#: How like two names are of which one may be meant, from 0 to 1.
_LIKE = 0.75

_PREFIX = 'CUSTOM_'


class Names(Protocol):
    """What is asked for the names that Placement knows."""

    def trait_names(self) -> frozenset[str]: ...

    def class_names(self) -> frozenset[str]: ...


def unknown_names(
    names: Names,
    query: PlacementRequest,
    known: Collection[str] = (),
    shown: Collection[ProviderSummary] = (),
) -> tuple[UnknownName, ...]:
    """Return what a query asks for and Placement does not know.

    At most one call for traits and one for resource classes; none for those
    that are known. A model of which Placement knows no trait is one that no
    host offers, which is no matter of names.

    :param known: names that Placement is known to know
    :param shown: providers that it has shown, whose names it knows
    """
    settled = _KNOWN | model_traits().keys() | frozenset(known)
    asked = [
        one
        for one in _asked(query)
        if one.name not in settled and not _is_shown(one.name, shown)
    ]
    every: dict[bool, frozenset[str]] = {}
    for one in asked:
        if one.trait not in every:
            every[one.trait] = (
                names.trait_names() if one.trait else names.class_names()
            )
    return tuple(
        UnknownName(
            one.name,
            one.trait,
            one.forbidden,
            one.constraint,
            _nearest(one.name, every[one.trait]),
        )
        for one in dict.fromkeys(asked)
        if one.name not in every[one.trait]
    )


def _is_shown(name: str, shown: Iterable[ProviderSummary]) -> bool:
    return any(name in one.traits or name in one.resources for one in shown)


def names_diagnosis(
    request: EncryptionRequest,
    unknown: tuple[UnknownName, ...],
    roots: frozenset[str],
) -> Diagnosis:
    """Return that names are what is in the way, and not hosts.

    :param unknown: at least one
    :param roots: root uuids of the hosts that would do else
    """
    return Diagnosis(
        request=request,
        cause=Cause.UNKNOWN_NAME,
        constraints=tuple(sorted({one.constraint for one in unknown})),
        hosts_but_for=len(roots) or None,
        roots_but_for=roots,
        unknown=unknown,
    )


def _asked(query: PlacementRequest) -> Iterator[UnknownName]:
    for constraint, traits in root_constraints(query).items():
        for trait in sorted(traits):
            name = trait.removeprefix('!')
            yield UnknownName(name, True, name != trait, constraint)
    for group in query.groups:
        if group.asker is not None:
            # A port or a device is named as a whole.
            continue
        whole = None
        if group.suffix and not query.is_slot(group):
            whole = group_constraint(query, group)
        for name, amount in group.resources.items():
            amount_of = Constraint(Cause.RESOURCES_SHORT, name, amount)
            yield UnknownName(name, False, False, whole or amount_of)
        for ors in group.required:
            for trait in sorted(ors):
                one = whole or trait_constraint(ors)
                yield UnknownName(trait, True, False, one)
        for trait in sorted(group.forbidden):
            one = whole or Constraint(Cause.TRAIT, f'!{trait}')
            yield UnknownName(trait, True, True, one)


def _nearest(name: str, known: Collection[str]) -> str:
    """Return the known name that is most like another; '' for none."""
    # Names of the cloud's own come last, and win where both are like it.
    ordered = sorted(known, key=lambda one: (one.startswith(_PREFIX), one))
    bare = {one.removeprefix(_PREFIX): one for one in ordered}
    found = difflib.get_close_matches(
        name.removeprefix(_PREFIX), bare, n=1, cutoff=_LIKE
    )
    return bare[found[0]] if found else ''
