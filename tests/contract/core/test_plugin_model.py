"""A package that another author might write adds a model, and it works."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.factories import ON, flavor, image

PACKAGE = Path(__file__).parents[2] / 'samples/core/arm-cca'
MAIN = 'import sys; from sev_scheduling.cli.main import main; sys.exit(main())'
FLAVOR = flavor(ON | {'hw:mem_encryption_model': 'arm-cca'})
IMAGE = image(
    {
        'hw_architecture': 'aarch64',
        'hw_firmware_type': 'uefi',
        'hw_machine_type': 'virt',
    }
)
CLOUD = {
    'hosts': [
        {
            'name': name,
            **{'vcpus': 64, 'memory_mb': 65536, 'disk_gb': 500},
            'machine_types': {architecture: machine_type},
            'pools': {model: {'total': 2}},
        }
        for name, architecture, machine_type, model in (
            ('grace', 'aarch64', 'virt', 'arm-cca'),
            ('epyc', 'x86_64', 'q35', 'amd-sev'),
        )
    ]
}


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
    """Install the package where no other test finds it."""
    folder = tmp_path_factory.mktemp('arm-cca')
    # Building leaves files beside the source.
    source = shutil.copytree(PACKAGE, folder / 'source')
    target = folder / 'target'
    subprocess.run(
        [
            *(sys.executable, '-m', 'pip', 'install', '--quiet'),
            *('--no-deps', '--no-build-isolation', '--no-index'),
            *('--no-cache-dir', '--disable-pip-version-check'),
            *('--target', str(target), str(source)),
        ],
        check=True,
    )
    return target


@pytest.fixture
def run(installed, tmp_path):
    """Run a command in a process that has the package."""

    def run(command, *options, image=IMAGE):
        for name, document in (
            ('flavor', FLAVOR),
            ('image', image),
            ('cloud', CLOUD),
        ):
            (tmp_path / f'{name}.json').write_text(json.dumps(document))
        files = ['--flavor', 'flavor.json', '--image', 'image.json']
        return subprocess.run(
            [sys.executable, '-c', MAIN, command, *files, *options],
            cwd=tmp_path,
            env={**os.environ, 'PYTHONPATH': str(installed)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_a_guest_of_the_new_model_is_placed(run):
    ran = run(
        *('schedule', '-f', 'json', '--cloud', 'cloud.json', '--count', '2')
    )

    assert ran.returncode == 0, ran.stderr
    assert [(row['Host'], row['Model']) for row in json.loads(ran.stdout)] == [
        ('grace', 'arm-cca')
    ] * 2


def test_hosts_are_judged_by_the_new_model(run):
    ran = run('schedule', '--cloud', 'cloud.json', '--count', '3')

    assert ran.returncode == 1
    assert 'arm-cca' in ran.stderr
    assert 'grace' not in ran.stdout


def test_the_new_model_has_its_own_demands(run):
    wrong = IMAGE | {'hw_machine_type': 'q35', 'hw_architecture': 'x86_64'}
    ran = run('check', '-f', 'json', image=wrong)

    assert ran.returncode == 1
    assert [
        (row['Code'], row['Message'].rpartition('; ')[2])
        for row in json.loads(ran.stdout)
    ] == [
        ('machine-type-not-q35', 'arm-cca needs virt.'),
        ('architecture-unsupported', 'arm-cca runs on aarch64.'),
    ]


@pytest.mark.parametrize(
    ('command', 'status', 'words'),
    [
        ('detect', 0, '"Model": "arm-cca", "Offered": true, "Slots": 32'),
        ('check', 1, 'Switched on: arm-cca.'),
    ],
)
def test_a_compute_host_shows_it(installed, command, status, words):
    host = PACKAGE / 'host'

    ran = subprocess.run(
        [
            *(sys.executable, '-c', MAIN, 'node', command, '-f', 'json'),
            *('--root', str(host), '--domain-capabilities'),
            str(host / 'domcapabilities.xml'),
        ],
        env={**os.environ, 'PYTHONPATH': str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ran.returncode == status
    assert words in ' '.join(ran.stdout.split())
    assert 'q35' not in ran.stdout
