import shutil
from pathlib import Path

import pytest

import sev_scheduling.compute
from sev_scheduling.compute import (
    Status,
    check,
    parse_domain_capabilities,
    survey,
)
from sev_scheduling.compute.files import Root
from sev_scheduling.compute.inspection import CHECKS, read_settings
from tests.unit.compute import samples


@pytest.fixture(autouse=True)
def no_nova(monkeypatch):
    monkeypatch.setattr(
        'sev_scheduling.compute.inspection.installed_release', lambda: None
    )


def report(root, name, **options):
    caps = parse_domain_capabilities(samples.capabilities_text(name), name)
    return survey(root, capabilities=[caps], **options)


@pytest.mark.parametrize('name', [samples.MILAN, samples.GENOA, samples.TDX])
def test_a_host_that_is_ready_has_nothing_to_mend(name):
    results = check(report(samples.root(name), name))

    assert {
        result.name: result.details
        for result in results
        if result.status is not Status.SUCCESS
    } == {}
    assert len(results) >= 12


@pytest.mark.parametrize('name', samples.OFFERS)
def test_every_sample_gets_its_results(name):
    results = check(report(samples.root(name), name))

    assert all(result.details.isprintable() for result in results)
    assert all(len(result.details) < 500 for result in results)


def test_an_unreadable_configuration_is_told_once(tmp_path):
    root = tmp_path / 'host'
    shutil.copytree(samples.DIRECTORY / samples.MILAN, root)
    (root / 'etc/nova/nova.conf').write_bytes(b'\xff')

    results = check(report(Root(root), samples.MILAN))

    failed = [r for r in results if r.status is Status.FAILURE]
    assert [r.name for r in failed] == ['Nova configuration']
    assert 'not UTF-8' in failed[0].details
    assert 'UEFI firmware for amd-sev' in [r.name for r in results]


def test_one_bad_value_fails_only_the_checks_that_need_it(tmp_path):
    root = tmp_path / 'host'
    shutil.copytree(samples.DIRECTORY / samples.MILAN, root)
    with (root / 'etc/nova/nova.conf').open('a') as conf:
        conf.write('cpu_mode = $gone\n')

    results = check(report(Root(root), samples.MILAN))

    failed = [r for r in results if r.status is Status.FAILURE]
    assert [r.name for r in failed] == ['CPU model of guests']
    assert "'$gone'" in failed[0].details


@pytest.mark.parametrize(
    ('path', 'name'),
    [
        pytest.param(
            'etc/nova/provider_config/machine-type.yaml',
            'Published machine type',
            id='provider.yaml',
        ),
        pytest.param(
            'sys/module/kvm_amd/parameters/sev_es',
            'Kernel module',
            id='a module parameter',
        ),
        pytest.param('proc/meminfo', 'Memory for the host', id='meminfo'),
        pytest.param(
            'usr/share/qemu/firmware/60-ovmf.json',
            'UEFI firmware for amd-sev',
            id='a descriptor',
        ),
    ],
)
def test_one_bad_file_fails_its_own_check(tmp_path, path, name):
    root = tmp_path / 'host'
    shutil.copytree(samples.DIRECTORY / samples.MILAN, root)
    (root / path).write_bytes(b'\xff')

    results = check(report(Root(root), samples.MILAN))

    failed = {r.name: r.details for r in results if r.status is Status.FAILURE}
    assert name in failed
    assert 'UTF-8' in failed[name]
    assert len(results) - len(failed) >= 9


def test_an_unusable_location_of_provider_configuration_is_told(tmp_path):
    conf = tmp_path / 'nova.conf'
    conf.write_text('[compute]\nprovider_config_location = $gone\n')

    found = survey(Root(tmp_path), config_files=[conf])

    assert '$gone' in found.published_error


def test_an_empty_host_fails_without_an_error(tmp_path):
    results = check(survey(Root(tmp_path)))

    assert {r.name: r.status for r in results} == {
        'Processor': Status.FAILURE,
        'Kernel module': Status.FAILURE,
        'Libvirt and QEMU': Status.WARNING,
        'Encryption slots': Status.FAILURE,
        'Nova configuration': Status.FAILURE,
    }


def test_the_release_is_told_or_installed_or_the_latest(monkeypatch):
    root = samples.root(samples.MILAN)

    assert read_settings(root).release == 34
    monkeypatch.setattr(
        'sev_scheduling.compute.inspection.installed_release', lambda: 32
    )
    assert read_settings(root).release == 32
    assert read_settings(root, release=31).release == 31


def test_every_check_is_documented():
    page = (
        Path(sev_scheduling.compute.__file__).parents[2]
        / 'doc/source/operator/compute-host.rst'
    ).read_text()

    for name, _ in CHECKS:
        shown = name if not name.startswith('UEFI') else 'UEFI firmware for'
        assert f'``{shown}' in page, name


def test_names_of_checks_are_unique():
    names = [name for name, _ in CHECKS]

    assert len(names) == len(set(names))


def test_the_interface_is_what_it_says():
    for name in sev_scheduling.compute.__all__:
        assert getattr(sev_scheduling.compute, name).__doc__ or name.isupper()
