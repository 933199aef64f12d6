"""The command as a process of its own: pipes, and a disk that is full."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name('sev-scheduling')


def test_what_is_printed_is_read_by_programs(flavor, image):
    with image('legacy-appliance').open('rb') as stdin:
        ran = subprocess.run(
            [
                *(SCRIPT, 'check', '--flavor', flavor('m1.sev')),
                *('--image', '-', '-f', 'json'),
            ],
            stdin=stdin,
            capture_output=True,
        )

    assert ran.returncode == 1
    assert len(json.loads(ran.stdout)) == 4
    assert b'--property hw_disk_bus=virtio' in ran.stderr


def test_a_reader_who_leaves_is_no_reason_to_complain(flavor):
    process = subprocess.Popen(
        [SCRIPT, 'translate', '--flavor', flavor('m1.large')],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    _, stderr = process.communicate()

    assert (process.returncode, stderr) == (141, b'')


@pytest.mark.parametrize(
    ('number', 'status'),
    [
        pytest.param(signal.SIGINT, 130, id='Ctrl-C'),
        pytest.param(signal.SIGTERM, 143, id='an order to end'),
    ],
)
def test_a_command_that_is_ended_leaves_nothing_behind(
    tmp_path, number, status
):
    with subprocess.Popen(
        # Whoever started the tests may ignore Ctrl-C.
        ['env', '--default-signal=INT', SCRIPT, 'demo'],
        env={**os.environ, 'TMPDIR': tmp_path, 'PYTHONUNBUFFERED': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        # Now it has a Placement, and is about to ask it.
        assert any(line.startswith(b'Asked ') for line in process.stdout)
        assert list(tmp_path.iterdir())
        process.send_signal(number)
        _, stderr = process.communicate()

    assert (process.returncode, stderr) == (status, b'')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no /dev/full')
def test_a_full_disk_is_reported_in_one_line(flavor):
    with open('/dev/full', 'wb') as stdout:
        ran = subprocess.run(
            [SCRIPT, 'translate', '--flavor', flavor('m1.large')],
            stdout=stdout,
            stderr=subprocess.PIPE,
        )

    assert ran.returncode == 2
    assert ran.stderr == (
        b'sev-scheduling: The output cannot be written: No space left on '
        b'device.\n'
    )


def test_letters_that_the_terminal_lacks_are_escaped(write):
    flavor = {
        'name': 'größe', 'vcpus': 1, 'ram': 1,
        'properties': {'hw:mem_encryption': 'true'},
    }  # fmt: skip
    ran = subprocess.run(
        [SCRIPT, 'check', '--flavor', write(flavor)],
        env={'PYTHONIOENCODING': 'ascii', 'PYTHONWARNINGS': 'ignore'},
        capture_output=True,
    )

    assert ran.returncode == 1
    assert rb'gr\xf6\xdfe asks' in ran.stdout
