"""What goes wrong for nova's users today, and how it goes with the plug-in.

Each test plays one scenario twice: with the scheduler as nova ships it, and
after the operator has enabled the plug-in. Rows 4 to 9 go by the names that
doc/source/user/why.rst has for them.
"""

from __future__ import annotations

import unittest

import pytest
from nova import exception
from nova.cmd import manage
from nova.tests.fixtures import libvirt as fakelibvirt
from oslo_serialization import jsonutils

from tests.functional.cloud import ENCRYPTED, Q35, UEFI, Cloud
from tests.functional.hosts import ES, KNOWS_SNP, NESTED, SEV

RETRIED = 'Exceeded maximum number of retries. Exhausted all hosts'
#: The whole fault when Placement has no candidate.
NOTHING = 'No valid host was found. '


class TestTodayAndWithThePlugin(Cloud):
    def test_row_1_machine_type(self):
        for name in ('alpha', 'beta'):
            self.add_host(name, {SEV: 5}, machine_type='pc')

        server = self.boot(ENCRYPTED, UEFI)
        assert RETRIED in self.fault_of(server)
        assert 'q35' not in self.fault_of(server)
        assert self.spawns == 2

        self.enable_plugin(default_machine_type=['pc'])
        server = self.boot(ENCRYPTED, UEFI)
        assert 'hw_machine_type=q35' in self.fault_of(server)
        assert self.spawns == 2
        # The user does what it says.
        self.assert_active(self.boot(ENCRYPTED, Q35))

    def test_row_2_no_candidates_as_no_host_has_the_model(self):
        self.add_host('alpha')

        assert self.fault_of(self.boot(ENCRYPTED)) == NOTHING

        self.enable_plugin()
        assert 'No host offers amd-sev memory encryption.' in self.fault_of(
            self.boot(ENCRYPTED)
        )

    def test_row_2_no_candidates_as_all_slots_are_used(self):
        self.add_host('alpha', {SEV: 1})
        first = self.boot(ENCRYPTED)
        self.assert_active(first)

        assert self.fault_of(self.boot(ENCRYPTED)) == NOTHING

        self.enable_plugin()
        assert (
            'All amd-sev slots are taken now. Try again later, or delete an '
            'encrypted server.' in self.fault_of(self.boot(ENCRYPTED))
        )
        # The user does what it says.
        self.delete(first)
        self.assert_active(self.boot(ENCRYPTED))

    def test_row_3_rebuild_takes_no_slot(self):
        self.add_host('alpha', {SEV: 5})
        encrypted = self.image(Q35, hw_mem_encryption='true')

        plain = self.boot()
        self.assert_active(plain)
        rebuilt = self.rebuild(plain, encrypted)
        self.assert_active(rebuilt)
        assert self.is_encrypted(rebuilt)
        self.assert_slots('alpha', 0)

        self.enable_plugin()
        plain = self.boot()
        self.assert_active(plain)
        refused = self.rebuild(plain, encrypted)
        assert 'slot' in self.fault_of(refused)
        assert plain['image']['id'] == refused['image']['id']
        assert not self.is_encrypted(plain)
        self.assert_slots('alpha', 0)

    def test_row_3_rebuild_on_a_host_without_sev(self):
        self.add_host('alpha')
        encrypted = self.image(Q35, hw_mem_encryption='true')

        unharmed, broken = self.boot(), self.boot()
        self.enable_plugin()
        refused = self.rebuild(unharmed, encrypted)
        assert 'slot' in self.fault_of(refused)
        assert unharmed['image']['id'] == refused['image']['id']

        self.disable_plugin()
        rebuilt = self.rebuild(broken, encrypted)
        self.assert_active(rebuilt)
        assert not self.is_encrypted(rebuilt)
        if KNOWS_SNP:
            # Since 2026.2 nova-compute looks at what runs there.
            with pytest.raises(exception.InvalidConfiguration):
                self.restart_compute_service('alpha')

    def test_row_3_a_refused_rebuild_is_not_made_up_by_a_hard_reboot(self):
        self.add_host('alpha', {SEV: 5})
        self.enable_plugin()
        plain = self.boot()
        encrypted = self.image(Q35, hw_mem_encryption='true')
        refused = self.rebuild(plain, encrypted)
        assert 'slot' in self.fault_of(refused)

        rebooted = self._reboot_server(plain, hard=True)

        self.assert_active(rebooted)
        assert not self.is_encrypted(plain)
        assert refused['image']['id'] == plain['image']['id']

        # Nor when it is moved by what nova remembers of its request.
        self.add_host('beta', {SEV: 5})
        self.migrate(plain)
        assert self.host_of(plain) == 'beta'
        self.assert_slots('beta', 0)

    def test_row_3_what_else_a_refused_image_says_can_be_set_back(self):
        self.add_host('alpha', {SEV: 5})
        self.enable_plugin()
        plain = self.boot(image={'hw_machine_type': 'pc'})
        encrypted = self.image(Q35, hw_mem_encryption='true')
        refused = self.rebuild(plain, encrypted)
        assert 'slot' in self.fault_of(refused)

        # As the operator's documentation has it.
        self._stop_server(plain)
        status = manage.ImagePropertyCommands().set(
            instance_uuid=plain['id'], image_properties=['hw_machine_type=pc']
        )
        assert status == 0
        self._start_server(plain)

        metadata = self.system_metadata_of(plain)
        assert metadata['image_hw_machine_type'] == 'pc'
        assert 'image_hw_mem_encryption' not in metadata
        assert not self.is_encrypted(plain)

    def test_row_3_what_a_refused_rebuild_overwrote_can_be_set_back(self):
        self.add_host('alpha', {SEV: 5})
        self.enable_plugin()
        encrypted = self.boot({}, {**Q35, 'hw_mem_encryption': 'true'})
        self.assert_active(encrypted)
        unreadable = self.image(Q35, hw_mem_encryption='maybe')
        refused = self.rebuild(encrypted, unreadable)
        assert "'maybe'" in self.fault_of(refused)
        assert 'before a hard reboot' in self.fault_of(refused)

        # As the operator does who is asked.
        self._stop_server(encrypted)
        status = manage.ImagePropertyCommands().set(
            instance_uuid=encrypted['id'],
            image_properties=['hw_mem_encryption=true'],
        )
        assert status == 0
        self._start_server(encrypted)

        assert self.is_encrypted(encrypted)
        self.assert_slots('alpha', 1)
        self.add_host('beta', {SEV: 5})
        self.migrate(encrypted)
        self.assert_slots('beta', 1)

    def test_row_4_buses_and_devices(self):
        device = {
            'vendor_id': fakelibvirt.PCI_VEND_ID,
            'product_id': fakelibvirt.PCI_PROD_ID,
        }
        self.flags(
            group='pci',
            device_spec=[jsonutils.dumps(device)],
            alias=[jsonutils.dumps({**device, 'name': 'gpu'})],
        )
        self.add_host(
            'alpha',
            {SEV: 20},
            pci_info=fakelibvirt.HostPCIDevicesInfo(num_pci=8),
        )
        gpu = {**ENCRYPTED, 'pci_passthrough:alias': 'gpu:1'}
        cases = [
            (ENCRYPTED, {**Q35, 'hw_disk_bus': 'ide'}, 'hw_disk_bus'),
            (ENCRYPTED, {**Q35, 'hw_cdrom_bus': 'ide'}, 'hw_cdrom_bus'),
            (ENCRYPTED, {**Q35, 'hw_architecture': 'aarch64'}, 'x86_64'),
            (gpu, Q35, 'pci_passthrough:alias'),
        ]

        for extra_specs, image, _ in cases:
            # Nova finds nothing wrong with it, and has a host build it.
            spawns = self.spawns
            self.boot(extra_specs, image)
            assert self.spawns == spawns + 1

        self.enable_plugin()
        spawns = self.spawns
        for extra_specs, image, told in cases:
            server = self.boot(extra_specs, image)
            assert told in self.fault_of(server)
        assert self.spawns == spawns

    @unittest.skipUnless(NESTED, 'nova 31 has no pools beside the root')
    def test_row_5_stale_trait_on_the_root(self):
        root = self.add_host('alpha', {SEV: 1, ES: 5})
        self.add_traits(root, 'HW_CPU_X86_AMD_SEV')

        for _ in range(2):
            self.assert_active(self.boot(ENCRYPTED))
        # One of them holds what it cannot use, and libvirt has one too many.
        used = self.slots_used('alpha')
        assert used['alpha_amd_sev_es'] > 0

        for server in self.api.get_servers():
            self.delete(server)
        self.enable_plugin()
        self.assert_active(self.boot(ENCRYPTED))
        assert 'slot' in self.fault_of(self.boot(ENCRYPTED))
        assert self.slots_used('alpha') == {
            'alpha_amd_sev': 1,
            'alpha_amd_sev_es': 0,
        }

    def test_row_6_silent_acceptance(self):
        self.add_host('alpha', {SEV: 5}, machine_type='q35')
        maybe_flavor = {'hw:mem_encryption': 'maybe'}
        maybe_image = {**Q35, 'hw_mem_encryption': 'maybe'}

        for extra_specs, image in ((maybe_flavor, Q35), (None, maybe_image)):
            server = self.boot(extra_specs, image)
            self.assert_active(server)
            assert not self.is_encrypted(server)

        self.enable_plugin()
        for extra_specs, image in ((maybe_flavor, Q35), (None, maybe_image)):
            fault = self.fault_of(self.boot(extra_specs, image))
            assert 'neither true nor false' in fault

    @unittest.skipUnless(NESTED, 'nova 31 knows no SEV-ES')
    def test_row_8_sev_es_on_a_sev_snp_host(self):
        root = self.add_host('alpha', {ES: 5})
        self.add_pool(root, 'alpha-snp', 'HW_CPU_X86_AMD_SEV_SNP')
        sev_es = {**ENCRYPTED, 'hw:mem_encryption_model': ES}

        self.assert_active(self.boot(sev_es))

        self.enable_plugin()
        fault = self.fault_of(self.boot(sev_es))
        assert 'CVE-2025-48514' in fault
        # Another host will do.
        self.add_host('beta', {ES: 5})
        self.restart_scheduler()
        self.assert_active(self.boot(sev_es), 'beta')

    def test_row_9_isolated_aggregates(self):
        self.flags(enable_isolated_aggregate_filtering=True, group='scheduler')
        self.add_host('alpha', {SEV: 5})
        self.aggregate(
            'alpha',
            trait__HW_CPU_X86_AMD_SEV='required',
            trait__HW_CPU_X86_AMD_SEV_ES='required',
        )

        assert self.fault_of(self.boot(ENCRYPTED)) == NOTHING

        self.enable_plugin()
        assert 'available to this project or zone' in self.fault_of(
            self.boot(ENCRYPTED)
        )
