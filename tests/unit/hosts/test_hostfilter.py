import dataclasses

import pytest

from sev_scheduling import (
    Host,
    SlotPool,
    VerdictCode,
    filter_hosts,
    judge,
    validate,
)
from sev_scheduling.models import BUILTIN_MODELS
from tests.unit.factories import encrypted, plain

SEV, SEV_ES, SEV_SNP, TDX = BUILTIN_MODELS
#: The image leaves the machine type to the host.
OPEN = {'hw_machine_type': None}
DISABLED = frozenset({'COMPUTE_STATUS_DISABLED'})

#: A host that takes guests of every model, but for SEV-ES beside SEV-SNP.
READY = Host(
    name='epyc',
    pools={
        model.name: SlotPool(15, 1, 3, f'epyc_{model.provider_suffix}')
        for model in (SEV, SEV_SNP, TDX)
    },
    machine_types={'x86_64': 'q35'},
    ram_allocation_ratio=1.0,
    hypervisor_type='QEMU',
)


def host(*, pool=None, **changes):
    if pool is not None:
        changes['pools'] = {'amd-sev': pool}
    return dataclasses.replace(READY, **changes)


def test_a_host_that_fits_says_so_with_numbers():
    verdict = judge(encrypted(), READY)

    assert verdict.fits
    assert verdict.code is None
    assert not verdict.permanent
    assert verdict.model is SEV
    assert (verdict.total, verdict.reserved, verdict.used, verdict.free) == (
        15,
        1,
        3,
        11,
    )
    assert verdict.machine_type == 'q35'
    assert verdict.ram_allocation_ratio == 1.0
    assert verdict.provider_uuid == 'epyc_amd_sev'


def test_every_host_takes_a_guest_that_is_not_encrypted():
    verdict = judge(plain(), Host(name='old'))

    assert verdict.fits
    assert verdict.model is None
    assert not verdict.permanent
    assert (verdict.total, verdict.reserved, verdict.used, verdict.free) == (
        *(0, 0, 0, 0),
    )


@pytest.mark.parametrize(
    'pools',
    [
        pytest.param({}, id='no pools'),
        pytest.param({'intel-tdx': SlotPool(5)}, id="another model's pool"),
        pytest.param({'amd-sev': SlotPool(0)}, id='an empty pool'),
    ],
)
def test_a_host_without_slots_of_the_model(pools):
    verdict = judge(encrypted(), host(pools=pools))

    assert (verdict.code, verdict.permanent) == (VerdictCode.NO_POOL, True)


def test_no_host_has_slots_of_an_unknown_model():
    verdict = judge(encrypted(model='arm-cca'), READY)

    assert (verdict.code, verdict.model) == (VerdictCode.NO_POOL, None)


@pytest.mark.parametrize(
    ('snp', 'fits'),
    [(None, True), (SlotPool(0), True), (SlotPool(1, 1), False)],
    ids=['no SNP pool', 'an empty SNP pool', 'an SNP pool'],
)
def test_sev_es_does_not_share_a_host_with_sev_snp(snp, fits):
    pools = {'amd-sev-es': SlotPool(15)}
    if snp:
        pools['amd-sev-snp'] = snp
    verdict = judge(encrypted(model='amd-sev-es'), host(pools=pools))

    assert verdict.fits is fits
    if not fits:
        assert verdict.code is VerdictCode.EXCLUDED_BY_MODEL
        assert verdict.excluded_by == 'amd-sev-snp'
        assert verdict.permanent


@pytest.mark.parametrize('hypervisor', ['QEMU', 'kvm', 'KVM', None, ''])
def test_hypervisors_that_will_do_or_are_unknown(hypervisor):
    assert judge(encrypted(), host(hypervisor_type=hypervisor)).fits


def test_another_hypervisor_cannot_run_it():
    verdict = judge(encrypted(), host(hypervisor_type='VMware vCenter'))

    assert verdict.code is VerdictCode.HYPERVISOR_UNSUPPORTED
    assert verdict.permanent


@pytest.mark.parametrize(
    ('of_image', 'of_host', 'machine_type', 'fits'),
    [
        pytest.param(None, {'x86_64': 'q35'}, 'q35', True, id='q35'),
        pytest.param(
            None, {'x86_64': 'pc-q35-8.2'}, 'pc-q35-8.2', True, id='a version'
        ),
        pytest.param('q35', {'x86_64': 'pc'}, 'q35', True, id='by the image'),
        pytest.param(None, {}, None, True, id='the host publishes none'),
        pytest.param(None, {'x86_64': None}, None, True, id='it says None'),
        pytest.param(None, {'x86_64': ''}, None, True, id='it says nothing'),
        pytest.param(
            None, {'aarch64': 'virt'}, None, True, id='other architecture'
        ),
        pytest.param(
            None, {'x86_64': 'pc'}, 'pc', False, id='the host defaults to pc'
        ),
        pytest.param(
            'pc\n', {'x86_64': 'q35'}, r'pc\n', False, id='the image says pc'
        ),
        pytest.param(
            '', {'x86_64': 'q35'}, '', False, id='the image says nothing'
        ),
    ],
)
def test_machine_types(of_image, of_host, machine_type, fits):
    request = encrypted({}, {'hw_machine_type': of_image})
    verdict = judge(request, host(machine_types=of_host))

    assert verdict.machine_type == machine_type
    assert verdict.fits is fits
    if not fits:
        assert verdict.code is VerdictCode.MACHINE_TYPE_NOT_Q35
        assert verdict.permanent


def test_the_default_of_the_guests_architecture_counts():
    request = encrypted({}, {'hw_architecture': 'aarch64', **OPEN})
    types = {'x86_64': 'q35', 'aarch64': 'virt'}

    assert judge(request, host(machine_types=types)).machine_type == 'virt'


def test_a_caller_may_want_to_know_the_machine_type():
    silent = host(machine_types={})
    request = encrypted({}, OPEN)

    assert judge(request, silent).fits
    verdict = judge(request, silent, require_known_machine_type=True)
    assert verdict.code is VerdictCode.MACHINE_TYPE_NOT_Q35
    assert not filter_hosts(
        request, [silent], require_known_machine_type=True
    ).accepted
    assert judge(encrypted(), silent, require_known_machine_type=True).fits


@pytest.mark.parametrize(
    ('model', 'ratio', 'page_size', 'fits'),
    [
        pytest.param('amd-sev', 1.0, None, True, id='not overcommitted'),
        pytest.param('amd-sev', 0.9, None, True, id='less than all of it'),
        pytest.param('amd-sev', 1.01, None, False, id='a little'),
        pytest.param('amd-sev', 1.5, None, False, id='overcommitted'),
        pytest.param('amd-sev', None, None, True, id='unknown'),
        pytest.param('amd-sev', 1.5, 'large', True, id='with huge pages'),
        pytest.param('amd-sev', 1.5, '', False, id='an empty page size'),
        pytest.param('amd-sev-es', 1.5, None, False, id='SEV-ES pins too'),
        pytest.param('amd-sev-snp', 1.5, None, False, id='SEV-SNP too'),
        pytest.param('amd-sev-snp', 1.0, None, True, id='SEV-SNP at 1.0'),
        pytest.param('amd-sev-snp', 1.5, 'large', True, id='SEV-SNP, pages'),
        pytest.param('intel-tdx', 1.5, None, False, id='TDX too'),
    ],
)
def test_overcommitted_memory(model, ratio, page_size, fits):
    specs = {} if page_size is None else {'hw:mem_page_size': page_size}
    verdict = judge(
        encrypted(specs, model=model),
        host(ram_allocation_ratio=ratio, pools={model: SlotPool(1)}),
    )

    assert verdict.fits is fits
    assert verdict.ram_allocation_ratio == ratio
    if not fits:
        assert verdict.code is VerdictCode.MEMORY_OVERCOMMITTED
        assert verdict.permanent


@pytest.mark.parametrize(
    ('pool', 'fits'),
    [
        pytest.param(SlotPool(15, 0, 14), True, id='one is left'),
        pytest.param(SlotPool(15, 1, 13), True, id='one beside the reserved'),
        pytest.param(SlotPool(15, 0, 15), False, id='all used'),
        pytest.param(SlotPool(15, 1, 14), False, id='reserved'),
        pytest.param(SlotPool(15, 0, 16), False, id='too many'),
        pytest.param(SlotPool(15, 15), False, id='all reserved'),
        pytest.param(SlotPool(1, 2), False, id='over-reserved'),
    ],
)
def test_free_slots(pool, fits):
    verdict = judge(encrypted(), host(pool=pool))

    assert verdict.fits is fits
    assert (verdict.total, verdict.reserved, verdict.used, verdict.free) == (
        *(pool.total, pool.reserved, pool.used, pool.free),
    )
    if not fits:
        assert verdict.code is VerdictCode.NO_FREE_SLOT
        assert not verdict.permanent


#: Each makes one more thing wrong, the last judged first.
WRONGS = [
    {'pools': {'amd-sev-es': SlotPool(1, 0, 1)}},
    {'ram_allocation_ratio': 2.0},
    {'machine_types': {'x86_64': 'pc'}},
    {'hypervisor_type': 'ironic'},
    {'traits': DISABLED},
    {'pools': {'amd-sev-es': SlotPool(1, 0, 1), 'amd-sev-snp': SlotPool(1)}},
    {'pools': {'amd-sev-snp': SlotPool(1)}},
]


def test_a_host_says_one_thing_in_the_order_of_judgement():
    request = encrypted({}, OPEN, model='amd-sev-es')
    changes, codes = {}, []
    for wrong in WRONGS:
        changes |= wrong
        codes.append(judge(request, host(**changes)).code)

    assert codes == [*reversed(VerdictCode)]


FULL, FREE = SlotPool(1, 0, 1), SlotPool(1)


@pytest.mark.parametrize(
    ('pools', 'ratio', 'model', 'code'),
    [
        pytest.param(
            {'amd-sev-snp': FREE, 'amd-sev': FREE}, 1.0, SEV_SNP, None,
            id='the best',
        ),
        pytest.param(
            {'amd-sev-snp': FULL, 'amd-sev': FREE}, 1.0, SEV, None,
            id='the best that has a slot',
        ),
        pytest.param({'amd-sev': FREE}, 1.0, SEV, None, id='the only one'),
        pytest.param(
            {'amd-sev-snp': FULL}, 1.0, SEV_SNP, 'no-free-slot',
            id='a slot may become free',
        ),
        pytest.param(
            {'amd-sev-snp': FULL, 'amd-sev-es': FREE}, 1.0, SEV_SNP,
            'no-free-slot', id='what may change goes before what cannot',
        ),
        pytest.param(
            {'amd-sev': FREE}, 2.0, SEV, 'memory-overcommitted',
            id='what is wrong with a pool goes before no pool',
        ),
        pytest.param({}, 1.0, SEV_ES, 'no-pool', id='none of them'),
    ],
)  # fmt: skip
def test_any_of_several_models(pools, ratio, model, code):
    request = encrypted(models=['amd-sev-es', 'amd-sev-snp', 'amd-sev'])
    verdict = judge(request, host(pools=pools, ram_allocation_ratio=ratio))

    assert (verdict.model, verdict.code) == (model, code)


@pytest.mark.parametrize('stateless', ['true', None])
def test_a_model_that_the_image_rules_out_is_not_given(stateless):
    request = encrypted(
        {},
        {'hw_firmware_stateless': stateless},
        models=['amd-sev-snp', 'amd-sev'],
    )

    assert judge(request, READY).model is (SEV_SNP if stateless else SEV)


@pytest.mark.parametrize('prepare', [lambda request: request, validate])
def test_hosts_are_judged_without_a_model_that_the_image_rules_out(prepare):
    stateful = {'hw_firmware_stateless': None}
    request = prepare(
        encrypted({}, stateful, models=['amd-sev-snp', 'amd-sev'])
    )
    snp_alone = host(pools={'amd-sev-snp': SlotPool(15)})

    result = filter_hosts(request, [snp_alone])

    assert result.request.models == (SEV,)
    assert result.rejected[0].request.models == (SEV,)


def test_where_the_image_rules_out_all_models_hosts_are_judged_by_all():
    request = encrypted(
        {}, {'hw_firmware_type': None}, models=['amd-sev-snp', 'amd-sev']
    )

    assert judge(request, READY).model is SEV_SNP


def test_hosts_are_filtered_in_their_order():
    hosts = [
        host(name='a'),
        host(name='b', pool=SlotPool(1, 0, 1)),
        host(name='c'),
        host(name='d', pools={}),
    ]
    result = filter_hosts(encrypted(), iter(hosts))

    assert result.accepted == (hosts[0], hosts[2])
    assert [(v.host.name, v.code) for v in result.rejected] == [
        ('b', 'no-free-slot'),
        ('d', 'no-pool'),
    ]
    assert [v.host for v in result.verdicts] == hosts
    assert filter_hosts(encrypted(), []).verdicts == ()


@pytest.mark.parametrize(
    ('changes', 'code'),
    [
        ({}, VerdictCode.HOST_DISABLED),
        ({'pools': {}}, VerdictCode.NO_POOL),
        ({'hypervisor_type': 'VMware'}, VerdictCode.HOST_DISABLED),
        ({'pool': SlotPool(1, used=1)}, VerdictCode.HOST_DISABLED),
    ],
)
def test_a_disabled_host_takes_no_guest(changes, code):
    verdict = judge(encrypted(), host(traits=DISABLED, **changes))

    assert (verdict.fits, verdict.code) == (False, code)
    assert verdict.permanent is (code is VerdictCode.NO_POOL)


def test_not_even_one_that_is_not_encrypted():
    verdict = judge(plain(), Host(name='a', traits=DISABLED))

    assert (verdict.code, verdict.permanent) == ('host-disabled', False)
    assert judge(plain(), Host(name='a')).fits


@pytest.mark.parametrize(
    ('pool', 'free'),
    [
        (SlotPool(4, used=4, allocation_ratio=2.0), 4),
        (SlotPool(4, reserved=1, used=5, allocation_ratio=2.0), 1),
        (SlotPool(4, reserved=1, used=6, allocation_ratio=2.0), 0),
        (SlotPool(3, used=1, allocation_ratio=0.5), 0),
        (SlotPool(5, used=1, allocation_ratio=0.5), 1),
        (SlotPool(1, reserved=3), 0),
    ],
)
def test_the_allocation_ratio_of_slots_counts(pool, free):
    verdict = judge(encrypted(), host(pool=pool))

    assert (pool.free, verdict.free, verdict.fits) == (free, free, free > 0)


#: Verdict -> what brings it about, on a host that is fine otherwise.
FAULTS = {
    VerdictCode.EXCLUDED_BY_MODEL: {'snp': SlotPool(1)},
    VerdictCode.HOST_DISABLED: {'traits': DISABLED},
    VerdictCode.HYPERVISOR_UNSUPPORTED: {'hypervisor_type': 'VMware'},
    VerdictCode.MACHINE_TYPE_NOT_Q35: {'machine_types': {'x86_64': 'pc'}},
    VerdictCode.MEMORY_OVERCOMMITTED: {'ram_allocation_ratio': 1.5},
    VerdictCode.NO_FREE_SLOT: {'es': SlotPool(15, used=15)},
}


@pytest.mark.parametrize('number', range(2 ** len(FAULTS)))
def test_all_faults_of_a_host_are_found_in_the_order_of_judging(number):
    expected = [code for n, code in enumerate(FAULTS) if number & 1 << n]
    changes = {k: v for code in expected for k, v in FAULTS[code].items()}
    pools = {'amd-sev-es': changes.pop('es', SlotPool(15))}
    if snp := changes.pop('snp', None):
        pools['amd-sev-snp'] = snp
    request = encrypted({}, OPEN, model='amd-sev-es')
    verdict = judge(request, host(pools=pools, **changes))

    assert [*verdict.faults] == expected
    assert verdict.code == (expected[0] if expected else None)
    assert verdict.fits is not bool(expected)


def test_a_host_without_a_pool_has_no_other_fault():
    verdict = judge(encrypted(), host(pools={}, traits=DISABLED))

    assert verdict.faults == (VerdictCode.NO_POOL,)
