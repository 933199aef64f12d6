import pytest

from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.checks.versions import versions
from sev_scheduling.compute.detection import HostEvidence
from sev_scheduling.hosts.check import Status
from tests.unit.compute import samples

SEV = {'sev': True}
SNP = {'sev': True, 'sev_snp': True}
SUCCESS, WARNING, FAILURE = Status


@pytest.mark.parametrize(
    ('switches', 'libvirt', 'qemu', 'status', 'code'),
    [
        pytest.param(
            SEV, (8, 6, 0), (6, 2, 0), SUCCESS, 'versions-fit', id='enough'
        ),
        pytest.param(
            SEV,
            (8, 6, 0),
            (6, 0, 0),
            FAILURE,
            'versions-too-old',
            id='QEMU with which nova-compute does not start',
        ),
        pytest.param(
            SEV,
            (7, 9, 9),
            (6, 2, 0),
            FAILURE,
            'versions-too-old',
            id='libvirt with which it does not',
        ),
        pytest.param(
            SEV,
            None,
            (6, 1, 0),
            FAILURE,
            'versions-too-old',
            id='libvirt is unknown, and QEMU too old',
        ),
        pytest.param(
            SEV,
            (8, 5, 0),
            (6, 2, 0),
            WARNING,
            'versions-no-stateless',
            id='no stateless firmware',
        ),
        pytest.param(
            SEV, None, (9, 0, 0), WARNING, 'versions-unknown', id='no libvirt'
        ),
        pytest.param(
            SEV, (9, 2, 0), None, WARNING, 'versions-unknown', id='no QEMU'
        ),
        pytest.param(
            SNP,
            (10, 5, 0),
            (9, 0, 2),
            WARNING,
            'versions-model-too-old',
            id='QEMU too old for SEV-SNP, not for SEV',
        ),
        pytest.param(
            {'tdx': True},
            (11, 5, 0),
            (10, 1, 0),
            FAILURE,
            'versions-model-too-old',
            id='libvirt too old for the only model',
        ),
        pytest.param(
            {'tdx': True},
            (11, 6, 0),
            (10, 1, 0),
            SUCCESS,
            'versions-fit',
            id='the first that will do for TDX',
        ),
    ],
)
def test_versions(switches, libvirt, qemu, status, code):
    facts = HostEvidence(
        switches=switches, libvirt_version=libvirt, qemu_version=qemu
    )

    finding = versions(HostReport(facts=facts))

    assert samples.result(finding) == (status, code)
