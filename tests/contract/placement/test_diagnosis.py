"""What is named when the real Placement has no candidate, with figures."""

from __future__ import annotations

import pytest

from sev_scheduling import Scope, explain, translate
from sev_scheduling.diagnosis import Cause, Constraint, Shortfall
from sev_scheduling.hosts.host import machine_type_trait
from sev_scheduling.placement.diagnosis import MAX_CALLS, diagnose
from tests.contract.placement.requests import IMAGE, STATELESS, host, request

FULL = {'amd-sev': {'total': 4, 'used': 4}}
AGGREGATE = '3fd1e6a2-0000-4000-8000-00000000000a'
OTHER = '3fd1e6a2-0000-4000-8000-00000000000b'
SLOT = 'MEM_ENCRYPTION_CONTEXT'
SEV = 'HW_CPU_X86_AMD_SEV'


def short(name, requested):
    return Constraint(Cause.RESOURCES_SHORT, name, requested)


def trait(name):
    return Constraint(Cause.TRAIT, name)


@pytest.fixture
def ask(world):
    """Diagnose, and hold what it says against the number of calls."""

    def ask(client, asked, query=None, **more):
        world.calls.clear()
        query = query or translate(asked, scope=Scope(**more))
        found = diagnose(client, asked, query)
        # The version document is counted, and may be known already.
        assert len(world.calls) <= found.calls <= MAX_CALLS
        assert len(world.calls) >= found.calls - 1
        assert {method for method, _ in world.calls} == {'GET'}
        if found.cause is Cause.NONE:
            assert client.candidates(query)
        assert explain(found).operator()
        assert explain(found).tenant()
        return found

    return ask


class TestSlots:
    def test_there_are_candidates(self, world, ask):
        found = ask(world.load(host()), request())
        assert (found.cause, found.constraints) == (Cause.NONE, ())
        assert found.calls == 5

    @pytest.mark.parametrize(
        'entry',
        [
            host(pools={}),
            host(pools={'amd-sev-es': {'total': 4}}),
            host(pools={'amd-sev': {'total': 0}}),
            host(pools={}, traits=[SEV]),
            host(pools={'amd-sev-es': {'total': 4}}, traits=[SEV]),
        ],
        ids=['no slots', 'another models', 'none of it', 'a stale trait',
             'a stale trait, and slots of another'],
    )  # fmt: skip
    def test_no_host_has_the_model(self, world, ask, entry):
        found = ask(world.load(entry), request())
        assert found.cause is Cause.NO_MODEL
        assert found.constraints == (Constraint(Cause.SLOTS_USED, 'amd-sev'),)

    def test_an_empty_cloud_has_no_model(self, world, ask):
        world.empty()
        assert ask(world.client(), request()).cause is Cause.NO_MODEL

    @pytest.mark.parametrize('layout', ['nested', 'flat'])
    def test_all_slots_are_used(self, world, ask, layout):
        client = world.load(
            host('a', pools=FULL, layout=layout),
            host('b', pools=FULL, layout=layout, count=2),
            host('plain', pools={}),
            host('es', pools={'amd-sev-es': {'total': 9}}),
            host(
                'kept',
                layout=layout,
                pools={'amd-sev': {'total': 9, 'reserved': 6, 'used': 3}},
            ),
        )
        found = ask(client, request())
        assert found.cause is Cause.SLOTS_USED
        assert found.hosts_with_model == 4
        assert (found.slots_used, found.slots_total) == (15, 15)

    def test_all_slots_are_reserved(self, world, ask):
        pools = {'amd-sev': {'total': 4, 'reserved': 4}}
        found = ask(world.load(host(pools=pools)), request())
        assert found.cause is Cause.SLOTS_USED
        assert (found.slots_used, found.slots_total) == (0, 0)

    def test_on_hosts_that_have_nothing_left_at_all(self, world, ask):
        client = world.load(host(pools=FULL, memory_mb=1024, disk_gb=10))
        world.use('epyc', VCPU=16, MEMORY_MB=1024, DISK_GB=10)
        world.use('epyc', VCPU=16)
        world.use('epyc', VCPU=16)
        world.use('epyc', VCPU=16)
        found = ask(client, request())
        assert found.cause is Cause.SLOTS_USED
        assert found.hosts_with_model == 1
        assert (found.slots_used, found.slots_total) == (4, 4)

    def test_more_hosts_than_can_be_asked_one_by_one(self, world, ask):
        """Full of everything: how many slots there are is not known."""
        hosts = [
            host(f'h{n}', pools=FULL, vcpus=1, memory_mb=1, disk_gb=0)
            for n in range(6)
        ]
        client = world.load(*hosts)
        for n in range(6):
            world.use(f'h{n}', VCPU=1, MEMORY_MB=1)
            for _ in range(3):
                world.use(f'h{n}', VCPU=1)
        found = ask(client, request())
        assert found.cause is Cause.SLOTS_USED
        assert found.hosts_with_model is None

    def test_a_slot_and_something_else(self, world, ask):
        """A free slot would not help."""
        client = world.load(host(pools=FULL))
        found = ask(client, request(ram=70000))
        assert found.cause is Cause.SEVERAL
        assert set(found.constraints) == {
            Constraint(Cause.SLOTS_USED, 'amd-sev'),
            short('MEMORY_MB', 70000),
        }
        assert found.shortfalls == (
            Shortfall('MEMORY_MB', 70000, 65536, 'epyc', 65536),
        )

    def test_a_stale_trait_does_not_hide_what_else_is_short(self, world, ask):
        """A host without slots, with the trait, seemed to need a slot only."""
        client = world.load(
            host('full', pools=FULL, disk_gb=0),
            host('stale', pools={'amd-sev-es': {'total': 1}},
                 traits=['HW_CPU_X86_AMD_SEV']),
        )  # fmt: skip
        found = ask(client, request())
        assert found.cause is Cause.SEVERAL
        assert set(found.constraints) == {
            Constraint(Cause.SLOTS_USED, 'amd-sev'),
            short('DISK_GB', 10),
        }

    def test_a_slot_is_short_where_disks_are_shared(self, world, ask):
        client = world.load(host(pools=FULL, disk_gb=0))
        world.ask('POST', '/resource_providers', {'name': 'storage'})
        world.inventory('storage', 'DISK_GB', total=100)
        world.change('storage', 'traits', ['MISC_SHARES_VIA_AGGREGATE'])
        for name in ('storage', 'epyc'):
            world.change(name, 'aggregates', [AGGREGATE])
        assert ask(client, request()).cause is Cause.SLOTS_USED


class TestResources:
    @pytest.mark.parametrize(
        ('flavor', 'name', 'requested', 'best'),
        [
            ({'vcpus': 17}, 'VCPU', 17, 16),
            ({'ram': 65537}, 'MEMORY_MB', 65537, 65536),
            ({'disk': 1001}, 'DISK_GB', 1001, 1000),
        ],
    )
    def test_one_is_short(self, world, ask, flavor, name, requested, best):
        client = world.load(host('small', memory_mb=2048, disk_gb=20, vcpus=2),
                            host('plain', pools={}, memory_mb=10**6,
                                 disk_gb=10**6, vcpus=100),
                            host('best'))  # fmt: skip
        found = ask(client, request(**flavor))
        assert found.cause is Cause.RESOURCES_SHORT
        assert found.constraints == (short(name, requested),)
        assert found.hosts_with_free_slot == 2
        assert found.shortfalls == (
            Shortfall(name, requested, best, 'best', best),
        )
        assert found.shortfalls[0].missing == 1
        assert found.hosts_but_for == 2

    def test_what_one_guest_can_have_is_less_than_what_is_left(
        self, world, ask
    ):
        """Overcommitted hosts seemed to have enough; no figure was told."""
        client = world.load(host('a', memory_mb=40000),
                            host('b', memory_mb=50000,
                                 ram_allocation_ratio=2.0))  # fmt: skip
        found = ask(client, request(ram=60000))
        assert found.constraints == (short('MEMORY_MB', 60000),)
        assert found.shortfalls == (
            Shortfall('MEMORY_MB', 60000, 50000, 'b', 50000),
        )
        assert (found.hosts_but_for, found.hosts_with_free_slot) == (2, 2)

    def test_and_something_else(self, world, ask):
        """Neither alone would do, and one of them no summary tells."""
        client = world.load(host(traits=['COMPUTE_STATUS_DISABLED']))
        found = ask(client, request(vcpus=17),
                    root_forbidden=['COMPUTE_STATUS_DISABLED'])  # fmt: skip
        assert found.cause is Cause.SEVERAL
        assert short('VCPU', 17) in found.constraints
        assert len(found.constraints) == 2

    def test_of_many_hosts_that_give_out_less_one_is_told(self, world, ask):
        """No other gives more: one query tells."""
        found = ask(world.load(host(count=20)), request(vcpus=17))
        assert found.constraints == (short('VCPU', 17),)
        (told,) = found.shortfalls
        assert (told.best, told.missing) == (16, 1)
        assert found.hosts_but_for == 20

    def test_free_slots_only_where_memory_is_short(self, world, ask):
        client = world.load(host('a'), host('b'), host('full', pools=FULL))
        world.use('a', MEMORY_MB=65000)
        world.use('b', MEMORY_MB=65036)
        found = ask(client, request())
        assert found.constraints == (short('MEMORY_MB', 1024),)
        assert found.shortfalls == (
            Shortfall('MEMORY_MB', 1024, 536, 'a', 65536),
        )
        assert (found.hosts_but_for, found.hosts_with_free_slot) == (2, 2)

    def test_two_are_short_on_the_same_host(self, world, ask):
        found = ask(world.load(host()), request(ram=70000, disk=2000))
        assert found.cause is Cause.RESOURCES_SHORT
        assert found.constraints == (
            short('DISK_GB', 2000),
            short('MEMORY_MB', 70000),
        )
        assert [s.best for s in found.shortfalls] == [1000, 65536]

    def test_one_each_on_two_hosts(self, world, ask):
        """Either one would do: neither alone is the culprit."""
        client = world.load(
            host('ram', disk_gb=10), host('disk', memory_mb=1024)
        )
        found = ask(client, request(ram=2048, disk=20))
        assert found.cause is Cause.COMBINATION
        assert set(found.constraints) == {
            short('MEMORY_MB', 2048),
            short('DISK_GB', 20),
        }

    @pytest.mark.parametrize(
        'limit', [{'min_unit': 2048}, {'step_size': 1000}]
    )
    def test_an_amount_that_is_not_given_out(self, world, ask, limit):
        client = world.load(host())
        world.inventory('epyc', 'MEMORY_MB', **limit)
        found = ask(client, request())
        assert found.constraints == (short('MEMORY_MB', 1024),)
        assert found.shortfalls == ()
        assert 'max_unit' in explain(found).operator()

    def test_fewer_than_all_that_is_short_somewhere(self, world, ask):
        """On no host both: it was said that both had to be given up."""
        client = world.load(
            host('a', vcpus=4, memory_mb=1024, traits=['CUSTOM_A']),
            host('b', memory_mb=1024),
        )
        specs = {'trait:CUSTOM_A': 'required'}
        found = ask(client, request(specs, vcpus=17, ram=2048))
        assert len(found.constraints) == 2

    def test_hosts_that_would_do_are_counted_with_their_limits(
        self, world, ask
    ):
        """Overcommitted, they have enough left, and give one guest less."""
        client = world.load(
            host('a', ram_allocation_ratio=4.0, vcpus=2),
            host('b', ram_allocation_ratio=4.0),
            host('c', memory_mb=200000, vcpus=2),
        )
        found = ask(client, request(ram=70000, vcpus=4))
        assert found.cause is Cause.COMBINATION
        found = ask(client, request(ram=70000, vcpus=16))
        assert found.hosts_but_for == 2

    def test_a_class_that_no_host_has(self, world, ask):
        found = ask(
            world.load(host()), request({'resources:CUSTOM_FPGA': '1'})
        )
        assert found.constraints == (short('CUSTOM_FPGA', 1),)

    def test_a_flavor_of_nothing_but_memory(self, world, ask):
        asked = request({'resources:VCPU': '0', 'resources:DISK_GB': '0'},
                        ram=70000)  # fmt: skip
        found = ask(world.load(host()), asked)
        assert found.constraints == (short('MEMORY_MB', 70000),)


class TestTraits:
    def test_one_that_is_required(self, world, ask):
        client = world.load(
            host(count=3), host('gold', pools={}, traits=['CUSTOM_GOLD'])
        )
        found = ask(client, request({'trait:CUSTOM_GOLD': 'required'}))
        assert found.cause is Cause.TRAIT
        assert found.constraints == (trait('CUSTOM_GOLD'),)
        assert (found.hosts_but_for, found.hosts_with_free_slot) == (3, 3)

    def test_one_that_is_forbidden(self, world, ask):
        client = world.load(host(traits=['CUSTOM_OLD']))
        found = ask(client, request({'trait:CUSTOM_OLD': 'forbidden'}))
        assert found.constraints == (trait('!CUSTOM_OLD'),)

    def test_one_of_the_image(self, world, ask):
        client = world.load(host('new', pools={}, traits=['CUSTOM_NEW']),
                            host())  # fmt: skip
        image = {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35',
                 'trait:CUSTOM_NEW': 'required'}  # fmt: skip
        found = ask(client, request(image=image))
        assert found.constraints == (trait('CUSTOM_NEW'),)

    def test_one_that_placement_never_heard_of(self, world, ask):
        asked = request({'trait:CUSTOM_NEVER_HEARD_OF': 'required'})
        found = ask(world.load(host()), asked)
        assert found.constraints == (trait('CUSTOM_NEVER_HEARD_OF'),)

    def test_what_the_model_itself_needs(self, world, ask):
        """Stateless firmware: nova asks for it as a trait of the host."""
        client = world.load(host(pools={'amd-sev-snp': {'total': 4}}))
        found = ask(client, request(
            {'hw:mem_encryption_model': 'amd-sev-snp'}, image=STATELESS
        ))  # fmt: skip
        assert found.constraints == (
            trait('COMPUTE_SECURITY_STATELESS_FIRMWARE'),
        )

    def test_two_of_them(self, world, ask):
        client = world.load(
            host('both', pools={}, traits=['CUSTOM_A', 'CUSTOM_B']), host()
        )
        specs = {'trait:CUSTOM_A': 'required', 'trait:CUSTOM_B': 'required'}
        found = ask(client, request(specs))
        assert found.cause is Cause.TRAIT
        assert found.constraints == (trait('CUSTOM_A'), trait('CUSTOM_B'))

    def test_and_memory(self, world, ask):
        client = world.load(
            host('gold', pools={}, traits=['CUSTOM_GOLD']), host()
        )
        found = ask(
            client, request({'trait:CUSTOM_GOLD': 'required'}, ram=70000)
        )
        assert found.cause is Cause.SEVERAL
        assert set(found.constraints) == {
            trait('CUSTOM_GOLD'),
            short('MEMORY_MB', 70000),
        }


class TestWhatSchedulersAdd:
    def test_an_aggregate(self, world, ask):
        client = world.load(host('a', pools=FULL), host('b', count=2))
        world.change('a', 'aggregates', [AGGREGATE])
        found = ask(client, request(), member_of=[[AGGREGATE]])
        assert found.cause is Cause.AGGREGATE
        assert found.constraints == (Constraint(Cause.AGGREGATE, AGGREGATE),)
        assert (found.hosts_but_for, found.hosts_with_free_slot) == (2, 2)

    def test_an_aggregate_that_does_not_exist(self, world, ask):
        found = ask(world.load(host()), request(), member_of=[[OTHER]])
        assert found.cause is Cause.AGGREGATE

    def test_one_of_two_aggregates(self, world, ask):
        client = world.load(host())
        world.change('epyc', 'aggregates', [AGGREGATE])
        found = ask(client, request(), member_of=[[AGGREGATE], [OTHER]])
        assert found.constraints == (Constraint(Cause.AGGREGATE, OTHER),)

    def test_a_forbidden_aggregate(self, world, ask):
        client = world.load(host())
        world.change('epyc', 'aggregates', [AGGREGATE])
        found = ask(client, request(), forbidden_aggregates=[AGGREGATE])
        assert found.constraints == (
            Constraint(Cause.AGGREGATE, f'!{AGGREGATE}'),
        )

    def test_any_of_three_aggregates_and_more(self, world, ask):
        client = world.load(host())
        world.change('epyc', 'aggregates', [AGGREGATE])
        groups = [[AGGREGATE], [OTHER, AGGREGATE], [OTHER], [AGGREGATE, OTHER]]
        found = ask(client, request(), member_of=groups)
        assert found.cause is Cause.AGGREGATE

    @pytest.mark.parametrize(
        ('entry', 'more', 'name'),
        [
            (host(), {'root_required': ['COMPUTE_NODE']}, 'COMPUTE_NODE'),
            (
                host(traits=['COMPUTE_STATUS_DISABLED']),
                {'root_forbidden': ['COMPUTE_STATUS_DISABLED']},
                '!COMPUTE_STATUS_DISABLED',
            ),
        ],
    )
    def test_a_trait_of_hosts(self, world, ask, entry, more, name):
        found = ask(world.load(entry), request(), **more)
        assert found.cause is Cause.HOST_TRAIT
        assert found.constraints == (Constraint(Cause.HOST_TRAIT, name),)

    @pytest.mark.parametrize(
        'published', [['pc'], ['pc', 'pc-i440fx-8.2'], ['q35', 'virt']]
    )
    def test_machine_types_are_one_thing(self, world, ask, published):
        hosts = [
            host(
                name,
                machine_types={'x86_64': name},
                **({'pools': FULL} if name == 'q35' else {}),
            )
            for name in published
        ]
        unfit = [machine_type_trait(n) for n in published if n != 'q35']
        found = ask(world.load(*hosts), request(), root_forbidden=unfit)
        assert found.cause is Cause.MACHINE_TYPE
        assert len(found.constraints) == 1
        assert found.hosts_but_for == len(unfit)

    def test_hosts_whose_machine_type_will_not_do_are_not_in_question(
        self, world
    ):
        client = world.load(
            host('wrong', machine_types={'x86_64': 'pc-i440fx-8.2'}),
            host('small', vcpus=1),
            host('full', machine_types={'x86_64': 'pc-q35-8.2'}, pools=FULL),
        )
        image = {**IMAGE, 'hw_machine_type': None}
        found = client.feasibility(request(image=image, vcpus=2))
        assert found.offered == set()
        assert [v.host.name for v in found.unavailable] == ['small']
        # Either would help: q35 in the image, or a smaller flavor.
        causes = {c.cause for c in found.diagnosis.constraints}
        assert causes == {Cause.RESOURCES_SHORT}
        assert found.suitable == {world.uuid('wrong'), world.uuid('full')}

    def test_one_host(self, world, ask):
        client = world.load(host('a'), host('full', pools=FULL))
        asked_for = world.uuid('full')
        found = ask(client, request(), in_tree=asked_for)
        # It is what the answer is about, not one thing more to relax.
        assert found.cause is Cause.SLOTS_USED
        assert (found.host, found.hosts_with_model) == ('', 1)


class TestGroups:
    def test_a_group_that_no_provider_serves(self, world, ask):
        client = world.load(host())
        world.ask('PUT', '/resource_classes/CUSTOM_FPGA')
        found = ask(client, request({'resources1:CUSTOM_FPGA': '1'}))
        assert found.cause is Cause.GROUP
        assert found.constraints == (Constraint(Cause.GROUP, '1'),)

    def test_a_policy(self, world, ask):
        """A flat provider has but one to give."""
        client = world.load(host(layout='flat'))
        for name in ('CUSTOM_A', 'CUSTOM_B'):
            world.ask('PUT', f'/resource_classes/{name}')
        world.inventory('epyc', 'CUSTOM_A', total=5)
        world.inventory('epyc', 'CUSTOM_B', total=5)
        specs = {'resources1:CUSTOM_A': '1', 'resources2:CUSTOM_B': '1',
                 'group_policy': 'isolate'}  # fmt: skip
        found = ask(client, request(specs))
        assert found.cause is Cause.GROUP_POLICY
        assert not client.candidates(translate(request(specs)))
        specs['group_policy'] = 'none'
        assert client.candidates(translate(request(specs)))


class TestAnyOfModels:
    MODELS = ('amd-sev-snp', 'amd-sev')

    @pytest.mark.parametrize('newest', ['1.39', '1.38', '1.36', '1.35'])
    def test_none_of_them_has_a_free_slot(self, world, ask, newest):
        client = world.load(
            host('a', pools=FULL),
            host('b', pools={'amd-sev-snp': {'total': 2, 'used': 2}},
                 traits=['COMPUTE_SECURITY_STATELESS_FIRMWARE']),
            max_microversion=newest,
        )  # fmt: skip
        found = ask(client, request(models=self.MODELS, image=STATELESS))
        name = 'amd-sev-snp or amd-sev'
        assert Constraint(Cause.SLOTS_USED, name) in found.constraints
        assert found.hosts_with_model in (2, None)

    @pytest.mark.parametrize('newest', ['1.39', '1.38'])
    def test_one_of_them_has(self, world, ask, newest):
        client = world.load(
            host(traits=['COMPUTE_SECURITY_STATELESS_FIRMWARE']),
            max_microversion=newest,
        )
        asked = request(models=self.MODELS, image=STATELESS)
        assert ask(client, asked).cause is Cause.NONE

    @pytest.mark.parametrize('newest', ['1.39', '1.38', '1.33'])
    def test_memory_is_short_with_all_of_them(self, world, ask, newest):
        client = world.load(
            host(traits=['COMPUTE_SECURITY_STATELESS_FIRMWARE']),
            max_microversion=newest,
        )
        found = ask(
            client, request(models=self.MODELS, image=STATELESS, ram=70000)
        )
        assert found.constraints == (short('MEMORY_MB', 70000),)


class TestWithoutEncryption:
    def test_memory_is_short(self, world, ask):
        client = world.load(host('a'), host('b', memory_mb=1024))
        found = ask(client, request(encrypted=False, ram=70000))
        assert found.constraints == (short('MEMORY_MB', 70000),)
        assert found.shortfalls[0].best_host == 'a'
        assert found.hosts_with_free_slot == 2

    def test_a_trait(self, world, ask):
        client = world.load(host(), host('gold', traits=['CUSTOM_GOLD'],
                                         memory_mb=512))  # fmt: skip
        found = ask(
            client, request({'trait:CUSTOM_GOLD': 'required'}, encrypted=False)
        )
        assert found.cause is Cause.COMBINATION
        assert trait('CUSTOM_GOLD') in found.constraints


class TestSharedStorage:
    @pytest.fixture
    def storage(self, world):
        """Share 1,000 GB with the hosts a and b, which have no disks."""

        def load(*hosts, left=1000):
            client = world.load(*hosts)
            world.ask('POST', '/resource_providers', {'name': 'storage'})
            world.inventory('storage', 'DISK_GB', total=left)
            world.change('storage', 'traits', ['MISC_SHARES_VIA_AGGREGATE'])
            names = {entry['name'] for entry in hosts}
            for name in ('storage', *names):
                world.change(name, 'aggregates', [AGGREGATE])
            return client

        return load

    @pytest.mark.parametrize('layout', ['nested', 'flat'])
    @pytest.mark.parametrize(
        ('more', 'asked', 'scope', 'named'),
        [
            ({}, {'ram': 70000}, {}, [short('MEMORY_MB', 70000)]),
            ({}, {'vcpus': 17}, {}, [short('VCPU', 17)]),
            ({}, {'ram': 70000, 'vcpus': 17}, {},
             [short('MEMORY_MB', 70000), short('VCPU', 17)]),
            ({}, {'specs': {'trait:CUSTOM_A': 'required'}}, {},
             [trait('CUSTOM_A')]),
            ({'traits': ['CUSTOM_A']},
             {'specs': {'trait:CUSTOM_A': 'forbidden'}}, {},
             [trait('!CUSTOM_A')]),
            ({}, {}, {'root_required': ['COMPUTE_NODE']},
             [Constraint(Cause.HOST_TRAIT, 'COMPUTE_NODE')]),
            ({'traits': ['COMPUTE_STATUS_DISABLED']}, {}, {},
             [Constraint(Cause.HOST_TRAIT, '!COMPUTE_STATUS_DISABLED')]),
            ({'pools': FULL}, {}, {},
             [Constraint(Cause.SLOTS_USED, 'amd-sev')]),
            ({}, {'disk': 1001}, {}, [short('DISK_GB', 1001)]),
        ],
    )  # fmt: skip
    def test_disk_is_named_only_where_it_is_short(
        self, storage, ask, world, layout, more, asked, scope, named
    ):
        """With 1,000 GB left it was said to be 1 short."""
        entry = {'disk_gb': 0, 'layout': layout, **more}
        client = storage(host('a', **entry), host('b', **entry))
        world.ask('PUT', '/traits/CUSTOM_A')
        found = ask(client, request(**asked), **scope)
        assert found.constraints == tuple(sorted(named))
        # Of two amounts the calls do not suffice to count them.
        assert found.hosts_but_for == (2 if len(named) == 1 else None)

    def test_the_figures_are_those_of_the_storage(self, storage, ask, world):
        client = storage(host('a', disk_gb=0), host('b', disk_gb=5))
        world.use('storage', DISK_GB=400)
        found = ask(client, request(disk=700))
        assert [(s.requested, s.best) for s in found.shortfalls] == [
            (700, 600)
        ]
        assert found.hosts_but_for == 2

    def test_disk_is_short_on_the_storage(self, world, ask):
        client = world.load(host(disk_gb=0))
        storage = world.ask('POST', '/resource_providers', {'name': 'storage'})
        assert storage['name'] == 'storage'
        world.inventory('storage', 'DISK_GB', total=100)
        world.change('storage', 'traits', ['MISC_SHARES_VIA_AGGREGATE'])
        for name in ('storage', 'epyc'):
            world.change(name, 'aggregates', [AGGREGATE])
        assert ask(client, request(disk=100)).cause is Cause.NONE
        found = ask(client, request(disk=101))
        assert found.constraints == (short('DISK_GB', 101),)


@pytest.mark.parametrize('newest', ['1.33', '1.36', '1.39'])
@pytest.mark.parametrize(
    ('specs', 'flavor', 'cause'),
    [
        ({}, {'ram': 70000}, Cause.RESOURCES_SHORT),
        ({'trait:CUSTOM_GOLD': 'required'}, {}, Cause.TRAIT),
        ({'hw:mem_encryption_model': 'amd-sev-es'}, {}, Cause.SLOTS_USED),
        ({'hw:mem_encryption_model': 'amd-sev-snp'}, {}, Cause.NO_MODEL),
    ],
)
def test_an_older_placement_is_asked_otherwise_with_the_same_answer(
    world, ask, newest, specs, flavor, cause
):
    client = world.load(
        host(count=2),
        host('gold', pools={}, traits=['CUSTOM_GOLD']),
        host('es', pools={'amd-sev-es': {'total': 1, 'used': 1}}),
        max_microversion=newest,
    )
    image = STATELESS if 'snp' in str(specs) else IMAGE
    found = ask(client, request(specs, image=image, **flavor))
    assert found.cause is cause


def test_the_number_of_calls_does_not_grow_with_the_cloud(world, ask):
    few, many = (
        [
            ask(world.load(host(count=count), *more), asked).calls
            for asked, more in [
                (request(ram=70000), ()),
                (request({'trait:CUSTOM_GOLD': 'required'}), ()),
                (request({'hw:mem_encryption_model': 'amd-sev-es'}), ()),
            ]
        ]
        for count in (2, 300)
    )
    assert few == many
