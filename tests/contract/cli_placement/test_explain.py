import re

import pytest

from tests.contract.cli_placement.conftest import CLOUD

COLUMNS = [
    *('Host', 'Fits', 'Code', 'Permanent', 'Message', 'Fix'),
    *('Matter', 'Faults', 'Guests', 'Caveats', 'Advice'),
]
NAMES = ['epyc', 'default', 'full', 'genoa', 'plain']


@pytest.fixture
def explain(run, cloud):
    def explain(*options):
        return run('explain', '--cloud', cloud, *options)

    return explain


@pytest.fixture
def snp(flavor, image):
    return [
        *('--flavor', flavor('m1.sev-snp')),
        *('--image', image('ubuntu-24.04-snp')),
    ]


def test_each_host_has_a_row_with_its_code(explain, sev):
    ran = explain(*sev, '-f', 'json')

    assert (ran.status, ran.err) == (0, '')
    rows = ran.json()
    assert [list(row) for row in rows] == [COLUMNS] * 6
    assert {
        row['Host']: (row['Fits'], row['Code'], row['Permanent'])
        for row in rows
    } == {
        'epyc-1': (True, None, None),
        'epyc-2': (True, None, None),
        'default': (False, 'machine-type-not-q35', True),
        'full': (False, 'no-free-slot', False),
        'genoa': (False, 'no-pool', True),
        'plain': (False, 'no-pool', True),
    }
    for row in rows:
        assert row['Host'] in row['Message']
        assert bool(row['Fix']) != row['Fits']


@pytest.mark.parametrize('tenant', [(), ('--tenant',)])
def test_warnings_are_shown_to_people_where_the_answer_is_yes(
    explain, sev, flavor, image, tenant
):
    ready = (
        '--flavor',
        flavor('m1.sev'),
        '--image',
        image('ubuntu-24.04-sev'),
    )

    assert 'warning  hw_machine_type is not set;' in explain(*sev, *tenant).err
    assert explain(*ready, *tenant).err == ''
    assert explain(*sev, *tenant, '-f', 'json').err == ''


@pytest.mark.parametrize('tenant', [(), ('--tenant',)])
def test_a_model_that_the_image_keeps_out_is_told_where_the_answer_is_no(
    run, write, flavor, image, tenant
):
    full, free = {'total': 2, 'used': 2}, {'total': 2}
    host = CLOUD['hosts'][0]
    stateless = 'hw_firmware_stateless is not true; amd-sev-snp needs'

    def explained(*hosts):
        ran = run(
            *('explain', *tenant, '--cloud', write({'hosts': hosts}, 'two')),
            *('--flavor', flavor('m1.sev')),
            *('--image', image('ubuntu-24.04-sev')),
            *('--model', 'amd-sev-es', '--model', 'amd-sev-snp'),
        )
        assert ran.status == 1
        return ran

    offered = host | {'name': 'b', 'pools': {'amd-sev-snp': free}}
    taken = host | {'count': 1, 'pools': {'amd-sev-es': full}}
    assert f'warning  {stateless}' in explained(taken, offered).err
    # Where its command is the answer, it is not told twice.
    alone = explained(offered)
    assert stateless not in alone.err
    assert (
        '--property hw_firmware_stateless=true ubuntu-24.04-sev' in alone.out
    )
    assert 'flavor set' not in alone.out


def test_a_placement_without_hosts_is_no_lack_of_slots(run, state, sev):
    from sev_scheduling.placement import embedded_placement

    with embedded_placement(state):
        pass
    options = ('--state', state, *sev)
    ran = run('explain', *options)

    assert ran.status == 1
    assert ran.out.startswith('Placement lists no compute host to run this')
    tenant = run('explain', '--tenant', *options)
    assert tenant.status == 1
    assert tenant.out.endswith("Ask the cloud's operator.\n")
    for more in (('explain',), ('explain', '--tenant'), ('schedule',)):
        ran = run(*more, *options, '-f', 'json')
        (row,) = ran.json()
        assert (ran.status, row['Host'], row['Code']) == (1, None, None)
        assert 'Placement lists' in row['Message']


def test_all_faults_of_a_host_are_shown(run, write, sev):
    bad = {
        'name': 'bad', 'count': 7, 'vcpus': 64, 'memory_mb': 257024,
        'disk_gb': 1000, 'machine_types': {'x86_64': 'pc'},
        'pools': {'amd-sev': {'total': 4}},
    }  # fmt: skip
    full = {'name': 'full', 'pools': {'amd-sev': {'total': 4, 'used': 4}}}
    hosts = [bad, bad | full | {'count': 1}]
    options = ('--cloud', write({'hosts': hosts}, 'bad'), *sev)
    rows = run('explain', *options, '-f', 'json').json()
    text = run('explain', *options).out.splitlines()

    assert {
        row['Host']: row['Faults'] for row in rows if row['Host'] is not None
    } == {
        **{f'bad-{n}': ['machine-type-not-q35'] for n in range(1, 8)},
        'full-1': ['machine-type-not-q35', 'no-free-slot'],
    }
    shown = [line.strip() for line in text]
    assert shown[-6:-3] == [
        '8  default to machine type pc; amd-sev needs q35',
        'bad-1, bad-2, bad-3, bad-4, bad-5 and 3 more',
        '1 of them also has no free amd-sev slot (4 of 4 in use)',
    ]


def test_operators_read_counts_and_where_it_fits(explain, sev):
    ran = explain(*sev)

    assert ran.status == 0
    assert ran.out.splitlines() == [
        '2 of 6 hosts can run this amd-sev guest:',
        '  2  offer no amd-sev slots',
        '     genoa, plain',
        '  1  defaults to machine type pc; amd-sev needs q35',
        '     default',
        '     -> if the image runs on q35:',
        '        openstack image set --property hw_machine_type=q35 '
        'debian-13-uefi',
        '     -> or set [libvirt] hw_machine_type = x86_64=q35 in nova.conf '
        'of every such host',
        '  1  has no free amd-sev slot (4 of 4 in use)',
        '     full',
        'It fits on epyc-1 (2 free), epyc-2 (2 free).',
    ]


def test_tenants_read_neither_names_nor_counts(explain, flavor, write):
    tdx = {'hw_firmware_type': 'uefi', 'hw_firmware_stateless': 'true',
           'hw_machine_type': 'q35', 'hw_video_model': 'none'}  # fmt: skip
    args = (
        *('--tenant', '--flavor', flavor('m1.tdx')),
        *('--image', write({'id': 'i', 'name': 'i', 'properties': tdx})),
    )
    ran = explain(*args)
    rows = explain(*args, '-f', 'json')

    assert (ran.status, rows.status) == (1, 1)
    for text in (ran.out, ran.err, rows.out, rows.err):
        assert not [name for name in NAMES if name in text]
        assert not re.search(r'\b[0-9]+\b', text)
    assert ran.err == 'No host can run this intel-tdx guest.\n'
    assert rows.json() == [
        {
            'Host': None,
            'Fits': False,
            'Code': 'no-pool',
            'Permanent': True,
            'Message': 'No host offers intel-tdx memory encryption; hosts '
            'offer amd-sev (protects less), amd-sev-snp.',
            'Fix': 'openstack flavor set --property '
            'hw:mem_encryption_model=amd-sev-snp m1.tdx',
            'Matter': 'hosts',
            'Faults': ['no-pool'],
            'Guests': None,
            'Caveats': ['model-wanted'],
            'Advice': "Flavor m1.tdx is public: ask the cloud's operator, or "
            'choose another flavor.',
        }
    ]


@pytest.mark.parametrize(
    ('taken', 'code', 'permanent'),
    [
        pytest.param(True, 'no-free-slot', False, id='a slot may come free'),
        pytest.param(False, None, None, id='a slot is free'),
    ],
)
def test_a_taken_slot_is_not_for_ever(
    run, explain, snp, state, taken, code, permanent
):
    if taken:
        cloud = ['--cloud', state.with_name('cloud.json')]
        assert run('schedule', *cloud, '--state', state, *snp).status == 0
    rows = {
        row['Host']: row
        for row in explain(*snp, '--state', state, '-f', 'json').json()
    }

    assert rows['genoa']['Code'] == code
    assert rows['genoa']['Permanent'] is permanent


def large(write, memory):
    return write(
        {
            'name': 'large', 'vcpus': 1, 'ram': memory, 'disk': 1,
            'properties': {'hw:mem_encryption': 'true'},
        },
        'large.json',
    )  # fmt: skip


def test_hosts_that_are_too_small_are_counted_and_diagnosed(
    explain, write, image
):
    args = (
        *('--flavor', large(write, 257025)),
        *('--image', image('ubuntu-24.04-sev')),
    )
    ran = explain(*args)
    rows = explain(*args, '-f', 'json')

    assert (ran.status, rows.status) == (1, 1)
    assert ran.err == '0 of 6 hosts can run this amd-sev guest.\n'
    counts = re.findall(r'^ {2,}([0-9]+)  ', ran.out, re.MULTILINE)
    assert sum(map(int, counts)) == 6
    # The confirmed cause leads, and counts no host again.
    why = ran.out.splitlines()[1]
    assert why.startswith('  3  would do but for MEMORY_MB: 257025 asked for,')
    assert '257024' in why
    assert [
        row['Host'] for row in rows.json() if row['Code'] == 'resources-short'
    ] == [None, 'default', 'epyc-1', 'epyc-2']
    assert ran.out == rows.err


def test_it_just_fits(explain, write, image):
    ran = explain(
        *('--flavor', large(write, 257024)),
        *('--image', image('ubuntu-24.04-sev')),
    )

    assert ran.status == 0


def test_no_refusal_says_that_the_guest_fits(run, explain, write, image):
    """Placement has candidates, and only on hosts that cannot run it."""
    small = [
        host | {'memory_mb': 4096} if host['name'] == 'epyc' else host
        for host in CLOUD['hosts']
    ]
    args = (
        *('--cloud', write({'hosts': small}, 'small.json')),
        *('--flavor', large(write, 8192)),
        *('--image', image('debian-13-uefi')),
    )
    explained = run('explain', *args)
    scheduled = run('schedule', '-f', 'json', *args)
    tenant = run('explain', '--tenant', *args)

    assert explained.status == scheduled.status == tenant.status == 1
    assert explained.out.startswith('0 of 6 hosts can run this amd-sev guest')
    assert '  2  would do but for MEMORY_MB' in explained.out
    assert scheduled.err == (f'No host can take the guest.\n{explained.out}')
    assert tenant.out.startswith('No host can run this amd-sev guest:\n')
    # There is a host with enough memory: the machine type is all it takes.
    assert 'hw_machine_type=q35' in tenant.out
    assert 'MEMORY_MB' not in tenant.out


def test_a_tenant_s_code_is_what_the_text_begins_with(run, write, image):
    """A host defaults to pc, and its slots are taken."""
    pool = {'amd-sev': {'total': 4, 'used': 4}}
    entry = {
        'name': 'a', 'vcpus': 64, 'memory_mb': 257024, 'disk_gb': 1800,
        'machine_types': {'x86_64': 'pc'}, 'pools': pool,
    }  # fmt: skip
    (row,) = run(
        *('explain', '--tenant', '-f', 'json'),
        *('--cloud', write({'hosts': [entry]}, 'full.json')),
        *('--flavor', large(write, 8192)),
        *('--image', image('debian-13-uefi')),
    ).json()

    assert row['Faults'] == ['no-free-slot', 'machine-type-not-q35']
    assert (row['Code'], row['Permanent']) == ('no-free-slot', True)


def test_some_hosts_that_agree_may_lack_something_else(run, write, image):
    hosts = [
        host | {'name': f'{host["name"]}-{memory}', 'memory_mb': memory}
        for host in CLOUD['hosts'][:1]
        for memory in (4096, 8192)
    ]
    ran = run(
        *('explain', '--cloud', write({'hosts': hosts}, 'mixed.json')),
        *('--flavor', large(write, 8192)),
        *('--image', image('debian-13-uefi')),
    )

    assert ran.status == 0
    assert ran.out.splitlines() == [
        '2 of 4 hosts can run this amd-sev guest:',
        '  2  fail on MEMORY_MB: 8192 asked for, at most 4096 left on one '
        'host (epyc-4096-1), 4096 short',
        '     epyc-4096-1, epyc-4096-2',
        '     -> use a flavor with less MEMORY_MB, or add hosts',
        'It fits on epyc-8192-1 (2 free), epyc-8192-2 (2 free).',
    ]


def test_of_many_hosts_that_fit_some_are_named(run, write, sev):
    host = CLOUD['hosts'][0] | {'count': 10}
    ran = run('explain', '--cloud', write({'hosts': [host]}, 'ten'), *sev)

    assert ran.out.startswith('10 of 10 hosts can run this amd-sev guest.\n')
    assert ran.out.endswith(', epyc-7 (2 free) and 2 more.\n')


def test_an_unencrypted_guest_fits_by_its_size_alone(explain, flavor, image):
    ran = explain(
        *('--flavor', flavor('m1.large'), '--image', image('ubuntu-24.04'))
    )

    assert ran.status == 0
    assert ran.out.startswith('6 of 6 hosts can run this unencrypted guest')


def test_an_invalid_request_asks_no_host(explain, flavor, image, state):
    args = (
        *('--flavor', flavor('m1.sev'), '--image', image('ubuntu-24.04')),
        *('--state', state),
    )
    ran = explain(*args)
    rows = explain(*args, '-f', 'json').json()
    tenant = explain(*args, '--tenant')

    assert (ran.status, tenant.status) == (1, 1)
    assert ran.out.startswith('m1.sev asks for amd-sev.')
    assert '--property hw_firmware_type=uefi' in tenant.out
    assert [(row['Host'], row['Code']) for row in rows] == [
        (None, 'firmware-not-uefi')
    ]
    assert not state.exists()


def test_a_model_that_some_hosts_offer_is_not_said_to_be_missing(
    run, flavor, write
):
    host = {
        'name': 'epyc', 'vcpus': 64, 'memory_mb': 64256, 'disk_gb': 1000,
        'machine_types': {'x86_64': 'q35'}, 'pools': {'amd-sev': {'total': 9}},
    }  # fmt: skip
    plain = {'name': 'plain', 'vcpus': 8, 'memory_mb': 64256, 'disk_gb': 500}
    image = {
        'id': 'i',
        'name': 'i',
        'properties': {
            'hw_firmware_type': 'uefi',
            'trait:HW_CPU_X86_AVX512F': 'required',
        },
    }
    ran = run(
        *('explain', '--tenant', '--flavor', flavor('m1.sev')),
        *('--image', write(image)),
        *('--cloud', write({'hosts': [host, plain]}, 'cloud.json')),
    )

    assert ran.status == 1
    assert 'HW_CPU_X86_AVX512F' in ran.out
    assert 'No host offers' not in ran.out


@pytest.mark.parametrize('hosts', [1, 5])
@pytest.mark.parametrize('vcpus', [16, 17, 100])
def test_each_row_has_the_same_of_what_one_guest_may_have(
    run, write, vcpus, hosts
):
    """Placement gives out 16 times the CPUs, and no guest more than all."""
    cloud = {'name': 'h', 'vcpus': 4, 'memory_mb': 8192, 'count': hosts}
    ran = run(
        'explain',
        *('--cloud', write({'hosts': [{**cloud, 'disk_gb': 100}]}, 'c.yaml')),
        '--flavor',
        write({'name': 'm1', 'vcpus': vcpus, 'ram': 512, 'disk': 1}, 'f.json'),
        *('-f', 'json'),
    )
    left = re.compile(f'VCPU: {vcpus} asked for, (at most )?4 left')
    rows = ran.json()
    assert len(rows) == 1 + hosts
    assert [row for row in rows if not left.search(row['Message'])] == []
