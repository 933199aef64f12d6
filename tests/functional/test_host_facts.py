"""What the scheduler knows of hosts, and does when it cannot know."""

from __future__ import annotations

import pathlib
import unittest

import fixtures
from keystoneauth1 import exceptions as ks_exceptions
from nova.scheduler.client import report

from sev_scheduling.compute import provider_config, render, write_text
from tests.functional.cloud import ENCRYPTED, Q35, UEFI, Cloud
from tests.functional.hosts import ES, KNOWS_SNP, NESTED, SEV

SEV_ES = {**ENCRYPTED, 'hw:mem_encryption_model': ES}


class TestMachineTypes(Cloud):
    def publish(self, machine_type: str) -> None:
        """Let hosts that start from now on tell their machine type."""
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        write_text(
            directory / 'machine-type.yaml',
            render(provider_config(machine_type)),
        )
        self.flags(provider_config_location=str(directory), group='compute')

    def test_hosts_publish_it_through_nova_compute(self):
        self.add_host('silent', {SEV: 5})
        self.publish('q35')
        root = self.add_host('modern', {SEV: 2}, machine_type='q35')
        assert 'CUSTOM_HW_MACHINE_TYPE_Q35' in self._get_provider_traits(root)

        self.enable_plugin()

        # What is not known is tried, as by nova alone, and built elsewhere.
        self.assert_active(self.boot(ENCRYPTED, UEFI), 'modern')
        # Unless the operator says that all publish it.
        self.restart_scheduler(require_known_machine_type=True)
        spawns = self.spawns
        self.assert_active(self.boot(ENCRYPTED, UEFI), 'modern')
        assert self.spawns == spawns + 1
        fault = self.fault_of(self.boot(ENCRYPTED, UEFI))
        assert 'hw_machine_type=q35' in fault
        assert self.spawns == spawns + 1
        # The image's own machine type goes before any host's default.
        self.assert_active(self.boot(ENCRYPTED, Q35), 'silent')
        # Others are not concerned.
        self.assert_active(self.boot(image=UEFI))

    def test_what_is_not_published_is_tried_where_the_rest_will_not_do(self):
        self.add_host('silent', {SEV: 9}, machine_type='q35')
        self.publish('q35')
        # It publishes q35, and has no SEV, is full, or is disabled.
        self.add_host('plain', machine_type='q35')
        self.add_host('full', {SEV: 1}, machine_type='q35')
        self.add_host('off', {SEV: 9}, machine_type='q35')
        self.publish('pc')
        self.add_host('wrong', {SEV: 9})
        (service,) = self.admin_api.get_services(
            binary='nova-compute', host='off'
        )
        self.admin_api.put_service(service['id'], {'status': 'disabled'})
        self.enable_plugin()
        self.api = self.admin_api
        taken = self.boot(ENCRYPTED, availability_zone='nova:full')
        self.assert_active(taken, 'full')

        for server in [self.boot(ENCRYPTED, UEFI) for _ in range(2)]:
            self.assert_active(server, 'silent')

        assert self.spawns == 3

    def test_versions_of_q35_count(self):
        self.publish('q35')
        self.add_host('new', {SEV: 1}, machine_type='q35')
        self.publish('pc-q35-2.11')
        self.add_host('old', {SEV: 1}, machine_type='pc-q35-2.11')
        self.publish('pc-i440fx-2.11')
        self.add_host('wrong', {SEV: 9}, machine_type='pc-i440fx-2.11')

        for options in ({}, {'require_known_machine_type': True}):
            self.enable_plugin(**options)
            servers = self.boot_many(2, ENCRYPTED, UEFI)
            hosts = {self.host_of(server) for server in servers}
            assert hosts == {'new', 'old'}
            fault = self.fault_of(self.boot(ENCRYPTED, UEFI))
            assert 'hw_machine_type=q35' in fault
            self.assert_active(self.boot(ENCRYPTED, Q35), 'wrong')
            self.delete(*servers)
            assert self.spawns == 3 * (2 if options else 1)

    def test_a_trait_that_is_deleted_is_no_trouble_to_nova(self):
        self.publish('pc')
        root = self.add_host('alpha', {SEV: 9})
        self.publish('q35')
        self.add_host('beta', {SEV: 9}, machine_type='q35')
        self.enable_plugin(cache_seconds=3600.0)
        self.assert_active(self.boot(ENCRYPTED, UEFI), 'beta')

        trait = 'CUSTOM_HW_MACHINE_TYPE_PC'
        traits = [t for t in self._get_provider_traits(root) if t != trait]
        self._set_provider_traits(root, traits)
        self.placement.delete(f'/traits/{trait}', version='1.6')

        for explains in (True, False):
            self.restart_scheduler(explain_no_candidates=explains)
            assert self.boot(ENCRYPTED, UEFI)['status'] == 'ACTIVE'

    def test_hosts_that_publish_another_one_are_left_out(self):
        self.publish('pc')
        self.add_host('alpha', {SEV: 5})
        self.enable_plugin()

        fault = self.fault_of(self.boot(ENCRYPTED, UEFI))

        assert 'hw_machine_type=q35' in fault
        assert self.spawns == 0
        # It goes before what an aggregate and an option say.
        self.aggregate('alpha', sev_scheduling__hw_machine_type='q35')
        self.restart_scheduler(default_machine_type=['q35'])
        assert 'q35' in self.fault_of(self.boot(ENCRYPTED, UEFI))

    def test_aggregates_and_options_tell_it(self):
        for name in ('alpha', 'beta', 'gamma'):
            self.add_host(name, {SEV: 5}, machine_type='q35')
        self.aggregate('alpha', sev_scheduling__hw_machine_type='x86_64=pc')
        self.aggregate('beta', sev_scheduling__hw_machine_type='q35')

        # An aggregate goes before the option, of which gamma makes use.
        self.enable_plugin(default_machine_type=['pc'])
        for _ in range(2):
            self.assert_active(self.boot(ENCRYPTED, UEFI), 'beta')

        self.restart_scheduler(
            default_machine_type=[], require_known_machine_type=True
        )
        self.assert_active(self.boot(ENCRYPTED, UEFI), 'beta')

        self.restart_scheduler(require_known_machine_type=False)
        hosts = {
            self.host_of(server)
            for server in self.boot_many(4, ENCRYPTED, UEFI)
        }
        assert hosts == {'beta', 'gamma'}


class TestLimits(Cloud):
    def test_slot_limits_below_the_inventory(self):
        # Up to nova 33, libvirt that tells no limit makes it unlimited.
        for name in ('alpha', 'beta'):
            self.add_host(name, {SEV: 100 if KNOWS_SNP else None})
        self.aggregate('alpha', sev_scheduling__max_guests='2')
        self.enable_plugin(max_guests_per_model={SEV: 1})

        servers = [self.boot(ENCRYPTED) for _ in range(3)]

        hosts = sorted(str(self.host_of(server)) for server in servers)
        assert hosts == ['alpha', 'alpha', 'beta']
        assert 'slots' in self.fault_of(self.boot(ENCRYPTED))
        # Of several guests at once, those before count.
        self.delete(*servers)
        for server in self.boot_many(4, ENCRYPTED):
            self.fault_of(server)
        self.assert_nothing_allocated()
        for server in self.boot_many(3, ENCRYPTED):
            self.assert_active(server)

    def test_memory_that_is_overcommitted(self):
        self.flags(ram_allocation_ratio=1.5)
        self.add_host('alpha', {SEV: 5})
        # A new compute node has the initial ratio at first.
        self._run_periodics()
        self.enable_plugin()

        fault = self.fault_of(self.boot(ENCRYPTED))

        assert 'not set up for encrypted guests' in fault
        self.assert_active(self.boot())
        # Guests with pages of a given size are never overcommitted.
        paged = {**ENCRYPTED, 'hw:mem_page_size': 'small'}
        self.assert_active(self.boot(paged))

    def test_a_host_that_is_new(self):
        self.add_host('alpha', {SEV: 1})
        self.enable_plugin()
        self.assert_active(self.boot(ENCRYPTED), 'alpha')

        self.add_host('beta', {SEV: 1})

        self.assert_active(self.boot(ENCRYPTED), 'beta')

    @unittest.skipUnless(NESTED, 'nova 31 knows no SEV-ES')
    def test_pools_of_a_host_are_told_apart(self):
        root = self.add_host('alpha', {SEV: 1, ES: 1})
        self.add_traits(root, 'HW_CPU_X86_AMD_SEV', 'HW_CPU_X86_AMD_SEV_ES')
        self.enable_plugin()

        self.assert_active(self.boot(SEV_ES))
        assert self.slots_used('alpha')['alpha_amd_sev_es'] == 1
        assert 'slot' in self.fault_of(self.boot(SEV_ES))
        self.assert_active(self.boot(ENCRYPTED))
        assert self.slots_used('alpha')['alpha_amd_sev'] == 1


class TestPlacementFails(Cloud):
    def setUp(self):
        super().setUp()
        self.failing = False
        ask = report.SchedulerReportClient.get

        def get(client, url, *args, **kwargs):
            session = getattr(client._client, 'session', None)
            ours = type(session).__module__.startswith('sev_scheduling')
            if self.failing and ours:
                raise ks_exceptions.ConnectFailure('gone')
            return ask(client, url, *args, **kwargs)

        self.useFixture(
            fixtures.MonkeyPatch(
                'nova.scheduler.client.report.SchedulerReportClient.get', get
            )
        )

    def test_only_our_look_ups_fail(self):
        self.add_host('alpha', {SEV: 9})
        encrypted = self.image(Q35, hw_mem_encryption='true')
        self.enable_plugin(cache_seconds=0.0)
        for choice, boots, rebuilds in (
            ('protected', True, False),
            ('pass', True, True),
            ('refuse', False, False),
        ):
            self.failing = False
            self.restart_scheduler(on_placement_failure=choice)
            server, plain = self.boot(ENCRYPTED), self.boot()
            self.failing = True

            if boots:
                self.assert_active(self.boot(ENCRYPTED))
            else:
                fault = self.fault_of(self.boot(ENCRYPTED))
                assert 'Try again later.' in fault
            # What asks for nothing is as ever.
            self.assert_active(self.boot())
            self.assert_active(self.rebuild(plain, self.image(Q35)))
            rebuilt = self.rebuild(server, encrypted)
            if rebuilds:
                self.assert_active(rebuilt)
            else:
                assert 'Try again later.' in self.fault_of(rebuilt)


class TestWeigher(Cloud):
    def test_other_guests_keep_off_hosts_with_slots(self):
        # Nova's own weighers prefer the host with more free memory.
        self.add_host('alpha', {SEV: 5})
        self.add_host('plain')
        self.enable_plugin(weigher=True)

        for _ in range(3):
            self.assert_active(self.boot(), 'plain')
        self.assert_active(self.boot(ENCRYPTED), 'alpha')
        # While others fit.
        large = {'disk': 100}
        self.assert_active(self.boot(sizes=large), 'plain')
        self.assert_active(self.boot(sizes=large), 'alpha')

    def test_encrypted_guests_spread_or_stack(self):
        for name in ('alpha', 'beta'):
            self.add_host(name, {SEV: 6})
        self.enable_plugin(
            weigher=True, memory_encryption_weight_multiplier=1000.0
        )

        def counts(servers):
            hosts = [self.host_of(server) for server in servers]
            return sorted(hosts.count(name) for name in ('alpha', 'beta'))

        servers = self.boot_many(4, ENCRYPTED)
        assert counts(servers) == [2, 2]
        self.delete(*servers)

        self.restart_scheduler(memory_encryption_weight_multiplier=-1000.0)
        servers = [self.boot(ENCRYPTED) for _ in range(4)]
        assert counts(servers) == [0, 4]
        self.delete(*servers)

        # An aggregate has its own multiplier.
        self.aggregate('alpha', memory_encryption_weight_multiplier='-1000')
        self.aggregate('beta', memory_encryption_weight_multiplier='1000')
        self.restart_scheduler()
        self.assert_active(self.boot(ENCRYPTED), 'beta')
