"""The diagnosis against brute force on the real Placement.

Clouds are drawn by seed. The oracle relaxes every subset of constraints, the
smallest first, in words of its own: what is dropped is left out of the query;
an amount, or the slot, is made plentiful in Placement's own tables. None of
it uses the code that diagnoses.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import text

from sev_scheduling import Scope
from sev_scheduling.diagnosis import Cause, Constraint
from sev_scheduling.placement import load_cloud
from sev_scheduling.placement.diagnosis import MAX_CALLS
from sev_scheduling.placement.embedded import parse_cloud
from tests.contract.placement.requests import request

ZONE = '3fd1e6a2-0000-4000-8000-00000000000a'
OTHER = '3fd1e6a2-0000-4000-8000-00000000000b'
SHARED = '3fd1e6a2-0000-4000-8000-00000000000c'
TRAITS = ('CUSTOM_A', 'CUSTOM_B')
DISABLED = 'COMPUTE_STATUS_DISABLED'
SLOT = 'MEM_ENCRYPTION_CONTEXT'
MODEL_TRAITS = {
    'amd-sev': 'HW_CPU_X86_AMD_SEV',
    'amd-sev-es': 'HW_CPU_X86_AMD_SEV_ES',
}
KINDS = (
    'plain', 'shared', 'nested', 'units', 'ratios', 'aggregates', 'disabled',
    'stale', 'groups', 'mixed',
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What a guest asks for; each part may be relaxed.

    :ivar plenty: classes of which every host has plenty
    """

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
    plenty: frozenset[str] = frozenset()

    def query(self) -> str:
        traits = ','.join(MODEL_TRAITS[name] for name in self.models)
        amounts = ','.join(f'{n}:{a}' for n, a in self.resources.items())
        parts = [f'resources={amounts}', 'group_policy=none']
        if self.models:
            parts += [f'resources_S={SLOT}:1', f'required_S=in:{traits}']
        parts += [f'resources1={n}:{a}' for n, a in self.group.items()]
        parts += [f'required={name}' for name in sorted(self.required)]
        parts += [f'required=!{name}' for name in sorted(self.forbidden)]
        parts += [f'member_of={uuid}' for uuid in self.aggregates]
        parts += [f'member_of=!{uuid}' for uuid in self.forbidden_aggregates]
        roots = [*sorted(self.root_required)]
        roots += [f'!{name}' for name in sorted(self.root_forbidden)]
        if roots:
            parts.append(f'root_required={",".join(roots)}')
        if self.host:
            parts.append(f'in_tree={self.host}')
            parts += [f'in_tree_S={self.host}'] * bool(self.models)
            parts += [f'in_tree1={self.host}'] * bool(self.group)
        return '&'.join(parts)

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
            (Cause.HOST, '', filter(None, [self.host])),
        ):
            for name in sorted(names):
                yield Constraint(cause, f'{sign}{name}')

    def without(self, relaxed: Iterable[Constraint]) -> Asked:
        names = {(c.cause, c.name) for c in relaxed}

        def kept(cause: Cause, names_: Iterable[str], sign: str = ''):
            return frozenset(
                n for n in names_ if (cause, f'{sign}{n}') not in names
            )

        plenty = {n for cause, n in names if cause is Cause.RESOURCES_SHORT}
        if any(cause is Cause.SLOTS_USED for cause, _ in names):
            plenty.add(SLOT)
        return replace(
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
            host=''.join(kept(Cause.HOST, filter(None, [self.host]))),
            plenty=frozenset(plenty),
        )

    def dropped(self) -> Asked:
        """Return what is left where the plentiful classes are left out."""
        left = {
            n: a for n, a in self.resources.items() if n not in self.plenty
        }
        return replace(self, resources=left, plenty=self.plenty & {SLOT})


class Oracle:
    """The real Placement, asked about one cloud by brute force."""

    def __init__(self, world, asked: Asked) -> None:
        self.world = world
        self.asked = asked
        self.known: dict[frozenset[Constraint], bool] = {}
        with world.adapter.engine.begin() as connection:
            connection.execute(text('DROP TABLE IF EXISTS kept'))
            connection.execute(
                text('CREATE TABLE kept AS SELECT * FROM inventories')
            )

    def has(self, relaxed: Iterable[Constraint]) -> bool:
        """Whether there are candidates with these constraints relaxed."""
        relaxed = frozenset(relaxed)
        if relaxed not in self.known:
            asked = self.asked.without(relaxed)
            dropped = asked.dropped()
            self.known[relaxed] = bool(self.answer(asked)) or (
                dropped != asked
                and bool(dropped.resources)
                and bool(self.answer(dropped))
            )
        return self.known[relaxed]

    def answer(self, asked: Asked) -> list[dict[str, Any]]:
        self._supply(asked.plenty)
        try:
            return self.world.ask(
                'GET', f'/allocation_candidates?{asked.query()}'
            )['allocation_requests']
        finally:
            if asked.plenty:
                with self.world.adapter.engine.begin() as connection:
                    connection.execute(text('DELETE FROM inventories'))
                    connection.execute(
                        text('INSERT INTO inventories SELECT * FROM kept')
                    )

    def _supply(self, names: Iterable[str]) -> None:
        with self.world.adapter.engine.begin() as connection:
            for name in names:
                number = connection.scalar(
                    text('SELECT id FROM resource_classes WHERE name = :n'),
                    {'n': name},
                )
                # What a child lacks of a class, its root has; of slots only
                # where there is a pool.
                connection.execute(
                    text(
                        'UPDATE inventories SET total = 1000000, reserved = 0,'
                        ' min_unit = 1, max_unit = 1000000, step_size = 1, '
                        'allocation_ratio = 1.0 WHERE resource_class_id = :n'
                    ),
                    {'n': number},
                )
                if name != SLOT:
                    connection.execute(
                        text(
                            'INSERT INTO inventories (resource_provider_id, '
                            'resource_class_id, total, reserved, min_unit, '
                            'max_unit, step_size, allocation_ratio) SELECT '
                            'id, :n, 1000000, 0, 1, 1000000, 1, 1.0 FROM '
                            'resource_providers p WHERE root_provider_id = id '
                            "AND name != 'storage' AND NOT EXISTS (SELECT 1 "
                            'FROM inventories WHERE resource_class_id = :n '
                            'AND resource_provider_id = p.id)'
                        ),
                        {'n': number},
                    )

    def least(self) -> list[frozenset[Constraint]]:
        """Return every smallest set that makes candidates appear.

        While a slot is free, a single constraint is never the slot where
        another would do.
        """
        parts = list(self.asked.parts())
        needed = {c for c in parts if not self.has(set(parts) - {c})}
        for size in range(1, len(parts) + 1):
            found = [
                frozenset(unit)
                for unit in itertools.combinations(parts, size)
                if needed <= set(unit) and self.has(unit)
            ]
            if found:
                return found
        return []


def draw_cloud(rng, kind: str) -> list[dict[str, Any]]:  # noqa: C901
    """Return the resource providers of a cloud of one to four hosts."""
    on = {kind} if kind != 'mixed' else set(rng.sample(KINDS[1:-1], 4))
    found = []

    def inventory(total, **more):
        more = dict(more)
        if 'ratios' in on and rng.random() < 0.5:
            more['allocation_ratio'] = rng.choice([0.5, 2.0, 4.0])
        if 'units' in on and rng.random() < 0.4:
            more |= rng.choice(
                [{'min_unit': 2}, {'step_size': 3}, {'max_unit': 1},
                 {'max_unit': 2}, {'min_unit': total}]
            )  # fmt: skip
        more.setdefault('max_unit', total)
        return {'total': total, **more}

    def some(used):
        return {n: a for n, a in used.items() if a}

    for n in range(rng.randint(1, 4)):
        name = f'h{n}'
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
            compute['CUSTOM_NIC'] = inventory(2)
        full = rng.random() < 0.2
        used = some({'MEMORY_MB': 1024 * full})
        model = rng.choice(['amd-sev', 'amd-sev', 'amd-sev-es', None])
        slots: dict[str, Any] = {}
        slots_used: dict[str, int] = {}
        if model:
            total = rng.randint(1, 2)
            slots = {SLOT: {'total': total, 'max_unit': total}}
            if 'ratios' in on and rng.random() < 0.3:
                slots[SLOT]['allocation_ratio'] = 2.0
            capacity = int(total * slots[SLOT].get('allocation_ratio', 1.0))
            if rng.random() < 0.5:
                slots_used = {SLOT: capacity}
        if 'stale' in on and rng.random() < 0.6:
            traits.append(rng.choice(list(MODEL_TRAITS.values())))
        nested = rng.random() < 0.6
        root = {
            'name': name,
            'traits': traits,
            'aggregates': aggregates,
            'inventories': compute,
            'used': used,
        }
        found.append(root)
        if 'nested' in on and rng.random() < 0.7:
            # NUMA: the root has the disks.
            root['inventories'] = {
                c: i for c, i in compute.items() if c not in HALVES
            }
            root['used'] = {}
            for cell in range(2):
                found.append(
                    {
                        'name': f'{name}-numa{cell}',
                        'parent': name,
                        'traits': [t for t in TRAITS if rng.random() < 0.3],
                        'inventories': {
                            c: i for c, i in compute.items() if c in HALVES
                        },
                        'used': used if cell else {},
                    }
                )
        if slots and nested:
            found.append(
                {
                    'name': f'{name}-slots',
                    'parent': name,
                    'traits': [MODEL_TRAITS[model]],
                    'inventories': slots,
                    'used': slots_used,
                }
            )
        elif slots:
            root['traits'] = sorted({*traits, MODEL_TRAITS[model]})
            root['inventories'] = root['inventories'] | slots
            root['used'] = root['used'] | slots_used
    if 'shared' in on:
        found.append(
            {
                'name': 'storage',
                'traits': ['MISC_SHARES_VIA_AGGREGATE']
                + [t for t in TRAITS[:1] if rng.random() < 0.3],
                'aggregates': [SHARED]
                + [ZONE] * ('aggregates' in on and rng.random() < 0.5),
                'inventories': {
                    'DISK_GB': inventory(rng.choice([5, 10, 1000]))
                },
            }
        )
    return found


HALVES = ('VCPU', 'MEMORY_MB')


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
        group = {rng.choice(['CUSTOM_NIC', 'VCPU']): rng.choice([1, 2, 3])}
    models = rng.choice(
        [(), ('amd-sev',), ('amd-sev',), ('amd-sev-es', 'amd-sev')]
    )
    return Asked(
        models=models,
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


def diagnose(world, asked: Asked):
    specs = {f'trait:{t}': 'required' for t in asked.required}
    specs |= {f'trait:{t}': 'forbidden' for t in asked.forbidden}
    specs |= {f'resources1:{n}': str(a) for n, a in asked.group.items()}
    return world.client().diagnose(
        request(
            specs,
            models=asked.models,
            encrypted=bool(asked.models),
            vcpus=asked.resources.get('VCPU', 1),
            ram=asked.resources['MEMORY_MB'],
            disk=asked.resources['DISK_GB'],
        ),
        scope=Scope(
            member_of=[[uuid] for uuid in asked.aggregates],
            forbidden_aggregates=asked.forbidden_aggregates,
            root_required=asked.root_required,
            root_forbidden=asked.root_forbidden - {DISABLED},
            in_tree=asked.host or None,
        ),
    )


def named_sets(found) -> set[frozenset[Constraint]]:
    """Return the sets of constraints each of which should do."""
    if found.cause is not Cause.COMBINATION:
        return {frozenset(found.constraints)}
    return {frozenset([c]) for c in found.constraints}


def fault(world, seed: int, kind: str) -> tuple[Cause, str]:  # noqa: C901
    """Draw a cloud, diagnose; return the cause, and what is wrong or ''."""
    rng = random.Random(f'{kind} {seed}')
    providers = draw_cloud(rng, kind)
    world.empty()
    for name in TRAITS:
        world.ask('PUT', f'/traits/{name}')
    world.ask('PUT', '/resource_classes/CUSTOM_NIC')
    load_cloud(world.adapter, parse_cloud({'providers': providers}, 'Test'))
    roots = [
        world.uuid(p['name'])
        for p in providers
        if 'parent' not in p and p['name'] != 'storage'
    ]
    asked = draw_asked(rng, kind, roots)
    found = diagnose(world, asked)
    if len(world.calls) > MAX_CALLS:
        return found.cause, f'{len(world.calls)} calls'
    oracle = Oracle(world, asked)
    if oracle.has(()):
        return found.cause, '' if found.cause is Cause.NONE else 'candidates'
    if found.cause is Cause.NONE:
        return found.cause, 'no candidates'
    has_model = any(
        SLOT in p['inventories']
        and any(MODEL_TRAITS[m] in p['traits'] for m in asked.models)
        for p in providers
    )
    if (found.cause is Cause.NO_MODEL) != (
        bool(asked.models) and not has_model
    ):
        return found.cause, f'has model: {has_model}'
    if found.cause in (Cause.NO_MODEL, Cause.UNCLEAR):
        return found.cause, ''
    least = oracle.least()
    named = named_sets(found)
    said = ' | '.join(' + '.join(map(str, sorted(unit))) for unit in named)
    right = ' | '.join(' + '.join(map(str, sorted(u))) for u in least)
    wrong = f'named {said}, right {right}'
    if not named <= set(least):
        return found.cause, wrong
    if len(least[0]) == 1:
        # While another constraint would do, the slot is not named.
        others = {u for u in least if min(u).cause is not Cause.SLOTS_USED}
        if named != (others or set(least)):
            return found.cause, wrong
    (unit, *more) = named
    if not more and found.hosts_but_for is not None:
        hosts = _hosts(oracle, providers, asked.without(unit))
        if found.hosts_but_for != hosts:
            return found.cause, f'{found.hosts_but_for} hosts, right {hosts}'
    for short in found.shortfalls:
        for amount, expected in ((short.best, True), (short.best + 1, False)):
            kept = asked.without(
                c for c in unit if c.name != short.resource_class
            )
            kept = replace(
                kept,
                resources={**kept.resources, short.resource_class: amount},
            )
            if len(found.shortfalls) > 1 or not amount:
                continue
            if bool(oracle.answer(kept)) != expected:
                return found.cause, f'{short} {expected}'
    return found.cause, ''


def _hosts(oracle: Oracle, providers, asked: Asked) -> int:
    above = {
        oracle.world.uuid(p['name']): p.get('parent', p['name'])
        for p in providers
        if p['name'] != 'storage'
    }
    return max(
        len(
            {
                above[uuid]
                for one in oracle.answer(way)
                for uuid in one['allocations']
                if uuid in above
            }
        )
        for way in (asked, asked.dropped())
        if way.resources
    )


@pytest.fixture
def clouds(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption('--clouds', 100)) // len(KINDS)


@pytest.mark.parametrize('kind', KINDS)
def test_what_is_named_is_what_is_in_the_way(
    world, kind: str, clouds: int, record_property: Callable[..., None]
):
    wrong = {}
    unclear = 0
    for seed in range(clouds):
        cause, message = fault(world, seed, kind)
        unclear += cause is Cause.UNCLEAR
        if message:
            wrong[seed] = f'{cause}: {message}'
    record_property('unclear', unclear)
    print(f'{kind}: {clouds} clouds, {len(wrong)} wrong, {unclear} unclear')
    assert wrong == {}
    assert unclear <= max(3, clouds // 2)
