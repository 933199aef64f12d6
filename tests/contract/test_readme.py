"""The first screen of the README is what the commands print."""

import json
import pathlib
import re
import textwrap

import pytest

from sev_scheduling.cli.main import main

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / 'README.rst').read_text()

_BLOCK = re.compile(
    r'^\.\. code-block:: text\n\n((?:(?:   .*)?\n)+)', re.MULTILINE
)

HOST = {'vcpus': 64, 'memory_mb': 257024, 'disk_gb': 1800}
CLOUD = {
    'hosts': [
        HOST | {'name': 'plain', 'count': 6},
        HOST
        | {
            'name': 'epyc',
            'count': 4,
            'machine_types': {'x86_64': 'q35'},
            'pools': {'amd-sev': {'total': 15, 'used': 15}},
        },
        HOST
        | {
            'name': 'epyc-old',
            'count': 2,
            'machine_types': {'x86_64': 'pc'},
            'pools': {'amd-sev': {'total': 15, 'used': 3}},
        },
    ]
}
FLAVOR = {
    'name': 'm1.sev',
    'ram': 8192,
    'vcpus': 4,
    'disk': 40,
    'extra_specs': {'hw:mem_encryption': 'true'},
}
IMAGE = {'name': 'ubuntu-24.04', 'hw_firmware_type': 'uefi'}


@pytest.mark.parametrize(
    ('number', 'options'),
    [
        pytest.param(0, (), id='the operator'),
        pytest.param(1, ('--tenant',), id='the user'),
    ],
)
def test_the_first_screen_is_a_real_run(
    capsys, monkeypatch, tmp_path, number, options
):
    monkeypatch.chdir(tmp_path)
    for name, document in (
        ('cloud', CLOUD),
        ('flavor', FLAVOR),
        ('image', IMAGE),
    ):
        pathlib.Path(name).write_text(json.dumps(document))
    status = main(
        [
            *('explain', '--cloud', 'cloud', '--flavor', 'flavor'),
            *('--image', 'image', *options),
        ]
    )

    assert status == 1
    shown = textwrap.dedent(_BLOCK.findall(README)[number]).strip()
    # A command goes on in a line of its own.
    shown = re.sub(r' \\\n +', ' ', shown)
    assert capsys.readouterr().out.strip() == shown
