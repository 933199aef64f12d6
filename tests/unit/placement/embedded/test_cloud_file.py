"""Cloud files: what they may say, and one line for all else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sev_scheduling.exceptions import CloudFileError, InputError
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.placement import Cloud, read_cloud_file
from sev_scheduling.placement.answers import Inventory
from sev_scheduling.placement.embedded import cloud_file, parse_cloud

EXAMPLE = Path(__file__).parents[4] / 'examples' / 'cloud.yaml'

HOST = {'name': 'epyc', 'vcpus': 8, 'memory_mb': 4096, 'disk_gb': 10}
ALL_KEYS = {
    **HOST,
    'count': 2,
    'ram_allocation_ratio': 1.5,
    'machine_types': {'x86_64': 'q35'},
    'layout': 'nested',
    'traits': ['CUSTOM_GOLD'],
    'pools': {'amd-sev': {'total': 15, 'used': 3, 'reserved': 1}},
}


def parse(*entries):
    return parse_cloud({'hosts': list(entries)}, 'Cloud file x')


def refusal(*entries):
    return refused({'hosts': list(entries)})


def refused(document):
    """Return the one line that a document is refused with."""
    with pytest.raises(CloudFileError) as caught:
        parse_cloud(document, 'Cloud file x')
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith('Cloud file x')
    assert len(message) < 400
    return message


class TestWhatIsRead:
    def test_every_key(self):
        first, second = parse(ALL_KEYS).hosts
        assert (first.name, second.name) == ('epyc-1', 'epyc-2')
        assert first.vcpus == 8
        assert first.memory_mb == 4096
        assert first.disk_gb == 10
        assert first.ram_allocation_ratio == 1.5
        assert first.machine_types == {'x86_64': 'q35'}
        assert first.nested
        assert first.traits == ('CUSTOM_GOLD',)
        assert first.pools == {'amd-sev': SlotPool(15, 1, 3)}
        assert first.uuid != second.uuid

    def test_the_least(self):
        (host,) = parse(HOST).hosts
        assert host.name == 'epyc'
        assert host.ram_allocation_ratio == 1.0
        assert host.nested
        assert (host.traits, host.pools, host.machine_types) == ((), {}, {})

    @pytest.mark.parametrize('key', ['traits', 'pools', 'machine_types'])
    def test_a_key_with_nothing_after_it_is_empty(self, key):
        assert parse({**HOST, key: None}) == parse(HOST)

    def test_a_uuid_changes_with_the_facts_and_only_then(self):
        (first,) = parse(HOST).hosts
        (same,) = parse(dict(reversed(HOST.items()))).hosts
        (other,) = parse({**HOST, 'vcpus': 9}).hosts
        assert first.uuid == same.uuid != other.uuid

    @pytest.mark.parametrize(
        ('count', 'names'),
        [
            (None, ['epyc']),
            (1, ['epyc-1']),
            (3, ['epyc-1', 'epyc-2', 'epyc-3']),
        ],
    )
    def test_count_names_hosts_from_1_on(self, count, names):
        entry = HOST if count is None else {**HOST, 'count': count}
        assert [host.name for host in parse(entry).hosts] == names

    @pytest.mark.parametrize(
        'changed',
        [
            {'disk_gb': 0},
            {'vcpus': 1},
            {'vcpus': 2**31 - 1},
            {'ram_allocation_ratio': 1000},
            {'ram_allocation_ratio': 0.001},
            {'name': 'a' * 128},
            {'name': '0.example.org'},
            {'layout': 'flat', 'pools': {'intel-tdx': {'total': 0}}},
            {'pools': {'amd-sev': {'total': 2, 'used': 1, 'reserved': 1}}},
            {'machine_types': {'aarch64': 'virt'}},
            {'traits': ['HW_CPU_X86_AMD_SEV', 'CUSTOM_A', 'CUSTOM_A']},
        ],
    )
    def test_what_is_allowed(self, changed):
        assert len(parse({**HOST, **changed}).hosts) == 1

    def test_the_example(self):
        cloud = read_cloud_file(EXAMPLE)
        assert isinstance(cloud, Cloud)
        assert 35 < len(cloud.hosts) < 45
        assert cloud.label == f"Cloud file '{EXAMPLE}'"


@pytest.mark.parametrize(
    ('document', 'words'),
    [
        *((value, 'is not a mapping') for value in (None, [], 'hosts', 7)),
        ({}, ': hosts is missing'),
        *(
            ({'hosts': value}, f": hosts '{value}' is not a list of hosts")
            for value in (None, [], {}, 'epyc')
        ),
        ({'hosts': [HOST], 'host': []}, ": 'host' is not known; use hosts"),
        ({'hosts': [HOST], None: []}, ": 'None' is not known"),
    ],
)
def test_a_document_that_is_no_cloud(document, words):
    assert words in refused(document)


@pytest.mark.parametrize('entry', [None, [], 'epyc', 7, True])
def test_an_entry_that_is_no_host(entry):
    assert f"host 2 '{entry}' is not a mapping" in refusal(HOST, entry)


POOL = {'total': 15}

#: Key -> values that it must not have, and where the line finds the fault.
WRONG = [
    *(
        ('name', v, f"name '{v}'")
        for v in (None, 7, True, '', ' a', 'a b', '-a', [])
    ),
    ('name', 'a' * 129, "name 'aaa"),
    ('name', 'a\nb', "name 'a\\nb'"),
    *(('count', v, f"count '{v}'") for v in (0, -1, 1.5, True, '2', None)),
    ('count', 10**9, 'count 1000000000 makes more than 10000 hosts'),
    ('count', 10_001, 'count 10001 makes more than 10000 hosts'),
    ('count', 10**30, "count '1000"),
    *(('vcpus', v, f"vcpus '{v}'") for v in (0, -1, 1.5, True, '8', None, [])),
    ('vcpus', 2**31, "vcpus '2147483648'"),
    *(('memory_mb', v, f"memory_mb '{v}'") for v in (0, -1, 'much', None)),
    *(('disk_gb', v, f"disk_gb '{v}'") for v in (-1, '10 GB', None, {})),
    *(
        ('ram_allocation_ratio', v, f"ram_allocation_ratio '{v}'")
        for v in (0, -1, 1000.1, True, '1.0', None, float('inf'), float('nan'))
    ),
    ('ram_allocation_ratio', 10**400, "ram_allocation_ratio '1000"),
    *(('layout', v, f"layout '{v}'") for v in ('deep', 7, None, True, '')),
    ('layout', ['flat'], 'layout'),
    *(
        ('machine_types', v, f"machine_types '{v}'")
        for v in ('q35', 7, False, 0, '', [])
    ),
    ('machine_types', {'amd64': 'q35'}, "machine_types 'amd64'"),
    ('machine_types', {7: 'q35'}, "machine_types '7'"),
    ('machine_types', {'x86_64': 7}, "machine_types x86_64 '7'"),
    ('machine_types', {'x86_64': None}, "machine_types x86_64 'None'"),
    ('machine_types', {'x86_64': 'q 35'}, "machine_types x86_64 'q 35'"),
    (
        'machine_types',
        {'x86_64': 'q35', 'aarch64': 'virt'},
        'machine_types has several architectures',
    ),
    *(('traits', v, f"traits '{v}'") for v in ('GOLD', 7, False, 0, '', {})),
    ('traits', ['GOLD'], "traits 'GOLD'"),
    ('traits', ['CUSTOM_gold'], "traits 'CUSTOM_gold'"),
    ('traits', [None], "traits 'None'"),
    ('traits', [['CUSTOM_A']], 'traits'),
    *(('pools', v, f"pools '{v}'") for v in ('amd-sev', 7, False, 0, '', [])),
    ('pools', {'sev': POOL}, "pools 'sev' is not known; use amd-sev,"),
    ('pools', {None: POOL}, "pools 'None'"),
    ('pools', {'amd-sev': None}, "pools amd-sev 'None' is not a mapping"),
    ('pools', {'amd-sev': 15}, "pools amd-sev '15' is not a mapping"),
    ('pools', {'amd-sev': {}}, 'pools amd-sev total is missing'),
    ('pools', {'amd-sev': {'used': 1}}, 'pools amd-sev total is missing'),
    *(
        ('pools', {'amd-sev': {**POOL, key: v}}, f"pools amd-sev {key} '{v}'")
        for key in ('total', 'used', 'reserved')
        for v in (-1, 1.5, True, '1', None, 2**31)
    ),
    (
        'pools',
        {'amd-sev': {**POOL, 'usde': 1}},
        "pools amd-sev 'usde' is not known; use total, reserved, used",
    ),
    (
        'pools',
        {'amd-sev': {'total': 15, 'used': 16}},
        'pools amd-sev has used 16 and reserved 0, above total 15',
    ),
    (
        'pools',
        {'amd-sev': {'total': 15, 'used': 10, 'reserved': 6}},
        'pools amd-sev has used 10 and reserved 6, above total 15',
    ),
    ('vcpu', 8, "'vcpu' is not known; use name, count, vcpus,"),
    (None, 8, "'None' is not known"),
]


@pytest.mark.parametrize(('key', 'value', 'words'), WRONG)
def test_a_wrong_value_names_file_entry_and_key(key, value, words):
    message = refusal(HOST, {**HOST, 'name': 'second', key: value})
    assert message.startswith('Cloud file x, host 2')
    assert words in message
    if key != 'name':
        assert 'host 2 (second): ' in message


@pytest.mark.parametrize('key', HOST)
def test_a_missing_key_is_named(key):
    entry = {k: v for k, v in HOST.items() if k != key}
    assert f'{key} is missing' in refusal(entry)


def test_a_flat_host_has_one_pool():
    pools = {'amd-sev': POOL, 'amd-sev-es': POOL}
    parse({**HOST, 'pools': pools})
    assert 'pools has several models' in refusal(
        {**HOST, 'layout': 'flat', 'pools': pools}
    )


class TestNames:
    @pytest.mark.parametrize(
        'entries',
        [
            [HOST, HOST],
            [{**HOST, 'name': 'a', 'count': 2}, {**HOST, 'name': 'a-2'}],
            [{**HOST, 'name': 'a', 'count': 2}] * 2,
        ],
    )
    def test_a_name_must_not_stand_twice(self, entries):
        assert 'stands twice' in refusal(*entries)

    @pytest.mark.parametrize('swapped', [False, True])
    def test_a_host_must_not_be_named_as_a_pool(self, swapped):
        """Placement's names are unique: loading such a cloud failed."""
        entries = [
            {**HOST, 'pools': {'amd-sev': POOL}},
            {**HOST, 'name': 'epyc_amd_sev'},
        ]
        if swapped:
            entries.reverse()
        assert "'epyc_amd_sev' stands twice" in refusal(*entries)

    def test_a_flat_pool_has_no_name(self):
        cloud = parse(
            {**HOST, 'layout': 'flat', 'pools': {'amd-sev': POOL}},
            {**HOST, 'name': 'epyc_amd_sev'},
        )
        assert [host.name for host in cloud.hosts] == ['epyc', 'epyc_amd_sev']


class TestBounds:
    def test_on_hosts(self):
        assert len(parse({**HOST, 'count': 10_000}).hosts) == 10_000
        assert 'host 2 (more): count 1 makes more than 10000' in refusal(
            {**HOST, 'count': 10_000}, {**HOST, 'name': 'more'}
        )

    def test_on_used_slots(self):
        """Each is a row, so that a line could ask for billions of them."""
        parse({**HOST, 'pools': {'amd-sev': {'total': 10**5, 'used': 10**5}}})
        full = {'amd-sev': {'total': 10**9, 'used': 10**9}}
        assert 'more than 100000 slots' in refusal({**HOST, 'pools': full})
        few = {'amd-sev': {'total': 100, 'used': 100}}
        assert 'host 1: pools: more than 100000 slots' in refusal(
            {**HOST, 'pools': few, 'count': 1001}
        )


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(['amd-sev', 'q35', 'x86_64', 'flat', 'CUSTOM_A']),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from([*ALL_KEYS, 'total', 'amd-sev', 'x86_64'])
            | st.text(max_size=9),
            children,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(entry=st.dictionaries(st.sampled_from([*ALL_KEYS]), json_values))
def test_whatever_an_entry_says_it_is_read_or_refused_in_a_line(entry):
    said = 'Cloud file x, host 1'
    try:
        parse({**ALL_KEYS, **entry})
    except CloudFileError as error:
        said = str(error)
    assert said.isprintable()
    assert said.startswith('Cloud file x, host 1')


class TestFiles:
    def test_a_missing_file(self, tmp_path):
        with pytest.raises(InputError, match='cannot be read'):
            read_cloud_file(tmp_path / 'none.yaml')

    def test_a_fault_names_the_file(self, tmp_path):
        path = tmp_path / 'cloud.json'
        path.write_text(json.dumps({'hosts': [{**HOST, 'vcpus': 0}]}))
        with pytest.raises(CloudFileError) as caught:
            read_cloud_file(str(path))
        assert str(caught.value).startswith(
            f"Cloud file '{path}', host 1 (epyc): vcpus '0' is not a whole"
        )


UUID = '11111111-0000-4000-8000-000000000001'
ROOT = {
    'name': 'any <name> it\u202e has',
    'uuid': UUID.upper(),
    'inventories': {
        'VCPU': {
            'total': 8, 'reserved': 1, 'min_unit': 2, 'max_unit': 4,
            'step_size': 2, 'allocation_ratio': 1.5,
        },
        'CUSTOM_NIC': {'total': 1},
    },
    'used': {'VCPU': 99, 'CUSTOM_NIC': 0},
    'traits': ['NEWER_THAN_THIS', 'CUSTOM_GOLD', 'CUSTOM_GOLD'],
    'aggregates': [UUID],
}  # fmt: skip
CHILD = {'name': 'child', 'parent': ROOT['name']}


class TestProviders:
    def test_every_key(self):
        cloud = parse_cloud({'providers': [ROOT, CHILD]}, 'Cloud file x')
        root, child = cloud.providers
        assert (root.name, root.uuid, root.parent) == (
            ROOT['name'],
            UUID,
            None,
        )
        assert root.inventories == {
            'VCPU': Inventory(8, 1, 2, 4, 2, 1.5),
            'CUSTOM_NIC': Inventory(1),
        }
        assert root.used == {'VCPU': 99}
        assert root.traits == ('CUSTOM_GOLD', 'NEWER_THAN_THIS')
        assert root.aggregates == (UUID,)
        assert (child.parent, child.inventories) == (root.name, {})
        assert child.uuid not in (UUID, '')

    def test_beside_hosts(self):
        cloud = parse_cloud({'hosts': [HOST], 'providers': [ROOT]}, 'x')
        assert (len(cloud.hosts), len(cloud.providers)) == (1, 1)

    @pytest.mark.parametrize(
        ('entries', 'told'),
        [
            pytest.param([3], 'provider 1', id='no mapping'),
            pytest.param([{}], 'name', id='no name'),
            pytest.param([{'name': ''}], 'name', id='an empty name'),
            pytest.param([{'name': 'a' * 201}], 'name', id='a long name'),
            pytest.param([{'name': 'a', 'uuid': 'x'}], 'uuid', id='no uuid'),
            pytest.param([{'name': 'a', 'size': 1}], "'size'", id='a key'),
            pytest.param([CHILD, ROOT], 'parent', id='a child first'),
            pytest.param(
                [{'name': 'a', 'parent': 'a'}], 'parent', id='its own child'
            ),
            pytest.param([ROOT, ROOT], 'name', id='a name twice'),
            pytest.param(
                [ROOT, {'name': 'b', 'uuid': UUID}], 'uuid', id='a uuid twice'
            ),
            pytest.param(
                [{'name': 'a', 'used': {'VCPU': 1}}], 'used',
                id='use of what is not there',
            ),
            pytest.param(
                [{**ROOT, 'used': {'VCPU': -1}}], 'used VCPU', id='use below 0'
            ),
            pytest.param(
                [{'name': 'a', 'inventories': {'vcpu': {'total': 1}}}],
                'inventories', id='a class in lower case',
            ),
            pytest.param(
                [{'name': 'a', 'inventories': {'VCPU': 8}}], "'VCPU' '8'",
                id='an inventory that is a number',
            ),
            pytest.param(
                [{'name': 'a', 'inventories': {'VCPU': {}}}], 'total',
                id='an inventory without a total',
            ),
            pytest.param(
                [{'name': 'a', 'inventories': {'VCPU': {'total': 0}}}],
                'total', id='nothing in it',
            ),
            pytest.param(
                [{'name': 'a', 'inventories': {
                    'VCPU': {'total': 1, 'allocation_ratio': 0}}}],
                'allocation_ratio', id='a ratio of 0',
            ),
            pytest.param(
                [{'name': 'a', 'traits': ['gold']}], 'traits', id='no trait'
            ),
            pytest.param(
                [{'name': 'a', 'aggregates': ['b']}], 'aggregates',
                id='no aggregate',
            ),
            pytest.param(
                [{'name': 'a', 'used': {'MEM_ENCRYPTION_CONTEXT': 100_001},
                  'inventories': {'MEM_ENCRYPTION_CONTEXT': {'total': 1}}}],
                '100000 slots', id='too many guests',
            ),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_told_in_one_line(self, entries, told):
        assert told in refused({'providers': entries})

    def test_too_many_are_refused(self, monkeypatch):
        monkeypatch.setattr(cloud_file, 'MAX_PROVIDERS', 1)
        assert 'provider 2' in refused({'providers': [ROOT, CHILD]})

    def test_one_of_both_lists_is_needed(self):
        assert 'hosts' in refused({})
        assert parse_cloud({'providers': []}, 'x').providers == ()
