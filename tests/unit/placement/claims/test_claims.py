"""Guests are given room, moved and released."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
import requests

from sev_scheduling.exceptions import (
    InputError,
    InvalidRequest,
    NoCapacity,
    PlacementAnswerError,
    PlacementConflict,
    PlacementDenied,
    PlacementError,
    PlacementRefused,
    PlacementUnavailable,
)
from sev_scheduling.placement import PlacedInstance, PlacementClient
from sev_scheduling.placement.answers import Allocations, Inventory
from sev_scheduling.prefilter import Scope
from sev_scheduling.testing.fake import FakePlacement
from tests.unit.placement.fake_transport import (
    GUEST,
    HELD,
    NOTHING,
    SEV,
    SLOT,
    allocations,
    cloud,
    fault,
    holding,
    sev_request,
    uuid_of,
)

CANDIDATES = 'GET /allocation_candidates'
POST = 'POST /allocations'
LOST = requests.exceptions.ReadTimeout('slow')
CONFLICT = fault(409, 'generation conflict')


def client_of(transport, **kwargs):
    return PlacementClient(transport.adapter(), **kwargs)


def schedule(transport, count=1, **kwargs):
    if count == 1:
        kwargs.setdefault('instances', [GUEST])
    return client_of(transport).schedule(sev_request(), count, **kwargs)


class TestSchedule:
    def test_what_a_guest_gets(self):
        transport = cloud(1)
        assert schedule(transport, owner='me') == (
            PlacedInstance(
                instance=GUEST,
                host='host-1',
                host_uuid=uuid_of(1),
                model='amd-sev',
                provider=uuid_of(1001),
            ),
        )
        assert transport.bodies(POST) == [
            {
                GUEST: {
                    'allocations': allocations(1),
                    'project_id': 'sev-scheduling',
                    'user_id': 'me',
                    'consumer_generation': None,
                }
            }
        ]

    def test_a_group_is_one_call(self):
        transport = cloud(1)
        placed = schedule(transport, 3)
        (body,) = transport.bodies(POST)
        assert list(body) == [p.instance for p in placed]
        assert len(set(body)) == 3

    def test_far_too_many_guests_are_refused_before_they_get_names(self):
        """Uuids for all of them were made up first."""
        transport = cloud(1)
        with pytest.raises(NoCapacity) as caught:
            schedule(transport, 10**9)
        assert (caught.value.fit, caught.value.count) == (5, 10**9)

    @pytest.mark.parametrize('hosts', [(1, 2), ()])
    def test_each_rule_runs_once(self, rule_calls, hosts):
        """Also where no host fits, and Placement is asked why."""
        with contextlib.suppress(NoCapacity):
            client_of(cloud(*hosts)).schedule(
                sev_request('amd-sev-es', 'amd-sev'), 3
            )
        assert set(rule_calls.values()) == {1}

    @pytest.mark.parametrize('count', [0, -1])
    def test_no_guests_are_refused(self, count):
        with pytest.raises(InputError, match=r'^count is '):
            schedule(cloud(1), count)

    @pytest.mark.parametrize(
        ('count', 'instances'),
        [
            (2, [GUEST]),
            (1, [GUEST, uuid_of(8)]),
            (2, [GUEST, GUEST]),
            (2, [GUEST, GUEST, uuid_of(8)]),
            (1, []),
        ],
    )
    def test_uuids_must_be_one_a_guest(self, count, instances):
        transport = cloud(1)
        with pytest.raises(InputError, match='give one each'):
            schedule(transport, count, instances=instances)
        assert transport.calls == []

    @pytest.mark.parametrize(
        'instance', ['', 'web-1', GUEST[:-1], f'{GUEST}/', 'a' * 32,
                     f'{{{GUEST}}}', None, 7]
    )  # fmt: skip
    def test_what_is_no_uuid_is_refused_before_any_call(self, instance):
        transport = cloud(1)
        with pytest.raises(InputError, match=r'^instances\[0\] is '):
            schedule(transport, instances=[instance])
        assert transport.calls == []

    @pytest.mark.parametrize('owner', ['', 'x' * 256, None])
    def test_an_owner_that_placement_would_refuse(self, owner):
        transport = cloud(1)
        with pytest.raises(InputError, match=r'^owner is '):
            schedule(transport, owner=owner)
        assert transport.calls == []

    def test_an_invalid_request_is_refused_before_any_call(self):
        transport = cloud(1)
        with pytest.raises(InvalidRequest):
            client_of(transport).schedule(
                sev_request(**{'hw:mem_encryption_model': 'none-such'})
            )
        assert transport.calls == []

    @pytest.mark.parametrize(
        ('error', 'name'),
        [
            (fault(400, 'bad project'), PlacementRefused),
            (fault(401), PlacementDenied),
            (fault(403), PlacementDenied),
        ],
    )
    def test_a_refusal_is_told_at_once(self, error, name):
        transport = cloud(1, **{POST: error})
        with pytest.raises(name) as caught:
            schedule(transport)
        assert transport.calls.count(POST) == 1
        assert caught.value.instances == ()


#: What becomes of a write: whether it is made before its answer is lost or
#: another one, how often it is sent, and what is answered.
LOST_BEFORE = (0, PlacementUnavailable('lost'))
LOST_AFTER = (1, PlacementUnavailable('lost'))
REFUSED = (0, PlacementDenied('no'))
CONFLICTS = (0, PlacementConflict('others'))
TWICE = (2, None)


class Faulty(FakePlacement):
    """A Placement of some hosts with a guest on the first.

    :ivar faults: number of a write -> what becomes of it
    :ivar dead: whether it answers no more at all
    :ivar before: number of a write -> what others do before it
    """

    def __init__(self, hosts=2, **guest):
        super().__init__()
        self._patience = 5.0
        self.faults, self.before, self.writes, self.dead = {}, {}, [], False
        for number in range(1, hosts + 1):
            root = self.add_provider(
                f'host-{number}',
                uuid=uuid_of(number),
                inventories={
                    'VCPU': Inventory(9),
                    'MEMORY_MB': Inventory(9000),
                },
            )
            self.add_provider(
                f'host-{number}_amd_sev',
                uuid=uuid_of(1000 + number),
                parent=root,
                inventories={SLOT: Inventory(1)},
                traits=[SEV],
            )
        self.schedule(sev_request(), **{'instances': [GUEST], **guest})
        self.writes.clear()

    @property
    def origin(self):
        return uuid_of(1)

    def hosts_of(self, consumer=GUEST):
        held = self._consumers.get(consumer)
        return {
            self.providers[uuid].root
            for uuid in (held.by_provider if held else ())
        }

    @property
    def others(self):
        """Who else holds something."""
        return self._consumers.keys() - {GUEST}

    @contextlib.contextmanager
    def _called(self, *args):
        if self.dead:
            raise PlacementUnavailable('dead')
        with super()._called(*args):
            yield

    def post_allocations(self, claims):
        number = len(self.writes)
        self.writes.append(claims)
        if number in self.before:
            self.before.pop(number)(self)
        sent, error = self.faults.get(number, (1, None))
        if error == 'dies':
            self.dead = True
            raise PlacementUnavailable('dead')
        for _ in range(sent):
            super().post_allocations(claims)
        if error:
            raise error


def others_move_it(to):
    """Return what moves the guest to a host, as another client would."""

    def act(cloud):
        held = cloud._consumers[GUEST]
        place = {uuid_of(to): {'VCPU': 1, 'MEMORY_MB': 512},
                 uuid_of(1000 + to): {SLOT: 1}}  # fmt: skip
        moved = msgspec.structs.replace(held, by_provider=place)
        FakePlacement.post_allocations(cloud, {GUEST: moved})

    return act


def others_release(cloud):
    FakePlacement.post_allocations(
        cloud,
        {
            uuid: msgspec.structs.replace(
                cloud._consumers[uuid], by_provider={}
            )
            for uuid in cloud.others
        },
    )


class TestMove:
    """The first write claims the new place, the second one hands it over."""

    def move(self, cloud):
        return cloud.move(GUEST, sev_request())

    def test_a_guest_has_its_old_place_until_it_has_the_new_one(self):
        cloud = Faulty()
        assert self.move(cloud).host == 'host-2'
        claim, handed_over = cloud.writes
        (reserved,) = claim
        assert handed_over.keys() == {reserved, GUEST}
        assert not handed_over[reserved]
        assert handed_over[GUEST].by_provider == claim[reserved].by_provider
        assert cloud.others == set()

    @pytest.mark.parametrize(
        ('held', 'project', 'owner'),
        [
            ({}, 'sev-scheduling', 'sev-scheduling'),
            ({'owner': 'me'}, 'sev-scheduling', 'me'),
        ],
    )
    def test_the_claim_is_the_owner_s(self, held, project, owner):
        cloud = Faulty(**held)
        self.move(cloud)
        (claim,) = cloud.writes[0].values()
        assert (claim.project_id, claim.user_id) == (project, owner)

    def test_a_guest_of_nova_stays_nova_s(self):
        cloud = Faulty()
        theirs = msgspec.structs.replace(
            cloud._consumers[GUEST], project_id='p', user_id='u'
        )
        cloud._consumers[GUEST] = theirs
        self.move(cloud)
        (claim,) = cloud.writes[0].values()
        assert (claim.project_id, claim.user_id) == ('sev-scheduling',) * 2
        moved = cloud._consumers[GUEST]
        assert (moved.project_id, moved.user_id) == ('p', 'u')

    def test_the_host_is_not_where_its_disk_is(self):
        """The first of its allocations was taken to be on its host."""
        cloud = Faulty()
        cloud.add_provider('nfs', uuid=uuid_of(99),
                           inventories={'DISK_GB': Inventory(9)})  # fmt: skip
        held = cloud._consumers[GUEST]
        place = {uuid_of(99): {'DISK_GB': 1}, **held.by_provider}
        cloud._consumers[GUEST] = msgspec.structs.replace(
            held, by_provider=place
        )
        cloud.providers[uuid_of(99)].used = {'DISK_GB': 1}
        assert self.move(cloud).host == 'host-2'

    def test_from_a_host_that_is_gone(self):
        transport = cloud(2, **{HELD: holding(1)})
        with pytest.raises(PlacementConflict, match='released by others'):
            # Nobody has the claim, as this transport keeps nothing.
            client_of(transport, patience=0).move(GUEST, sev_request())
        (claim,) = transport.bodies(POST)[0].values()
        assert claim['allocations'] == allocations(2)

    def test_a_strange_answer_about_its_host_is_refused(self):
        transport = cloud(1, 2, **{HELD: holding(1)})
        transport.routes['GET /resource_providers'] = {}
        with pytest.raises(PlacementAnswerError, match='check the endpoint'):
            client_of(transport).move(GUEST, sev_request())
        assert POST not in transport.calls

    def test_a_guest_that_holds_nothing_cannot_move(self):
        with pytest.raises(InputError, match='holds nothing; schedule it'):
            client_of(cloud(1, 2)).move(GUEST, sev_request())

    def test_what_is_no_uuid_is_refused(self):
        with pytest.raises(InputError, match=r'^instance is '):
            client_of(cloud(1)).move('web-1', sev_request())

    def test_with_no_other_host_it_keeps_what_it_has(self):
        cloud = Faulty(1)
        with pytest.raises(NoCapacity):
            self.move(cloud)
        assert cloud.writes == []

    @pytest.mark.parametrize(
        'faults',
        [
            pytest.param({}, id='none'),
            pytest.param({0: LOST_BEFORE}, id='the claim is lost'),
            pytest.param({0: LOST_AFTER}, id="the claim's answer is lost"),
            pytest.param({0: TWICE}, id='the claim is sent twice'),
            pytest.param({0: CONFLICTS}, id='the claim is a conflict'),
            pytest.param({1: LOST_BEFORE}, id='the second is lost'),
            pytest.param({1: LOST_AFTER}, id="the second's answer is lost"),
            pytest.param({1: TWICE}, id='the second is sent twice'),
            pytest.param({1: CONFLICTS}, id='the second is a conflict'),
            pytest.param({1: LOST_BEFORE, 2: LOST_BEFORE}, id='two are lost'),
        ],
    )
    def test_it_moves_in_the_end_and_nothing_is_left(self, faults, clock):
        cloud = Faulty()
        cloud.faults = faults
        assert self.move(cloud).host == 'host-2'
        assert cloud.hosts_of() == {uuid_of(2)}
        assert cloud.others == set()

    @pytest.mark.parametrize(
        'faults',
        [
            pytest.param({0: REFUSED}, id='the claim is refused'),
            pytest.param({1: REFUSED}, id='the second is refused'),
            pytest.param(
                {1: LOST_BEFORE, 2: LOST_BEFORE, 3: LOST_BEFORE},
                id='the second is lost every time',
            ),
            pytest.param(
                {1: LOST_BEFORE, 2: REFUSED}, id='the second is lost, refused'
            ),
        ],
    )
    def test_it_stays_and_nothing_is_left(self, faults):
        cloud = Faulty()
        cloud.faults = faults
        with pytest.raises(PlacementError) as caught:
            self.move(cloud)
        assert caught.value.instances == ()
        assert cloud.hosts_of() == {cloud.origin}
        assert cloud.others == set()

    @pytest.mark.parametrize('dies_at', [1, 2, 3])
    def test_what_may_be_left_is_reported_and_never_the_guest(self, dies_at):
        cloud = Faulty()
        cloud.faults = {
            **{n: LOST_BEFORE for n in range(1, dies_at)},
            dies_at: (0, 'dies'),
        }
        with pytest.raises(PlacementUnavailable) as caught:
            self.move(cloud)
        assert cloud.hosts_of() == {cloud.origin}
        assert cloud.others == set(caught.value.instances)
        assert GUEST not in caught.value.instances
        assert caught.value.unclear

    def test_one_that_comes_late_is_found_by_the_claim(self):
        """Looked for in vain, then a conflict, and there in the end."""
        cloud = Faulty()
        first = []

        def arrives(cloud):
            first.append(cloud.writes[1])

        cloud.faults = {
            1: LOST_BEFORE,
            2: CONFLICTS,
        }
        cloud.before = {2: arrives}
        look_up = cloud.allocations

        def allocations(consumer):
            found = look_up(consumer)
            if first and consumer == GUEST:
                # After the second look-up, before it is given back.
                FakePlacement.post_allocations(cloud, first.pop())
            return found

        cloud.allocations = allocations
        assert self.move(cloud).host == 'host-2'
        assert cloud.hosts_of() == {uuid_of(2)}
        assert cloud.others == set()

    def test_after_others_moved_it_it_goes_on_from_there(self, clock):
        cloud = Faulty(3)
        cloud.before = {1: others_move_it(3)}
        assert self.move(cloud).host == 'host-2'
        assert len(clock.slept) == 1
        assert cloud.others == set()

    def test_never_back_to_where_it_was(self, clock):
        """Another mover was faster, and there is no third host."""
        cloud = Faulty(2)
        cloud.providers[uuid_of(1002)].inventories[SLOT] = Inventory(2)
        cloud.before = {1: others_move_it(2)}
        with pytest.raises(NoCapacity):
            self.move(cloud)
        assert cloud.hosts_of() == {uuid_of(2)}
        assert cloud.others == set()

    def test_where_others_release_the_claim_it_is_claimed_anew(self, clock):
        cloud = Faulty()
        asked = cloud.allocations

        def allocations(consumer):
            if len(cloud.writes) == 1 and consumer in cloud.others:
                others_release(cloud)
            return asked(consumer)

        cloud.allocations = allocations
        assert self.move(cloud).host == 'host-2'
        assert len(cloud.writes) == 3
        assert cloud.others == set()


OTHER = sev_request(**{'hw:mem_page_size': 'large'})


def disable(cloud):
    cloud.providers[uuid_of(2)].traits.add('COMPUTE_STATUS_DISABLED')


def overcommit(cloud):
    memory = Inventory(9000, allocation_ratio=1.5)
    cloud.providers[uuid_of(2)].inventories['MEMORY_MB'] = memory


def take_the_rest(cloud):
    place = {uuid_of(1002): {SLOT: 1}}
    other = Allocations(place, 'p', 'u')
    FakePlacement.post_allocations(cloud, {uuid_of(77): other})


def take_memory(cloud):
    place = {uuid_of(2): {'MEMORY_MB': 1}}
    other = Allocations(place, 'p', 'u')
    FakePlacement.post_allocations(cloud, {uuid_of(77): other})


class TestClaimsOneByOne:
    """The candidates of one answer serve several guests while they hold."""

    @pytest.fixture
    def cloud(self):
        cloud = Faulty(4)
        cloud.calls.clear()
        cloud._selections.clear()
        return cloud

    @pytest.fixture
    def time(self, monkeypatch):
        """Seconds that have passed since."""
        passed = [0.0]
        monkeypatch.setattr('time.monotonic', lambda: passed[0])
        return passed

    def asked(self, cloud):
        """Return how often Placement was asked for all candidates."""
        return sum(
            name == 'allocation_candidates' and query.in_tree is None
            for name, query in cloud.calls
        )

    def test_three_guests_are_three_calls_each_and_one_answer(self, cloud):
        hosts = [cloud.schedule(sev_request())[0].host for _ in range(3)]
        assert hosts == ['host-2', 'host-3', 'host-4']
        assert self.asked(cloud) == 1
        # The answer; ratio, claim and check of each.
        assert len(cloud.calls) == 1 + 3 * 3

    @pytest.mark.parametrize(
        'between',
        [
            pytest.param(take_memory, id='others claim there'),
            pytest.param(take_the_rest, id='others take its last slot'),
            pytest.param(disable, id='it is disabled'),
            pytest.param(overcommit, id='its memory is overcommitted'),
        ],
    )
    def test_where_others_change_the_host_it_is_asked_anew(
        self, cloud, clock, between
    ):
        """The second guest would go to the same host as the first."""
        for number in (3, 4):
            cloud.providers.pop(uuid_of(1000 + number))
        pool = cloud.providers[uuid_of(1002)]
        pool.inventories[SLOT] = Inventory(2)
        cloud.schedule(sev_request())
        between(cloud)
        if between is take_memory:
            assert cloud.schedule(sev_request())
            assert self.asked(cloud) == 1
            with pytest.raises(NoCapacity):
                cloud.schedule(sev_request())
        else:
            with pytest.raises(NoCapacity):
                cloud.schedule(sev_request())
        assert self.asked(cloud) >= 2
        assert sum(pool.used.values()) == (1 if between in (
            disable, overcommit) else 2)  # fmt: skip

    @pytest.mark.parametrize(
        ('second', 'scope'),
        [
            (OTHER, Scope()),
            (sev_request(), Scope(in_tree=uuid_of(3))),
            (sev_request(machine_type=None), Scope()),
        ],
    )
    def test_another_request_is_asked_anew(self, cloud, second, scope):
        cloud.schedule(sev_request())
        cloud.schedule(second, scope=scope)
        assert self.asked(cloud) == 1 + (scope.in_tree is None)

    def test_an_old_answer_is_asked_anew(self, cloud, time):
        for seconds, asked in [(0.0, 1), (9.9, 1), (10.0, 2)]:
            time[0] = seconds
            cloud.schedule(sev_request())
            assert self.asked(cloud) == asked

    def test_one_about_aggregates_is_asked_anew(self, cloud):
        """Nothing that is seen of a host shows that it has left one."""
        for provider in cloud.providers.values():
            provider.aggregates.add(uuid_of(50))
        scope = Scope(member_of=[[uuid_of(50)]])
        for _ in range(2):
            cloud.schedule(sev_request(), scope=scope)
        assert self.asked(cloud) == 2

    def test_no_capacity_is_never_said_of_an_old_answer(self, cloud):
        for _ in range(3):
            cloud.schedule(sev_request())
        cloud.release(GUEST)
        (placed,) = cloud.schedule(sev_request())
        assert placed.host == 'host-1'

    def test_a_better_model_that_is_free_again_is_taken(self):
        cloud = Faulty(2)
        for number in (3, 4):
            cloud.add_provider(
                f'snp-{number}',
                uuid=uuid_of(number),
                inventories={
                    'VCPU': Inventory(9),
                    'MEMORY_MB': Inventory(9000),
                    SLOT: Inventory(1),
                },
                traits=[
                    'HW_CPU_X86_AMD_SEV_SNP',
                    'COMPUTE_SECURITY_STATELESS_FIRMWARE',
                ],
            )
        cloud.providers[uuid_of(2)].traits.add(
            'COMPUTE_SECURITY_STATELESS_FIRMWARE'
        )
        best = sev_request('amd-sev-snp', 'amd-sev')
        first, _ = (cloud.schedule(best)[0] for _ in range(2))
        cloud.release(first.instance)
        assert cloud.schedule(best)[0].model == 'amd-sev-snp'

    def test_threads_do_not_share_an_answer(self, cloud):
        """Who takes it has it alone."""
        cloud.schedule(sev_request())
        (kept,) = cloud._selections
        seen = []
        post = cloud.post_allocations

        def post_allocations(claims):
            seen.append(list(cloud._selections))
            post(claims)

        cloud.post_allocations = post_allocations
        cloud.schedule(sev_request())
        assert seen == [[]]
        assert list(cloud._selections) == [kept]

    def test_a_claim_that_failed_leaves_no_answer(self, cloud):
        cloud.schedule(sev_request())
        cloud.faults = {len(cloud.writes): REFUSED}
        with pytest.raises(PlacementDenied):
            cloud.schedule(sev_request())
        assert not cloud._selections


class TestRelease:
    def test_what_it_holds_is_freed(self):
        transport = cloud(**{HELD: holding(1)})
        assert client_of(transport).release(GUEST)
        assert transport.bodies(POST) == [{GUEST: holding(1, allocations={})}]

    def test_a_guest_that_holds_nothing(self):
        transport = cloud()
        assert not client_of(transport).release(GUEST)
        assert POST not in transport.calls

    def test_a_conflict_is_tried_anew(self, clock):
        transport = cloud(
            **{
                HELD: [holding(1), holding(1, consumer_generation=4)],
                POST: [CONFLICT, {}],
            }
        )
        assert client_of(transport).release(GUEST)
        assert transport.bodies(POST)[-1][GUEST]['consumer_generation'] == 4
        assert len(clock.slept) == 1

    def test_what_is_no_uuid_is_refused(self):
        with pytest.raises(InputError, match=r"^instance is 'web-1'"):
            client_of(cloud()).release('web-1')

    def test_one_that_a_conflict_left_unchanged_is_not_freed(self, clock):
        """As of a provider's generation: it was said to be freed."""
        transport = cloud(**{HELD: holding(1), POST: [CONFLICT, {}]})
        assert client_of(transport).release(GUEST)
        assert transport.calls.count(POST) == 2
        transport = cloud(**{HELD: holding(1), POST: CONFLICT})
        with pytest.raises(PlacementConflict):
            client_of(transport).release(GUEST)

    @pytest.mark.parametrize(
        'answer', [CONFLICT, LOST, fault(503), fault(400, own=False)]
    )
    def test_one_whose_answer_hides_that_it_freed_has_freed(
        self, clock, answer
    ):
        """It said that nothing had been held."""
        transport = cloud(**{HELD: [holding(1), NOTHING], POST: answer})
        assert client_of(transport).release(GUEST)
        assert transport.calls.count(POST) == 1

    def test_a_guest_that_was_claimed_anew_meanwhile_is_left_alone(
        self, clock
    ):
        """It was freed, and then claimed by who was told so."""
        anew = holding(2, consumer_generation=1)
        transport = cloud(**{HELD: [holding(1), anew], POST: CONFLICT})
        assert client_of(transport).release(GUEST)
        assert transport.calls.count(POST) == 1

    def test_one_that_nobody_can_tell_of_names_the_guest(self):
        transport = cloud(**{HELD: [holding(1), fault(503)], POST: fault(503)})
        with pytest.raises(PlacementUnavailable) as caught:
            client_of(transport).release(GUEST)
        assert caught.value.instances == (GUEST,)

    @pytest.mark.parametrize('force', [False, True])
    def test_what_others_have_claimed_takes_force(self, force):
        theirs = holding(1, project_id='0b8c5a2e6f')
        transport = cloud(**{HELD: theirs})
        client = client_of(transport)
        if force:
            assert client.release(GUEST, force=True)
            assert transport.freed() == [GUEST]
            return
        with pytest.raises(InputError, match='0b8c5a2e6f'):
            client.release(GUEST)
        assert transport.freed() == []
