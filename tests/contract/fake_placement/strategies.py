"""Generated clouds, written into the real Placement and into the fake one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import os_resource_classes as orc
import os_traits
from hypothesis import strategies as st
from msgspec import structs

from sev_scheduling import exceptions
from sev_scheduling.placement.answers import (
    Allocations,
    Candidates,
    Inventory,
    ProviderSummary,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.diagnosis.matching import Provider
from sev_scheduling.testing import FakePlacement

GOLD, OLD, FAST = 'CUSTOM_GOLD', 'CUSTOM_OLD', 'CUSTOM_FAST'
SEV = os_traits.HW_CPU_X86_AMD_SEV
SEV_ES = os_traits.HW_CPU_X86_AMD_SEV_ES
SHARES = os_traits.MISC_SHARES_VIA_AGGREGATE
NIC = 'CUSTOM_NIC'
SLOT = orc.MEM_ENCRYPTION_CONTEXT

CUSTOM_TRAITS = (GOLD, OLD, FAST)
CUSTOM_CLASSES = (NIC,)
AGGREGATES = tuple(
    str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in ('one', 'two')
)


def uuid_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def guest_of(provider: Provider) -> str:
    """Return the uuid of the consumer of all that is used at the start."""
    return uuid_of(f'{provider.uuid} guest')


def prepare(adapter: Any) -> None:
    """Make the custom names known to the real Placement."""
    for trait in CUSTOM_TRAITS:
        adapter.put(f'/traits/{trait}', microversion='1.33')
    for name in CUSTOM_CLASSES:
        adapter.put(f'/resource_classes/{name}', microversion='1.33')


def fake_of(cloud: list[Provider], **kwargs: Any) -> FakePlacement:
    """Return a fake Placement that holds a cloud."""
    fake = FakePlacement(**kwargs)
    fake.known_traits.update(CUSTOM_TRAITS)
    fake.known_classes.update(CUSTOM_CLASSES)
    for provider in cloud:
        own = replace(provider, used=dict(provider.used))
        fake.providers[provider.uuid] = own
        used = {name: n for name, n in provider.used.items() if n}
        if used:
            fake._consumers[guest_of(provider)] = Allocations(
                {provider.uuid: used}, 'tests', 'tests', 1
            )
    return fake


def write(adapter: Any, cloud: list[Provider]) -> None:
    """Put a cloud into the real Placement in place of what it holds.

    The rows go straight into its tables: by its API this takes a second.
    """
    from placement.db.sqlalchemy import models

    with adapter.engine.begin() as connection:

        def table(name: str) -> Any:
            return getattr(models, name).__table__

        def ids(name: str, names: set[str]) -> dict[str, int]:
            found = table(name)
            rows = connection.execute(
                found.select().where(found.c.name.in_(names))
            )
            return {row.name: row.id for row in rows}

        connection.execute(
            table('ResourceProvider')
            .update()
            .values(root_provider_id=None, parent_provider_id=None)
        )
        for name in (
            'Allocation',
            'Consumer',
            'Inventory',
            'ResourceProviderTrait',
            'ResourceProviderAggregate',
            'PlacementAggregate',
            'ResourceProvider',
            'Project',
            'User',
        ):
            connection.execute(table(name).delete())
        numbers = {p.uuid: n for n, p in enumerate(cloud, 1)}
        traits = ids('Trait', {t for p in cloud for t in p.traits})
        classes = ids(
            'ResourceClass', {c for p in cloud for c in p.inventories}
        )
        aggregates = {a: n for n, a in enumerate(AGGREGATES, 1)}
        rows: dict[str, list[dict[str, Any]]] = {
            'PlacementAggregate': [
                {'id': n, 'uuid': a} for a, n in aggregates.items()
            ],
            'ResourceProvider': [
                {
                    'id': numbers[p.uuid],
                    'uuid': p.uuid,
                    'name': p.name,
                    'generation': p.generation,
                    'root_provider_id': numbers[p.root],
                    'parent_provider_id': numbers.get(p.parent or ''),
                }
                for p in cloud
            ],
            'ResourceProviderTrait': [
                {
                    'resource_provider_id': numbers[p.uuid],
                    'trait_id': traits[trait],
                }
                for p in cloud
                for trait in p.traits
            ],
            'ResourceProviderAggregate': [
                {
                    'resource_provider_id': numbers[p.uuid],
                    'aggregate_id': aggregates[aggregate],
                }
                for p in cloud
                for aggregate in p.aggregates
            ],
            'Inventory': [
                {
                    'resource_provider_id': numbers[p.uuid],
                    'resource_class_id': classes[name],
                    'total': i.total,
                    'reserved': i.reserved,
                    'min_unit': i.min_unit,
                    'max_unit': i.max_unit,
                    'step_size': i.step_size,
                    'allocation_ratio': i.allocation_ratio,
                }
                for p in cloud
                for name, i in p.inventories.items()
            ],
            'Project': [{'id': 1, 'external_id': 'tests'}] * bool(cloud),
            'User': [{'id': 1, 'external_id': 'tests'}] * bool(cloud),
            'Consumer': [
                {
                    'uuid': guest_of(p),
                    'project_id': 1,
                    'user_id': 1,
                    'generation': 1,
                }
                for p in cloud
                if any(p.used.values())
            ],
            'Allocation': [
                {
                    'resource_provider_id': numbers[p.uuid],
                    'consumer_id': guest_of(p),
                    'resource_class_id': classes[name],
                    'used': amount,
                }
                for p in cloud
                for name, amount in p.used.items()
                if amount
            ],
        }
        for name, content in rows.items():
            if content:
                connection.execute(table(name).insert(), content)


def subsets(*items: str) -> st.SearchStrategy[set[str]]:
    return st.sets(st.sampled_from(items), max_size=2)


@st.composite
def inventories(
    draw: st.DrawFn, most: int, *, units: bool = True
) -> tuple[Inventory, int]:
    """Draw an inventory and how much of it is used."""
    total = draw(st.integers(1, most))
    inventory = Inventory(
        total=total,
        reserved=draw(st.integers(0, total) if units else st.just(0)),
        allocation_ratio=draw(st.sampled_from([1.0, 1.0, 1.5, 4.0])),
    )
    if units and draw(st.integers(0, 5)) == 0:
        inventory = structs.replace(
            inventory,
            min_unit=draw(st.integers(1, 2)),
            max_unit=draw(st.integers(1, most)),
            step_size=draw(st.integers(1, 2)),
        )
    used = draw(st.integers(0, max(inventory.capacity, 0)))
    return inventory, used


@st.composite
def providers(
    draw: st.DrawFn,
    name: str,
    root: str,
    parent: str | None,
    classes: list[str],
    traits: tuple[str, ...],
) -> Provider:
    provider = Provider(
        uuid=uuid_of(name),
        root=root,
        parent=parent,
        name=name,
        generation=draw(st.integers(0, 3)),
        traits=draw(subsets(*traits)),
    )
    for resource_class in classes:
        inventory, used = draw(inventories(4))
        provider.inventories[resource_class] = inventory
        if used:
            provider.used[resource_class] = used
    return provider


@st.composite
def trees(draw: st.DrawFn, name: str) -> list[Provider]:
    """Draw a host: flat, nested, or both at once."""
    uuid_ = uuid_of(name)
    classes = [orc.VCPU, orc.MEMORY_MB]
    classes += draw(st.lists(st.just(orc.DISK_GB), max_size=1))
    classes += draw(st.lists(st.sampled_from([SLOT, NIC]), max_size=1))
    root = draw(providers(name, uuid_, None, classes, (*CUSTOM_TRAITS, SEV)))
    root.aggregates = draw(subsets(*AGGREGATES))
    found = [root]
    for number in range(draw(st.integers(0, 3))):
        parent = draw(st.sampled_from(found)).uuid
        held = draw(
            st.sampled_from([[SLOT], [SLOT], [NIC], [NIC, SLOT], [orc.VCPU]])
        )
        child = draw(
            providers(
                f'{name}_{number}', uuid_, parent, held, (SEV, SEV_ES, GOLD)
            )
        )
        if draw(st.integers(0, 4)) == 0:
            child.aggregates = draw(subsets(*AGGREGATES))
        found.append(child)
    return found


@st.composite
def clouds(draw: st.DrawFn, most: int = 4) -> list[Provider]:
    """Draw a cloud of a few hosts, now and then with shared storage."""
    found = [
        provider
        for number in range(draw(st.integers(1, most)))
        for provider in draw(trees(f'host{number}'))
    ]
    if draw(st.integers(0, 3)) == 0:
        name = 'storage'
        storage = draw(
            providers(name, uuid_of(name), None, [orc.DISK_GB], (FAST,))
        )
        storage.traits.add(SHARES)
        storage.aggregates = draw(subsets(*AGGREGATES))
        found.append(storage)
    return found


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call returned, comparable, or the class it raised."""
    try:
        found = call()
    except exceptions.SevSchedulingError as error:
        return type(error)
    if isinstance(found, Candidates):
        return (
            sorted(map(repr, map(_sorted, found.allocation_requests))),
            _with_sorted_traits(found.provider_summaries),
        )
    if isinstance(found, dict):
        return _with_sorted_traits(found)
    if isinstance(found, list):
        return sorted(found, key=repr)
    return found


def _with_sorted_traits(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same, in which summaries have their traits in order."""
    return {
        uuid: structs.replace(one, traits=tuple(sorted(one.traits)))
        if isinstance(one, ProviderSummary)
        else one
        for uuid, one in found.items()
    }


def _sorted(request: Any) -> Any:
    return sorted(
        (uuid, sorted(amounts.resources.items()))
        for uuid, amounts in request.allocations.items()
    )


def same(
    real: Any,
    fake: FakePlacement,
    method: str,
    *args: Any,
    max_microversion: str = '1.39',
    **kwargs: Any,
) -> Any:
    """Ask both the same; return the outcome after comparing the two."""
    api = Api(real, max_microversion=max_microversion)
    expected, found = (
        outcome(lambda each=each: getattr(each, method)(*args, **kwargs))
        for each in (api, fake)
    )
    assert found == expected, f'{max_microversion} {method} {args} {kwargs}'
    return found
