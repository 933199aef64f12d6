import dataclasses

import pytest

from sev_scheduling.compute.checks import host as checks_host
from sev_scheduling.compute.checks.report import HostReport, Status
from sev_scheduling.compute.detection import HostFacts
from sev_scheduling.compute.sources.firmware import Descriptor, FirmwareSearch
from sev_scheduling.compute.sources.kernel import EncryptionLeaf
from sev_scheduling.compute.sources.memory import HostMemory
from sev_scheduling.compute.sources.nova_conf import NovaSettings
from sev_scheduling.exceptions import InputError
from tests.unit.compute import samples

SUCCESS, WARNING, FAILURE = Status

MILAN = samples.facts(samples.MILAN)
GENOA = samples.facts(samples.GENOA)
TDX = samples.facts(samples.TDX)
INTEL = samples.facts(samples.INTEL)
NAPLES = samples.facts('naples-kernel-5.4-libvirt-7.0')
OLD_LIBVIRT = samples.facts('genoa-snp-kernel-6.12-libvirt-9.0')
STALE_LIBVIRT = samples.facts('genoa-stale-libvirt-kernel-6.8-libvirt-10.0')

NO_SEV = EncryptionLeaf(False, False, False, 0, 0)


def leaf(first):
    return EncryptionLeaf(True, True, True, 509, first)


def asked(facts, **changes):
    return dataclasses.replace(facts, **changes)


@pytest.mark.parametrize(
    ('facts', 'status', 'words'),
    [
        pytest.param(
            asked(MILAN, leaf=leaf(100)),
            SUCCESS,
            '410 slots for SEV, 99 for',
            id='CPUID has it',
        ),
        pytest.param(
            asked(MILAN, leaf=leaf(1)),
            WARNING,
            'BIOS',
            id='the BIOS leaves SEV-ES none',
        ),
        pytest.param(
            asked(INTEL, leaf=NO_SEV),
            FAILURE,
            'does not support',
            id='CPUID lacks it',
        ),
        pytest.param(
            asked(TDX, leaf=NO_SEV),
            SUCCESS,
            'Intel TDX',
            id='a leaf without SEV, but TDX',
        ),
        pytest.param(MILAN, SUCCESS, 'not asked', id='the kernel vouches'),
        pytest.param(INTEL, FAILURE, 'Nothing shows', id='nothing shows it'),
    ],
)
def test_the_processor(facts, status, words):
    finding = checks_host.hardware(HostReport(facts=facts))

    assert finding.status is status
    assert words in finding.details


@pytest.mark.parametrize(
    ('facts', 'status', 'words'),
    [
        pytest.param(MILAN, SUCCESS, 'amd-sev, amd-sev-es', id='Milan'),
        pytest.param(GENOA, SUCCESS, 'amd-sev, amd-sev-snp', id='Genoa'),
        pytest.param(
            INTEL, FAILURE, 'kvm_amd/parameters/sev is missing', id='no module'
        ),
        pytest.param(
            HostFacts(switches={'sev': False}),
            FAILURE,
            'kvm_amd/parameters/sev is N',
            id='switched off',
        ),
    ],
)
def test_the_kernel_module(facts, status, words):
    finding = checks_host.kernel(HostReport(facts=facts))

    assert finding.status is status
    assert words in finding.details


def test_what_the_kernel_says_must_be_readable():
    with pytest.raises(InputError, match='a line'):
        checks_host.kernel(HostReport(facts=MILAN, errors=('a line',)))


@pytest.mark.parametrize(
    ('facts', 'status', 'words'),
    [
        pytest.param(GENOA, SUCCESS, 'support all', id='all is supported'),
        pytest.param(
            MILAN, SUCCESS, 'version is not known', id='an unknown QEMU'
        ),
        pytest.param(
            asked(MILAN, qemu_version=(8, 0, 0)),
            SUCCESS,
            'support all that is switched on.',
            id='QEMU 8.0.0',
        ),
        pytest.param(
            asked(MILAN, qemu_version=(7, 2, 0)),
            WARNING,
            'QEMU 7.2.0 is too old',
            id='QEMU 7.2.0',
        ),
        pytest.param(
            OLD_LIBVIRT,
            WARNING,
            'amd-sev-snp: libvirt',
            id='SNP is not supported',
        ),
        pytest.param(
            asked(TDX, capabilities=INTEL.capabilities),
            FAILURE,
            'intel-tdx: <tdx>',
            id='nothing is supported',
        ),
        pytest.param(
            asked(MILAN, capabilities=()),
            WARNING,
            'virsh',
            id='libvirt was not asked',
        ),
        pytest.param(
            INTEL, FAILURE, 'nothing switched on', id='nothing to support'
        ),
    ],
)
def test_libvirt_and_qemu(facts, status, words):
    finding = checks_host.virtualisation(HostReport(facts=facts))

    assert finding.status is status
    assert words in finding.details


def test_libvirt_must_answer():
    with pytest.raises(InputError, match='a line'):
        checks_host.virtualisation(
            HostReport(facts=MILAN, libvirt_error='a line')
        )


@pytest.mark.parametrize(
    ('facts', 'status', 'words'),
    [
        pytest.param(MILAN, SUCCESS, 'amd-sev 410, amd-sev-es 99', id='Milan'),
        pytest.param(NAPLES, FAILURE, 'amd-sev unknown', id='unknown'),
        pytest.param(
            STALE_LIBVIRT,
            WARNING,
            'cgroup 906, libvirt 996',
            id='sources disagree',
        ),
        pytest.param(
            INTEL, FAILURE, 'offers no model. amd-sev: /sys', id='none'
        ),
    ],
)
def test_encryption_slots(facts, status, words):
    finding = checks_host.slots(HostReport(facts=facts))

    assert finding.status is status
    assert words in finding.details


@pytest.mark.parametrize(
    ('switches', 'release', 'status'),
    [
        pytest.param({'sev_es': True}, 34, None, id='no SNP'),
        pytest.param({'sev_snp': True}, 34, SUCCESS, id='SNP alone'),
        pytest.param(
            {'sev_snp': True, 'sev_es': True},
            34,
            SUCCESS,
            id='both, and nova 34',
        ),
        pytest.param(
            {'sev_snp': True, 'sev_es': True},
            33,
            FAILURE,
            id='both, and nova 33',
        ),
    ],
)
def test_sev_es_beside_snp(switches, release, status):
    finding = checks_host.es_beside_snp(
        HostReport(
            facts=HostFacts(switches=switches),
            nova=NovaSettings(release=release),
        )
    )

    assert (finding and finding.status) is status


def firmware(**changes):
    return Descriptor(
        **{
            'path': '/fw/50-a.json',
            'uefi': True,
            'device': 'flash',
            'mode': 'split',
            'files': ('/fw/CODE',),
            'machines': ('pc-q35-*',),
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
    ('model', 'facts', 'descriptors', 'status', 'words'),
    [
        pytest.param(
            'amd-sev',
            MILAN,
            [SPLIT],
            SUCCESS,
            '50-a.json',
            id='SEV with variables',
        ),
        pytest.param(
            'amd-sev',
            MILAN,
            [STATELESS, SPLIT],
            SUCCESS,
            '50-a.json',
            id='SEV passes over stateless flash',
        ),
        pytest.param(
            'amd-sev',
            MILAN,
            [MEMORY],
            SUCCESS,
            '70-c.json',
            id='SEV from memory',
        ),
        pytest.param(
            'amd-sev',
            MILAN,
            [STATELESS],
            WARNING,
            'hw_firmware_stateless=true',
            id='SEV, stateless only',
        ),
        pytest.param(
            'amd-sev',
            MILAN,
            [],
            FAILURE,
            'for pc-q35-8.0',
            id='SEV without firmware',
        ),
        pytest.param(
            'amd-sev',
            asked(MILAN, capabilities=()),
            [],
            FAILURE,
            'for q35',
            id='SEV without firmware or machine type',
        ),
        pytest.param(
            'amd-sev',
            MILAN,
            [firmware(machines=('pc-i440fx-*',))],
            FAILURE,
            'No firmware descriptor',
            id='SEV on another machine',
        ),
        pytest.param(
            'amd-sev-snp', MILAN, [MEMORY], None, '', id='a model that is off'
        ),
        pytest.param(
            'amd-sev-es', GENOA, [SPLIT], None, '', id='SEV-ES beside SNP'
        ),
        pytest.param(
            'amd-sev-snp',
            GENOA,
            [SPLIT, MEMORY],
            SUCCESS,
            '70-c.json',
            id='SNP from memory',
        ),
        pytest.param(
            'amd-sev-snp',
            GENOA,
            [STATELESS, MEMORY],
            WARNING,
            'maps flash',
            id='SNP, but flash comes first',
        ),
        pytest.param(
            'amd-sev-snp',
            GENOA,
            [SPLIT],
            FAILURE,
            'keeps variables',
            id='SNP with variables only',
        ),
        pytest.param(
            'intel-tdx',
            TDX,
            [MEMORY],
            SUCCESS,
            '70-c.json',
            id='TDX from memory',
        ),
        pytest.param(
            'intel-tdx',
            TDX,
            [SPLIT],
            FAILURE,
            'keeps variables',
            id='TDX with variables only',
        ),
    ],
)
def test_firmware(model, facts, descriptors, status, words):
    finding = checks_host.firmware(
        HostReport(facts=facts, firmware=FirmwareSearch(tuple(descriptors))),
        model=model,
    )

    assert (finding and finding.status) is status
    assert words in (finding.details if finding else '')


def test_firmware_must_be_there_itself():
    # Libvirt takes the first descriptor, not the first that would work.
    found = FirmwareSearch(
        (SPLIT, firmware(path='/fw/90-z.json', files=('/fw/OTHER',))),
        frozenset({'/fw/CODE'}),
    )

    finding = checks_host.firmware(
        HostReport(facts=MILAN, firmware=found), model='amd-sev'
    )

    assert finding.status is FAILURE
    assert '/fw/CODE, which is missing' in finding.details


def test_firmware_descriptors_must_be_readable():
    found = FirmwareSearch((SPLIT,), errors=('a line',))

    with pytest.raises(InputError, match='a line'):
        checks_host.firmware(
            HostReport(facts=MILAN, firmware=found), model='amd-sev'
        )


@pytest.mark.parametrize(
    ('facts', 'memory', 'reserved', 'options', 'status', 'words'),
    [
        pytest.param(
            MILAN,
            HostMemory(65536, 60000),
            0,
            {},
            SUCCESS,
            'leaves 5536 MB',
            id='the slice is limited',
        ),
        pytest.param(
            MILAN,
            HostMemory(65536, 65024),
            0,
            {},
            SUCCESS,
            'leaves 512 MB',
            id='the slice leaves the base',
        ),
        pytest.param(
            MILAN,
            HostMemory(65536, 65025),
            0,
            {},
            FAILURE,
            'less than 512 MB',
            id='the slice leaves too little',
        ),
        pytest.param(
            MILAN,
            HostMemory(None, 60000),
            0,
            {},
            WARNING,
            'not known',
            id='the memory is unknown',
        ),
        pytest.param(
            MILAN,
            HostMemory(65536),
            8656,
            {},
            SUCCESS,
            '509 encrypted guests',
            id='just enough is reserved',
        ),
        pytest.param(
            MILAN,
            HostMemory(65536),
            8655,
            {},
            WARNING,
            'need 8656',
            id='one too little is reserved',
        ),
        pytest.param(
            MILAN,
            HostMemory(),
            752,
            {'guests': 15},
            SUCCESS,
            '15 encrypted guests',
            id='for some guests',
        ),
        pytest.param(
            MILAN,
            HostMemory(),
            752,
            {'guests': 15, 'base_mb': 513},
            WARNING,
            'need 753',
            id='for a larger base',
        ),
        pytest.param(
            NAPLES,
            HostMemory(),
            512,
            {},
            SUCCESS,
            '0 encrypted guests',
            id='an unknown number of slots',
        ),
    ],
)
def test_memory_for_the_host(facts, memory, reserved, options, status, words):
    finding = checks_host.host_memory(
        HostReport(
            facts=facts,
            memory=memory,
            nova=NovaSettings(values={'reserved_host_memory_mb': reserved}),
            **options,
        )
    )

    assert finding.status is status
    assert words in finding.details


def test_the_memory_must_be_readable():
    with pytest.raises(InputError, match='a line'):
        checks_host.host_memory(
            HostReport(facts=MILAN, memory=HostMemory(errors=('a line',)))
        )
