"""Brute force: which constraints of a query must be relaxed on a cloud.

Clouds and queries are drawn by seed. The oracle relaxes every subset of
constraints, the smallest first, in words of its own: what is dropped is left
out of the query, or 1 of an amount is asked for; the slot is made plentiful in
the pools themselves. None of it uses the code that diagnoses.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sqlalchemy import text

from sev_scheduling import Scope, translate, validate
from sev_scheduling.diagnosis import Cause, Constraint, Diagnosis
from sev_scheduling.models import find_model
from sev_scheduling.placement import PlacementClient, load_cloud
from sev_scheduling.placement import diagnosis as placement_diagnosis
from sev_scheduling.placement.answers import Candidates, Inventory
from sev_scheduling.placement.diagnosis import MAX_CALLS
from sev_scheduling.placement.embedded import parse_cloud
from sev_scheduling.placement.hosts import HostTrees, host_trees
from sev_scheduling.prefilter import PlacementRequest
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.testing import FakePlacement
from tests.contract.placement.requests import request

ZONE = '3fd1e6a2-0000-4000-8000-00000000000a'
OTHER = '3fd1e6a2-0000-4000-8000-00000000000b'
SHARED = '3fd1e6a2-0000-4000-8000-00000000000c'
TRAITS = ('CUSTOM_A', 'CUSTOM_B')
NIC = 'CUSTOM_NIC'
DISABLED = 'COMPUTE_STATUS_DISABLED'
SLOT = 'MEM_ENCRYPTION_CONTEXT'
STORAGE = 'storage'
MODEL_TRAITS = {
    'amd-sev': 'HW_CPU_X86_AMD_SEV',
    'amd-sev-es': 'HW_CPU_X86_AMD_SEV_ES',
}
#: What a NUMA node has in place of the root.
OF_CELLS = ('VCPU', 'MEMORY_MB')
KINDS = (
    'plain', 'shared', 'nested', 'units', 'ratios', 'aggregates', 'disabled',
    'stale', 'groups', 'mixed',
)  # fmt: skip


class World(Protocol):
    """A Placement that holds one cloud.

    :ivar calls: what was asked since the client was made
    """

    @property
    def calls(self) -> list[Any]: ...

    def hold(self, providers: list[dict[str, Any]]) -> None: ...
    def client(self) -> PlacementClient: ...
    def uuids(self) -> dict[str, str]: ...
    def with_slots(self) -> contextlib.AbstractContextManager[None]: ...


class RealWorld:
    """The real Placement.

    :param world: as the tests of Placement have it
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        for name in TRAITS:
            world.ask('PUT', f'/traits/{name}')
        world.ask('PUT', f'/resource_classes/{NIC}')

    @property
    def calls(self) -> list[Any]:
        return self._world.calls

    def hold(self, providers: list[dict[str, Any]]) -> None:
        self._world.empty()
        cloud = parse_cloud({'providers': providers}, 'Test')
        load_cloud(self._world.adapter, cloud)

    def client(self) -> PlacementClient:
        return self._world.client()

    def uuids(self) -> dict[str, str]:
        found = self._world.ask('GET', '/resource_providers')
        return {p['name']: p['uuid'] for p in found['resource_providers']}

    @contextlib.contextmanager
    def with_slots(self) -> Iterator[None]:
        change = (
            'UPDATE inventories SET total = total {} 1000, max_unit = max_unit'
            ' {} 1000 WHERE resource_class_id = (SELECT id FROM '
            f"resource_classes WHERE name = '{SLOT}')"
        )
        engine = self._world.adapter.engine
        with engine.begin() as connection:
            connection.execute(text(change.format('+', '+')))
        try:
            yield
        finally:
            with engine.begin() as connection:
                connection.execute(text(change.format('-', '-')))


class FakeWorld:
    """The Placement in memory."""

    def __init__(self) -> None:
        self._fake = FakePlacement()

    @property
    def calls(self) -> list[Any]:
        return self._fake.calls

    def hold(self, providers: list[dict[str, Any]]) -> None:
        fake = self._fake = FakePlacement()
        fake.known_traits.update(TRAITS)
        fake.known_classes.add(NIC)
        uuids: dict[str, str] = {}
        for p in providers:
            found = fake.add_provider(
                p['name'],
                uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, p['name'])),
                parent=uuids.get(p.get('parent', '')),
                inventories={
                    name: Inventory(**inventory)
                    for name, inventory in p['inventories'].items()
                },
                traits=p['traits'],
                aggregates=p.get('aggregates', ()),
            )
            uuids[p['name']] = found
            fake.providers[found].used = dict(p['used'])

    def client(self) -> PlacementClient:
        self._fake.supports('1.33')
        self._fake.calls.clear()
        return self._fake

    def uuids(self) -> dict[str, str]:
        return {p.name: p.uuid for p in self._fake.providers.values()}

    @contextlib.contextmanager
    def with_slots(self) -> Iterator[None]:
        kept = {}
        for p in self._fake.providers.values():
            if SLOT in p.inventories:
                kept[p.uuid] = p.inventories
                p.inventories = {**p.inventories, SLOT: Inventory(1000)}
        try:
            yield
        finally:
            for found, inventories in kept.items():
                self._fake.providers[found].inventories = inventories


@dataclass(frozen=True)
class Asked:
    """What a guest asks for; each part may be relaxed."""

    models: tuple[str, ...]
    resources: dict[str, int]
    group: dict[str, int] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    aggregates: frozenset[str] = frozenset()
    forbidden_aggregates: frozenset[str] = frozenset()
    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset({DISABLED})
    host: str = ''

    def query(self) -> PlacementRequest | None:
        """Return the query; None where Placement takes no such query."""
        groups = []
        if self.resources:
            groups.append(
                RequestGroup(
                    '',
                    self.resources,
                    tuple(frozenset({name}) for name in self.required),
                    self.forbidden,
                )
            )
        elif (
            self.required
            or self.forbidden
            or self.aggregates
            or self.forbidden_aggregates
        ):
            return None
        if self.group:
            groups.append(RequestGroup('1', self.group))
        if self.models:
            traits = frozenset(MODEL_TRAITS[name] for name in self.models)
            groups.append(RequestGroup('_S', {SLOT: 1}, (traits,)))
        if not groups:
            return None
        return PlacementRequest(
            tuple(groups),
            'none',
            tuple(filter(None, map(find_model, self.models))),
            '_S' if self.models else '',
            member_of=tuple(frozenset({a}) for a in self.aggregates),
            in_tree=self.host or None,
            root_required=self.root_required,
            root_forbidden=self.root_forbidden,
            forbidden_aggregates=self.forbidden_aggregates,
        )

    def parts(self) -> Iterator[Constraint]:
        if self.models:
            yield Constraint(Cause.SLOTS_USED, ' or '.join(self.models))
        for name, amount in self.resources.items():
            yield Constraint(Cause.RESOURCES_SHORT, name, amount)
        if self.group:
            yield Constraint(Cause.GROUP, '1')
        for cause, sign, names in (
            (Cause.TRAIT, '', self.required),
            (Cause.TRAIT, '!', self.forbidden),
            (Cause.AGGREGATE, '', self.aggregates),
            (Cause.AGGREGATE, '!', self.forbidden_aggregates),
            (Cause.HOST_TRAIT, '', self.root_required),
            (Cause.HOST_TRAIT, '!', self.root_forbidden),
        ):
            for name in sorted(names):
                yield Constraint(cause, f'{sign}{name}')

    def ways(self, relaxed: Iterable[Constraint]) -> Iterator[Asked]:
        """Yield what is asked for with less; the slot stays."""
        names = {(c.cause, c.name) for c in relaxed}

        def kept(cause: Cause, names_: Iterable[str], sign: str = ''):
            return frozenset(
                n for n in names_ if (cause, f'{sign}{n}') not in names
            )

        less = replace(
            self,
            group=self.group if kept(Cause.GROUP, ['1']) else {},
            required=kept(Cause.TRAIT, self.required),
            forbidden=kept(Cause.TRAIT, self.forbidden, '!'),
            aggregates=kept(Cause.AGGREGATE, self.aggregates),
            forbidden_aggregates=kept(
                Cause.AGGREGATE, self.forbidden_aggregates, '!'
            ),
            root_required=kept(Cause.HOST_TRAIT, self.root_required),
            root_forbidden=kept(Cause.HOST_TRAIT, self.root_forbidden, '!'),
        )
        amounts = [
            (name, [0, 1] if (Cause.RESOURCES_SHORT, name) in names else [n])
            for name, n in self.resources.items()
        ]
        for chosen in itertools.product(*(choice for _, choice in amounts)):
            yield less.asking(
                dict(zip((name for name, _ in amounts), chosen, strict=True))
            )

    def asking(self, amounts: dict[str, int]) -> Asked:
        return replace(self, resources={n: a for n, a in amounts.items() if a})


class Oracle:
    """One Placement, asked about one cloud by brute force."""

    def __init__(
        self, world: World, asked: Asked, hosts: dict[str, str], shared: bool
    ) -> None:
        """Take a cloud.

        :param hosts: provider uuid -> root uuid, of hosts
        :param shared: whether another provider shares with them
        """
        self.world = world
        self.client = world.client()
        self.asked = asked
        self.hosts = hosts
        self.shared = shared
        self._has: dict[frozenset[Constraint], bool] = {}
        self._asked: dict[tuple[str, bool], frozenset[str]] = {}

    def roots(self, asked: Asked, slots: bool = False) -> frozenset[str]:
        """Return the hosts that Placement has candidates on."""
        query = asked.query()
        if query is None:
            return frozenset()
        key = query.querystring(), slots
        if key not in self._asked:
            with (
                self.world.with_slots() if slots else contextlib.nullcontext()
            ):
                found: Candidates = self.client.candidates(query)
            self._asked[key] = frozenset(
                self.hosts[uuid]
                for one in found.allocation_requests
                for uuid in one.allocations
                if uuid in self.hosts
            )
        return self._asked[key]

    def has(self, relaxed: Iterable[Constraint]) -> bool:
        """Whether there are candidates with these constraints relaxed."""
        unit = frozenset(relaxed)
        if unit not in self._has:
            self._has[unit] = any(
                self.roots(way, _slots(unit)) for way in self._ways(unit)
            )
        return self._has[unit]

    def _ways(self, unit: frozenset[Constraint]) -> list[Asked]:
        ways = list(self.asked.ways(unit))
        if self.shared:
            # Of hosts that share all of it Placement finds one, or none.
            return [w for w in ways if w.resources.keys() != {'DISK_GB'}]
        none = ways[0]
        if none.required or none.query() is None:
            return ways
        # To ask for more of an amount adds no candidate.
        return [none]

    def least(self, slot_free: bool) -> list[frozenset[Constraint]]:
        """Return every smallest set that makes candidates appear.

        While a slot is free, it is in none of them; else in all.
        """
        parts = list(self.asked.parts())
        slot = {c for c in parts if c.cause is Cause.SLOTS_USED}
        others = [c for c in parts if c not in slot]
        always = frozenset() if slot_free else frozenset(slot)
        for size in range(len(others) + 1):
            found = [
                always.union(unit)
                for unit in itertools.combinations(others, size)
                if self.has(always.union(unit))
            ]
            if found:
                return found
        return []

    def hosts_but_for(self, unit: frozenset[Constraint]) -> int:
        found: frozenset[str] = frozenset()
        for way in self._ways(unit):
            found |= self.roots(way, _slots(unit))
        return len(found)


def _slots(unit: Iterable[Constraint]) -> bool:
    return any(c.cause is Cause.SLOTS_USED for c in unit)


def draw_cloud(rng: random.Random, kind: str) -> list[dict[str, Any]]:
    """Return the resource providers of a cloud of one to four hosts."""
    on = {kind} if kind != 'mixed' else set(rng.sample(KINDS[1:-1], 4))

    def inventory(total: int) -> dict[str, Any]:
        more: dict[str, Any] = {'total': total, 'max_unit': total}
        if 'ratios' in on and rng.random() < 0.5:
            more['allocation_ratio'] = rng.choice([0.5, 2.0, 4.0])
        if 'units' in on and rng.random() < 0.4:
            more |= rng.choice(
                [{'min_unit': 2}, {'step_size': 3}, {'max_unit': 1},
                 {'max_unit': 2}, {'min_unit': total}]
            )  # fmt: skip
        if 'units' in on and rng.random() < 0.2:
            more['reserved'] = 1
        return more

    def used(inventories: dict[str, Any]) -> dict[str, int]:
        return {
            name: rng.choice([1, max(1, found['total'] // 2), found['total']])
            for name, found in inventories.items()
            if rng.random() < 0.15
        }

    found = []
    for n in range(rng.randint(1, 4)):
        found += _draw_host(rng, f'h{n}', on, inventory, used)
    if 'shared' in on:
        inventories = {'DISK_GB': inventory(rng.choice([5, 10, 1000]))}
        found.append(
            {
                'name': STORAGE,
                'traits': ['MISC_SHARES_VIA_AGGREGATE']
                + [t for t in TRAITS[:1] if rng.random() < 0.3],
                'aggregates': [SHARED]
                + [ZONE] * ('aggregates' in on and rng.random() < 0.5),
                'inventories': inventories,
                'used': used(inventories),
            }
        )
    return found


def _draw_host(  # noqa: C901
    rng: random.Random, name: str, on: set[str], inventory: Any, used: Any
) -> Iterator[dict[str, Any]]:
    traits = [t for t in TRAITS if rng.random() < 0.4]
    if 'disabled' in on and rng.random() < 0.5:
        traits.append(DISABLED)
    aggregates = []
    if 'aggregates' in on:
        aggregates = [a for a in (ZONE, OTHER) if rng.random() < 0.4]
    shared = 'shared' in on and rng.random() < 0.7
    if shared:
        aggregates.append(SHARED)
    compute = {
        'VCPU': inventory(4),
        'MEMORY_MB': inventory(rng.choice([1024, 2048])),
    }
    if not (shared and rng.random() < 0.7):
        compute['DISK_GB'] = inventory(rng.choice([5, 10, 20]))
    if 'groups' in on and rng.random() < 0.6:
        compute[NIC] = inventory(2)
    model = rng.choice(['amd-sev', 'amd-sev', 'amd-sev-es', None])
    slots: dict[str, Any] = {}
    slots_used: dict[str, int] = {}
    if model:
        total = rng.randint(1, 2)
        slots = {SLOT: {'total': total, 'max_unit': total}}
        if 'ratios' in on and rng.random() < 0.3:
            slots[SLOT]['allocation_ratio'] = 2.0
        if rng.random() < 0.5:
            ratio = slots[SLOT].get('allocation_ratio', 1.0)
            slots_used = {SLOT: int(total * ratio)}
    if 'stale' in on and rng.random() < 0.6:
        traits.append(rng.choice(list(MODEL_TRAITS.values())))
    nested = rng.random() < 0.6
    cells = 'nested' in on and rng.random() < 0.7
    own = {c: i for c, i in compute.items() if not cells or c not in OF_CELLS}
    root = {
        'name': name,
        'traits': traits,
        'aggregates': aggregates,
        'inventories': own,
        'used': used(own),
    }
    if slots and not nested:
        root['traits'] = sorted({*traits, MODEL_TRAITS[model]})
        root['inventories'] = own | slots
        root['used'] |= slots_used
    yield root
    # NUMA: the root has the disks.
    for cell in range(2 if cells else 0):
        of_cell = {c: i for c, i in compute.items() if c in OF_CELLS}
        yield {
            'name': f'{name}-numa{cell}',
            'parent': name,
            'traits': [t for t in TRAITS if rng.random() < 0.3],
            'inventories': of_cell,
            'used': used(of_cell),
        }
    if slots and nested:
        yield {
            'name': f'{name}-slots',
            'parent': name,
            'traits': [MODEL_TRAITS[model]],
            'inventories': slots,
            'used': slots_used,
        }


def draw_asked(rng: random.Random, kind: str, roots: list[str]) -> Asked:
    mixed = kind == 'mixed'
    traits = {t: rng.random() for t in TRAITS if rng.random() < 0.45}
    scope: dict[str, Any] = {}
    if kind == 'aggregates' or (mixed and rng.random() < 0.4):
        scope['aggregates'] = frozenset([ZONE] * (rng.random() < 0.7))
        scope['forbidden_aggregates'] = frozenset(
            [OTHER] * (rng.random() < 0.5)
        )
    if rng.random() < 0.15:
        scope['root_required'] = frozenset(TRAITS[1:])
    if rng.random() < 0.1:
        scope['host'] = rng.choice(roots)
    group = {}
    if kind == 'groups' or (mixed and rng.random() < 0.3):
        group = {rng.choice([NIC, 'VCPU']): rng.choice([1, 2, 3])}
    return Asked(
        models=rng.choice(
            [(), ('amd-sev',), ('amd-sev',), ('amd-sev-es', 'amd-sev')]
        ),
        resources={
            'DISK_GB': rng.choice([1, 6, 10, 15]),
            'MEMORY_MB': rng.choice([1024, 2048, 4096]),
            # A group that asks for CPUs has all of them.
            **({} if 'VCPU' in group else {'VCPU': rng.choice([1, 2, 3, 5])}),
        },
        group=group,
        required=frozenset(t for t, n in traits.items() if n < 0.6),
        forbidden=frozenset(t for t, n in traits.items() if n >= 0.6),
        **scope,
    )


def diagnose(
    client: PlacementClient, asked: Asked, trees: HostTrees | None
) -> Diagnosis:
    """Diagnose a query.

    :param trees: those of all hosts, where they were read before
    """
    specs = {f'trait:{t}': 'required' for t in asked.required}
    specs |= {f'trait:{t}': 'forbidden' for t in asked.forbidden}
    specs |= {f'resources1:{n}': str(a) for n, a in asked.group.items()}
    validation = validate(
        request(
            specs,
            models=asked.models,
            encrypted=bool(asked.models),
            vcpus=asked.resources.get('VCPU', 1),
            ram=asked.resources['MEMORY_MB'],
            disk=asked.resources['DISK_GB'],
        )
    )
    scope = Scope(
        member_of=[[uuid] for uuid in asked.aggregates],
        forbidden_aggregates=asked.forbidden_aggregates,
        root_required=asked.root_required,
        root_forbidden=asked.root_forbidden - {DISABLED},
        in_tree=asked.host or None,
    )
    if trees is None:
        return client.diagnose(validation, scope=scope)
    return placement_diagnosis.diagnose(
        client,
        validation.request,
        translate(validation, scope=scope),
        trees=trees,
    )


@dataclass(frozen=True)
class Score:
    """What the oracle says of one diagnosis.

    :ivar wrong: what is wrong with it; '' where nothing is
    """

    found: Diagnosis
    wrong: str = ''

    @property
    def unclear(self) -> bool:
        return self.found.cause is Cause.UNCLEAR


def score(world: World, seed: int, kind: str) -> Score:
    """Draw a cloud and a query; diagnose it, and ask the oracle."""
    rng = random.Random(f'{kind} {seed}')
    providers = draw_cloud(rng, kind)
    world.hold(providers)
    names = world.uuids()
    hosts = {
        names[p['name']]: names[p.get('parent', p['name'])]
        for p in providers
        if p['name'] != STORAGE
    }
    asked = draw_asked(rng, kind, sorted(set(hosts.values())))
    client = world.client()
    # As where somebody has just listed the hosts.
    trees = host_trees(client) if seed % 2 else None
    world.calls.clear()
    found = diagnose(client, asked, trees)
    calls = len(world.calls)
    if max(calls, found.calls) > MAX_CALLS:
        return Score(found, f'{calls} calls')
    has_model = any(
        SLOT in p['inventories']
        # A host that is asked for is what it is about.
        and asked.host in ('', names[p.get('parent', p['name'])])
        and any(MODEL_TRAITS[m] in p['traits'] for m in asked.models)
        for p in providers
    )
    oracle = Oracle(world, asked, hosts, STORAGE in names)
    return Score(found, _wrong(oracle, found, has_model, names))


def _wrong(
    oracle: Oracle, found: Diagnosis, has_model: bool, names: dict[str, str]
) -> str:
    asked = oracle.asked
    if oracle.has(()) != (found.cause is Cause.NONE):
        return f'there are candidates: {oracle.has(())}'
    if found.cause is Cause.NONE:
        return ''
    if (found.cause is Cause.NO_MODEL) != bool(asked.models and not has_model):
        return f'a host has the model: {has_model}'
    if found.cause in (Cause.NO_MODEL, Cause.UNCLEAR):
        return ''
    if found.cause is Cause.HOST:
        would = asked.host in oracle.roots(replace(asked, host=''))
        return '' if would else 'the host would not do if it was not named'
    alone = Asked(
        asked.models, {}, root_forbidden=frozenset(), host=asked.host
    )
    least = oracle.least(not asked.models or bool(oracle.roots(alone)))
    if found.cause is Cause.COMBINATION:
        named = {frozenset({c}) for c in found.constraints}
    else:
        named = {frozenset(found.constraints)}
    right = named <= set(least) and (len(least[0]) > 1 or named == set(least))
    if not right:
        return f'right are {" | ".join(map(_text, least))}'
    if len(named) > 1:
        return ''
    (unit,) = named
    hosts = oracle.hosts_but_for(unit)
    if found.hosts_but_for not in (None, hosts):
        return f'{found.hosts_but_for} hosts but for, right are {hosts}'
    return _wrong_figures(oracle, found, unit, names)


def _wrong_figures(
    oracle: Oracle,
    found: Diagnosis,
    unit: frozenset[Constraint],
    names: dict[str, str],
) -> str:
    if not found.shortfalls:
        return ''
    short = {s.resource_class: s for s in found.shortfalls}
    amounts = {c.name for c in unit if c.cause is Cause.RESOURCES_SHORT}
    (less, *_) = oracle.asked.ways(c for c in unit if c.name not in amounts)
    host = found.shortfalls[0].best_host
    host = names.get(host, host)

    def given(figures: dict[str, int]) -> frozenset[str]:
        asking = less.asking(less.resources | figures)
        return oracle.roots(asking, _slots(unit))

    if amounts != short.keys():
        return ''
    best = {name: s.best for name, s in short.items()}
    if min(best.values()) and host not in given(best):
        return f'{best} is not given by {host}'
    for name, s in short.items():
        every = range(s.best + 1, s.requested)
        tried = set(every[:20]) | set(every[-3:]) | {1024, 2048} & set(every)
        for more in tried:
            if given(best | {name: more}) & (
                {host} if len(best) > 1 else set(names.values())
            ):
                return f'{more} {name} is given, {s.best} is told'
    return ''


def _text(unit: frozenset[Constraint]) -> str:
    return ' + '.join(map(str, sorted(unit)))
