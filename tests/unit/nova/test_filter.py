"""The filter in nova's own filter handler: which hosts are left, and why."""

from __future__ import annotations

import functools
import logging
import threading

import pytest
from nova import exception

from sev_scheduling.exceptions import ModelError
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.nova import filter as filter_module
from sev_scheduling.nova.lookups import StoredServer
from tests.unit.nova.factories import (
    ES,
    ES_TRAIT,
    ON,
    ON_ES,
    ON_SNP,
    PC_TRAIT,
    Q35,
    Q35_TRAIT,
    READY,
    SERVER,
    SEV,
    SEV_TRAIT,
    SNP,
    SNP_TRAIT,
    UEFI,
    aggregate,
    flavor,
    load_filter,
    move_spec,
    passing,
    rebuild_spec,
    spec,
)

NO_HOST = 'No valid host was found. '
TYPE = 'sev_scheduling:hw_machine_type'
LIMIT = 'sev_scheduling:max_guests'
LIMIT_SEV, LIMIT_ES = f'{LIMIT}:{SEV}', f'{LIMIT}:{ES}'


class Untouchable:
    """A list of hosts that nobody may look at."""

    def __iter__(self):
        raise AssertionError('looked at')

    __len__ = __bool__ = __getitem__ = __iter__


@pytest.mark.parametrize(
    'request_',
    [
        pytest.param(lambda: spec({}, {}), id='nobody says anything'),
        pytest.param(lambda: spec({}, Q35), id='an image with q35'),
        pytest.param(
            lambda: spec({'hw:mem_encryption': 'false'}),
            id='the flavor says no',
        ),
        pytest.param(
            lambda: spec({'hw:mem_encryption': 'maybe'}),
            id='a flavor that nova takes as off',
        ),
        pytest.param(
            lambda: spec({}, {'hw_mem_encryption': 'false'}),
            id='the image says no',
        ),
        pytest.param(
            lambda: spec({'hw:mem_encryption_model': SEV}),
            id='a model without encryption',
        ),
        pytest.param(lambda: spec({}, image=None), id='there is no image'),
        pytest.param(lambda: rebuild_spec({}, {}), id='a rebuild'),
    ],
)
def test_an_unencrypted_guest_is_let_through_without_a_look(world, request_):
    hosts = Untouchable()
    assert load_filter().filter_all(hosts, request_()) is hosts
    assert world.calls == []


STATELESS = 'COMPUTE_SECURITY_STATELESS_FIRMWARE'
USED = {'pools': {SEV: SlotPool(9, used=3)}}
STRICT = {'require_known_machine_type': True}
PC = {'default_machine_type': ['pc']}


def within(*metadata):
    """Return a host in aggregates of this metadata."""
    return {
        'aggregates': [
            aggregate(f'aggregate-{number}', **one)
            for number, one in enumerate(metadata)
        ]
    }


def types(*texts):
    """Return a host in an aggregate for each text on machine types."""
    return within(*({TYPE: text} for text in texts))


def limits(*metadata):
    """Return a host in aggregates that limit its guests, 3 of them there."""
    return USED | within(*metadata)


def case(
    host=None, options=None, *, told=None, extra_specs=ON, properties=Q35
):
    """Return a row, for an image that names its machine type."""
    return host or {}, extra_specs, properties, options or {}, told


#: A row, for an image that names none.
unset = functools.partial(case, properties=UEFI)

GIVE_PC = 'hosts give it pc'
TAKEN = 'are taken'
UNKNOWN_TYPE = 'names no machine type'


#: id -> (host, extra specs, image, options, None or a part of the fault)
HOSTS = {
    'a nested pool with a free slot': case(),
    'a flat host with a free slot': case({'nested': False}),
    # The machine type.
    'nobody tells the machine type': unset(),
    'nobody tells it, and it must be known': unset(
        {}, STRICT, told=UNKNOWN_TYPE
    ),
    'it must be known, and the image names it': case({}, STRICT),
    'it must be known, and the host publishes it': unset(
        {'machine_type': 'q35'}, STRICT
    ),
    'it must be known, and the host publishes pc': unset(
        {'machine_type': 'pc'}, STRICT, told=GIVE_PC
    ),
    'the host publishes pc': unset({'machine_type': 'pc'}, told=GIVE_PC),
    'the host publishes pc, and the image names q35': case(
        {'machine_type': 'pc'}
    ),
    'the host publishes a versioned q35': unset(
        {'machine_type': 'pc-q35-8.2'}
    ),
    'the option says pc': unset({}, PC, told=GIVE_PC),
    'the option says q35 of another architecture': unset(
        {}, {'default_machine_type': ['aarch64=q35']}
    ),
    'the option says pc, the trait q35': unset(
        {'machine_type': 'q35'}, {'default_machine_type': ['x86_64=pc']}
    ),
    'the option says q35, the trait pc': unset(
        {'machine_type': 'pc'}, {'default_machine_type': ['q35']}, told=GIVE_PC
    ),
    'the option is not of its format': unset(
        {}, {'default_machine_type': ['x86_64=']}
    ),
    'the aggregate says pc': unset(types('pc'), told=GIVE_PC),
    'the aggregate says pc, the trait q35': unset(
        {**types('pc'), 'machine_type': 'q35'}
    ),
    'the aggregate says q35, the trait pc': unset(
        {**types('q35'), 'machine_type': 'pc'}, told=GIVE_PC
    ),
    'the aggregate says q35, the option pc': unset(
        types('x86_64=q35,aarch64=virt'), PC
    ),
    'the aggregate says pc, the option q35': unset(
        types('pc'), {'default_machine_type': ['q35']}, told=GIVE_PC
    ),
    'the aggregate speaks of another architecture': unset(
        types('aarch64=virt'), PC, told=GIVE_PC
    ),
    'the aggregate is not of the format, the option says pc': unset(
        types('=q35'), PC, told=GIVE_PC
    ),
    'an aggregate that says nothing, the option says pc': unset(
        within({'ssd': 'true'}), PC, told=GIVE_PC
    ),
    'two aggregates disagree, whatever the option says': unset(
        types('pc', 'q35'), PC
    ),
    'two aggregates disagree, and it must be known': unset(
        types('q35', 'pc'), STRICT, told=UNKNOWN_TYPE
    ),
    'two aggregates agree on pc': unset(types('pc', 'pc'), told=GIVE_PC),
    # Memory.
    'memory is overcommitted by a hair': case(
        {'ram_allocation_ratio': 1.01}, told='not set up for encrypted guests'
    ),
    'memory is undercommitted': case({'ram_allocation_ratio': 0.9}),
    'memory is overcommitted, but the guest has huge pages': case(
        {'ram_allocation_ratio': 1.5},
        extra_specs={**ON, 'hw:mem_page_size': 'large'},
    ),
    'memory of guest_memfd is overcommitted': case(
        {
            'ram_allocation_ratio': 1.5,
            'pools': {SNP: 5},
            'traits': [STATELESS],
        },
        extra_specs=ON_SNP,
        properties=READY,
        told='not set up for encrypted guests',
    ),
    # The hypervisor.
    'the hypervisor is spelt otherwise': case({'hypervisor_type': 'qemu'}),
    'the hypervisor is not told': case({'hypervisor_type': None}),
    'the hypervisor is another one': case(
        {'hypervisor_type': 'VMware vCenter Server'},
        told='cannot run encrypted guests',
    ),
    # Other models beside it.
    'SEV-ES beside SEV-SNP': case(
        {'pools': {ES: 5, SNP: 5}}, told='CVE-2025-48514', extra_specs=ON_ES
    ),
    'SEV-SNP beside SEV-ES': case(
        {'pools': {ES: 5, SNP: 5}, 'traits': [STATELESS]},
        extra_specs=ON_SNP,
        properties=READY,
    ),
    'SEV beside SEV-SNP': case({'pools': {SEV: 5, SNP: 5}}),
    # Limits lower than the inventory; 3 slots are used.
    'the limit is one more than used': case(USED, {'max_guests': 4}),
    'the limit is reached': case(
        USED,
        {'max_guests': 3},
        told='All amd-sev slots that it could use are taken',
    ),
    'the limit is exceeded': case(
        USED,
        {'max_guests': 2},
        told='All amd-sev slots that it could use are taken',
    ),
    'the limit is none at all': case(
        {}, {'max_guests': 0}, told='No host offers amd-sev'
    ),
    'reserved slots do not count to the limit': case(
        {'pools': {SEV: SlotPool(9, used=3, reserved=2)}}, {'max_guests': 4}
    ),
    'the limit of another model': case(
        USED, {'max_guests_per_model': {ES: 1}}
    ),
    'the limit of the model goes before the general one': case(
        USED, {'max_guests': 9, 'max_guests_per_model': {SEV: 3}}, told=TAKEN
    ),
    'a flat host has a limit': case(
        {**USED, 'nested': False}, {'max_guests': 3}, told=TAKEN
    ),
    'the aggregate limits it': case(limits({LIMIT: '3'}), told=TAKEN),
    'the aggregate allows what the option does not': case(
        limits({LIMIT: '4'}),
        {'max_guests': 3, 'max_guests_per_model': {SEV: 3}},
    ),
    'the aggregate limits the model': case(
        limits({LIMIT: '9', LIMIT_SEV: '3'}), told=TAKEN
    ),
    'the aggregate limits another model': case(limits({LIMIT_ES: '3'})),
    'of two aggregates, the lower limit counts': case(
        limits({LIMIT: '9'}, {LIMIT: '3'}), told=TAKEN
    ),
    'a limit that is no number is none': case(limits({LIMIT: '-1'})),
}


@pytest.mark.parametrize('name', HOSTS)
def test_a_host(world, configured, name):
    host, extra_specs, properties, options, told = HOSTS[name]
    configured(**options)
    world.host('alpha', **host)
    request = spec(extra_specs, properties)
    try:
        states = world.hosts_for(request)
    except exception.Invalid as error:
        pytest.skip(f'this nova: {error}')
    plugin = load_filter()
    assert states

    if told is None:
        assert passing(plugin, states, request) == ['alpha']
    else:
        with pytest.raises(exception.NoValidHost) as raised:
            passing(plugin, states, request)
        assert told in str(raised.value)
        assert 'alpha' not in str(raised.value)

    # The answer is the same beside a host that fits without doubt.
    world.host(
        'beta',
        machine_type='q35',
        pools={extra_specs.get('hw:mem_encryption_model', SEV): 9},
        traits=[STATELESS],
        aggregates=[aggregate('beta', **{LIMIT: '9', LIMIT_SEV: '9'})],
    )
    states = world.hosts_for(request)
    left = passing(load_filter(), states, request)
    assert left == (['beta'] if told else ['alpha', 'beta'])


def test_of_two_published_machine_types_neither_counts(world, configured):
    root = world.host()
    world.set_traits(root, Q35_TRAIT, PC_TRAIT)
    request = spec(ON, UEFI)
    states = world.hosts_for(request)

    assert passing(load_filter(), states, request) == ['alpha']
    configured(default_machine_type=['pc'])
    with pytest.raises(exception.NoValidHost, match='hosts give it pc'):
        passing(load_filter(), states, request)


def test_no_guest_gets_a_slot_of_another_model(world):
    """A stale trait on the root lets any pool of the host answer."""
    root = world.host(pools={SEV: 1, ES: 5})
    world.set_traits(root, SEV_TRAIT)
    own = world.pool(root)
    request = spec()

    (state,) = world.hosts_for(request)
    assert len(state.allocation_candidates) == 2
    assert passing(load_filter(), [state], request) == ['alpha']
    (left,) = state.allocation_candidates
    assert own in left['allocations']

    # And where the pool of the model is full, no candidate is left.
    world.claim(own)
    (state,) = world.hosts_for(request)
    assert len(state.allocation_candidates) == 1
    with pytest.raises(exception.NoValidHost, match=r'slots .* are taken'):
        passing(load_filter(), [state], request)


def test_a_stale_trait_where_the_host_has_no_pool_of_the_model(world):
    root = world.host(pools={ES: 5})
    world.set_traits(root, SEV_TRAIT)
    request = spec()
    with pytest.raises(
        exception.NoValidHost, match='No host offers amd-sev memory encryption'
    ):
        passing(load_filter(), world.hosts_for(request), request)


def test_a_stale_trait_of_an_excluding_model_does_not_exclude(world):
    root = world.host(pools={ES: 5})
    world.set_traits(root, SNP_TRAIT)
    request = spec(ON_ES)
    states = world.hosts_for(request)
    assert passing(load_filter(), states, request) == ['alpha']


def test_a_flat_host_with_both_models_excludes_the_older_one(world):
    root = world.host(pools={ES: 5}, nested=False)
    world.set_traits(root, ES_TRAIT, SNP_TRAIT)
    request = spec(ON_ES)
    with pytest.raises(exception.NoValidHost, match='CVE-2025-48514'):
        passing(load_filter(), world.hosts_for(request), request)


def test_hosts_in_mid_upgrade_stand_beside_each_other_in_order(world):
    for name, nested in (('c', True), ('a', False), ('b', True)):
        world.host(name, nested=nested)
    request = spec()
    states = world.hosts_for(request)
    assert passing(load_filter(), states, request) == ['c', 'a', 'b']


def test_candidates_beyond_the_first_are_kept(world):
    """A host can serve a guest in several ways."""
    root = world.host()
    request = spec()
    (state,) = world.hosts_for(request)
    state.allocation_candidates *= 3
    assert passing(load_filter(), [state], request) == ['alpha']
    assert len(state.allocation_candidates) == 3
    assert world.pool(root) in state.allocation_candidates[2]['allocations']


def test_without_hosts_there_is_nothing_to_ask_or_to_explain(world):
    plugin = load_filter()
    for request in (spec(), rebuild_spec()):
        assert passing(plugin, [], request) == []
        assert plugin.filter_all(iter(()), request) == []
    assert world.calls == []


def test_the_reason_is_logged_for_operators(world, caplog, configured):
    configured(default_machine_type=['pc'])
    world.host('alpha')
    world.host('beta', ram_allocation_ratio=2.0, machine_type='q35')
    world.host('gamma')
    request = spec(ON, UEFI)
    loaded = load_filter()
    with caplog.at_level(logging.INFO), pytest.raises(exception.NoValidHost):
        passing(loaded, world.hosts_for(request), request)
    (record,) = [
        r for r in caplog.records if r.name == 'sev_scheduling.nova.filter'
    ]
    assert record.levelname == 'INFO'
    assert record.getMessage().splitlines() == [
        '0 of 3 hosts can run this amd-sev guest:',
        '  2  default to machine type pc; amd-sev needs q35',
        '     alpha.test, gamma.test',
        '     -> if the image runs on q35:',
        '        openstack image set --property hw_machine_type=q35 ubuntu',
        '     -> or set [libvirt] hw_machine_type = x86_64=q35 in nova.conf '
        'of every such host',
        '  1  overcommits memory (ram_allocation_ratio 2); amd-sev pins it',
        '     beta.test',
        '     -> set ram_allocation_ratio = 1.0 in nova.conf of beta.test',
    ]


@pytest.mark.parametrize('index', [1, 2, 99])
def test_for_a_later_guest_the_list_is_empty_so_that_nova_cleans_up(
    world, configured, index
):
    world.host()
    request = spec()
    states = world.hosts_for(request)
    plugin = load_filter()
    assert passing(plugin, states, request) == ['alpha']
    states[0].ram_allocation_ratio = 2.0
    assert passing(plugin, states, request, index=index) == []
    # A request that begins anew has no guest yet.
    with pytest.raises(exception.NoValidHost):
        passing(plugin, states, spec(), index=index)


def test_where_guests_are_not_named_nova_has_claimed_nothing(
    world, configured
):
    configured(default_machine_type=['pc'])
    world.host()
    request = spec(ON, UEFI)
    states = world.hosts_for(request)
    plugin = load_filter()
    for _ in range(2):
        with pytest.raises(exception.NoValidHost):
            passing(plugin, states, request)


def test_threads_place_the_guests_of_their_own_requests(world, configured):
    configured(default_machine_type=['pc'])
    world.host()
    request = spec(ON, UEFI)
    states = world.hosts_for(request)
    plugin = load_filter()
    both = threading.Barrier(2)
    outcome = {}

    def place(name, request, index):
        both.wait(timeout=10)
        try:
            outcome[name] = passing(plugin, states, request, index)
        except exception.NoValidHost:
            outcome[name] = 'raised'

    with pytest.raises(exception.NoValidHost):
        passing(plugin, states, request)
    threads = [
        threading.Thread(target=place, args=arguments)
        for arguments in (('new', spec(ON, UEFI), 0), ('old', request, 1))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcome == {'new': 'raised', 'old': []}


def test_one_host_is_judged_as_many_are(world, configured):
    configured(default_machine_type=['pc'])
    world.host('alpha')
    world.host('beta', machine_type='q35')
    request = spec(ON, UEFI)
    plugin = load_filter()
    alpha, beta = world.hosts_for(request)
    assert plugin.host_passes(beta, request)
    assert not plugin.host_passes(alpha, request)
    assert plugin.host_passes(alpha, spec({}, UEFI))


def test_it_runs_for_rebuilds_and_for_each_guest_of_a_request():
    plugin = load_filter()
    assert plugin.RUN_ON_REBUILD
    assert all(plugin.run_filter_for_index(index) for index in range(3))


def test_it_is_named_as_nova_finds_it():
    from sev_scheduling.nova import MemoryEncryptionFilter

    assert type(load_filter()) is MemoryEncryptionFilter


RATIO = {'ram_allocation_ratio': 1.5}


def test_a_move_takes_what_new_guests_are_kept_off(world):
    """Where nothing better is left: nova runs such servers."""
    world.host('alpha', **RATIO)
    states = world.hosts_for(spec())
    assert passing(load_filter(), states, move_spec()) == ['alpha']
    with pytest.raises(exception.NoValidHost):
        passing(load_filter(), states, spec())

    world.host('beta')
    states = world.hosts_for(spec())
    assert passing(load_filter(), states, move_spec()) == ['beta']


def test_a_move_goes_to_a_host_of_models_that_exclude_each_other(world):
    world.host('alpha', pools={ES: 5, SNP: 5})
    states = world.hosts_for(spec(ON_ES))
    assert passing(load_filter(), states, move_spec(ON_ES)) == ['alpha']
    with pytest.raises(exception.NoValidHost, match='CVE'):
        passing(load_filter(), states, spec(ON_ES))


def test_no_move_takes_a_slot_of_another_model(world):
    root = world.host(pools={ES: 5}, **RATIO)
    world.set_traits(root, SEV_TRAIT)
    states = world.hosts_for(spec())
    assert len(states) == 1
    with pytest.raises(exception.NoValidHost):
        passing(load_filter(), states, move_spec())


@pytest.mark.parametrize('recorded', ['pc-q35-8.2', None])
def test_a_move_to_a_host_of_another_default(world, configured, recorded):
    configured(default_machine_type=['pc'])
    world.host('alpha')
    world.servers[SERVER] = StoredServer(flavor(), recorded)
    request = move_spec(ON, UEFI)
    states = world.hosts_for(request)
    if recorded:
        assert passing(load_filter(), states, request) == ['alpha']
        return
    with pytest.raises(exception.NoValidHost) as refused:
        passing(load_filter(), states, request)
    assert (
        'nova-manage image_property set --property hw_machine_type=q35 '
        f'{SERVER}' in str(refused.value)
    )


def test_a_server_of_an_unknown_model_is_moved_as_nova_moves_it(world):
    world.host('alpha')
    states = world.hosts_for(spec({}))
    request = move_spec({**ON, 'hw:mem_encryption_model': 'amd-foo'})
    assert passing(load_filter(), states, request) == ['alpha']


@pytest.mark.parametrize(
    ('enabled', 'before'),
    [
        (['MemoryEncryptionFilter', 'ImagePropertiesFilter'], None),
        (['ComputeFilter', 'MemoryEncryptionFilter'], None),
        (['ImagePropertiesFilter'], None),
        (
            ['ImagePropertiesFilter', 'MemoryEncryptionFilter'],
            'ImagePropertiesFilter',
        ),
        (
            [
                *('IsolatedHostsFilter', 'ComputeFilter'),
                *('ImagePropertiesFilter', 'MemoryEncryptionFilter'),
            ],
            'IsolatedHostsFilter, ImagePropertiesFilter',
        ),
    ],
)
def test_a_start_warns_of_filters_that_may_refuse_a_rebuild_before_it(
    configured, caplog, enabled, before
):
    configured('filter_scheduler', enabled_filters=enabled)
    load_filter()
    warnings = [r.args['others'] for r in caplog.records if r.args]
    assert warnings == ([] if before is None else [before])


def test_plug_ins_with_models_are_looked_for_when_the_filter_is_made(
    monkeypatch,
):
    looked = []
    monkeypatch.setattr(
        filter_module, 'registered_models', lambda: looked.append(True)
    )
    load_filter()
    assert looked


def test_a_model_that_cannot_be_loaded_does_not_keep_the_filter_from_start(
    monkeypatch,
):
    def broken():
        raise ModelError('It has no trait.')

    monkeypatch.setattr(filter_module, 'registered_models', broken)
    plain = spec({}, {})
    assert passing(load_filter(), [], plain) == []


def test_a_trait_set_since_the_last_look_up_gives_no_slot_of_another_model(
    world,
):
    world.host('beta', pools={SEV: 3})
    alpha = world.host('alpha', pools={SEV: 1, ES: 3})
    world.claim(world.pool(alpha))
    plugin = load_filter()
    request = spec(ON, Q35)
    assert passing(plugin, world.hosts_for(request), request) == ['beta']
    world.set_traits(alpha, SEV_TRAIT, 'OWNER_NOVA')
    # With a stale trait on its root, nova is offered its slots of amd-sev-es.
    request = spec(ON, Q35)
    states = world.hosts_for(request)
    es_pool = world.pool(alpha, 'amd_sev_es')
    assert any(
        es_pool in c['allocations']
        for s in states
        for c in s.allocation_candidates
    )
    assert passing(plugin, states, request) == ['beta']
