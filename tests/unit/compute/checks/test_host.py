import dataclasses

import pytest

from sev_scheduling.compute.checks import host
from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.detection import HostEvidence
from sev_scheduling.compute.sources.kernel import EncryptionLeaf
from sev_scheduling.compute.sources.memory import HostMemory
from sev_scheduling.compute.sources.nova_conf import NovaSettings
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import Status
from sev_scheduling.models import find_model
from tests.unit.compute import samples

SUCCESS, WARNING, FAILURE = Status

MILAN = samples.facts(samples.MILAN)
GENOA = samples.facts(samples.GENOA)
TDX = samples.facts(samples.TDX)
INTEL = samples.facts(samples.INTEL)
NAPLES = samples.facts('naples-kernel-5.4-libvirt-7.0')
OLD_LIBVIRT = samples.facts('genoa-snp-kernel-6.12-libvirt-9.0')
STALE_LIBVIRT = samples.facts('genoa-stale-libvirt-kernel-6.8-libvirt-10.0')

BOTH = {'sev_snp': True, 'sev_es': True}

NO_SEV = EncryptionLeaf(False, False, False, 0, 0)


def leaf(first):
    return EncryptionLeaf(True, True, True, 509, first)


def asked(facts, **changes):
    return dataclasses.replace(facts, **changes)


@pytest.mark.parametrize(
    ('facts', 'status', 'code'),
    [
        pytest.param(
            asked(MILAN, leaf=leaf(100)),
            SUCCESS,
            'processor-slots',
            id='CPUID has it',
        ),
        pytest.param(
            asked(MILAN, leaf=leaf(1)),
            WARNING,
            'processor-no-es-slots',
            id='the BIOS leaves SEV-ES none',
        ),
        pytest.param(
            asked(INTEL, leaf=NO_SEV),
            FAILURE,
            'processor-without-sev',
            id='CPUID lacks it',
        ),
        pytest.param(
            asked(TDX, leaf=NO_SEV),
            SUCCESS,
            'processor-other',
            id='a leaf without SEV, but TDX',
        ),
        pytest.param(
            MILAN, SUCCESS, 'processor-not-asked', id='the kernel vouches'
        ),
        pytest.param(
            INTEL, FAILURE, 'processor-unknown', id='nothing shows it'
        ),
    ],
)
def test_the_processor(facts, status, code):
    finding = host.hardware(HostReport(facts=facts))

    assert samples.result(finding) == (status, code)


@pytest.mark.parametrize(
    ('facts', 'status', 'code'),
    [
        pytest.param(MILAN, SUCCESS, 'kernel-on', id='Milan'),
        pytest.param(GENOA, SUCCESS, 'kernel-on', id='Genoa'),
        pytest.param(INTEL, FAILURE, 'kernel-off', id='no module'),
        pytest.param(
            HostEvidence(switches={'sev': False}),
            FAILURE,
            'kernel-off',
            id='switched off',
        ),
    ],
)
def test_the_kernel_module(facts, status, code):
    finding = host.kernel(HostReport(facts=facts))

    assert samples.result(finding) == (status, code)


@pytest.mark.parametrize(
    ('wanted', 'facts', 'status', 'code', 'reason'),
    [
        ('amd-sev', MILAN, SUCCESS, 'kernel-on', None),
        ('amd-sev-snp', GENOA, SUCCESS, 'kernel-on', None),
        (
            'amd-sev-snp',
            MILAN,
            FAILURE,
            'kernel-wanted-off',
            'parameter-missing',
        ),
        ('amd-sev-es', GENOA, FAILURE, 'kernel-wanted-off', 'excluded'),
    ],
)
def test_a_wanted_model_must_be_on(wanted, facts, status, code, reason):
    finding = host.kernel(HostReport(facts=facts, wanted=(wanted,)))

    assert samples.result(finding) == (status, code)
    if status is FAILURE:
        (note,) = finding.values['reasons']
        assert (note.values['model'], note.code) == (wanted, reason)


def test_of_two_wanted_models_the_one_that_is_off_is_named():
    report = HostReport(facts=MILAN, wanted=('amd-sev', 'intel-tdx'))

    finding = host.kernel(report)

    assert finding.code == 'kernel-wanted-off'
    assert finding.values['parameters'] == ('kvm_intel.tdx=1',)


def test_asids_that_nobody_wants_are_not_missed():
    facts = asked(MILAN, leaf=leaf(1))

    finding = host.hardware(HostReport(facts=facts, wanted=('amd-sev',)))

    assert finding.code == 'processor-slots'


def document(**changes):
    (capabilities,) = MILAN.capabilities
    return asked(
        MILAN, capabilities=(dataclasses.replace(capabilities, **changes),)
    )


@pytest.mark.parametrize(
    ('facts', 'code'),
    [
        (document(virt_type='qemu'), 'libvirt-virt-type'),
        (document(virt_type='qemu', features={}), 'libvirt-virt-type'),
        (document(arch=None), 'libvirt-no-architecture'),
        (document(virt_type=None), 'libvirt-qemu-unknown'),
        (
            asked(
                MILAN,
                capabilities=(
                    *document(virt_type='qemu').capabilities,
                    *MILAN.capabilities,
                ),
            ),
            'libvirt-qemu-unknown',
        ),
    ],
)
def test_a_document_that_says_nothing_is_not_taken_for_a_no(facts, code):
    report = HostReport(facts=facts, nova=NovaSettings())
    finding = host.virtualisation(report)

    assert finding.code == code
    assert (finding.status is SUCCESS) is (code == 'libvirt-qemu-unknown')
    assert [model.model for model in report.offered] == [
        'amd-sev',
        'amd-sev-es',
    ]


def test_what_the_kernel_says_must_be_readable():
    with pytest.raises(InputError, match='a line'):
        host.kernel(HostReport(facts=MILAN, errors=('a line',)))


@pytest.mark.parametrize(
    ('facts', 'status', 'code'),
    [
        pytest.param(
            GENOA, SUCCESS, 'libvirt-supports', id='all is supported'
        ),
        pytest.param(
            MILAN, SUCCESS, 'libvirt-qemu-unknown', id='an unknown QEMU'
        ),
        pytest.param(
            asked(MILAN, qemu_version=(8, 0, 0)),
            SUCCESS,
            'libvirt-supports',
            id='QEMU 8.0.0',
        ),
        pytest.param(
            asked(MILAN, qemu_version=(7, 2, 0)),
            WARNING,
            'libvirt-lacks',
            id='QEMU 7.2.0',
        ),
        pytest.param(
            OLD_LIBVIRT, WARNING, 'libvirt-lacks', id='SNP is not supported'
        ),
        pytest.param(
            asked(TDX, capabilities=INTEL.capabilities),
            FAILURE,
            'libvirt-lacks',
            id='nothing is supported',
        ),
        pytest.param(
            asked(MILAN, capabilities=()),
            WARNING,
            'libvirt-unknown',
            id='libvirt was not asked',
        ),
        pytest.param(
            INTEL, FAILURE, 'libvirt-nothing-on', id='nothing to support'
        ),
    ],
)
def test_libvirt_and_qemu(facts, status, code):
    finding = host.virtualisation(HostReport(facts=facts))

    assert samples.result(finding) == (status, code)


def test_libvirt_must_answer():
    with pytest.raises(InputError, match='a line'):
        host.virtualisation(HostReport(facts=MILAN, libvirt_error='a line'))


@pytest.mark.parametrize(
    ('facts', 'status', 'code'),
    [
        pytest.param(MILAN, SUCCESS, 'host-slots', id='Milan'),
        pytest.param(NAPLES, FAILURE, 'host-slots-unknown', id='unknown'),
        pytest.param(
            STALE_LIBVIRT,
            WARNING,
            'host-slots-disputed',
            id='sources disagree',
        ),
        pytest.param(INTEL, FAILURE, 'host-offers-none', id='none'),
    ],
)
def test_encryption_slots(facts, status, code):
    finding = host.slots(HostReport(facts=facts))

    assert samples.result(finding) == (status, code)


NO_CGROUP = asked(TDX, capacity=None)
PASSTHROUGH = {'cpu_mode': 'host-passthrough'}
DIVIDED = asked(GENOA, shares={'ciphertext_hiding_asids': 50})


@pytest.mark.parametrize(
    ('facts', 'release', 'values', 'status', 'code', 'slots'),
    [
        pytest.param(
            NO_CGROUP, 34, PASSTHROUGH, FAILURE, 'host-slots-need-option',
            {'intel-tdx': None}, id='TDX that nothing counts',
        ),
        pytest.param(
            NO_CGROUP, 34, {**PASSTHROUGH, 'num_intel_tdx_guests': 9},
            SUCCESS, 'host-slots', {'intel-tdx': 9},
            id='TDX that nova.conf counts',
        ),
        pytest.param(
            TDX, 34, {**PASSTHROUGH, 'num_intel_tdx_guests': 9},
            SUCCESS, 'host-slots', {'intel-tdx': 9},
            id='TDX that nova.conf limits',
        ),
        pytest.param(
            TDX, 33, PASSTHROUGH, WARNING, 'host-offers-none', None,
            id='TDX, and a nova that does not know it',
        ),
        pytest.param(
            NAPLES, 31, {}, FAILURE, 'host-slots-need-option',
            {'amd-sev': None}, id='SEV that nothing counts',
        ),
        pytest.param(
            NAPLES, 31, {'num_memory_encrypted_guests': 15},
            SUCCESS, 'host-slots', {'amd-sev': 15},
            id='SEV that nova.conf counts',
        ),
        pytest.param(
            NAPLES, 34, {'num_memory_encrypted_guests': 15},
            FAILURE, 'host-slots-unknown', {'amd-sev': None},
            id='SEV, and an option that nova 34 does not have',
        ),
        pytest.param(
            MILAN, 31, {}, SUCCESS, 'host-slots', {'amd-sev': 410},
            id='SEV-ES, which nova 31 does not know',
        ),
        pytest.param(
            DIVIDED, 34, {}, WARNING, 'host-slots-divided',
            {'amd-sev': 754, 'amd-sev-snp': 50}, id='ciphertext hiding',
        ),
        pytest.param(
            DIVIDED, 33, {}, SUCCESS, 'host-slots', {'amd-sev': 754},
            id='ciphertext hiding, and a nova without SEV-SNP',
        ),
    ],
)  # fmt: skip
def test_slots_are_what_nova_publishes(
    facts, release, values, status, code, slots
):
    nova = NovaSettings(release=release, values=values)
    finding = host.slots(HostReport(facts=facts, nova=nova))

    assert samples.result(finding) == (status, code)
    assert finding.values.get('slots') == slots


def test_an_option_that_cannot_be_read_does_not_hide_the_slots():
    nova = NovaSettings(errors={'cpu_mode': 'a line'})

    finding = host.slots(HostReport(facts=MILAN, nova=nova))

    assert finding.code == 'host-slots'


def test_a_wanted_model_alone_is_counted():
    finding = host.slots(HostReport(facts=DIVIDED, wanted=('amd-sev',)))

    assert finding.values['slots'] == {'amd-sev': 754}


def test_libvirt_is_not_asked_about_what_this_nova_does_not_know():
    nova = NovaSettings(release=33)

    assert host.virtualisation(HostReport(facts=TDX, nova=nova)) is None


@pytest.mark.parametrize(
    ('switches', 'release', 'status', 'code'),
    [
        pytest.param({'sev_es': True}, 34, None, None, id='no SNP'),
        pytest.param(
            {'sev_snp': True}, 34, SUCCESS, 'exclusion-absent', id='SNP alone'
        ),
        pytest.param(
            BOTH,
            34,
            WARNING,
            'exclusion-guests-unknown',
            id='both, and nova 34',
        ),
        pytest.param(
            BOTH, 33, FAILURE, 'exclusion-offered', id='both, and nova 33'
        ),
    ],
)
def test_sev_es_beside_snp(switches, release, status, code):
    finding = host.exclusion(
        HostReport(
            facts=HostEvidence(switches=switches),
            nova=NovaSettings(release=release),
        ),
        model=find_model('amd-sev-es'),
        other=find_model('amd-sev-snp'),
    )

    assert samples.result(finding) == (status, code)


@pytest.mark.parametrize(
    ('facts', 'memory', 'reserved', 'options', 'status', 'code'),
    [
        pytest.param(
            MILAN,
            HostMemory(65536, 60000),
            5776,
            {'guests': 15},
            SUCCESS,
            'memory-slice',
            id='the slice is limited',
        ),
        pytest.param(
            MILAN,
            HostMemory(65536, 65024),
            752,
            {'guests': 15},
            SUCCESS,
            'memory-slice',
            id='the slice leaves the base',
        ),
        pytest.param(
            MILAN,
            HostMemory(65536, 65025),
            0,
            {},
            FAILURE,
            'memory-slice-too-large',
            id='the slice leaves too little',
        ),
        pytest.param(
            MILAN,
            HostMemory(None, 60000),
            0,
            {},
            WARNING,
            'memory-unknown',
            id='the memory is unknown',
        ),
        pytest.param(
            MILAN,
            HostMemory(65536),
            8656,
            {},
            SUCCESS,
            'memory-reserved',
            id='just enough is reserved',
        ),
        pytest.param(
            MILAN,
            HostMemory(65536),
            8655,
            {},
            WARNING,
            'memory-not-reserved',
            id='one too little is reserved',
        ),
        pytest.param(
            MILAN,
            HostMemory(),
            752,
            {'guests': 15},
            SUCCESS,
            'memory-reserved',
            id='for some guests',
        ),
        pytest.param(
            MILAN,
            HostMemory(),
            752,
            {'guests': 15, 'base_mb': 513},
            WARNING,
            'memory-not-reserved',
            id='for a larger base',
        ),
        pytest.param(
            NAPLES,
            HostMemory(),
            512,
            {},
            SUCCESS,
            'memory-reserved',
            id='an unknown number of slots',
        ),
    ],
)
def test_memory_for_the_host(facts, memory, reserved, options, status, code):
    finding = host.host_memory(
        HostReport(
            facts=facts,
            memory=memory,
            nova=NovaSettings(values={'reserved_host_memory_mb': reserved}),
            **options,
        )
    )

    assert samples.result(finding) == (status, code)


@pytest.mark.parametrize(
    ('reserved', 'status', 'values'),
    [
        pytest.param(
            512, WARNING, {'needed': 8432, 'short': 7920}, id='the default'
        ),
        pytest.param(
            8431, WARNING, {'needed': 8432, 'short': 1}, id='one too little'
        ),
        pytest.param(8432, SUCCESS, {'left': 8192}, id='enough'),
    ],
)
def test_nova_reserves_what_the_slice_leaves_out(reserved, status, values):
    finding = host.host_memory(
        HostReport(
            facts=MILAN,
            memory=HostMemory(515072, 506880),
            nova=NovaSettings(values={'reserved_host_memory_mb': reserved}),
            guests=15,
        )
    )

    assert finding.status is status
    assert samples.result(finding)[1].startswith('memory-slice')
    assert {k: finding.values[k] for k in values} == values


@pytest.mark.parametrize(
    ('memory', 'reserved', 'status', 'code'),
    [
        pytest.param(
            HostMemory(515072), 2763, WARNING, 'memory-not-reserved',
            id='less than the PAMT needs',
        ),
        pytest.param(
            HostMemory(515072), 2764, SUCCESS, 'memory-reserved',
            id='the PAMT, 512 MB for the host and 15 guests',
        ),
        pytest.param(
            HostMemory(), 9999, WARNING, 'memory-share-unknown',
            id='a share of what is not known',
        ),
        pytest.param(
            HostMemory(515072, 512549), 9999, FAILURE,
            'memory-slice-too-large', id='a slice that leaves less than both',
        ),
        pytest.param(
            HostMemory(515072, 512548), 9999, SUCCESS, 'memory-slice',
            id='a slice that leaves both',
        ),
    ],
)  # fmt: skip
def test_the_kernel_keeps_memory_for_tdx(memory, reserved, status, code):
    finding = host.host_memory(
        HostReport(
            facts=TDX,
            memory=memory,
            nova=NovaSettings(values={'reserved_host_memory_mb': reserved}),
            guests=15,
        )
    )

    assert samples.result(finding) == (status, code)


FILE = {
    'file_backed_memory': 65536,
    'ram_allocation_ratio': 1.0,
    'reserved_host_memory_mb': 0,
}


@pytest.mark.parametrize(
    ('release', 'values', 'memory', 'status', 'code', 'said'),
    [
        pytest.param(
            34, {}, HostMemory(515072), SUCCESS, 'memory-file', {},
            id='it starts, and there is room',
        ),
        pytest.param(
            34, {'reserved_host_memory_mb': 1}, HostMemory(515072), FAILURE,
            'memory-file-refused', {'option': 'reserved_host_memory_mb'},
            id='nova 34 starts with no reservation',
        ),
        pytest.param(
            33, {'reserved_host_memory_mb': 65535}, HostMemory(515072),
            SUCCESS, 'memory-file', {}, id='nova 33 starts with one',
        ),
        pytest.param(
            33, {'reserved_host_memory_mb': 65536}, HostMemory(515072),
            FAILURE, 'memory-file-refused', {}, id='not with all of it',
        ),
        pytest.param(
            34, {'ram_allocation_ratio': None}, HostMemory(515072), FAILURE,
            'memory-file-refused', {'option': 'ram_allocation_ratio'},
            id='the ratio is unset',
        ),
        pytest.param(
            34, {'virt_type': 'lxc'}, HostMemory(515072), FAILURE,
            'memory-file-refused', {'option': 'virt_type'}, id='containers',
        ),
        pytest.param(
            34, {}, HostMemory(66288), SUCCESS, 'memory-file', {},
            id='just enough room',
        ),
        pytest.param(
            34, {}, HostMemory(66287), WARNING, 'memory-file-too-large',
            {'room': 65535}, id='one too little room',
        ),
        pytest.param(
            34, {}, HostMemory(515072, 65775), WARNING,
            'memory-file-too-large', {'room': 65535}, id='a slice',
        ),
        pytest.param(
            34, {}, HostMemory(), WARNING, 'memory-file-unknown', {},
            id='an unknown host',
        ),
    ],
)  # fmt: skip
def test_file_backed_memory(release, values, memory, status, code, said):
    nova = NovaSettings(release=release, values={**FILE, **values})
    finding = host.host_memory(
        HostReport(facts=MILAN, memory=memory, nova=nova, guests=15)
    )

    assert samples.result(finding) == (status, code)
    assert {k: finding.values[k] for k in said} == said


def test_the_memory_must_be_readable():
    with pytest.raises(InputError, match='a line'):
        host.host_memory(
            HostReport(facts=MILAN, memory=HostMemory(errors=('a line',)))
        )


def of_memory(facts=MILAN, total=None, limit=None, **options):
    return HostReport(
        facts=facts,
        memory=HostMemory(total, limit),
        nova=NovaSettings(values={'reserved_host_memory_mb': 8655}),
        **options,
    )


@pytest.mark.parametrize(
    ('check', 'report', 'values'),
    [
        pytest.param(
            host.hardware,
            HostReport(facts=asked(MILAN, leaf=leaf(100))),
            {'sev': 410, 'es': 99},
            id='slots of the processor',
        ),
        pytest.param(
            host.kernel,
            HostReport(facts=GENOA),
            {'models': ('amd-sev', 'amd-sev-snp')},
            id='models that are on',
        ),
        pytest.param(
            host.slots,
            HostReport(facts=MILAN),
            {'slots': {'amd-sev': 410, 'amd-sev-es': 99}},
            id='slots',
        ),
        pytest.param(
            host.slots,
            HostReport(facts=NAPLES),
            {'slots': {'amd-sev': None}},
            id='an unknown number of slots',
        ),
        pytest.param(
            host.host_memory,
            of_memory(total=65536, limit=60000, guests=10),
            {'limit': 60000, 'left': 5536},
            id='what the slice leaves',
        ),
        pytest.param(
            host.host_memory,
            of_memory(),
            {'reserved': 8655, 'guests': 509, 'base': 512, 'needed': 8656},
            id='memory for all slots',
        ),
        pytest.param(
            host.host_memory,
            of_memory(guests=15, base_mb=513),
            {'reserved': 8655, 'guests': 15, 'base': 513, 'needed': 753},
            id='memory for some guests',
        ),
        pytest.param(
            host.host_memory,
            of_memory(NAPLES),
            {'reserved': 8655, 'guests': 0, 'base': 512, 'needed': 512},
            id='memory for an unknown number of slots',
        ),
    ],
)
def test_the_values_of_a_finding(check, report, values):
    assert check(report).values == values


@pytest.mark.parametrize(
    ('facts', 'model', 'code'),
    [
        pytest.param(
            asked(MILAN, qemu_version=(7, 2, 0)),
            'amd-sev-es',
            'qemu-too-old',
            id='QEMU',
        ),
        pytest.param(
            OLD_LIBVIRT,
            'amd-sev-snp',
            'launch-security-unsupported',
            id='a kind of launch security',
        ),
        pytest.param(
            asked(TDX, capabilities=INTEL.capabilities),
            'intel-tdx',
            'capability-unsupported',
            id='a capability',
        ),
    ],
)
def test_what_libvirt_lacks_is_named_with_its_model(facts, model, code):
    (reason,) = host.virtualisation(HostReport(facts=facts)).values['reasons']

    assert (reason.code, reason.values['model']) == (code, model)


def test_parameters_that_are_off_are_named():
    finding = host.kernel(
        HostReport(facts=HostEvidence(switches={'sev': False}))
    )

    assert [
        (note.code, note.values['path']) for note in finding.values['switches']
    ] == [
        ('parameter-off', '/sys/module/kvm_amd/parameters/sev'),
        ('parameter-missing', '/sys/module/kvm_intel/parameters/tdx'),
    ]
    assert 'kvm_amd.sev_snp=1' in finding.values['parameters']
