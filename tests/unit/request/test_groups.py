import pytest

from sev_scheduling.request.groups import (
    RequestGroup,
    ResourceAsk,
    TraitAsk,
    Unusable,
    disk_gb,
    read_asks,
)
from sev_scheduling.request.sources import FlavorView
from sev_scheduling.text import MAX_AMOUNT
from tests.unit.factories import plain

SEV = 'HW_CPU_X86_AMD_SEV'
BASE = {'DISK_GB': 40, 'MEMORY_MB': 8192, 'VCPU': 4}


@pytest.mark.parametrize(
    ('key', 'value', 'ask'),
    [
        pytest.param(
            'trait:CUSTOM_GOLD',
            'required',
            TraitAsk('flavor:trait:CUSTOM_GOLD', '', 'CUSTOM_GOLD', True),
            id='a trait is required',
        ),
        pytest.param(
            f'trait_x-1:{SEV}',
            'forbidden',
            TraitAsk(f'flavor:trait_x-1:{SEV}', '_x-1', SEV, False),
            id='a trait is forbidden in a group',
        ),
        pytest.param(
            'resources:VCPU',
            '2',
            ResourceAsk('flavor:resources:VCPU', '', 'VCPU', 2),
            id='an amount',
        ),
        pytest.param(
            'resources1:CUSTOM_NIC',
            ' 0 ',
            ResourceAsk('flavor:resources1:CUSTOM_NIC', '1', 'CUSTOM_NIC', 0),
            id='an amount of zero in a group',
        ),
        pytest.param(
            f'resources{"x" * 64}:VCPU',
            str(MAX_AMOUNT),
            ResourceAsk(
                f'flavor:resources{"x" * 64}:VCPU',
                'x' * 64,
                'VCPU',
                MAX_AMOUNT,
            ),
            id='the longest suffix and the greatest amount',
        ),
    ],
)
def test_explicit_resources_and_traits_are_read(key, value, ask):
    assert read_asks({key: value}, {}) == (ask,)


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
    assert read_asks({key: '1'}, {}) == ()


@pytest.mark.parametrize(
    ('key', 'value', 'what', 'ignored'),
    [
        pytest.param(
            'trait:CUSTOM_GOLD',
            'yes',
            "is 'yes', so it is ignored",
            True,
            id='neither required nor forbidden',
        ),
        pytest.param(
            'trait:GOLD',
            'required',
            'names a trait that os-traits does not know',
            False,
            id='no trait',
        ),
        pytest.param(
            'trait:CUSTOM_gold',
            'required',
            'names a trait that os-traits does not know',
            False,
            id='a custom trait in lower case',
        ),
        pytest.param(
            'resources:VCPUS',
            '1',
            'names a resource class that does not exist',
            True,
            id='no resource class, which nova ignores',
        ),
        pytest.param(
            'resources:CUSTOM_nic',
            '1',
            'names a resource class that does not exist',
            False,
            id='a custom class that Placement refuses',
        ),
        pytest.param(
            'resources:VCPU',
            '-1',
            "is '-1', which is no amount",
            True,
            id='less than none',
        ),
        pytest.param(
            'resources:VCPU',
            'many',
            "is 'many', which is no amount",
            True,
            id='a word for an amount',
        ),
        pytest.param(
            'resources:VCPU',
            str(MAX_AMOUNT + 1),
            "is '2147483648', which is no amount",
            False,
            id='more than Placement counts',
        ),
    ],
)
def test_what_asks_for_nothing_that_placement_knows(key, value, what, ignored):
    (ask,) = read_asks({key: value}, {})

    assert isinstance(ask, Unusable)
    assert (ask.where, ask.what, ask.ignored) == (
        f'flavor:{key}',
        what,
        ignored,
    )
    assert ask.remedy[0].isupper()


def test_the_place_of_an_unusable_ask_stays_on_one_line():
    asks = read_asks({'trait:A\nB': 'x'}, {'trait:C\nD': 'x'})

    assert [ask.where for ask in asks] == [
        'flavor:trait:A?B',
        'image:trait:C?D',
    ]


def test_traits_of_the_image_go_into_the_unsuffixed_group():
    asks = read_asks(
        {}, {'trait:CUSTOM_GOLD': 'required', 'hw_disk_bus': 'sata'}
    )

    assert asks == (
        TraitAsk('image:trait:CUSTOM_GOLD', '', 'CUSTOM_GOLD', True),
    )


def test_asks_are_sorted_by_their_place():
    specs = {'trait:CUSTOM_B': 'required', 'trait:CUSTOM_A': 'required'}
    places = [ask.where for ask in read_asks(specs, specs)]

    assert places == sorted(places)


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
