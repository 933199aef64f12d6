"""On any cloud, giving up what a diagnosis names makes candidates appear.

And nothing less does: no other single constraint would do, and no part of
several. The questions are put to the real Placement in words of this test's
own, not by the code that found the culprit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from sev_scheduling import Scope
from sev_scheduling.diagnosis import Cause, Constraint
from sev_scheduling.placement.diagnosis import MAX_CALLS
from tests.contract.placement.requests import host, request

AGGREGATE = '3fd1e6a2-0000-4000-8000-00000000000a'
TRAITS = ('CUSTOM_A', 'CUSTOM_B')
MODEL_TRAITS = {
    'amd-sev': 'HW_CPU_X86_AMD_SEV',
    'amd-sev-es': 'HW_CPU_X86_AMD_SEV_ES',
}
SLOT = 'MEM_ENCRYPTION_CONTEXT'


@dataclass(frozen=True)
class Asked:
    """What a guest asks for; each part may be given up."""

    models: tuple[str, ...]
    resources: dict[str, int]
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    aggregates: frozenset[str] = frozenset()
    forbidden_aggregates: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    host: str = ''
    slots_for_all: bool = field(default=False)

    def query(self) -> str:
        traits = ','.join(MODEL_TRAITS[name] for name in self.models)
        amounts = ','.join(f'{n}:{a}' for n, a in self.resources.items())
        parts = [f'resources={amounts}', 'group_policy=none']
        if self.models:
            parts += [f'resources_S={SLOT}:1', f'required_S=in:{traits}']
        parts += [f'required={name}' for name in sorted(self.required)]
        parts += [f'required=!{name}' for name in sorted(self.forbidden)]
        parts += [f'member_of={uuid}' for uuid in self.aggregates]
        parts += [f'member_of=!{uuid}' for uuid in self.forbidden_aggregates]
        parts += [f'root_required=!{name}' for name in self.root_forbidden]
        if self.host:
            parts.append(f'in_tree={self.host}')
            parts += [f'in_tree_S={self.host}'] * bool(self.models)
        return '&'.join(parts)

    def parts(self) -> Iterator[Constraint]:
        if self.models:
            yield Constraint(Cause.SLOTS_USED, ' or '.join(self.models))
        for name, amount in self.resources.items():
            yield Constraint(Cause.RESOURCES_SHORT, name, amount)
        for cause, sign, names in (
            (Cause.TRAIT, '', self.required),
            (Cause.TRAIT, '!', self.forbidden),
            (Cause.AGGREGATE, '', self.aggregates),
            (Cause.AGGREGATE, '!', self.forbidden_aggregates),
            (Cause.HOST_TRAIT, '!', self.root_forbidden),
            (Cause.HOST, '', filter(None, [self.host])),
        ):
            for name in names:
                yield Constraint(cause, f'{sign}{name}')

    def without(self, given_up: Iterable[Constraint]) -> Asked:
        names = {(c.cause, c.name) for c in given_up}

        def kept(cause: Cause, names_: Iterable[str], sign: str = ''):
            return frozenset(
                n for n in names_ if (cause, f'{sign}{n}') not in names
            )

        resources = {
            name: amount
            for name, amount in self.resources.items()
            if (Cause.RESOURCES_SHORT, name) not in names
        }
        return replace(
            self,
            # A host has one of these, whatever else it lacks.
            resources=resources or {'VCPU': 1},
            required=kept(Cause.TRAIT, self.required),
            forbidden=kept(Cause.TRAIT, self.forbidden, '!'),
            aggregates=kept(Cause.AGGREGATE, self.aggregates),
            forbidden_aggregates=kept(
                Cause.AGGREGATE, self.forbidden_aggregates, '!'
            ),
            root_forbidden=kept(Cause.HOST_TRAIT, self.root_forbidden, '!'),
            host=''.join(kept(Cause.HOST, filter(None, [self.host]))),
            slots_for_all=any(c.cause is Cause.SLOTS_USED for c in given_up),
        )


pools = st.fixed_dictionaries(
    {'total': st.integers(0, 2)}, optional={'used': st.just(1)}
).map(lambda pool: {**pool, 'total': max(pool.values())})

hosts = st.lists(
    st.fixed_dictionaries(
        {
            'vcpus': st.just(4),
            'memory_mb': st.sampled_from([1024, 2048]),
            'disk_gb': st.sampled_from([0, 10, 20]),
            'layout': st.sampled_from(['nested', 'flat']),
            'traits': st.sets(st.sampled_from(TRAITS)).map(sorted),
            'pools': st.dictionaries(
                st.sampled_from(['amd-sev', 'amd-sev-es']), pools, max_size=1
            ),
            'aggregates': st.booleans(),
        }
    ),
    min_size=1,
    max_size=4,
)

asks = st.fixed_dictionaries(
    {
        'models': st.sampled_from(
            [(), ('amd-sev',), ('amd-sev',), ('amd-sev-es', 'amd-sev')]
        ),
        'ram': st.sampled_from([1024, 2048, 4096]),
        'disk': st.sampled_from([0, 10, 20]),
        'traits': st.dictionaries(
            st.sampled_from(TRAITS),
            st.sampled_from(['required', 'forbidden']),
        ),
        'aggregate': st.sampled_from(['', '', '', 'in', 'out']),
        'root_forbidden': st.sampled_from([(), (), TRAITS[:1]]),
        'host': st.sampled_from([None, None, None, 0]),
    }
)


def load(world, entries):
    """Hold the hosts h0, h1, … with the aggregates they are in."""
    client = world.load(
        *(
            host(f'h{n}', **{k: v for k, v in e.items() if k != 'aggregates'})
            for n, e in enumerate(entries)
        )
    )
    for name in TRAITS:
        world.ask('PUT', f'/traits/{name}')
    for n, entry in enumerate(entries):
        if entry['aggregates']:
            world.change(f'h{n}', 'aggregates', [AGGREGATE])
    return client


def candidates(world, asked: Asked) -> bool:
    """Ask the real Placement; a slot given up is one more in each pool."""
    change = f"""
        UPDATE inventories SET total = total {'{}'} 5
        WHERE resource_class_id =
            (SELECT id FROM resource_classes WHERE name = '{SLOT}')
    """
    if asked.slots_for_all:
        with world.adapter.engine.begin() as connection:
            connection.execute(text(change.format('+')))
    try:
        answer = world.ask('GET', f'/allocation_candidates?{asked.query()}')
    finally:
        if asked.slots_for_all:
            with world.adapter.engine.begin() as connection:
                connection.execute(text(change.format('-')))
    return bool(answer['allocation_requests'])


def named_parts(found) -> list[frozenset[Constraint]]:
    """Return the sets of constraints each of which should do."""
    if found.cause is not Cause.COMBINATION:
        return [frozenset(found.constraints)]
    return [
        frozenset(replace(c, name=name) for name in c.name.split(' and '))
        for c in found.constraints
    ]


@settings(
    deadline=None,
    max_examples=30,
    # To shrink a failure takes minutes; an example is small as it is.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(entries=hosts, ask=asks)
def test_what_is_named_is_what_is_in_the_way(world, entries, ask):
    client = load(world, entries)
    asked = Asked(
        models=ask['models'],
        resources={
            name: amount
            for name, amount in (
                ('DISK_GB', ask['disk']),
                ('MEMORY_MB', ask['ram']),
                ('VCPU', 1),
            )
            if amount
        },
        required=frozenset(k for k, v in ask['traits'].items() if v[0] == 'r'),
        forbidden=frozenset(
            k for k, v in ask['traits'].items() if v[0] == 'f'
        ),
        aggregates=frozenset([AGGREGATE] * (ask['aggregate'] == 'in')),
        forbidden_aggregates=frozenset(
            [AGGREGATE] * (ask['aggregate'] == 'out')
        ),
        root_forbidden=frozenset(ask['root_forbidden']),
        host='' if ask['host'] is None else world.uuid(f'h{ask["host"]}'),
    )
    world.calls.clear()
    found = client.diagnose(
        request(
            {f'trait:{k}': v for k, v in ask['traits'].items()},
            models=ask['models'],
            encrypted=bool(ask['models']),
            vcpus=1,
            ram=ask['ram'],
            disk=ask['disk'],
        ),
        scope=Scope(
            member_of=[[uuid] for uuid in asked.aggregates],
            forbidden_aggregates=asked.forbidden_aggregates,
            root_forbidden=asked.root_forbidden,
            in_tree=asked.host or None,
        ),
    )
    event(found.cause)
    assert len(world.calls) <= MAX_CALLS

    if candidates(world, asked):
        assert found.cause is Cause.NONE
        return
    assert found.cause is not Cause.NONE

    has_model = any(
        pool['total'] and model in ask['models']
        for entry in entries
        for model, pool in entry['pools'].items()
    )
    assert (found.cause is Cause.NO_MODEL) == (
        bool(ask['models']) and not has_model
    )
    if found.cause is Cause.NO_MODEL:
        return

    assert found.cause is not Cause.UNCLEAR
    named = named_parts(found)
    for unit in named:
        assert unit <= set(asked.parts())
        assert candidates(world, asked.without(unit))
        for fewer in itertools.combinations(unit, len(unit) - 1):
            assert not candidates(world, asked.without(fewer))
    for other in asked.parts():
        # While a slot is free somewhere, slots are not what is short.
        if other.cause is Cause.SLOTS_USED:
            continue
        if frozenset([other]) not in named:
            assert not candidates(world, asked.without([other])), other
