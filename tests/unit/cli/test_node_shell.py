"""The node commands through the application itself."""

import sys

import pytest

from tests.unit.compute import samples


@pytest.fixture(autouse=True)
def no_libvirt(monkeypatch):
    monkeypatch.setitem(sys.modules, 'libvirt', None)


def host(name):
    directory = samples.DIRECTORY / name
    return (
        '--root',
        directory,
        '--domain-capabilities',
        directory / 'domcapabilities.xml',
    )


@pytest.mark.parametrize(
    ('arguments', 'status'),
    [
        pytest.param(['detect', *host(samples.MILAN)], 0, id='detect, yes'),
        pytest.param(['detect', *host(samples.INTEL)], 1, id='detect, no'),
        pytest.param(
            [
                *('check', *host(samples.MILAN), '--nova-release', 34),
                *('--libvirt-version', '12.0.0'),
                *('--qemu-version', '10.1.0'),
            ],
            0,
            id='check, success',
        ),
        pytest.param(['check', *host(samples.INTEL)], 2, id='check, failure'),
        pytest.param(['reserve', '--guests', 15], 0, id='reserve'),
        pytest.param(
            ['provider-config', '--machine-type', 'q35'],
            0,
            id='provider-config',
        ),
    ],
)
def test_each_command_ends_with_its_status(run, arguments, status):
    ran = run('node', *arguments)

    assert ran.status == status
    assert ran.out


@pytest.mark.parametrize(
    'arguments',
    [
        pytest.param(['detect', '--qemu-version', 'x'], id='a bad version'),
        pytest.param(['detect', '-c', 'Nothing'], id='an unknown column'),
        pytest.param(['reserve', '--guests', -1], id='too few guests'),
        pytest.param(
            ['reserve', '--guests', 1, '--padding', 1], id='little padding'
        ),
        pytest.param(
            ['provider-config', '--machine-type', 'a b'], id='no machine type'
        ),
        pytest.param(
            [
                'provider-config',
                '--machine-type',
                'q35',
                '--output',
                '/gone/file',
            ],
            id='no directory',
        ),
        pytest.param(
            ['provider-config', '--config-file', '/gone'], id='no file'
        ),
        pytest.param(
            ['provider-config', '--config-dir', '/gone'], id='no pieces'
        ),
    ],
)
def test_bad_input_is_one_line(run, arguments):
    ran = run('node', *arguments)

    assert ran.status == 2
    assert ran.out == ''
    assert ran.err.count('\n') == 1


def test_the_column_of_the_long_form_can_be_chosen(run):
    ran = run(
        'node', 'detect', *host(samples.MILAN), '--long', '-f', 'json',
        '-c', 'Model', '-c', 'Read From',
    )  # fmt: skip

    assert ran.status == 0
    assert list(ran.json()[0]) == ['Model', 'Read From']
