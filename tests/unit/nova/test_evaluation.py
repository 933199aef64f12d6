"""The quick way through many hosts says what each host by itself says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nova.scheduler.host_manager import HostState

from sev_scheduling.hosts.host import Host, SlotPool, machine_types_from_traits
from sev_scheduling.models import registered_models
from sev_scheduling.nova import evaluation
from sev_scheduling.nova.evaluation import HostEvaluator
from sev_scheduling.nova.host_state import AggregateFacts
from sev_scheduling.nova.lookups import Providers, Slots
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.request_spec import SpecReading
from sev_scheduling.nova.warning_log import Warnings
from tests.unit.nova.factories import (
    ES,
    ON,
    ON_ES,
    ON_SNP,
    PC_TRAIT,
    Q35,
    Q35_TRAIT,
    SEV,
    SLOT,
    SNP,
    UEFI,
    aggregate,
    spec,
)

TYPE = 'sev_scheduling:hw_machine_type'
LIMIT = 'sev_scheduling:max_guests'
MODELS = (SEV, ES, SNP)
TRAIT = {name: model.trait for name, model in registered_models().items()}

AGGREGATES = [
    aggregate('plain', ssd='true'),
    aggregate('q35', **{TYPE: 'q35'}),
    aggregate('pc', **{TYPE: 'pc'}),
    aggregate('two', **{LIMIT: '2'}),
    aggregate('three of one model', **{f'{LIMIT}:{SEV}': '3', TYPE: 'q35'}),
]


class Answers:
    """What Placement answers about a drawn cloud."""

    def __init__(self, providers, slots):
        self._providers = providers
        self._slots = slots

    def providers(self):
        return self._providers

    def providers_with(self, provider):
        return self._providers

    def slots(self):
        return None if self._slots is None else Slots(self._slots)


@st.composite
def hosts(draw):
    """Draw a host: its tree with traits, and its candidates' providers."""
    return {
        'root': draw(st.sets(st.sampled_from(MODELS), max_size=2)),
        'nested': draw(st.sets(st.sampled_from(MODELS), max_size=3)),
        'published': draw(
            st.sampled_from([[], [], [Q35_TRAIT], [PC_TRAIT],
                             [Q35_TRAIT, PC_TRAIT]])
        ),
        'slots': draw(
            st.lists(st.sampled_from([None, '', *MODELS]), max_size=3)
        ),
        'ratio': draw(st.sampled_from([None, 0.0, 0.9, 1.0, 1.01, 16.0])),
        'hypervisor': draw(
            st.sampled_from(['QEMU', 'qemu', 'kvm', '', None, 'ironic'])
        ),
        'aggregates': draw(
            st.lists(st.sampled_from(range(5)), max_size=2, unique=True)
        ),
        'used': draw(st.integers(0, 3)),
        'counted': draw(st.sampled_from([True, True, True, False])),
    }  # fmt: skip


def build(drawn):
    """Return host states, providers and free slots of a drawn cloud."""
    tree = []
    states, slots = [], {}
    for number, facts in enumerate(drawn):
        root = f'root-{number}'
        tree += [(root, root, TRAIT[model]) for model in facts['root']]
        tree += [
            (f'{root}-{model}', root, TRAIT[model])
            for model in facts['nested']
        ]
        state = HostState(f'host-{number}', f'node-{number}', 'cell')
        state.uuid = root
        state.ram_allocation_ratio = facts['ratio']
        state.hypervisor_type = facts['hypervisor']
        state.aggregates = [AGGREGATES[n] for n in facts['aggregates']]
        state.allocation_candidates = [
            {
                'allocations': {
                    root: {'resources': {'VCPU': 1}},
                    f'{root}-{model}' if model else root: {
                        'resources': {'VCPU' if model is None else SLOT: 1}
                    },
                }
            }
            for model in facts['slots']
        ]
        states.append(state)
        if facts.get('counted', True):
            slots[root] = Host(
                name=root,
                uuid=root,
                pools={
                    model: SlotPool(9, used=facts['used'])
                    for model in facts['root'] | facts['nested']
                },
            )

    def by_model(choose):
        return {
            model.name: frozenset(
                choose(uuid, root)
                for uuid, root, trait in tree
                if trait == model.trait and choose(uuid, root)
            )
            for model in registered_models().values()
        }

    providers = Providers(
        offering=by_model(lambda uuid, root: uuid),
        pools=by_model(lambda uuid, root: uuid if uuid != root else ''),
        hosts=by_model(lambda uuid, root: root),
        pool_hosts=by_model(lambda uuid, root: root if uuid != root else ''),
        machine_types={
            f'root-{number}': machine_types_from_traits(facts['published'])
            for number, facts in enumerate(drawn)
            if facts['published']
        },
        published={},
    )
    return states, providers, slots


def evaluator(drawn, request, options, answered=('providers', 'slots')):
    """Return host states of a drawn cloud, and who judges them.

    Their candidates may be of any pool: what is known of providers may be
    older than Placement's offer.
    """
    states, providers, slots = build(drawn)
    validation = SpecReading.of(request).validation(request, options)
    return states, HostEvaluator(
        validation,
        options,
        AggregateFacts(options, Warnings()),
        Answers(
            providers if 'providers' in answered else None,
            slots if 'slots' in answered else None,
        ),
    )


def outcome(states, left, judge):
    """Return all that a filter makes of hosts that were judged."""
    rejected = judge.rejected().rejected
    judge.drop_other_candidates()
    return (
        [state.host for state in left],
        rejected,
        judge.undecided,
        [state.allocation_candidates for state in states],
    )


@settings(deadline=None, max_examples=150)
@given(
    drawn=st.lists(hosts(), min_size=1, max_size=5),
    specs=st.sampled_from(
        [ON, ON_ES, ON_SNP, {**ON, 'hw:mem_page_size': 'large'},
         {**ON, 'hw:mem_encryption_model': 'unheard-of'}]
    ),
    image=st.sampled_from([UEFI, Q35, {**Q35, 'hw_machine_type': 'pc'}]),
    default=st.sampled_from([[], ['q35'], ['pc'], ['aarch64=virt']]),
    limit=st.sampled_from([None, None, 0, 2]),
    strict=st.booleans(),
    tolerant=st.booleans(),
    block=st.integers(1, 5),
    failure=st.sampled_from(['pass', 'protected']),
    answered=st.sampled_from(
        [('providers', 'slots')] * 3 + [('providers',), ('slots',), ()]
    ),
)  # fmt: skip
def test_it_is_the_same_as_one_by_one(
    drawn,
    specs,
    image,
    default,
    limit,
    strict,
    tolerant,
    block,
    failure,
    answered,
):
    request = spec(specs, image)
    options = Options(
        default_machine_type=tuple(default),
        max_guests=limit,
        require_known_machine_type=strict,
        on_placement_failure=failure,
    )
    states, quick = evaluator(drawn, request, options, answered)
    way = quick.tolerable if tolerant else quick.fitting
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, '_BLOCK', block)
        together = outcome(states, way(states), quick)
    states, slow = evaluator(drawn, request, options, answered)
    slow._tolerant = tolerant
    left = [state for state in states if slow._fits(state)]
    assert together == outcome(states, left, slow)
    # Every host is left, or explained, or its guests cannot be counted.
    left, rejected, undecided, _ = together
    if not undecided:
        assert len(left) + len(rejected) == len(drawn)


SURE = {
    'root': set(),
    'nested': {SEV},
    'published': [Q35_TRAIT],
    'slots': [SEV],
    'ratio': 1.0,
    'hypervisor': 'QEMU',
    'aggregates': [0],
    'used': 0,
}
FLAT = {**SURE, 'root': {SEV}, 'nested': set(), 'slots': ['']}


def judged_singly(
    monkeypatch, drawn, answered=('providers', 'slots'), **options
):
    """Return the host states, those left, and those judged one by one."""
    states, judgement = evaluator(
        drawn, spec(ON, UEFI), Options(**options), answered
    )
    judged = []
    original = judgement._fits
    monkeypatch.setattr(
        judgement, '_fits', lambda s: judged.append(s) or original(s)
    )
    return states, judgement.fitting(states), judged


BARE = {**SURE, 'published': []}


@pytest.mark.parametrize(
    ('sure', 'options'),
    [
        pytest.param(SURE, {}, id='nested'),
        pytest.param(FLAT, {}, id='flat'),
        pytest.param({**SURE, 'slots': [SEV] * 3}, {}, id='more candidates'),
        pytest.param({**FLAT, 'slots': ['', '']}, {}, id='of a flat host'),
        pytest.param(
            {**BARE, 'aggregates': [0, 1]},
            {'require_known_machine_type': True},
            id='an aggregate says the machine type',
        ),
        pytest.param(
            {**SURE, 'aggregates': [2]}, {}, id='the host itself says another'
        ),
        pytest.param({**SURE, 'used': 3}, {'max_guests': 4}, id='limited'),
        pytest.param(
            {**SURE, 'aggregates': [3], 'used': 1},
            {'max_guests': 0},
            id='limited by an aggregate',
        ),
        pytest.param(
            {**SURE, 'aggregates': [3, 4], 'used': 2},
            {},
            id='limited for the model',
        ),
        pytest.param(
            {**SURE, 'counted': False}, {'max_guests': 1}, id='not counted'
        ),
    ],
)
def test_thousands_of_hosts_without_a_doubt_are_not_judged_one_by_one(
    monkeypatch, sure, options
):
    states, left, judged = judged_singly(monkeypatch, [sure] * 50, **options)
    assert left == states
    assert judged == []


@pytest.mark.parametrize('limit', [None, 1])
def test_nor_are_they_where_placement_does_not_answer(monkeypatch, limit):
    states, left, judged = judged_singly(
        *(monkeypatch, [SURE] * 50, ()),
        max_guests=limit,
        on_placement_failure='pass',
    )
    assert left == states
    assert judged == []


@pytest.mark.parametrize(
    ('facts', 'fits'),
    [
        ({'ratio': 1.01}, False),
        ({'hypervisor': 'ironic'}, False),
        ({'published': [PC_TRAIT]}, False),
        ({'published': [], 'aggregates': [2]}, False),
        ({'aggregates': [3], 'used': 2}, False),
        ({'aggregates': [4], 'used': 3}, False),
        ({'nested': {ES}, 'slots': [ES]}, False),
        ({'slots': [SEV, ES]}, True),
        ({'slots': []}, False),
        # A stale trait on the root.
        ({'root': {SEV}, 'nested': {ES}, 'slots': [ES]}, False),
        ({**FLAT, 'slots': [None]}, False),
    ],
    ids=str,
)
def test_only_hosts_with_a_doubt_are_judged_one_by_one(
    monkeypatch, facts, fits
):
    drawn = [SURE, {**SURE, **facts}, SURE]
    states, left, judged = judged_singly(monkeypatch, drawn)
    assert judged == [states[1]]
    assert (states[1] in left) is fits
    assert left[0] is states[0]
    assert left[-1] is states[2]


def test_what_many_aggregates_say_alike_is_looked_up_once(monkeypatch):
    asked = []
    monkeypatch.setattr(
        Slots, 'full', lambda self, *about: asked.append(about) or set()
    )
    racks = [aggregate(f'rack-{n}', **{LIMIT: '7'}) for n in range(9)]
    states, judgement = evaluator([SURE] * 90, spec(ON, UEFI), Options())
    for number, state in enumerate(states):
        state.aggregates = [racks[number % 9]]
    assert judgement.fitting(states) == states
    assert asked == [(SEV, 7)]
