import json
import shutil
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sev_scheduling.compute import (
    parse_descriptor,
    parse_domain_capabilities,
)
from sev_scheduling.compute.checks import firmware
from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.detection import HostEvidence
from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.firmware import search
from sev_scheduling.hosts.check import Status
from sev_scheduling.models import find_model
from tests.unit.compute import descriptors, samples
from tests.unit.compute.descriptors import (
    AMDSEV,
    ES,
    SECURE,
    SETS,
    STATELESS,
    TDX,
    TDX_PLAIN,
    descriptor,
    flash,
    memory,
    share,
    single,
)

SUCCESS, WARNING, FAILURE = Status
SWITCHES = {
    'amd-sev': {'sev': True},
    'amd-sev-es': {'sev': True, 'sev_es': True},
    'amd-sev-snp': {'sev': True, 'sev_snp': True},
    'intel-tdx': {'tdx': True},
}
NEW, OLD = (12, 8, 0), (11, 3, 0)
DEBIAN_12, DEBIAN = SETS['what Debian 12 ships'], SETS['what Debian sid ships']


def host(root, model, files, *, version=NEW, release=34, capabilities=()):
    """Return the report of a host that has every firmware file named."""
    for name in ('fw', 'dev'):
        (root / name).mkdir(exist_ok=True)
    descriptors.lay(root, files)
    for place in (root / descriptors.SHARE).iterdir():
        text = place.read_text(errors='replace') if place.is_file() else ''
        for word in text.split('"'):
            if word.startswith('/fw/') and 'GONE' not in word:
                (root / word.lstrip('/')).touch()
    return HostReport(
        facts=HostEvidence(
            switches=SWITCHES[model],
            libvirt_version=version,
            capabilities=capabilities,
        ),
        firmware=search(HostFilesystem(root)),
        release=release,
    )


def result(report, model):
    return samples.result(firmware.firmware(report, model=find_model(model)))


@pytest.mark.parametrize(
    ('model', 'files', 'version', 'status', 'code'),
    [
        pytest.param(
            'amd-sev', DEBIAN, NEW, SUCCESS, 'firmware-found-twice', id='SEV'
        ),
        pytest.param(
            'amd-sev-es', DEBIAN, NEW, SUCCESS, 'firmware-found', id='SEV-ES'
        ),
        pytest.param(
            'amd-sev-snp', DEBIAN, NEW, SUCCESS, 'firmware-found', id='SNP'
        ),
        pytest.param(
            'intel-tdx',
            DEBIAN,
            NEW,
            WARNING,
            'firmware-secure-boot-only',
            id='TDX firmware has Secure Boot',
        ),
        pytest.param(
            'intel-tdx',
            share(a=TDX),
            NEW,
            FAILURE,
            'firmware-secure-boot-hidden',
            id='which libvirt reports beside SMM alone',
        ),
        pytest.param(
            'intel-tdx',
            share(a=TDX_PLAIN, b=TDX, c=SECURE),
            NEW,
            SUCCESS,
            'firmware-found-twice',
            id='TDX firmware of both kinds',
        ),
        pytest.param(
            'intel-tdx',
            share(a=TDX_PLAIN, b=TDX),
            NEW,
            SUCCESS,
            'firmware-found-plain',
            id='of which one cannot be asked for',
        ),
        pytest.param(
            'intel-tdx',
            share(
                a=descriptor(single('stateless', 'x'), 'intel-tdx'),
                b=TDX_PLAIN,
            ),
            NEW,
            FAILURE,
            'firmware-flash',
            id='TDX, but flash comes first',
        ),
        pytest.param(
            'intel-tdx',
            share(a=descriptor(memory('x'), 'intel-tdx', 'requires-smm')),
            NEW,
            FAILURE,
            'firmware-smm',
            id='TDX with SMM',
        ),
        pytest.param(
            'intel-tdx',
            share(
                a=descriptor(memory('GONE'), 'intel-tdx', 'secure-boot'),
                b=SECURE,
            ),
            NEW,
            FAILURE,
            'firmware-file-missing',
            id='the only firmware is not there',
        ),
        pytest.param(
            'amd-sev-snp',
            share(a=STATELESS),
            NEW,
            FAILURE,
            'firmware-flash',
            id='SNP from flash',
        ),
        pytest.param(
            'amd-sev-snp',
            share(a=descriptor(flash(), 'amd-sev-snp')),
            NEW,
            FAILURE,
            'firmware-stateful',
            id='SNP with variables only',
        ),
        pytest.param(
            'amd-sev-snp',
            share(a={**AMDSEV, 'features': ['amd-sev-snp', 'secure-boot']}),
            NEW,
            FAILURE,
            'firmware-secure-boot-unsupported',
            id='SNP guests cannot have Secure Boot',
        ),
        pytest.param(
            'amd-sev',
            share(a=STATELESS),
            OLD,
            WARNING,
            'firmware-stateless-only',
            id='stateless flash alone, for those that ask',
        ),
        pytest.param(
            'amd-sev',
            share(a=STATELESS),
            NEW,
            SUCCESS,
            'firmware-found-plain',
            id='stateless flash alone, for all',
        ),
        pytest.param(
            'amd-sev',
            share(a=descriptor(flash('GONE'), 'amd-sev'), b=ES),
            NEW,
            FAILURE,
            'firmware-file-missing',
            id='the first must be there',
        ),
        pytest.param(
            'amd-sev',
            share(
                a=ES,
                b=descriptor(
                    flash('GONE'), 'amd-sev', 'requires-smm', 'secure-boot'
                ),
            ),
            NEW,
            SUCCESS,
            'firmware-found-plain',
            id='that with Secure Boot is not there',
        ),
        pytest.param(
            'amd-sev-es',
            DEBIAN_12,
            NEW,
            FAILURE,
            'firmware-none',
            id='none lists SEV-ES',
        ),
        pytest.param(
            'amd-sev',
            DEBIAN_12,
            (9, 0, 0),
            FAILURE,
            'firmware-stopped',
            id='libvirt 9.0 takes no domain of nova 34',
        ),
        pytest.param(
            'amd-sev',
            DEBIAN_12,
            None,
            WARNING,
            'firmware-disputed',
            id='libvirt is unknown, and its answers differ',
        ),
        pytest.param(
            'amd-sev',
            {},
            None,
            WARNING,
            'firmware-disputed',
            id='libvirt is unknown, and none has any, for other reasons',
        ),
        pytest.param(
            'intel-tdx',
            DEBIAN,
            None,
            WARNING,
            'firmware-secure-boot-only',
            id='libvirt is unknown, and its answers agree',
        ),
        pytest.param(
            'amd-sev',
            SETS['a link that leads nowhere'],
            NEW,
            FAILURE,
            'firmware-stopped',
            id='a link that leads nowhere',
        ),
    ],
)
def test_libvirt_chooses(tmp_path, model, files, version, status, code):
    report = host(tmp_path, model, files, version=version)

    assert result(report, model) == (status, code)


@pytest.mark.parametrize(
    ('model', 'files', 'release', 'status', 'code'),
    [
        pytest.param(
            'amd-sev', DEBIAN, 31, SUCCESS, 'firmware-found-twice', id='SEV'
        ),
        pytest.param(
            'amd-sev-es',
            DEBIAN_12,
            32,
            WARNING,
            'firmware-unlisted',
            id='SEV-ES with firmware that does not list it',
        ),
        pytest.param(
            'amd-sev',
            share(a=AMDSEV),
            32,
            FAILURE,
            'firmware-none',
            id='firmware in memory alone',
        ),
        pytest.param(
            'amd-sev',
            SETS['etc masks share with an empty file'],
            32,
            FAILURE,
            'firmware-stopped',
            id='an empty file',
        ),
    ],
)
def test_nova_chooses(tmp_path, model, files, release, status, code):
    report = host(tmp_path, model, files, release=release)

    assert result(report, model) == (status, code)


def test_a_model_that_is_off_needs_none(tmp_path):
    report = host(tmp_path, 'amd-sev', DEBIAN)

    assert firmware.firmware(report, model=find_model('intel-tdx')) is None


def test_the_machine_type_is_that_of_the_host_where_libvirt_was_asked(
    tmp_path,
):
    text = samples.capabilities_text(samples.MILAN)
    for capabilities, machine_type in (
        ((parse_domain_capabilities(text, 'a'),), 'pc-q35-8.0'),
        ((), 'q35'),
    ):
        report = host(tmp_path, 'amd-sev', {}, capabilities=capabilities)
        finding = firmware.firmware(report, model=find_model('amd-sev'))

        assert finding.values == {'machine_type': machine_type}


@pytest.mark.parametrize(
    ('name', 'version', 'release', 'status', 'code'),
    [
        ('what Debian sid ships', NEW, 34, SUCCESS, 'descriptors-read'),
        ('an empty object', NEW, 34, WARNING, 'descriptors-passed-over'),
        ('an empty object', (10, 0, 0), 34, FAILURE, 'descriptors-stop'),
        ('an empty object', None, 34, WARNING, 'descriptors-may-stop'),
        ('an empty object', NEW, 32, WARNING, 'descriptors-passed-over'),
        ('a link that leads nowhere', NEW, 34, FAILURE, 'descriptors-stop'),
        ('no JSON', NEW, 34, WARNING, 'descriptors-passed-over'),
        ('no JSON', NEW, 32, FAILURE, 'descriptors-stop'),
        (
            'etc masks share with an empty file',
            NEW,
            34,
            SUCCESS,
            'descriptors-read',
        ),
        (
            'etc masks share with an empty file',
            NEW,
            32,
            FAILURE,
            'descriptors-stop',
        ),
    ],
)
def test_descriptors(tmp_path, name, version, release, status, code):
    report = host(
        tmp_path, 'amd-sev', SETS[name], version=version, release=release
    )

    assert samples.result(firmware.descriptors(report)) == (status, code)


def test_a_host_without_models_needs_no_descriptor(tmp_path):
    report = HostReport(
        facts=HostEvidence(), firmware=search(HostFilesystem(tmp_path))
    )

    assert firmware.descriptors(report) is None


@settings(max_examples=100, deadline=None)
@given(
    descriptors.ANY_FOLDERS,
    st.sampled_from([(32, None), (34, OLD), (34, NEW), (34, None)]),
    st.booleans(),
)
def test_a_success_names_firmware_that_is_there_and_that_is_chosen(
    tmp_path_factory, files, release_and_version, present
):
    release, version = release_and_version
    root = tmp_path_factory.mktemp('host')
    for model in find_model('amd-sev'), find_model('amd-sev-es'):
        report = host(
            root, model.name, files, version=version, release=release
        )
        if not present:
            shutil.rmtree(root / 'fw')
            report = replace(report, firmware=search(HostFilesystem(root)))

        finding = firmware.firmware(report, model=model)

        if finding.status is not SUCCESS:
            continue
        path = finding.values['path']
        assert (root / path.lstrip('/')).is_file()
        (text,) = (
            file.text for file in report.firmware.files if file.path == path
        )
        if release < 33:
            # Nova's own choice looks at no more than the two names.
            mapping = json.loads(text)['mapping']
            names = ('executable', 'nvram-template')
            chosen = [mapping[name]['filename'] for name in names]
        else:
            chosen = parse_descriptor(text, path).files
        assert chosen
        assert all((root / f.lstrip('/')).is_file() for f in chosen)
