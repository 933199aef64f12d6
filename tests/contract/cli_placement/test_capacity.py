import json
import re

import pytest

from sev_scheduling.explain.catalogue.hosts import NO_HOSTS

COLUMNS = [
    *('Host', 'Model', 'Total', 'Reserved', 'Used', 'Free', 'Status'),
    'In Use',
]


SUMS = [
    'amd-sev: 33 of 47 slots in use (70%); 1 of 4 hosts full',
    'amd-sev-snp: 0 of 1 slot in use (0%); 0 of 1 host full',
]


def test_every_pool_has_a_row_full_ones_included(run, cloud):
    ran = run('capacity', '-f', 'json', '--cloud', cloud)

    assert (ran.status, ran.err) == (0, '')
    rows = ran.json()
    assert [list(row) for row in rows] == [COLUMNS] * 5
    assert [tuple(row.values()) for row in rows] == [
        ('default', 'amd-sev', 15, None, 5, 10, 'enabled', 33),
        ('epyc-1', 'amd-sev', 14, None, 12, 2, 'enabled', 86),
        ('epyc-2', 'amd-sev', 14, None, 12, 2, 'enabled', 86),
        ('full', 'amd-sev', 4, None, 4, 0, 'enabled', 100),
        ('genoa', 'amd-sev-snp', 1, None, 0, 1, 'enabled', 0),
    ]


@pytest.mark.parametrize('option', ['--long', '--prometheus'])
def test_reserved_slots_are_asked_for_by_option(run, cloud, option, tmp_path):
    more = [tmp_path / 'slots'] if option == '--prometheus' else []
    ran = run('capacity', '-f', 'json', '--cloud', cloud, option, *more)

    assert [tuple(row.values()) for row in ran.json()] == [
        ('default', 'amd-sev', 15, 0, 5, 10, 'enabled', 33),
        ('epyc-1', 'amd-sev', 15, 1, 12, 2, 'enabled', 86),
        ('epyc-2', 'amd-sev', 15, 1, 12, 2, 'enabled', 86),
        ('full', 'amd-sev', 4, 0, 4, 0, 'enabled', 100),
        ('genoa', 'amd-sev-snp', 1, 0, 0, 1, 'enabled', 0),
    ]


def test_one_model_can_be_picked(run, cloud):
    ran = run(
        *('capacity', '-f', 'value', '-c', 'Host', '--cloud', cloud),
        *('--model', 'amd-sev-snp'),
    )

    assert ran.out == 'genoa\n'


def test_hosts_are_in_the_order_in_which_people_count(run, write):
    host = {
        'name': 'epyc', 'count': 11, 'vcpus': 1, 'memory_mb': 1, 'disk_gb': 1,
        'pools': {'amd-sev': {'total': 1}},
    }  # fmt: skip
    ran = run(
        *('capacity', '-f', 'value', '-c', 'Host'),
        *('--cloud', write({'hosts': [host]})),
    )

    assert ran.out.split() == [f'epyc-{n}' for n in range(1, 12)]


def test_rows_can_be_sorted_by_what_is_free(run, cloud):
    ran = run(
        *('capacity', '-f', 'value', '-c', 'Free', '--cloud', cloud),
        *('--sort-column', 'Free', '--sort-descending'),
    )

    assert ran.out.split() == ['10', '2', '2', '1', '0']


def test_a_cloud_without_slots_has_no_rows(run, write):
    host = {'name': 'plain', 'vcpus': 1, 'memory_mb': 1, 'disk_gb': 1}
    args = ('capacity', '--cloud', write({'hosts': [host]}))

    ran = run(*args)
    assert (ran.status, ran.out) == (0, '')
    assert ran.err == 'No host offers slots.\n'
    assert run(*args, '-f', 'json').json() == []


def test_a_placement_without_hosts_is_reported_as_such(run, state):
    from sev_scheduling.placement import embedded_placement

    with embedded_placement(state):
        pass
    ran = run('capacity', '--state', state)

    assert (ran.status, ran.out) == (0, '')
    assert ran.err == f'{NO_HOSTS}\n'


@pytest.mark.parametrize(
    ('form', 'expected'),
    [
        pytest.param(
            'json',
            '[{"Host": null, "Model": "amd-sev", "Total": 49, "Reserved": 2, '
            '"Used": 33, "Free": 14, "Status": null, "In Use": 70}, '
            '{"Host": null, "Model": "amd-sev-snp", "Total": 1, '
            '"Reserved": 0, "Used": 0, "Free": 1, "Status": null, '
            '"In Use": 0}]',
            id='json',
        ),
        pytest.param(
            'csv',
            '"Host","Model","Total","Reserved","Used","Free","Status",'
            '"In Use"\n"","amd-sev",49,2,33,14,"",70\n'
            '"","amd-sev-snp",1,0,0,1,"",0',
            id='csv',
        ),
        pytest.param(
            'value',
            'None amd-sev 49 2 33 14 None 70\nNone amd-sev-snp 1 0 0 1 None 0',
            id='value',
        ),
        pytest.param(
            'table',
            '| all  | amd-sev     |    49 |        2 |   33 |   14 |        '
            '| 70%    |\n'
            '| all  | amd-sev-snp |     1 |        0 |    0 |    1 |        '
            '| 0%     |',
            id='table',
        ),
    ],
)
def test_sums_are_rows_in_every_format(run, cloud, form, expected):
    ran = run('capacity', '--cloud', cloud, '--long', '--sum', '-f', form)

    assert (ran.status, ran.err) == (0, '')
    if form == 'json':
        assert ran.json() == json.loads(expected)
    else:
        assert expected in ran.out.replace('\r', '')


def test_the_sums_are_those_of_the_rows(run, cloud):
    rows = run('capacity', '--cloud', cloud, '--long', '-f', 'json').json()
    for total in run(
        'capacity', '--cloud', cloud, '--long', '--sum', '-f', 'json'
    ).json():
        of_model = [row for row in rows if row['Model'] == total['Model']]
        for column in ('Total', 'Reserved', 'Used', 'Free'):
            assert total[column] == sum(row[column] for row in of_model)


def test_a_table_in_a_file_has_percentages_and_sums_and_no_bars(run, cloud):
    out = run('capacity', '--cloud', cloud).out

    assert re.search(r'\| full .* \| 100%   \|', out)
    assert '█' not in out
    assert out.splitlines()[-2:] == SUMS


def test_prometheus_may_read_standard_output(run, cloud):
    from prometheus_client.parser import text_string_to_metric_families

    ran = run('capacity', '--cloud', cloud, '--prometheus', '-')

    assert (ran.status, ran.err) == (0, '')
    free = {
        sample.labels['host']: sample.value
        for family in text_string_to_metric_families(ran.out)
        for sample in family.samples
        if sample.name == 'sev_scheduling_slots_free'
    }
    assert free['epyc-1'] == 2


def test_a_page_may_be_standard_output(run, cloud, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = [*tmp_path.iterdir()]

    ran = run('capacity', '--cloud', cloud, '-f', 'json', '--html', '-')

    assert (ran.status, ran.err) == (0, '')
    assert ran.out.startswith('<!DOCTYPE html>')
    assert ran.out.endswith('</html>\n')
    assert [*tmp_path.iterdir()] == before


@pytest.mark.parametrize(
    'words',
    [
        ['capacity', '--prometheus', '-', '--html', '-'],
        ['export', '--anonymous', '--names', '-'],
        ['capacity', '--state', '-'],
        ['--log-file', '-', 'capacity'],
    ],
)
def test_what_standard_output_cannot_be_is_refused_in_one_line(
    run, cloud, tmp_path, monkeypatch, words
):
    monkeypatch.chdir(tmp_path)

    ran = run(*words, '--cloud', cloud)

    assert (ran.status, ran.out, ran.err.count('\n')) == (2, '', 1)
    assert 'standard output' in ran.err
    assert not (tmp_path / '-').exists()


def test_bars_and_sums_are_seen_at_a_terminal(run, cloud, terminal):
    stdout = terminal('stdout')
    run('capacity', '--cloud', cloud)

    shown = stdout.getvalue()
    plain = re.sub(r'\033\[\d+m', '', shown)
    assert re.search(r'\| full +\| amd-sev .*█{20} 100% \|', plain)
    assert '\033[31m' in next(
        line for line in shown.splitlines() if '| full ' in line
    )
    assert max(map(len, plain.splitlines())) <= 100
    assert plain.splitlines()[-2:] == SUMS


@pytest.mark.parametrize(
    ('columns', 'shown'),
    [
        pytest.param(200, '█' * 20 + ' 100%', id='wide'),
        pytest.param(81, '█' * 5 + ' 100%', id='narrow'),
        pytest.param(80, ' 100%', id='too narrow for bars'),
    ],
)
def test_bars_are_as_long_as_the_terminal_allows(
    run, cloud, terminal, monkeypatch, columns, shown
):
    stdout = terminal('stdout')
    monkeypatch.setenv('COLUMNS', str(columns))
    run('capacity', '--cloud', cloud)

    lines = re.sub(r'\033\[\d+m', '', stdout.getvalue()).splitlines()
    assert max(map(len, lines)) <= columns
    (full,) = [line for line in lines if line.startswith('| full ')]
    assert full.split('|')[-2].strip() == shown.strip()


@pytest.mark.parametrize(
    'options',
    [
        pytest.param(['-c', 'Host'], id='a column'),
        pytest.param(['-f', 'csv'], id='for a program'),
    ],
)
def test_bars_are_in_whole_tables_only(run, cloud, terminal, options):
    stdout = terminal('stdout')
    run('capacity', '--cloud', cloud, *options)

    assert 'full' in stdout.getvalue()
    assert '█' not in stdout.getvalue()


def test_prometheus_reads_the_same_numbers(run, cloud, tmp_path):
    path = tmp_path / 'slots.prom'
    ran = run('capacity', '--cloud', cloud, '--prometheus', path, '-f', 'json')

    assert (ran.status, ran.err) == (0, '')
    text = path.read_text()
    for row in ran.json():
        labels = f'{{host="{row["Host"]}",model="{row["Model"]}"}}'
        assert f'sev_scheduling_slots{labels} {row["Total"]}.0' in text
        assert f'sev_scheduling_slots_free{labels} {row["Free"]}.0' in text


def test_a_prometheus_file_in_no_folder_is_reported_in_one_line(
    run, cloud, tmp_path
):
    path = tmp_path / 'no' / 'slots.prom'
    ran = run('capacity', '--cloud', cloud, '--prometheus', path)

    assert (ran.status, ran.out) == (2, '')
    assert str(path) in ran.err
    assert ran.err.count('\n') == 1


UNLIMITED = {
    'hosts': [
        {
            'name': name, 'vcpus': 1, 'memory_mb': 1, 'disk_gb': 1,
            'pools': {'amd-sev': {'total': total, 'used': 1}},
        }
        for name, total in (('new', 15), ('old', 2**31 - 1))
    ]
}  # fmt: skip


def test_a_pool_without_a_limit_has_no_numbers(run, write):
    cloud = write(UNLIMITED)
    ran = run('capacity', '-f', 'json', '--cloud', cloud)

    assert [tuple(row.values()) for row in ran.json()] == [
        ('new', 'amd-sev', 15, None, 1, 14, 'enabled', 7),
        ('old', 'amd-sev', None, None, 1, None, 'enabled', None),
    ]
    assert 'num_memory_encrypted_guests' in ran.err
    table = run('capacity', '--cloud', cloud)
    assert re.search(r'old +\| amd-sev +\| +- \| - +\| +1 \| +- \|', table.out)
    (total,) = run('capacity', '-f', 'json', '--sum', '--cloud', cloud).json()
    assert (total['Total'], total['Used'], total['In Use']) == (15, 1, 7)


def test_pools_without_a_limit_have_no_sum(run, write):
    cloud = write({'hosts': UNLIMITED['hosts'][1:]})
    (total,) = run('capacity', '-f', 'json', '--sum', '--cloud', cloud).json()

    assert list(total.values()) == [
        *(None, 'amd-sev', None, None, 1, None, None),
        None,
    ]
    table = run('capacity', '--cloud', cloud).out
    assert '\namd-sev: 1 slot in use, without a limit; 0 of 1 host' in table


def test_a_pool_without_a_limit_has_no_bar(run, write, terminal):
    stdout = terminal('stdout')
    run('capacity', '--cloud', write(UNLIMITED))

    shown = stdout.getvalue()
    assert 'amd-sev: 1 of 15 slots in use (7%); 0 of 2 hosts full' in shown
    assert str(2**31 - 1) not in shown
    (old,) = [line for line in shown.splitlines() if '| old ' in line]
    assert '%' not in old


GUESTS = ['Host', 'Guests', 'Bound By', 'Limits', 'Code']


def test_guests_that_still_fit_are_as_many_as_are_placed(
    run, cloud, sev, state
):
    ran = run('capacity', '--cloud', cloud, *sev, '-f', 'json')

    assert (ran.status, ran.err) == (0, '')
    rows = ran.json()
    assert [list(row) for row in rows] == [GUESTS] * 4
    slot = ['MEM_ENCRYPTION_CONTEXT']
    assert [
        (row['Host'], row['Guests'], row['Bound By'], row['Code'])
        for row in rows
    ] == [
        ('default', 0, [], 'machine-type-not-q35'),
        ('epyc-1', 2, slot, None),
        ('epyc-2', 2, slot, None),
        ('full', 0, slot, None),
    ]
    assert rows[1]['Limits']['MEM_ENCRYPTION_CONTEXT'] == 2
    (total,) = run(
        'capacity', '--cloud', cloud, *sev, '--sum', '-f', 'json'
    ).json()
    assert (total['Host'], total['Guests']) == (None, 4)
    assert total['Bound By'] == slot
    kept = ('--cloud', cloud, '--state', state)
    assert run('schedule', *kept, *sev, '--count', '5').status == 1
    assert run('schedule', *kept, *sev, '--count', '4').status == 0
    after = run('capacity', *kept, *sev)
    assert after.status == 1
    assert after.out


def test_a_request_without_any_problem_counts_as_another_one(
    run, cloud, sev, flavor, image
):
    ready = [
        *('--flavor', flavor('m1.sev')),
        *('--image', image('ubuntu-24.04-sev')),
    ]

    def hosts(request):
        ran = run('capacity', '--cloud', cloud, *request, '-f', 'json')
        return {row['Host']: row['Guests'] for row in ran.json()}

    # All that the machine type left out was one host.
    found, before = hosts(ready), hosts(sev)
    assert found.pop('default') > before.pop('default')
    assert found == before
    table = run('capacity', '--cloud', cloud, *ready)
    assert (table.status, table.err) == (0, '')
    assert 'more amd-sev guests fit' in table.out


def test_a_table_of_guests_ends_with_the_number_of_all(run, cloud, sev):
    ran = run('capacity', '--cloud', cloud, *sev)

    assert ran.status == 0
    assert re.search(r'epyc-1 +\| +2 \| slots +\| slots 2, DISK', ran.out)
    assert ran.out.splitlines()[-1].startswith('4 more amd-sev guests fit')
    assert (
        'more amd-sev'
        not in run('capacity', '--cloud', cloud, *sev, '-c', 'Host').out
    )


def test_an_invalid_request_is_explained(run, cloud, flavor):
    ran = run(
        *('capacity', '--cloud', cloud, '-f', 'json'),
        *('--flavor', flavor('m1.sev')),
    )
    assert (ran.status, ran.json()) == (1, [])
    assert 'hw_firmware_type' in ran.err


def test_a_page_is_written_too(run, cloud, sev, write, tmp_path):
    first = run('capacity', '--cloud', cloud, '-f', 'json').out
    page = tmp_path / 'capacity.html'
    earlier = write(first, 'earlier.json')
    ran = run(
        *('capacity', '--cloud', cloud, '--html', page),
        *('--earlier', earlier, *sev, '-f', 'json'),
    )
    assert (ran.status, ran.err) == (0, '')
    assert len(ran.json()) == 4
    text = page.read_text()
    for shown in ('id="guests"', 'm1.sev', 'amd-sev-snp', '<polyline'):
        assert shown in text


@pytest.mark.parametrize(
    'options',
    [
        pytest.param(['--image', 'x'], id='an image alone'),
        pytest.param(['--volume', 'x'], id='a volume alone'),
        pytest.param(['--earlier', 'x'], id='a trend of nothing'),
    ],
)
def test_options_that_need_another_say_so(run, cloud, options):
    ran = run('capacity', '--cloud', cloud, *options)

    assert (ran.status, ran.out) == (2, '')
    assert options[0] in ran.err


def test_verbose_has_nothing_of_how_a_placement_is_started(run, cloud):
    ran = run('-v', 'capacity', '--cloud', cloud)

    assert {line.partition(' GET ')[0] for line in ran.err.splitlines()} == {
        'DEBUG:'
    }
