"""Guests of hosts, and where each could go, by Placement and by nova."""

import uuid

import pytest

from sev_scheduling.exceptions import InputError, SpecError
from sev_scheduling.hosts.aggregates import Aggregate
from sev_scheduling.hosts.drain import DrainCode, Outcome, Unknown
from sev_scheduling.placement.answers import Allocations
from sev_scheduling.placement.guests.plan import drain_plan
from sev_scheduling.placement.guests.servers import (
    NovaFacts,
    ServerGroup,
    Service,
    read_server,
)
from sev_scheduling.testing import FakePlacement, add_host

SLOT = 'MEM_ENCRYPTION_CONTEXT'
SIZE = {'vcpus': 2, 'ram': 4096, 'disk': 10}
FLAVOR = {
    **SIZE,
    'original_name': 'm1.sev',
    'extra_specs': {'hw:mem_encryption': 'true'},
}
IMAGE = {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'}
IMAGE_ID = '00000000-0000-0000-0000-0000000000aa'
#: Glance's image, which names the machine type, too.
NAMED = {'id': IMAGE_ID, 'name': 'u', **IMAGE}
UNNAMED = {'id': IMAGE_ID, 'name': 'u', 'hw_firmware_type': 'uefi'}


def ident(number):
    return str(uuid.UUID(int=number))


def server(number, *, image=UNNAMED, flavor=FLAVOR, **facts):
    return read_server(
        {
            'id': ident(number),
            'name': f's{number}',
            'status': 'ACTIVE',
            'flavor': flavor,
            'image': {'id': IMAGE_ID, 'properties': IMAGE},
            'OS-EXT-SRV-ATTR:host': 'old',
            **facts,
        },
        None,
        image,
    )


def nova(*servers, **facts):
    return NovaFacts(
        servers={one.view.id: one for one in servers},
        **{'complete': True, **facts},
    )


class World(FakePlacement):
    def host(self, name, slots=2, **facts):
        return add_host(self, name, pools={'amd-sev': slots}, **facts)

    def pool(self, root):
        return next(
            p.uuid for p in self.providers.values() if p.parent == root
        )

    def hold(self, root, number, slot=True, **amounts):
        """Let a consumer hold what a guest of the flavor holds."""
        held = {root: {'VCPU': 2, 'MEMORY_MB': 4096, 'DISK_GB': 10, **amounts}}
        if slot:
            held[self.pool(root)] = {SLOT: 1}
        self.post_allocations({ident(number): Allocations(held, 'p', 'u')})


@pytest.fixture
def world():
    return World()


@pytest.fixture
def old(world):
    """A host with a guest, number 1."""
    root = world.host('old')
    world.hold(root, 1)
    return root


def found(world, *hosts, nova=None, **options):
    """Return outcome, and of each guest code, target and unknown."""
    plan = drain_plan(world, hosts or ['old'], nova or NovaFacts(), **options)
    return plan.outcome, [
        (s.code, s.target and plan.names[s.target], s.unknown)
        for s in plan.steps
    ]


MOVE = DrainCode.MOVE


def test_a_guest_moves_to_the_host_with_most_free_slots(world, old):
    world.host('a', 1)
    world.host('b', 3)

    assert found(world, nova=nova(server(1))) == (
        Outcome.ALL,
        [(MOVE, 'b', ())],
    )


@pytest.mark.parametrize(
    ('machine_type', 'image', 'code', 'unknown'),
    [
        pytest.param('q35', UNNAMED, MOVE, (), id='the host defaults to q35'),
        pytest.param(
            'pc', UNNAMED, DrainCode.NO_HOST, (), id='the host defaults to pc'
        ),
        pytest.param('pc', NAMED, MOVE, (), id='the image names q35'),
        pytest.param(
            None, UNNAMED, MOVE, (Unknown.MACHINE_TYPE,), id='not published'
        ),
        pytest.param(
            'pc',
            None,
            DrainCode.NO_HOST,
            (),
            id='what the image names today is not known',
        ),
    ],
)
def test_cold_migration_goes_by_the_image_and_not_by_the_recorded_type(
    world, old, machine_type, image, code, unknown
):
    world.host('a', machine_type=machine_type)

    _, [(found_code, _, found_unknown)] = found(
        world, nova=nova(server(1, image=image))
    )

    assert (found_code, found_unknown) == (code, unknown)


def test_an_aggregate_tells_the_machine_type_of_a_host(world, old):
    world.host('a', machine_type=None)
    metadata = {'sev_scheduling:hw_machine_type': 'pc'}
    pc = Aggregate('g', frozenset({'a'}), metadata)

    _, [(code, *_)] = found(world, nova=nova(server(1), aggregates=(pc,)))

    assert code is DrainCode.NO_HOST


@pytest.mark.parametrize(
    'facts',
    [
        pytest.param({'slots': {'total': 1, 'used': 1}}, id='no slot'),
        pytest.param({'memory_mb': 4095}, id='memory'),
        pytest.param({'disk_gb': 9}, id='disk'),
        pytest.param({'traits': ['COMPUTE_STATUS_DISABLED']}, id='disabled'),
        pytest.param({'ram_allocation_ratio': 2.0}, id='memory overcommitted'),
    ],
)
def test_a_host_that_lacks_anything_takes_no_guest(world, old, facts):
    slots = facts.pop('slots', 2)
    if isinstance(slots, dict):
        add_host(world, 'a', pools={'amd-sev': slots['total']})
        root = next(p.uuid for p in world.providers.values() if p.name == 'a')
        world.hold(root, 99)
    else:
        world.host('a', slots, **facts)

    outcome, [(code, *_)] = found(world, nova=nova(server(1)))

    assert (outcome, code) == (Outcome.NONE, DrainCode.NO_HOST)


def test_no_host_that_is_to_be_emptied_takes_a_guest_of_another(world, old):
    second = world.host('second', 9)
    world.hold(second, 2)
    world.host('a', 2)
    both = nova(server(1), server(2, **{'OS-EXT-SRV-ATTR:host': 'second'}))

    assert found(world, 'old', 'second', nova=both) == (
        Outcome.ALL,
        [(MOVE, 'a', ()), (MOVE, 'a', ())],
    )


def test_the_same_host_twice_is_one(world, old):
    world.host('a')

    assert len(found(world, 'old', old, nova=nova(server(1)))[1]) == 1


def test_an_unknown_host_is_an_error(world):
    with pytest.raises(InputError, match='gone'):
        drain_plan(world, ['gone'])


@pytest.mark.parametrize(
    ('facts', 'code'),
    [
        ({'status': 'SHUTOFF'}, MOVE),
        ({'status': 'ERROR'}, DrainCode.STATE),
        ({'status': 'VERIFY_RESIZE'}, DrainCode.STATE),
        ({'OS-EXT-STS:task_state': 'rebuilding'}, DrainCode.STATE),
    ],
)
def test_the_state_of_a_server_decides_whether_nova_migrates_it(
    world, old, facts, code
):
    world.host('a')

    _, [(found_code, *_)] = found(world, nova=nova(server(1, **facts)))

    assert found_code is code


def test_a_slot_that_no_server_holds_cannot_be_moved(world, old):
    world.host('a')

    assert found(world, nova=nova()) == (
        Outcome.NONE,
        [(DrainCode.NOT_A_SERVER, None, ())],
    )


def test_placement_alone_says_what_a_guest_holds_and_what_is_unknown(
    world, old
):
    world.host('small', memory_mb=4095)
    world.host('a')

    outcome, [(code, target, unknown)] = found(world)

    assert (outcome, code, target) == (Outcome.UNKNOWN, MOVE, 'a')
    assert unknown == (Unknown.SERVER, Unknown.FLAVOR, Unknown.IMAGE)


@pytest.mark.parametrize(
    ('facts', 'made_up'),
    [
        (NovaFacts(), False),
        (NovaFacts(made_up=True), True),
        (nova(server(1), complete=False, made_up=True), False),
    ],
)
def test_a_cloud_file_makes_up_guests_of_which_nova_knows_nothing(
    world, old, facts, made_up
):
    (step,) = drain_plan(world, ['old'], facts).steps

    assert step.guest.made_up is made_up


def test_a_guest_of_a_flat_host_is_found_too(world):
    flat = add_host(world, 'old', pools={'amd-sev': 2}, nested=False)
    held = {flat: {'VCPU': 1, 'MEMORY_MB': 64, SLOT: 1}}
    world.post_allocations({ident(1): Allocations(held, 'p', 'u')})
    world.host('a')

    assert [target for _, target, _ in found(world)[1]] == ['a']


def test_guests_without_a_slot_are_counted(world, old):
    world.hold(old, 2, slot=False)
    world.host('a')

    plan = drain_plan(world, ['old'], nova(server(1)))

    assert plan.others == {old: 1}
    assert len(plan.steps) == 1


@pytest.mark.parametrize(
    ('service', 'target'),
    [
        ({}, 'a'),
        ({'up': False}, None),
        ({'zone': 'other'}, None),
    ],
)
def test_a_target_is_up_and_in_the_zone_of_the_server(
    world, old, service, target
):
    world.host('a')
    bound = server(1, pinned_availability_zone='here')
    services = {
        'old': Service(name='old', node='old', zone='here'),
        'a': Service(**{'name': 'x', 'node': 'a', 'zone': 'here', **service}),
    }

    plan = drain_plan(world, ['old'], nova(bound, services=services))

    (step,) = plan.steps
    assert (step.target and plan.names[step.target]) == target
    if step.target:
        assert plan.service(step.target) == 'x'


def test_a_host_without_a_compute_service_takes_no_guest(world, old):
    world.host('a')
    services = {'old': Service(name='old', node='old')}

    _, [(code, *_)] = found(world, nova=nova(server(1), services=services))

    assert code is DrainCode.NO_HOST


@pytest.mark.parametrize(
    ('policy', 'target'),
    [
        ('anti-affinity', 'b'),
        ('affinity', 'a'),
        ('soft-anti-affinity', 'a'),
    ],
)
def test_a_server_group_binds_a_guest(world, old, policy, target):
    world.host('a', 9)
    world.host('b', 3)
    elsewhere = server(2, **{'OS-EXT-SRV-ATTR:host': 'a'})
    members = frozenset({ident(1), ident(2)})
    groups = (ServerGroup('g', policy, members),)

    _, [(_, found_target, _)] = found(
        world, nova=nova(server(1), elsewhere, groups=groups)
    )

    assert found_target == target


def test_a_server_whose_copy_is_not_shown_goes_by_today(world, old):
    world.host('a')
    row = {
        **{'ID': ident(1), 'Name': 's', 'Status': 'ACTIVE', 'Host': 'old'},
        **{'Flavor': 'm1.sev', 'Image ID': IMAGE_ID, 'Task State': None},
    }
    today = {**SIZE, 'name': 'm1.sev', 'properties': FLAVOR['extra_specs']}

    known = read_server(row, today, NAMED)
    unknown = read_server(row)

    assert found(world, nova=nova(known))[1][0][2] == (
        Unknown.FLAVOR_COPY,
        Unknown.IMAGE_COPY,
    )
    assert found(world, nova=nova(unknown))[1][0] == (
        MOVE,
        'a',
        (Unknown.FLAVOR, Unknown.IMAGE),
    )


def test_servers_of_a_file_stand_for_guests_that_have_other_uuids(world, old):
    """As with a cloud file, whose guests are made up."""
    world.hold(old, 2)
    world.host('a', 9)
    of_file = NovaFacts(
        servers={
            one.view.id: one
            for one in (
                server(71),
                server(72, flavor={**FLAVOR, 'extra_specs': {}}),
                server(73, **{'OS-EXT-SRV-ATTR:host': 'a'}),
            )
        }
    )

    plan = drain_plan(world, ['old'], of_file)

    assert [(s.guest.name, bool(s.unknown)) for s in plan.steps] == [
        ('s71', False),
        ('', True),
    ]


@pytest.mark.parametrize(
    ('specs', 'unknown'),
    [
        ({}, ()),
        ({'hw:cpu_policy': 'dedicated'}, (Unknown.TOPOLOGY,)),
        ({'hw:mem_page_size': 'large'}, (Unknown.TOPOLOGY,)),
        ({'hw:numa_nodes': '2'}, (Unknown.TOPOLOGY,)),
    ],
)
def test_what_other_filters_look_at_is_unknown(world, specs, unknown):
    flavor = {**FLAVOR, 'extra_specs': {**FLAVOR['extra_specs'], **specs}}
    root = world.host('old')
    world.hold(root, 1)

    (step,) = drain_plan(world, ['old'], nova(server(1, flavor=flavor))).steps

    assert step.unknown == unknown


def test_a_guest_of_which_nothing_is_known_stays(world):
    root = world.host('old')
    pool = world.pool(root)
    world.post_allocations(
        {ident(1): Allocations({pool: {SLOT: 1}}, 'p', 'u')}
    )
    world.host('a')
    plain = server(1, flavor={**FLAVOR, 'extra_specs': {}})

    # It holds a slot, and nova would ask for none: what it holds counts.
    outcome, [(code, target, _)] = found(world, nova=nova(plain))

    assert (outcome, code, target) == (Outcome.ALL, MOVE, 'a')


def test_a_guest_that_is_gone_by_now_stays(world, old, monkeypatch):
    world.host('a')
    monkeypatch.setattr(world, 'allocations', lambda _: Allocations())

    assert found(world)[1][0][:2] == (DrainCode.UNKNOWN, None)


def test_what_is_no_server_is_an_error():
    with pytest.raises(SpecError):
        read_server({'name': 'x'})
