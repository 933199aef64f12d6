import pytest

from sev_scheduling.compute.checks import host, system
from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.sources.nova_conf import NovaSettings
from sev_scheduling.compute.sources.system import SystemFacts
from sev_scheduling.hosts.check import Status
from sev_scheduling.models import find_model
from tests.unit.compute import samples

SUCCESS, WARNING, _ = Status
MILAN = samples.facts(samples.MILAN)
GENOA = samples.facts(samples.GENOA)
TDX = samples.facts(samples.TDX)
INTEL = samples.facts(samples.INTEL)


def found(check, facts, wanted=(), release=34, version=None, **values):
    report = HostReport(
        facts=facts,
        system=SystemFacts(**values),
        wanted=wanted,
        nova=NovaSettings(release=release),
        nova_version=version,
    )
    return samples.result(check(report))


@pytest.mark.parametrize(
    ('facts', 'words', 'wanted', 'status', 'code'),
    [
        (MILAN, None, '', None, None),
        (MILAN, 'quiet iommu=pt', '', SUCCESS, 'command-line-keeps-off'),
        (MILAN, 'iommu=pt', 'amd-sev', SUCCESS, 'command-line'),
        (MILAN, 'iommu=pt', 'amd-sev-snp', WARNING, 'command-line-keeps-off'),
        (
            MILAN,
            'amd_iommu=off',
            'amd-sev-snp',
            WARNING,
            'command-line-keeps-off',
        ),
        (GENOA, 'iommu=pt', 'amd-sev-snp', SUCCESS, 'command-line'),
        (
            MILAN,
            'kvm-amd.sev_snp=0',
            'amd-sev-snp',
            WARNING,
            'command-line-keeps-off',
        ),
        (MILAN, 'kvm_amd.sev=1', '', SUCCESS, 'command-line'),
        (MILAN, 'mem_encrypt=off', '', SUCCESS, 'command-line-unencrypted'),
    ],
)
def test_the_command_line(facts, words, wanted, status, code):
    result = found(
        system.command_line,
        facts,
        (wanted,) if wanted else (),
        command_line=None if words is None else tuple(words.split()),
    )

    assert result == (status, code)


@pytest.mark.parametrize(
    ('check', 'facts', 'values', 'status', 'code'),
    [
        (system.device, MILAN, {}, None, None),
        (system.device, TDX, {'device': False}, None, None),
        (system.device, MILAN, {'device': False}, WARNING, 'device-missing'),
        (system.device, MILAN, {'device': True}, SUCCESS, 'device-found'),
        (
            system.device,
            MILAN,
            {'device': True, 'device_closed': True},
            WARNING,
            'device-closed',
        ),
        (system.quotes, TDX, {}, None, None),
        (system.quotes, MILAN, {'quote_socket': False}, None, None),
        (
            system.quotes,
            TDX,
            {'quote_socket': False},
            WARNING,
            'quotes-missing',
        ),
        (system.quotes, TDX, {'quote_socket': True}, SUCCESS, 'quotes-served'),
        (system.swap, MILAN, {'swap_mb': 0}, None, None),
        (system.swap, INTEL, {'swap_mb': 9}, None, None),
        (system.swap, MILAN, {'swap_mb': 9}, SUCCESS, 'swap'),
        (system.huge_pages, MILAN, {}, None, None),
        (system.huge_pages, MILAN, {'huge_mb': 9}, SUCCESS, 'huge-pages'),
    ],
)
def test_what_operators_trip_over(check, facts, values, status, code):
    assert found(check, facts, **values) == (status, code)


@pytest.mark.parametrize(
    ('release', 'version', 'status', 'code'),
    [
        (34, None, None, None),
        (31, None, SUCCESS, 'nova-version-unknown'),
        (31, (34, 0), SUCCESS, 'nova-version-unknown'),
        (31, (31, 1), WARNING, 'nova-version-early'),
        (31, (31, 2), SUCCESS, 'nova-version'),
    ],
)
def test_an_early_nova_has_vmcoreinfo(release, version, status, code):
    result = found(
        system.nova_version, MILAN, release=release, version=version
    )

    assert result == (status, code)


@pytest.mark.parametrize(
    ('guests', 'status', 'code'),
    [
        (None, WARNING, 'exclusion-guests-unknown'),
        ((), SUCCESS, 'exclusion-no-guests'),
        (('instance-1',), WARNING, 'exclusion-guests'),
    ],
)
def test_guests_of_a_hidden_model_keep_nova_from_starting(
    guests, status, code
):
    def check(report):
        return host.exclusion(
            report,
            model=find_model('amd-sev-es'),
            other=find_model('amd-sev-snp'),
        )

    assert found(check, GENOA, es_guests=guests) == (status, code)
