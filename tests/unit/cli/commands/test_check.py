import json

import pytest

COLUMNS = [
    *('Code', 'Severity', 'Where', 'Message', 'Fix', 'Caveats', 'Advice'),
]


def test_a_valid_request_is_said_to_be_valid(run, flavor, image):
    ran = run(
        'check',
        *('--flavor', flavor('m1.sev')),
        *('--image', image('ubuntu-24.04-sev')),
    )

    assert (ran.status, ran.err) == (0, '')
    assert len(ran.out.splitlines()) == 1


def test_a_valid_request_has_no_rows(run, flavor, image):
    ran = run(
        *('check', '-f', 'json'),
        *('--flavor', flavor('m1.sev')),
        *('--image', image('ubuntu-24.04-sev')),
    )

    assert (ran.status, ran.json(), ran.err) == (0, [], '')


def test_every_problem_is_named_at_once_with_its_fix(run, flavor, image):
    ran = run(
        *('check', '-f', 'json'),
        *('--flavor', flavor('m1.sev')),
        *('--image', image('legacy-appliance')),
    )

    assert ran.status == 1
    rows = ran.json()
    assert [list(row) for row in rows] == [COLUMNS] * 4
    assert [row['Code'] for row in rows] == [
        'firmware-not-uefi',
        'machine-type-not-q35',
        'disk-bus-unsupported',
        'cdrom-bus-unsupported',
    ]
    for row in rows:
        assert row['Severity'] == 'error'
        assert row['Fix'].startswith('openstack image set --property hw_')
    # Explained to people as well, with one command for all of it.
    (command,) = [line for line in ran.err.splitlines() if 'openstack' in line]
    for row in rows:
        assert row['Fix'].split()[4] in command


@pytest.mark.parametrize('public', [True, False])
def test_whom_to_ask_of_what_is_public_is_in_every_format(
    run, write, image, public
):
    flavor = {
        **{'name': 'm1', 'vcpus': 1, 'ram': 512, 'disk': 1},
        'properties': {'hw:mem_encryption': 'maybe'},
        'os-flavor-access:is_public': public,
    }
    args = (
        *('check', '--flavor', str(write(json.dumps(flavor)))),
        *('--image', image('ubuntu-24.04-sev')),
    )
    (row,) = run(*args, '-f', 'json').json()

    assert row['Fix'].startswith('openstack flavor set')
    for text in (row['Advice'] or '', run(*args).out):
        assert ('Flavor m1 is public: ask' in text) is public


def test_what_a_flavor_asks_of_an_image_has_a_way_out(run, write, image):
    flavor = {
        **{'name': 'm1', 'vcpus': 1, 'ram': 512, 'disk': 1},
        'properties': {
            'hw:mem_encryption': 'true',
            'hw:mem_encryption_model': 'intel-tdx',
            'os:secure_boot': 'disabled',
        },
    }
    ran = run(
        *('check', '--flavor', str(write(json.dumps(flavor)))),
        *('--image', image('ubuntu-24.04-sev')),
    )

    assert '--property os:secure_boot=required m1' in ran.out
    assert 'Else use another image.' in ran.out


def test_warnings_are_shown_and_do_not_count(run, flavor, image):
    args = (
        *('check', '--flavor', flavor('m1.sev')),
        *('--image', image('debian-13-uefi')),
    )
    ran = run(*args, '-f', 'json')

    assert (ran.status, ran.err) == (0, '')
    assert [(r['Code'], r['Severity']) for r in ran.json()] == [
        ('machine-type-unset', 'warning')
    ]
    assert 'warning' in run(*args).out


@pytest.mark.parametrize(
    ('machine_type', 'codes', 'status'),
    [
        pytest.param('pc', ['machine-type-not-q35'], 1, id='pc'),
        pytest.param('pc-q35-8.2', [], 0, id='a versioned q35'),
    ],
)
def test_the_machine_type_of_the_hosts_stands_in_for_the_image_s(
    run, flavor, image, machine_type, codes, status
):
    ran = run(
        *('check', '-f', 'json', '--machine-type', machine_type),
        *('--flavor', flavor('m1.sev')),
        *('--image', image('debian-13-uefi')),
    )

    assert [row['Code'] for row in ran.json()] == codes
    assert ran.status == status


def test_a_flavor_alone_is_judged_as_if_booted_from_an_image_without_facts(
    run, flavor
):
    ran = run('check', '-f', 'json', '--flavor', flavor('m1.sev'))

    assert ran.status == 1
    assert [row['Where'] for row in ran.json()] == [
        'image:hw_firmware_type',
        'image:hw_machine_type',
    ]


def test_the_image_facts_of_a_volume_are_found_in_what_openstack_prints(
    run, flavor, write
):
    volume = {
        'id': '8c5d', 'name': 'root', 'status': 'available', 'size': 40,
        'bootable': 'true',
        'volume_image_metadata': {
            'image_id': 'b7e2', 'hw_firmware_type': 'uefi',
            'hw_machine_type': 'pc',
        },
    }  # fmt: skip
    ran = run(
        *('check', '-f', 'json'),
        *('--flavor', flavor('m1.sev'), '--image', write(volume)),
    )

    assert ran.status == 1
    assert [row['Code'] for row in ran.json()] == ['machine-type-not-q35']
    assert ran.json()[0]['Fix'] == (
        'openstack volume set --image-property hw_machine_type=q35 root'
    )


def test_flavor_and_image_saying_the_opposite_is_a_conflict(
    run, flavor, image
):
    ran = run(
        *('check', '-f', 'json', '--flavor', flavor('m1.plain')),
        *('--image', image('fedora-43-encrypted')),
    )

    assert ran.status == 1
    assert ran.json()[0]['Code'] == 'encryption-conflict'


def test_standard_input_is_read_where_the_file_is_a_dash(
    run, flavor, image, monkeypatch
):
    with flavor('m1.sev').open() as stream:
        monkeypatch.setattr('sys.stdin', stream)
        ran = run(
            *('check', '--flavor', '-'),
            *('--image', image('ubuntu-24.04-sev')),
        )

    assert (ran.status, ran.err) == (0, '')
