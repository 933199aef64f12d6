import dataclasses

import pytest

from sev_scheduling.compute.checks import host
from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.detection import HostEvidence
from sev_scheduling.compute.sources.firmware import Descriptor, FirmwareSearch
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


@pytest.mark.parametrize(
    ('switches', 'release', 'status', 'code'),
    [
        pytest.param({'sev_es': True}, 34, None, None, id='no SNP'),
        pytest.param(
            {'sev_snp': True}, 34, SUCCESS, 'exclusion-absent', id='SNP alone'
        ),
        pytest.param(
            BOTH, 34, SUCCESS, 'exclusion-hidden', id='both, and nova 34'
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


def firmware(**changes):
    return Descriptor(
        **{
            'path': '/fw/50-a.json',
            'uefi': True,
            'device': 'flash',
            'mode': 'split',
            'files': ('/fw/CODE',),
            'targets': (('x86_64', 'pc-q35-*'),),
            'features': frozenset(
                {'amd-sev', 'amd-sev-es', 'amd-sev-snp', 'intel-tdx'}
            ),
            **changes,
        }
    )


SPLIT = firmware()
STATELESS = firmware(mode='stateless', path='/fw/60-b.json')
MEMORY = firmware(device='memory', mode='', path='/fw/70-c.json')


@pytest.mark.parametrize(
    ('model', 'facts', 'descriptors', 'status', 'code'),
    [
        pytest.param(
            'amd-sev',
            MILAN,
            [SPLIT],
            SUCCESS,
            'firmware-found',
            id='SEV with variables',
        ),
        pytest.param(
            'amd-sev',
            MILAN,
            [STATELESS, SPLIT],
            SUCCESS,
            'firmware-found',
            id='SEV passes over stateless flash',
        ),
        pytest.param(
            'amd-sev',
            MILAN,
            [MEMORY],
            SUCCESS,
            'firmware-found',
            id='SEV from memory',
        ),
        pytest.param(
            'amd-sev',
            MILAN,
            [STATELESS],
            WARNING,
            'firmware-stateless-only',
            id='SEV, stateless only',
        ),
        pytest.param(
            'amd-sev',
            MILAN,
            [],
            FAILURE,
            'firmware-none',
            id='SEV without firmware',
        ),
        pytest.param(
            'amd-sev',
            asked(MILAN, capabilities=()),
            [],
            FAILURE,
            'firmware-none',
            id='SEV without firmware or machine type',
        ),
        pytest.param(
            'amd-sev',
            MILAN,
            [firmware(targets=(('x86_64', 'pc-i440fx-*'),))],
            FAILURE,
            'firmware-none',
            id='SEV on another machine',
        ),
        pytest.param(
            'amd-sev-snp',
            MILAN,
            [MEMORY],
            None,
            None,
            id='a model that is off',
        ),
        pytest.param(
            'amd-sev-es', GENOA, [SPLIT], None, None, id='SEV-ES beside SNP'
        ),
        pytest.param(
            'amd-sev-snp',
            GENOA,
            [SPLIT, MEMORY],
            SUCCESS,
            'firmware-found',
            id='SNP from memory',
        ),
        pytest.param(
            'amd-sev-snp',
            GENOA,
            [STATELESS, MEMORY],
            WARNING,
            'firmware-flash',
            id='SNP, but flash comes first',
        ),
        pytest.param(
            'amd-sev-snp',
            GENOA,
            [SPLIT],
            FAILURE,
            'firmware-stateful',
            id='SNP with variables only',
        ),
        pytest.param(
            'intel-tdx',
            TDX,
            [MEMORY],
            SUCCESS,
            'firmware-found',
            id='TDX from memory',
        ),
        pytest.param(
            'intel-tdx',
            TDX,
            [SPLIT],
            FAILURE,
            'firmware-stateful',
            id='TDX with variables only',
        ),
    ],
)
def test_firmware(model, facts, descriptors, status, code):
    finding = host.firmware(
        HostReport(facts=facts, firmware=FirmwareSearch(tuple(descriptors))),
        model=find_model(model),
    )

    assert samples.result(finding) == (status, code)


def test_firmware_must_be_there_itself():
    # Libvirt takes the first descriptor, not the first that would work.
    found = FirmwareSearch(
        (SPLIT, firmware(path='/fw/90-z.json', files=('/fw/OTHER',))),
        frozenset({'/fw/CODE'}),
    )

    finding = host.firmware(
        HostReport(facts=MILAN, firmware=found), model=find_model('amd-sev')
    )

    assert finding.status is FAILURE
    assert finding.code == 'firmware-file-missing'
    assert finding.values['files'] == ('/fw/CODE',)


def test_firmware_descriptors_must_be_readable():
    found = FirmwareSearch((SPLIT,), errors=('a line',))

    with pytest.raises(InputError, match='a line'):
        host.firmware(
            HostReport(facts=MILAN, firmware=found),
            model=find_model('amd-sev'),
        )


@pytest.mark.parametrize(
    ('facts', 'memory', 'reserved', 'options', 'status', 'code'),
    [
        pytest.param(
            MILAN,
            HostMemory(65536, 60000),
            0,
            {},
            SUCCESS,
            'memory-slice',
            id='the slice is limited',
        ),
        pytest.param(
            MILAN,
            HostMemory(65536, 65024),
            0,
            {},
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
            of_memory(total=65536, limit=60000),
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


def test_a_machine_type_is_that_of_this_host_where_libvirt_was_asked():
    for capabilities, machine_type in (
        (MILAN.capabilities, 'pc-q35-8.0'),
        ((), 'q35'),
    ):
        report = HostReport(facts=asked(MILAN, capabilities=capabilities))
        finding = host.firmware(report, model=find_model('amd-sev'))

        assert finding.values == {'machine_type': machine_type}


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
