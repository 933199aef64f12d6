"""The request filter, among nova's own: what fails before any host."""

from __future__ import annotations

import contextlib
import logging
import re
from functools import partial
from unittest import mock

import pytest
from nova import context as nova_context
from nova import exception, objects
from nova.scheduler import request_filter

from sev_scheduling.hosts.host import SlotPool, machine_type_trait
from sev_scheduling.nova.lookups import Lookups, StoredServer
from sev_scheduling.nova.request_filter import RequestFilter
from tests.unit.nova.factories import (
    ES,
    ON,
    ON_SNP,
    PC_TRAIT,
    Q35,
    Q35_TRAIT,
    READY,
    SERVER,
    SEV,
    UEFI,
    ask,
    flavor,
    image,
    load_filter,
    move_spec,
    passing,
    refusal,
    spec,
)

AGGREGATE = '33333333-2222-3333-4444-555555555555'
OTHER = '44444444-2222-3333-4444-555555555555'
PORT = '5e1f0000-2222-3333-4444-555555555555'
PINNED = {**ON, 'hw:cpu_policy': 'dedicated'}


@pytest.mark.parametrize(
    ('extra_specs', 'properties'),
    [
        ({}, {}),
        ({}, Q35),
        ({'hw:mem_encryption_model': SEV}, {}),
        ({'trait:HW_CPU_X86_AMD_SEV': 'required'}, {'hw_disk_bus': 'ide'}),
        ({'hw:mem_encryption': 'false'}, {'hw_disk_bus': 'ide'}),
    ],
)
def test_other_guests_are_none_of_its_business(world, extra_specs, properties):
    request = spec(extra_specs, properties)
    assert ask(request) is False
    assert request.root_required == set()
    assert world.calls == []


@pytest.mark.parametrize(
    ('extra_specs', 'properties', 'told'),
    [
        pytest.param(
            ON,
            {**Q35, 'hw_disk_bus': 'ide', 'hw_cdrom_bus': 'ide',
             'hw_machine_type': 'pc'},
            ['hw_machine_type=q35', 'hw_disk_bus=virtio',
             'hw_cdrom_bus=sata'],
            id='three problems of the image',
        ),
        pytest.param(
            {**ON, 'pci_passthrough:alias': 'gpu:1'},
            {'hw_disk_bus': 'ide'},
            ['hw_firmware_type=uefi', 'hw_disk_bus=virtio',
             'pci_passthrough:alias'],
            id='problems of the image and the flavor',
        ),
        pytest.param(
            {**ON, 'trait:HW_CPU_X86_AMD_SEV': 'forbidden'},
            Q35,
            ['HW_CPU_X86_AMD_SEV'],
            id='a trait that contradicts the model',
        ),
        pytest.param(
            {'hw:mem_encryption': 'maybe'},
            Q35,
            ["'maybe'", 'neither true nor false'],
            id='a value of the flavor that nova takes as off',
        ),
        pytest.param(
            {**ON, 'hw:mem_encryption_model': 'amd-foo'},
            Q35,
            ['amd-foo'],
            id='a model that nobody knows',
        ),
    ],
)  # fmt: skip
def test_all_problems_are_in_one_fault_before_any_host_is_tried(
    world, extra_specs, properties, told
):
    world.host('alpha')
    world.placement.calls.clear()
    fault = refusal(spec(extra_specs, properties))
    for words in told:
        assert words in fault
    assert world.calls == []


def test_a_fault_names_the_image_of_its_own_request(world):
    for name in ('ubuntu-1', 'ubuntu-2'):
        assert name in refusal(spec(ON, image=image({}, name=name)))


def test_problems_are_logged_for_operators_in_full(world, caplog):
    with caplog.at_level(logging.INFO):
        refusal(spec(ON, {'hw_disk_bus': 'ide'}))
    (record,) = [
        r
        for r in caplog.records
        if r.name == 'sev_scheduling.nova.request_filter'
    ]
    assert record.levelname == 'INFO'
    assert len(re.findall(r'^  error  ', record.getMessage(), re.M)) == 2


def test_devices_of_the_host_can_be_allowed(world, configured):
    world.host('alpha')
    accelerated = {**ON, 'accel:device_profile': 'fpga'}
    assert 'accel:device_profile' in refusal(spec(accelerated))
    configured(allow_host_devices=True)
    assert ask(spec(accelerated))


def test_a_passthrough_port_is_a_device_of_the_host(world):
    world.host('alpha')

    def requests(*aliases):
        return objects.InstancePCIRequests(
            requests=[
                objects.InstancePCIRequest(
                    alias_name=name, count=1, requester_id=PORT
                )
                for name in aliases
            ]
        )

    assert f"'port {PORT}'" in refusal(spec(pci_requests=requests(None)))
    # Those of an alias are known by the flavor's extra spec.
    assert ask(spec(pci_requests=requests('gpu')))
    assert ask(spec(pci_requests=None))


# What the image's owner wrote


def building(text=None, **fields):
    """Have nova build a server of an image of which this was written."""
    metadata = {} if text is None else {'image_hw_mem_encryption': text}
    instance = objects.Instance(**{'system_metadata': metadata, **fields})
    return build_request(return_value=objects.BuildRequest(instance=instance))


def build_request(**outcome):
    return mock.patch.object(
        objects.BuildRequest, 'get_by_instance_uuid', **outcome
    )


@pytest.mark.parametrize('text', ['maybe', 'yess', '2', ' '])
def test_an_image_s_value_that_nova_takes_as_off_is_refused(world, text):
    request = spec({}, {**Q35, 'hw_mem_encryption': text})
    assert request.image.properties.hw_mem_encryption is False
    with building(text):
        assert 'neither true nor false' in refusal(request)


def without_metadata():
    return build_request(
        return_value=objects.BuildRequest(instance=objects.Instance())
    )


def built_long_ago():
    return build_request(side_effect=exception.BuildRequestNotFound(uuid='x'))


@pytest.mark.parametrize(
    'server',
    [
        *(partial(building, text) for text in ('false', 'OFF', '0', None)),
        partial(building, 'maybe', system_metadata={}),
        without_metadata,
        built_long_ago,
    ],
    ids=['false', 'OFF', '0', 'nothing', 'no value', 'no metadata', 'built'],
)
def test_an_image_that_means_no_or_of_which_no_more_is_known(world, server):
    request = spec({}, {**Q35, 'hw_mem_encryption': 'false'})
    with server():
        assert ask(request) is False


def test_a_conflict_with_what_the_image_says(world):
    request = spec(ON, {**Q35, 'hw_mem_encryption': 'false'})
    with building('false'):
        assert 'hw_mem_encryption' in refusal(request)


def test_nothing_is_read_where_the_image_says_nothing_or_yes(world):
    world.host('alpha')
    with build_request(side_effect=pytest.fail):
        assert ask(spec(ON, Q35))
        assert ask(spec({}, {**Q35, 'hw_mem_encryption': 'true'}))


# Machine types that hosts publish


@pytest.mark.parametrize(
    ('published', 'properties', 'forbidden', 'left'),
    [
        pytest.param(['q35', None], UEFI, [], [0, 1], id='one is right'),
        pytest.param([None, None], UEFI, [], [0, 1], id='none is known'),
        pytest.param(['pc', None], UEFI, ['pc'], [1], id='one is wrong'),
        pytest.param(['q35', 'pc'], UEFI, ['pc'], [0], id='one of each'),
        pytest.param(['q35', 'pc'], Q35, [], [0, 1], id='the image names it'),
        pytest.param(
            ['pc-q35-2.11', 'q35', 'pc-q35-rhel9.4.0'],
            UEFI,
            [],
            [0, 1, 2],
            id='versions of q35',
        ),
        pytest.param(
            ['pc-i440fx-2.11', 'virt', 'pc-q35-2.11'],
            UEFI,
            ['pc-i440fx-2.11', 'virt'],
            [2],
            id='versions of pc, and another architecture',
        ),
    ],
)
def test_an_image_without_a_machine_type_is_kept_off_what_will_not_do(
    world, published, properties, forbidden, left
):
    for number, machine_type in enumerate(published):
        world.host(f'host-{number}', machine_type=machine_type)
    request = spec(ON, properties)
    assert ask(request)
    assert request.root_required == set()
    assert request.root_forbidden == set(map(machine_type_trait, forbidden))
    # Nova then asks Placement for the others, and the filter lets them pass.
    states = world.hosts_for(request)
    names = [f'host-{number}' for number in left]
    assert passing(load_filter(), states, request) == names


@pytest.mark.parametrize(
    'right',
    [
        pytest.param({'pools': {}}, id='has no slots'),
        pytest.param({'pools': {SEV: SlotPool(1, used=1)}}, id='is full'),
        pytest.param(
            {'traits': ['COMPUTE_STATUS_DISABLED']}, id='is disabled'
        ),
        pytest.param({'vcpus': 1}, id='is too small'),
    ],
)
def test_where_the_one_that_is_right_will_not_do_the_unknown_is_tried(
    world, right
):
    world.host('unknown')
    world.host('right', machine_type='q35', **right)
    world.host('wrong', machine_type='pc')
    request = spec(ON, UEFI, flavor=flavor(ON, vcpus=2))
    request.root_forbidden.add('COMPUTE_STATUS_DISABLED')
    assert ask(request)
    assert [state.host for state in world.hosts_for(request)] == ['unknown']


def test_all_that_have_a_free_slot_are_wrong(world):
    world.host('alpha', machine_type='pc')
    world.host('beta', machine_type='q35', pools={SEV: SlotPool(1, used=1)})
    world.host('gamma', machine_type='pc-i440fx-8.2')
    assert refusal(spec(ON, UEFI)) == (
        'The image names no machine type, and hosts that could run it default '
        'to another than q35. Set it: openstack image set --property '
        'hw_machine_type=q35 ubuntu'
    )
    assert ask(spec(ON, Q35))


def test_a_host_that_publishes_both_may_have_changed_to_q35(world):
    both = world.host('alpha')
    world.set_traits(both, Q35_TRAIT, PC_TRAIT)
    world.host('beta', machine_type='pc')
    request = spec(ON, UEFI)
    assert ask(request)
    # To forbid the trait would keep both out.
    assert request.root_forbidden == set()
    states = world.hosts_for(request)
    assert passing(load_filter(), states, request) == ['alpha']


def test_a_trait_that_only_pools_have_is_asked_of_no_host(world):
    root = world.host('alpha')
    world.set_traits(world.pool(root), 'HW_CPU_X86_AMD_SEV', PC_TRAIT)
    request = spec(ON, UEFI)
    assert ask(request)
    assert request.root_forbidden == set()


def test_a_trait_deleted_since_is_not_forbidden(world):
    """Placement would refuse nova's query, and no guest were placed."""
    root = world.host('alpha', machine_type='pc')
    world.host('beta')
    load_filter()
    last = request_filter.ALL_REQUEST_FILTERS[-1]
    context = nova_context.get_admin_context()
    last(context, first := spec(ON, UEFI))
    assert first.root_forbidden == {PC_TRAIT}

    world.set_traits(root, 'COMPUTE_NODE')
    last(context, second := spec(ON, UEFI))

    # Which traits hosts have is cached.
    assert second.root_forbidden == set()


# No candidate


@pytest.mark.parametrize(
    ('host', 'request_', 'told'),
    [
        pytest.param(
            {'pools': {ES: 5}},
            lambda: spec(),
            'No host offers amd-sev memory encryption; hosts offer '
            'amd-sev-es. If amd-sev-es is wanted: openstack flavor set '
            '--property hw:mem_encryption_model=amd-sev-es m1.sev',
            id='no host has the model',
        ),
        pytest.param(
            {'pools': {SEV: SlotPool(3, used=2, reserved=1), ES: 5}},
            lambda: spec(),
            'All amd-sev slots are taken now. Try again later, or delete an '
            'encrypted server.',
            id='all slots are used',
        ),
        pytest.param(
            {'vcpus': 4},
            lambda: spec(flavor=flavor(vcpus=5)),
            # No host has as many, used or not.
            'No host with a free amd-sev slot has enough VCPU left. Use a '
            'smaller flavor.',
            id='a CPU too few where slots are free',
        ),
        pytest.param(
            {},
            lambda: spec(
                requested_destination=objects.Destination(
                    aggregates=[AGGREGATE]
                )
            ),
            'No host with a free amd-sev slot is available to this project '
            "or zone. Choose another availability zone, or ask the cloud's "
            'operator.',
            id='no host of the zone has slots',
        ),
    ],
)
def test_without_a_candidate_the_fault_says_why(world, host, request_, told):
    world.host('alpha', **host)
    assert refusal(request_()) == told


@pytest.mark.parametrize(
    'request_',
    [
        pytest.param(lambda: spec(flavor=flavor(vcpus=4)), id='all CPUs'),
        pytest.param(
            lambda: spec(
                requested_destination=objects.Destination(
                    aggregates=[f'{OTHER},{AGGREGATE}'],
                    forbidden_aggregates={OTHER},
                )
            ),
            id='its own zone',
        ),
        pytest.param(
            lambda: spec(requested_destination=objects.Destination()),
            id='a destination that says nothing',
        ),
        pytest.param(
            lambda: spec(is_bfv=True, flavor=flavor(root_gb=9999)),
            id='a large disk that is a volume',
        ),
    ],
)
def test_a_request_that_just_fits_is_let_through(world, request_):
    world.host('alpha', vcpus=4, aggregates=())
    root = next(iter(world.states))
    world.placement.providers[root].aggregates = {AGGREGATE}
    assert ask(request_())


def test_forbidden_aggregates_and_traits_of_nova_s_filters_count(world):
    world.host('alpha')
    request = spec()
    request.root_forbidden.add('HW_CPU_X86_AMD_SEV')
    assert ask(request)
    request.root_required.add('COMPUTE_NODE')
    assert 'amd-sev' in refusal(request)


def test_the_explanation_can_be_turned_off(world, configured):
    configured(explain_no_candidates=False)
    world.host('alpha', pools={}, machine_type='q35')
    world.placement.calls.clear()
    assert ask(spec(ON, Q35))
    assert world.calls == []
    # Problems and machine types are still its business.
    world.host('beta', machine_type='pc')
    request = spec(ON, UEFI)
    assert ask(request)
    assert request.root_forbidden == {PC_TRAIT}
    assert 'hw_firmware_type' in refusal(spec(ON, {}))


def test_a_guest_that_fits_costs_one_call(world):
    world.host('alpha')
    load_filter()
    last = request_filter.ALL_REQUEST_FILTERS[-1]
    context = nova_context.get_admin_context()
    last(context, spec())
    world.placement.calls.clear()
    last(context, spec())
    ((method, _),) = world.placement.calls
    assert method == 'allocation_candidates'


def asked_of(world):
    """Return the host that each query for candidates names."""
    found = [query.in_tree for _, query in world.placement.calls]
    world.placement.calls.clear()
    return found


def test_the_host_that_served_last_is_asked_for_before_all_others(world):
    """Of a large cloud Placement answers that far sooner."""
    first, second = sorted(
        world.host(name, pools={SEV: SlotPool(1)}) for name in ('a', 'b')
    )
    load_filter()
    last = request_filter.ALL_REQUEST_FILTERS[-1]
    context = nova_context.get_admin_context()
    last(context, spec())
    assert asked_of(world) == [None]
    last(context, spec())
    assert asked_of(world) == [first]
    # It is full by now: of all, it is asked what is answered sooner.
    world.claim(world.pool(first))
    world.placement.calls.clear()
    last(context, spec())
    assert asked_of(world) == [first, None, None]
    last(context, spec())
    assert asked_of(world) == [second]


@pytest.mark.parametrize('hosts', [1, 30])
def test_one_that_does_not_fit_costs_fifteen_at_most(world, hosts):
    for number in range(hosts):
        world.host(f'host-{number}', vcpus=4)
    world.placement.calls.clear()
    refusal(spec(flavor=flavor(vcpus=5)))
    assert len(world.calls) <= 15


@pytest.mark.parametrize(
    ('extra_specs', 'asks'),
    [(None, True), ({}, False), ({'hw:mem_encryption': 'maybe'}, False)],
)
def test_only_for_an_encrypted_guest_anything_is_asked_ahead(
    world, monkeypatch, extra_specs, asks
):
    world.host('alpha')
    asked = []
    monkeypatch.setattr(Lookups, 'ask_ahead', lambda self: asked.append(self))
    with contextlib.suppress(exception.RequestFilterFailed):
        ask(spec() if extra_specs is None else spec(extra_specs, {}))
    assert len(asked) == asks


def test_snp_asks_for_what_nova_asks_for(world):
    world.host('alpha', pools={'amd-sev-snp': 5})
    assert 'hw_firmware_stateless' in refusal(spec(ON_SNP, READY))


def test_what_other_request_filters_ask_for_is_no_matter_of_service(world):
    world.host('alpha')
    request = spec()
    request.root_required.add('CUSTOM_LICENSED')
    assert 'in service' not in refusal(request)
    request = spec()
    request.root_required.add('OWNER_NOVA')
    assert 'in service' in refusal(request)


# Several guests


def clouds(**hosts):
    return list(hosts.items())


TWO_AND_ONE = clouds(alpha={'pools': {SEV: 2}}, beta={'pools': {SEV: 1}})


@pytest.mark.parametrize(
    ('hosts', 'guests', 'fit'),
    [
        pytest.param(TWO_AND_ONE, 3, None, id='all of them fit'),
        pytest.param(TWO_AND_ONE, 4, 3, id='one slot too few'),
        pytest.param(
            clouds(alpha={'pools': {SEV: SlotPool(9, used=7, reserved=1)}}),
            2,
            1,
            id='reserved and used slots do not count',
        ),
        pytest.param(
            clouds(
                alpha={'memory_mb': 9000, 'pools': {SEV: 9}},
                beta={'memory_mb': 90000, 'pools': {SEV: 1}},
            ),
            4,
            3,
            id='two by its memory, and one by its slots',
        ),
        pytest.param(
            clouds(alpha={'pools': {SEV: 1, ES: 9}}),
            2,
            1,
            id="another model's slots do not count",
        ),
        pytest.param(
            clouds(alpha={'pools': {SEV: 9}, 'nested': False}),
            9,
            None,
            id='a flat provider',
        ),
    ],
)
def test_all_guests_of_a_request_must_fit_before_the_first_is_claimed(
    world, hosts, guests, fit
):
    for name, facts in hosts:
        world.host(name, **facts)
    request = spec(num_instances=guests)
    if fit is None:
        assert ask(request)
        return
    assert f'{fit} of {guests} fit' in refusal(request)
    # One less is fine.
    assert ask(spec(num_instances=fit))


@pytest.mark.parametrize(
    'fields',
    [
        {'scheduler_hints': {'group': [OTHER]}},
        {'scheduler_hints': {'same_host': [OTHER]}},
        {'scheduler_hints': {'different_host': [OTHER]}},
    ],
)
def test_where_filters_of_nova_decide_it_stays_out_of_the_way(world, fields):
    world.host('alpha', pools={SEV: 1})
    assert ask(spec(num_instances=2, **fields))


def test_a_server_of_several_that_is_moved_is_one(world):
    world.host('alpha', pools={SEV: 1})
    assert ask(move_spec(num_instances=9))


def test_more_candidates_than_an_answer_has_are_not_counted(
    world, monkeypatch
):
    for number in range(3):
        world.host(f'host-{number}', pools={SEV: 1})
    monkeypatch.setattr('sev_scheduling.nova.request_filter.MAX_CANDIDATES', 3)
    assert ask(spec(num_instances=9))


def test_where_none_of_several_fits_the_reason_is_named(world):
    world.host('alpha', pools={SEV: SlotPool(1, used=1)})
    assert 'are taken now' in refusal(spec(num_instances=2))


def test_pinned_guests_fit_by_either_query_of_nova(world):
    world.host('alpha', vcpus=4, pools={SEV: 2})
    request = partial(spec, PINNED, flavor=flavor(PINNED, vcpus=1))
    assert ask(request(num_instances=2))
    assert '2 of 3 fit' in refusal(request(num_instances=3))


# What tenants must not read


def test_no_fault_names_a_host_a_provider_or_a_number(world):
    root = world.host(
        'alpha', vcpus=4, pools={SEV: SlotPool(7, used=6)}, machine_type='pc'
    )
    world.host('beta', pools={ES: SlotPool(7, used=7)}, machine_type='q35')
    faults = [
        refusal(request)
        for request in (
            spec(flavor=flavor(vcpus=5)),
            spec({**ON, 'hw:mem_encryption_model': ES}),
            spec(ON_SNP, READY),
            spec(ON, UEFI),
        )
    ]
    secrets = ['alpha', 'beta', root, world.pool(root)]
    for fault in faults:
        assert not any(secret in fault for secret in secrets)
        assert not re.search(r'\b\d+ (of|hosts?|slots?)\b', fault)


# Its place among nova's request filters


def ours():
    return [
        known
        for known in request_filter.ALL_REQUEST_FILTERS
        if isinstance(known, RequestFilter)
    ]


def test_it_is_installed_once_however_many_filters_there_are():
    before = list(request_filter.ALL_REQUEST_FILTERS)
    assert ours() == []
    for _ in range(3):
        load_filter()
        assert len(ours()) == 1
    assert request_filter.ALL_REQUEST_FILTERS[:-1] == before
    assert request_filter.ALL_REQUEST_FILTERS[-1] is ours()[0]


def test_it_is_gone_where_the_option_is_off(configured):
    before = list(request_filter.ALL_REQUEST_FILTERS)
    load_filter()
    configured(request_filter=False)
    load_filter()
    assert before == request_filter.ALL_REQUEST_FILTERS


def test_nova_s_debug_log_names_it(world, caplog):
    world.host('alpha')
    with caplog.at_level(logging.DEBUG):
        ask(spec())
    assert any(
        "'memory_encryption_request_filter' took" in record.getMessage()
        for record in caplog.records
    )


def test_nova_runs_it_after_its_own(world):
    """All of them, as nova-scheduler does."""
    world.host('alpha')
    load_filter()
    del request_filter.ALL_REQUEST_FILTERS[:-1]
    with pytest.raises(exception.RequestFilterFailed):
        request_filter.process_reqspec(
            nova_context.get_admin_context(), spec(ON, {})
        )


IDE = {**Q35, 'hw_disk_bus': 'ide'}


def test_what_is_wrong_with_a_server_is_logged_once_when_it_moves(
    world, caplog
):
    world.host('alpha')
    world.servers[SERVER] = StoredServer(flavor(), None)
    with caplog.at_level(logging.INFO):
        assert ask(move_spec(ON, IDE)) is True
    (record,) = [
        r
        for r in caplog.records
        if r.name == 'sev_scheduling.nova.request_filter'
    ]
    assert (
        'nova-manage image_property set --property hw_disk_bus=virtio '
        f'{SERVER}' in record.getMessage()
    )


def test_a_move_is_refused_for_what_its_new_flavor_brings(world):
    world.host('alpha')
    world.servers[SERVER] = StoredServer(flavor(), None)
    gpu = {**ON, 'pci_passthrough:alias': 'gpu:1'}
    assert 'Resize the server to another flavor.' in refusal(move_spec(gpu))


@pytest.mark.parametrize(
    'request_',
    [
        pytest.param(
            lambda: move_spec({'hw:mem_encryption': 'enabled'}),
            id='a server that nova runs unencrypted',
        ),
        pytest.param(
            lambda: move_spec({**ON, 'hw:mem_encryption_model': 'amd-foo'}),
            id='one of a model that is not known here',
        ),
        pytest.param(
            lambda: move_spec({}, {**Q35, 'hw_mem_encryption': 'maybe'}),
            id='one whose image nova read as off',
        ),
    ],
)
def test_moves_that_are_left_to_nova(world, request_):
    assert ask(request_()) is False


@pytest.mark.parametrize('recorded', ['pc-q35-8.2', None])
def test_a_move_is_kept_off_no_host_by_the_query(world, recorded):
    """The filter judges the hosts, and says why."""
    world.host('alpha', machine_type='q35')
    world.host('beta', machine_type='pc')
    world.servers[SERVER] = StoredServer(flavor(), recorded)
    request = move_spec(ON, UEFI)
    assert ask(request) is True
    assert request.root_required == request.root_forbidden == set()


def test_a_full_cloud_refuses_a_move(world):
    world.host('alpha', pools={SEV: SlotPool(1, 0, 1)})
    assert 'All amd-sev slots are taken now.' in refusal(move_spec())


def test_a_fault_of_ours_leaves_the_request_as_it_was(world, caplog):
    world.host('alpha', machine_type='pc')
    world.host('beta', machine_type='q35')
    request = spec(ON, UEFI)
    with mock.patch(
        'sev_scheduling.nova.request_filter.host_with_candidate',
        side_effect=KeyError,
    ):
        assert ask(request) is False
    assert request.root_forbidden == set()
    (record,) = [r for r in caplog.records if r.exc_info]
    assert record.levelname == 'ERROR'
    # As it is without one.
    assert ask(request) is True
    assert request.root_forbidden == {PC_TRAIT}
