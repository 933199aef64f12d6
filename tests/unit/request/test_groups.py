import pytest

from sev_scheduling import Field
from sev_scheduling.request.groups import (
    ExtraSpecResource,
    ExtraSpecTrait,
    InvalidExtraSpec,
    RequestGroup,
    disk_gb,
    read_entries,
)
from sev_scheduling.request.sources import FlavorView, ImageView
from sev_scheduling.text import MAX_AMOUNT
from tests.unit.factories import plain

SEV = 'HW_CPU_X86_AMD_SEV'
TOO_MANY = str(MAX_AMOUNT + 1)
BASE = {'DISK_GB': 40, 'MEMORY_MB': 8192, 'VCPU': 4}


def entries(extra_specs, properties=()):
    flavor = FlavorView('m1', 1, 1, extra_specs=extra_specs)
    return read_entries(flavor, ImageView('ubuntu', dict(properties)))


def spec(key):
    return Field('flavor', key, 'm1')


@pytest.mark.parametrize(
    ('key', 'value', 'kind', 'facts'),
    [
        pytest.param(
            'trait:CUSTOM_GOLD',
            'required',
            ExtraSpecTrait,
            ('', 'CUSTOM_GOLD', True),
            id='a trait is required',
        ),
        pytest.param(
            f'trait_x-1:{SEV}',
            'forbidden',
            ExtraSpecTrait,
            ('_x-1', SEV, False),
            id='a trait is forbidden in a group',
        ),
        pytest.param(
            'resources:VCPU',
            '2',
            ExtraSpecResource,
            ('', 'VCPU', 2),
            id='an amount',
        ),
        pytest.param(
            'resources1:CUSTOM_NIC',
            ' 0 ',
            ExtraSpecResource,
            ('1', 'CUSTOM_NIC', 0),
            id='an amount of zero in a group',
        ),
        pytest.param(
            f'resources{"x" * 64}:VCPU',
            str(MAX_AMOUNT),
            ExtraSpecResource,
            ('x' * 64, 'VCPU', MAX_AMOUNT),
            id='the longest suffix and the greatest amount',
        ),
    ],
)
def test_explicit_resources_and_traits_are_read(key, value, kind, facts):
    assert entries({key: value}) == (kind(spec(key), *facts),)


@pytest.mark.parametrize(
    ('key', 'written', 'case', 'value', 'ignored'),
    [
        ('trait:CUSTOM_GOLD', 'yes', 'not-a-state', 'yes', True),
        ('trait:GOLD', 'required', 'unknown-trait', 'GOLD', False),
        ('trait:CUSTOM_a', 'required', 'not-in-capitals', 'CUSTOM_a', False),
        ('trait:CUSTOM_ä', 'required', 'unknown-trait', 'CUSTOM_ä', False),
        ('resources:VCPUS', '1', 'unknown-class', 'VCPUS', True),
        ('resources:CUSTOM_a', '1', 'not-in-capitals', 'CUSTOM_a', False),
        ('resources:CUSTOM_ä', '1', 'unknown-class', 'CUSTOM_ä', False),
        ('resources:vcpu', '1', 'not-in-capitals', 'vcpu', True),
        ('group_policy', 'None', 'not-a-policy', 'None', True),
        ('resources:VCPU', '-1', 'not-an-amount', '-1', True),
        ('resources:VCPU', 'many', 'not-an-amount', 'many', True),
        ('resources:VCPU', TOO_MANY, 'not-an-amount', TOO_MANY, False),
    ],
)
def test_entries_that_placement_refuses_or_nova_ignores(
    key, written, case, value, ignored
):
    assert entries({key: written}) == (
        InvalidExtraSpec(
            *(spec(key), case, value, ignored),
            written='' if value == written else written,
        ),
    )


@pytest.mark.parametrize(
    'key',
    [
        'hw:mem_encryption',
        'resources',
        'trait',
        'resourcesVCPU',
        f'resources{"x" * 65}:VCPU',
        'resources 1:VCPU',
        ':trait:CUSTOM_GOLD',
        'traits.x:CUSTOM_GOLD',
    ],
)
def test_other_extra_specs_ask_for_nothing(key):
    assert entries({key: '1'}) == ()


def test_a_key_stays_on_one_line():
    found = entries({'trait:A\nB': 'x'}, {'trait:C\nD': 'x'})

    assert [str(entry.field) for entry in found] == [
        'flavor:trait:A\\nB',
        'image:trait:C\\nD',
    ]


def test_traits_of_the_image_go_into_the_unsuffixed_group():
    found = entries({}, {'trait:CUSTOM_GOLD': 'required', 'hw_disk_bus': 'x'})
    field = Field('image', 'trait:CUSTOM_GOLD', 'ubuntu')

    assert found == (ExtraSpecTrait(field, '', 'CUSTOM_GOLD', True),)


def test_entries_are_sorted_by_their_field():
    specs = {'trait:CUSTOM_B': 'required', 'trait:CUSTOM_A': 'required'}
    fields = [entry.field for entry in entries(specs, specs)]

    assert len(fields) == 4
    assert fields == sorted(fields)


@pytest.mark.parametrize(
    ('extra_specs', 'groups'),
    [
        pytest.param({}, (RequestGroup('', BASE),), id='the flavor alone'),
        pytest.param(
            {'resources:VCPU': '0'},
            (RequestGroup('', {'DISK_GB': 40, 'MEMORY_MB': 8192}),),
            id='zero takes the amount away',
        ),
        pytest.param(
            {'resources:PCPU': '2'},
            (RequestGroup('', {'DISK_GB': 40, 'MEMORY_MB': 8192, 'PCPU': 2}),),
            id='explicit PCPU in place of VCPU',
        ),
        pytest.param(
            {'resources:VCPU': '2', 'hw:pmem': 'A'},
            (
                RequestGroup(
                    '',
                    {
                        'CUSTOM_PMEM_NAMESPACE_A': 1,
                        'DISK_GB': 40,
                        'MEMORY_MB': 8192,
                        'VCPU': 2,
                    },
                ),
            ),
            id='explicit VCPU leaves other implied amounts',
        ),
        pytest.param(
            {'resources1:MEMORY_MB': '512', 'resources1:DISK_GB': '1'},
            (
                RequestGroup('', {'VCPU': 4}),
                RequestGroup('1', {'DISK_GB': 1, 'MEMORY_MB': 512}),
            ),
            id='a class named in a group is not asked for twice',
        ),
        pytest.param(
            {
                'resources1:CUSTOM_NIC': '1',
                'trait1:CUSTOM_FAST': 'required',
                'trait1:CUSTOM_OLD': 'forbidden',
                'trait:CUSTOM_GOLD': 'required',
                'trait:CUSTOM_TIN': 'forbidden',
                'hw:cpu_thread_policy': 'isolate',
            },
            (
                RequestGroup(
                    '',
                    BASE,
                    (frozenset({'CUSTOM_GOLD'}),),
                    frozenset({'CUSTOM_TIN', 'HW_CPU_HYPERTHREADING'}),
                ),
                RequestGroup(
                    '1',
                    {'CUSTOM_NIC': 1},
                    (frozenset({'CUSTOM_FAST'}),),
                    frozenset({'CUSTOM_OLD'}),
                ),
            ),
            id='traits stay in their groups',
        ),
        pytest.param(
            {'resources1:CUSTOM_NIC': '0'},
            (RequestGroup('', BASE),),
            id='a group of nothing is none',
        ),
        pytest.param(
            {'resources:VCPUS': '9', 'trait:GOLD': 'required'},
            (RequestGroup('', BASE),),
            id='what is unusable asks for nothing',
        ),
    ],
)
def test_amounts_and_traits_are_put_into_groups(extra_specs, groups):
    assert plain(extra_specs).groups == groups


@pytest.mark.parametrize(
    ('swap_mb', 'ephemeral_gb', 'boot_from_volume', 'gb'),
    [
        pytest.param(0, 0, False, 20, id='root alone'),
        pytest.param(1, 0, False, 21, id='a little swap takes a GiB'),
        pytest.param(1024, 0, False, 21, id='a GiB of swap'),
        pytest.param(1025, 0, False, 22, id='swap is rounded up'),
        pytest.param(0, 5, False, 25, id='ephemeral'),
        pytest.param(0, 0, True, 0, id='boot from volume'),
        pytest.param(1, 5, True, 6, id='boot from volume, with the others'),
    ],
)
def test_disk_is_rounded_as_nova_does(
    swap_mb, ephemeral_gb, boot_from_volume, gb
):
    flavor = FlavorView(
        'm1', 1, 512, root_gb=20, ephemeral_gb=ephemeral_gb, swap_mb=swap_mb
    )

    assert disk_gb(flavor, boot_from_volume) == gb
