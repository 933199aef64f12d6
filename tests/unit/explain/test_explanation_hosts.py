import dataclasses

import pytest

from sev_scheduling import (
    Host,
    SlotPool,
    VerdictCode,
    explain,
    filter_hosts,
    judge,
)
from sev_scheduling.diagnosis import Feasibility
from sev_scheduling.explain.catalogue.rows import ASK_OPERATOR, TRY_LATER
from sev_scheduling.explain.host_rows import where_it_fits
from sev_scheduling.hosts.verdict import FilterResult
from tests.unit.explain.test_explanation_causes import steps
from tests.unit.factories import encrypted, plain

OPEN = {'hw_machine_type': None}
SET_Q35 = 'openstack image set --property hw_machine_type=q35 ubuntu'

IF_Q35 = 'if the image runs on q35'
OR_HOSTS = (
    'or set [libvirt] hw_machine_type = x86_64=q35 in nova.conf of every such '
    'host'
)


def host(name='a', pools=None, **changes):
    return Host(
        name=name,
        pools={'amd-sev': SlotPool(15)} if pools is None else pools,
        **changes,
    )


def reasons(hosts, properties=OPEN, *, model=None, **kwargs):
    request = encrypted({}, properties, model=model)
    return explain(filter_hosts(request, hosts, **kwargs)).reasons


ES = SlotPool(9)
SNP = SlotPool(3)


@pytest.mark.parametrize(
    ('model', 'properties', 'cloud', 'kwargs', 'words', 'of_first'),
    [
        pytest.param(
            'amd-sev', {}, [host(pools={})], {},
            ('offers no amd-sev slots', '',
             'No host offers amd-sev memory encryption.', ASK_OPERATOR),
            ('a offers no amd-sev slots.',
             'Use hosts that offer amd-sev.'),
            id='no pool',
        ),
        pytest.param(
            'amd-sev-es', {},
            [host(pools={'amd-sev-es': ES, 'amd-sev-snp': SNP})] * 2, {},
            ('offer amd-sev-snp too, which amd-sev-es must not share a host '
             'with (CVE-2025-48514)',
             'if amd-sev-snp is wanted: openstack flavor set --property '
             'hw:mem_encryption_model=amd-sev-snp m1',
             'Hosts with amd-sev-es also offer amd-sev-snp, and the '
             'two must not share a host (CVE-2025-48514).',
             'If amd-sev-snp is wanted: openstack flavor set --property '
             'hw:mem_encryption_model=amd-sev-snp m1'),
            ('a offers amd-sev-snp too, which amd-sev-es must not share a '
             'host with (CVE-2025-48514).',
             'Use hosts that offer amd-sev-es without amd-sev-snp.'),
            id='excluded by a model',
        ),
        pytest.param(
            'amd-sev', {},
            [host(hypervisor_type='z'), host(hypervisor_type='VMware')], {},
            ('run VMware or z; amd-sev needs qemu or kvm', '',
             'Hosts with amd-sev slots cannot run encrypted guests.',
             ASK_OPERATOR),
            None,
            id='hypervisors',
        ),
        pytest.param(
            'amd-sev', {}, [host(hypervisor_type='VMware')], {},
            ('runs VMware; amd-sev needs qemu or kvm', '',
             'Hosts with amd-sev slots cannot run encrypted guests.',
             ASK_OPERATOR),
            ('a runs VMware; amd-sev needs qemu or kvm.',
             'Use hosts with libvirt and KVM.'),
            id='one hypervisor',
        ),
        pytest.param(
            'amd-sev', OPEN, [host(machine_types={'x86_64': 'pc'})], {},
            ('defaults to machine type pc; amd-sev needs q35',
             f'{IF_Q35}: {SET_Q35}; {OR_HOSTS}',
             'The image names no machine type, and hosts give it pc; amd-sev '
             'needs q35.', f'Set it: {SET_Q35}'),
            ('a defaults to machine type pc; amd-sev needs q35.',
             SET_Q35),
            id='a default of pc',
        ),
        pytest.param(
            'amd-sev', OPEN, [host()] * 2,
            {'require_known_machine_type': True},
            ('do not publish their default machine type; amd-sev needs q35',
             f'{IF_Q35}: {SET_Q35}; {OR_HOSTS}',
             'The image names no machine type; amd-sev needs q35.',
             f'Set it: {SET_Q35}'),
            ('a does not publish its default machine type; amd-sev needs '
             'q35.',
             SET_Q35),
            id='defaults that must be known',
        ),
        pytest.param(
            'amd-sev', {'hw_machine_type': 'pc'}, [host()], {},
            ('was asked for pc; amd-sev needs q35',
             f'{IF_Q35}: {SET_Q35}; {OR_HOSTS}',
             'The image asks for machine type pc; amd-sev needs q35.',
             f'Set it: {SET_Q35}'),
            None,
            id='the image says pc',
        ),
        pytest.param(
            'amd-sev', {}, [host('epyc-1', ram_allocation_ratio=1.5)], {},
            ('overcommits memory (ram_allocation_ratio 1.5); amd-sev pins it',
             'set ram_allocation_ratio = 1.0 in nova.conf of epyc-1',
             'Hosts with amd-sev slots are not set up for encrypted guests.',
             ASK_OPERATOR),
            ('epyc-1 overcommits memory (ram_allocation_ratio 1.5); amd-sev '
             'pins it.',
             'Set ram_allocation_ratio = 1.0 in nova.conf of epyc-1.'),
            id='one host overcommits',
        ),
        pytest.param(
            'amd-sev', {},
            [host(ram_allocation_ratio=2.0), host(ram_allocation_ratio=1.5)],
            {},
            ('overcommit memory (ram_allocation_ratio 1.5 to 2); amd-sev '
             'pins it',
             'set ram_allocation_ratio = 1.0 in nova.conf of these hosts',
             'Hosts with amd-sev slots are not set up for encrypted guests.',
             ASK_OPERATOR),
            None,
            id='hosts overcommit',
        ),
        pytest.param(
            'amd-sev', {}, [host(pools={'amd-sev': SlotPool(15, 0, 15)})], {},
            ('has no free amd-sev slot (15 of 15 in use)', '',
             'All amd-sev slots that it could use are taken now.', TRY_LATER),
            None,
            id='one host is full',
        ),
        pytest.param(
            'amd-sev', {},
            [host(pools={'amd-sev': SlotPool(15, 1, 14)}),
             host(pools={'amd-sev': SlotPool(1, 3)})],
            {},
            ('have no free amd-sev slot (14 of 14 in use, 4 reserved)', '',
             'All amd-sev slots that it could use are taken now.', TRY_LATER),
            ('a has no free amd-sev slot (14 of 14 in use, 1 reserved).',
             'Wait until a guest on a is deleted, or add hosts.'),
            id='hosts are full or reserved',
        ),
    ],
)  # fmt: skip
def test_words_for_operators_and_tenants(
    model, properties, cloud, kwargs, words, of_first
):
    (reason,) = reasons(cloud, properties, model=model, **kwargs)

    assert reason.hosts == len(cloud)
    assert (
        reason.text,
        steps(reason),
        reason.tenant_text,
        reason.tenant_fix,
    ) == words
    if of_first:
        request = encrypted({}, properties, model=model)
        verdict = judge(request, cloud[0], **kwargs)
        assert (verdict.message, verdict.fix) == of_first


def test_machine_types_are_kept_apart():
    cloud = [
        host(machine_types={'x86_64': 'pc'}),
        host(machine_types={'x86_64': 'virt'}),
        host(machine_types={'x86_64': 'pc'}),
    ]

    assert [(r.hosts, r.text) for r in reasons(cloud)] == [
        (2, 'default to machine type pc; amd-sev needs q35'),
        (1, 'defaults to machine type virt; amd-sev needs q35'),
    ]


def test_several_models_are_kept_apart():
    request = encrypted(models=['amd-sev-snp', 'amd-sev'])
    full = SlotPool(1, 0, 1)
    cloud = [
        Host(name='a', pools={'amd-sev-snp': full}),
        Host(name='b', pools={'amd-sev': full}),
        Host(name='c'),
    ]
    result = filter_hosts(request, cloud)

    assert [r.text for r in explain(result).reasons] == [
        'offers no amd-sev-snp or amd-sev slots',
        'has no free amd-sev slot (1 of 1 in use)',
        'has no free amd-sev-snp slot (1 of 1 in use)',
    ]


def test_hosts_without_the_model_are_none_of_a_tenants_business():
    cloud = [host(pools={}), host(pools={'amd-sev': SlotPool(1, 0, 1)})]
    no_pool, no_slot = reasons(cloud)

    assert no_pool.code == VerdictCode.NO_POOL
    assert (no_pool.tenant_text, no_pool.tenant_fix) == ('', '')
    assert no_slot.tenant_text


@pytest.mark.parametrize(
    'reserved',
    [
        # As Placement's answers have it, which take reserved slots off.
        SlotPool(0, provider_uuid='p'),
        SlotPool(0, 0, 1, provider_uuid='p'),
    ],
)
def test_slots_that_are_all_reserved_are_there(reserved):
    cloud = [host(pools={'amd-sev': reserved}), host(pools={})]
    steps = {r.text: [s.words for s in r.own_steps] for r in reasons(cloud)}

    assert {r.code for r in reasons(cloud)} == {VerdictCode.NO_POOL}
    assert steps == {
        'offers no amd-sev slots': [],
        'has amd-sev slots, all of them reserved': [
            'lower reserved of MEM_ENCRYPTION_CONTEXT in Placement'
        ],
    }
    (alone,) = reasons(cloud[:1])
    assert alone.tenant_text == 'All amd-sev slots are kept for others.'


@pytest.mark.parametrize(
    ('pool', 'known'),
    [
        # Nobody knows how many there are.
        (SlotPool(0), False),
        (SlotPool(15, 15, provider_uuid='p'), True),
        (SlotPool(15, 14, provider_uuid='p'), False),
    ],
)
def test_slots_are_all_reserved_where_placement_has_some(pool, known):
    (verdict,) = filter_hosts(
        encrypted(), [host(pools={'amd-sev': pool})]
    ).verdicts

    assert verdict.all_reserved is known


def test_of_hosts_alone_nothing_of_the_guest_is_to_be_changed():
    off = frozenset({'COMPUTE_STATUS_DISABLED'})
    disabled = host(traits=off, machine_types={'x86_64': 'pc'})
    result = filter_hosts(
        encrypted(properties={'hw_machine_type': None}), [disabled]
    )
    found = explain(result)

    assert 'openstack image set' in found.operator()
    assert 'openstack image set' not in found.of_hosts().operator()


def test_tenants_whose_guest_fits_read_no_reasons():
    cloud = [host(), host(machine_types={'x86_64': 'pc'})]
    (reason,) = reasons(cloud)

    assert reason.text
    assert (reason.tenant_text, reason.tenant_fix) == ('', '')


@pytest.mark.parametrize(
    ('request_', 'message', 'fix'),
    [
        (encrypted(), 'a can take it: 15 of 15 amd-sev slots free.', ''),
        (
            encrypted(model='arm-cca'),
            'a offers no arm-cca slots.',
            'Use hosts that offer arm-cca.',
        ),
        (plain(), 'a takes any guest that is not encrypted.', ''),
    ],
    ids=['it fits', 'an unknown model', 'not encrypted'],
)
def test_words_about_one_host(request_, message, fix):
    verdict = judge(request_, host())

    assert (verdict.message, verdict.fix) == (message, fix)


def test_a_host_that_reports_no_limit_has_no_numbers():
    verdict = judge(encrypted(), host(pools={'amd-sev': SlotPool(2**31 - 1)}))

    assert verdict.unlimited
    assert verdict.message == (
        'a can take it: it reports no limit of amd-sev slots.'
    )
    found = Feasibility(FilterResult(encrypted(), (verdict,)), {None})
    assert where_it_fits(found) == 'It fits on a.'


def test_a_full_pool_may_be_uncounted():
    verdict = judge(encrypted(), host(pools={'amd-sev': SlotPool(1, 0, 1)}))
    uncounted = dataclasses.replace(verdict, total=0, used=0)

    assert uncounted.message == 'a has no free amd-sev slot.'


def test_an_exclusion_may_have_no_source():
    model = dataclasses.replace(
        encrypted().model, excluded_by=('intel-tdx',), exclusion_source=''
    )
    request = dataclasses.replace(encrypted(), models=(model,))
    pools = {'amd-sev': SlotPool(1), 'intel-tdx': SlotPool(1)}

    assert judge(request, host(pools=pools)).message == (
        'a offers intel-tdx too, which amd-sev must not share a host with.'
    )


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('epyc-1', [('enable epyc-1, by the host name of its compute service',
                     'openstack compute service set --enable epyc-1 '
                     'nova-compute')]),
        ('-a', [('enable -a, by the host name of its compute service',
                 'openstack compute service set --enable -- -a '
                 'nova-compute')]),
        # The name is not known.
        ('u', [('enable u', '')]),
    ],
)  # fmt: skip
def test_a_disabled_host_is_enabled_by_its_service(name, expected):
    disabled = host(name, uuid='u', traits={'COMPUTE_STATUS_DISABLED'})
    (reason,) = reasons([disabled], {})

    assert [(s.text, s.command) for s in reason.steps()] == expected


def test_a_name_that_no_shell_line_can_hold_has_no_command():
    disabled = host('a\nb', uuid='u', traits={'COMPUTE_STATUS_DISABLED'})
    (reason,) = reasons([disabled], {})

    assert [step.command for step in reason.steps()] == ['']


def test_no_other_model_is_proposed_where_a_host_fits():
    other = host('b', {'amd-sev-snp': SNP})
    (reason,) = reasons([host('a'), other], {})

    assert (str(reason.code), reason.steps()) == ('no-pool', ())
