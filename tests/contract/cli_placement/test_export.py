"""A cloud that is exported is replayed with the same words."""

import json
import re
import stat

import pytest


def explained(run, cloud, sev):
    ran = run('explain', '--cloud', cloud, *sev)
    return ran.status, ran.out, ran.err


def test_a_case_is_replayed_from_the_file(run, cloud, sev, write):
    ran = run('export', '--cloud', cloud)

    assert (ran.status, ran.err) == (0, '')
    replayed = write(ran.out, 'replayed.json')
    assert explained(run, replayed, sev) == explained(run, cloud, sev)
    one, other = (
        run('capacity', '-f', 'json', '--cloud', file).json()
        for file in (cloud, replayed)
    )
    assert one == other
    assert run('export', '--cloud', replayed).out == ran.out


def test_a_case_without_names_says_the_same_of_others(
    run, cloud, sev, write, tmp_path
):
    names = tmp_path / 'names.json'
    ran = run('export', '--cloud', cloud, '--anonymous', '--names', names)

    assert (ran.status, ran.err) == (0, '')
    assert 'epyc' not in ran.out
    assert 'CUSTOM_HW_MACHINE_TYPE_Q35' in ran.out
    assert stat.S_IMODE(names.stat().st_mode) == 0o600
    new = json.loads(names.read_text())
    assert new['full'].startswith('host-')
    status, out, err = explained(run, cloud, sev)
    for old in sorted(new, key=len, reverse=True):
        out = re.sub(rf'\b{re.escape(old)}\b(?![-=])', new[old], out)
    replayed = write(ran.out, 'replayed.json')
    assert explained(run, replayed, sev) == (status, out, err)


def test_what_a_flavor_asks_for_can_be_kept(run, write):
    host = {
        'name': 'a', 'vcpus': 1, 'memory_mb': 1, 'disk_gb': 1,
        'traits': ['CUSTOM_GOLD', 'CUSTOM_ACME'],
    }  # fmt: skip
    ran = run(
        *('export', '--cloud', write({'hosts': [host]})),
        *('--anonymous', '--keep', 'CUSTOM_GOLD'),
    )
    assert 'CUSTOM_GOLD' in ran.out
    assert 'CUSTOM_ACME' not in ran.out


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        pytest.param(['--keep', 'CUSTOM_X'], '--anonymous', id='keep alone'),
        pytest.param(['--names', 'x'], '--anonymous', id='names alone'),
        pytest.param(
            ['--anonymous', '--keep', 'HW_X'], "'HW_X'", id='no custom name'
        ),
        pytest.param(
            ['--anonymous', '--names', '/no/such/file'], '/no/such/file',
            id='no folder',
        ),
    ],
)  # fmt: skip
def test_bad_options_are_reported(run, cloud, options, told):
    ran = run('export', '--cloud', cloud, *options)

    assert (ran.status, ran.out) == (2, '')
    assert told in ran.err
