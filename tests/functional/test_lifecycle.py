"""The life of servers, as users drive it through the compute API."""

from __future__ import annotations

import unittest

import pytest

from tests.functional.cloud import ENCRYPTED, Q35, ApiError, Cloud
from tests.functional.hosts import ES, NESTED, SEV

GPU = '{"name": "gpu", "vendor_id": "8086", "product_id": "1515"}'


class TestLife(Cloud):
    def setUp(self):
        super().setUp()
        self.enable_plugin()

    def test_boot_reboot_resize_and_delete(self):
        for name in ('alpha', 'beta'):
            self.add_host(name, {SEV: 2})
        encrypted, plain = self.boot(ENCRYPTED), self.boot()
        for server in (encrypted, plain):
            self.assert_active(server)
        assert self.is_encrypted(encrypted)
        assert not self.is_encrypted(plain)
        assert self.slots_of(encrypted) == 1
        assert self.slots_of(plain) == 0

        self._reboot_server(encrypted, hard=True)
        assert self.is_encrypted(encrypted)

        # To a larger flavor, on another host: both hold a slot until the
        # user confirms.
        source = self.host_of(encrypted)
        larger = self.flavor(ENCRYPTED, memory_mb=1024)
        self._resize_server(encrypted, larger)
        assert source != self.host_of(encrypted)
        assert self.all_slots() == 2
        self._confirm_resize(encrypted)
        self.wait_for_slots(1)

        # To a flavor that cannot run encrypted at all.
        gpu = self.flavor({**ENCRYPTED, 'pci_passthrough:alias': 'gpu:1'})
        self.flags(
            group='pci',
            alias=[GPU],
        )
        host = self.host_of(encrypted)
        self.api.post_server_action(
            encrypted['id'], {'resize': {'flavorRef': gpu}}
        )
        after = self.settled(encrypted)
        assert self.host_of(after) == host
        assert self.all_slots() == 1

        # From plain to encrypted: a resize takes a slot.
        if self.api.get_server(plain['id'])['status'] == 'ACTIVE':
            self._resize_server(plain, self.flavor(ENCRYPTED))
            self._confirm_resize(plain)
            assert self.is_encrypted(plain)
            self.wait_for_slots(2)

        self.delete(encrypted, plain)
        self.assert_nothing_allocated()

    def test_cold_migration_there_and_back(self):
        for name in ('alpha', 'beta'):
            self.add_host(name, {SEV: 1})
        server = self.boot(ENCRYPTED)
        source = self.host_of(server)

        self.migrate(server)
        assert source != self.host_of(server)
        self._revert_resize(server)
        assert source == self.host_of(server)
        self.wait_for_slots(1)
        self.assert_slots(source, 1)

        # With no slot elsewhere, the log tells why, and the server stays.
        self.assert_active(self.boot(ENCRYPTED))
        self.admin_api.post_server_action(server['id'], {'migrate': None})
        self._wait_for_action_fail_completion(
            server, 'migrate', 'conductor_migrate_server'
        )
        assert 'slots are taken now.' in self.stdlog.logger.output
        self.assert_active(self.settled(server), source)
        assert self.all_slots() == 2

    def test_evacuation_shelving_and_what_is_refused(self):
        for name in ('alpha', 'beta'):
            self.add_host(name, {SEV: 1})
        server = self.boot(ENCRYPTED)
        live_migration = {'host': None, 'block_migration': 'auto'}
        for action in ({'os-migrateLive': live_migration}, {'suspend': None}):
            with pytest.raises(ApiError) as refused:
                self.admin_api.post_server_action(server['id'], action)
            assert refused.value.response.status_code == 400

        self._shelve_server(server)
        self.wait_for_slots(0)
        self._unshelve_server(server)
        assert self.is_encrypted(server)
        assert self.all_slots() == 1

        dead = self.host_of(server)
        (alive,) = {'alpha', 'beta'} - {dead}
        self.computes[dead].stop()
        self.force_down(dead)
        self._evacuate_server(server, expected_host=alive)
        assert self.is_encrypted(server)
        self.assert_slots(alive, 1)

        self.delete(server)
        self.assert_slots(alive, 0)

    def test_more_guests_than_slots_leave_nothing_allocated(self):
        for name in ('alpha', 'beta'):
            self.add_host(name, {SEV: 1})

        servers = self.boot_many(3, ENCRYPTED)

        assert len(servers) == 3
        for server in servers:
            assert 'No valid host' in self.fault_of(server)
        self.assert_nothing_allocated()
        for server in self.boot_many(2, ENCRYPTED):
            self.assert_active(server)
        assert self.all_slots() == 2

    def test_rebuilds(self):
        self.add_host('alpha', {SEV: 5, ES: 5} if NESTED else {SEV: 5})
        first = self.image(Q35)
        server = self.boot(ENCRYPTED, image_id=first)
        plain = self.boot(image_id=first)

        for kept, encrypted in ((server, True), (plain, False)):
            # With the image it has, and with another that changes nothing.
            for image_id in (first, self.image(Q35)):
                self.assert_active(self.rebuild(kept, image_id))
                assert encrypted == self.is_encrypted(kept)
        assert self.all_slots() == 1

        # Where this host gives it a machine type that will not do.
        self.restart_scheduler(default_machine_type=['pc'])
        unfit = self.rebuild(server, self.image(hw_firmware_type='uefi'))
        assert 'hw_machine_type=q35' in self.fault_of(unfit)
        assert self.all_slots() == 1

    @unittest.skipUnless(NESTED, 'nova 31 knows one model')
    def test_a_rebuild_that_changes_the_model_is_refused(self):
        self.add_host('alpha', {SEV: 5, ES: 5})
        server = self.boot(ENCRYPTED)
        sev_es = self.image(
            Q35, hw_mem_encryption='true', hw_mem_encryption_model=ES
        )

        refused = self.rebuild(server, sev_es)

        assert 'amd-sev-es' in self.fault_of(refused)
        assert server['image']['id'] == refused['image']['id']
        assert self.slots_used('alpha') == {
            'alpha_amd_sev': 1,
            'alpha_amd_sev_es': 0,
        }
