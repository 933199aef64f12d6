"""What the user of a request that cannot work reads in the fault."""

from __future__ import annotations

import unittest

import fixtures
from nova.tests import fixtures as nova_fixtures
from nova.volume import cinder

from tests.functional.cloud import ENCRYPTED, Q35, UEFI, Cloud
from tests.functional.hosts import ES, KNOWS_SNP, NESTED, SEV, SNP, TDX

STATELESS = {**Q35, 'hw_firmware_stateless': 'true'}


class TestRefusedRequests(Cloud):
    def setUp(self):
        super().setUp()
        self.enable_plugin()

    def assert_refused(self, told, extra_specs, image=Q35, **more):
        """Boot it; the fault says this, and no host was tried."""
        spawns = self.spawns
        fault = self.fault_of(self.boot(extra_specs, image, **more))
        for text in (told,) if isinstance(told, str) else told:
            assert text in fault, fault
        assert fault.startswith('No valid host was found. Scheduling failed:')
        assert len(fault.encode()) <= 255
        assert self.spawns == spawns

    def test_requests_that_no_host_can_run(self):
        self.add_host('alpha', {SEV: 5}, machine_type='q35')

        self.assert_refused(
            'hw_disk_bus', ENCRYPTED, {**Q35, 'hw_disk_bus': 'ide'}
        )
        self.assert_refused(
            'hw_cdrom_bus', ENCRYPTED, {**Q35, 'hw_cdrom_bus': 'ide'}
        )
        self.assert_refused(
            'runs on x86_64', ENCRYPTED, {**Q35, 'hw_architecture': 'aarch64'}
        )
        self.assert_refused(
            'neither true nor false', {'hw:mem_encryption': 'maybe'}
        )
        self.assert_refused(
            'neither true nor false', None, {**Q35, 'hw_mem_encryption': 'so'}
        )
        self.assert_refused(
            'trait:HW_CPU_X86_AMD_SEV',
            {**ENCRYPTED, 'trait:HW_CPU_X86_AMD_SEV': 'forbidden'},
        )
        self.assert_refused(
            'HW_CPU_X86_INTEL_TDX',
            {**ENCRYPTED, 'trait:HW_CPU_X86_INTEL_TDX': 'required'},
        )
        self.assert_refused(
            'resources:MEM_ENCRYPTION_CONTEXT',
            {**ENCRYPTED, 'resources:MEM_ENCRYPTION_CONTEXT': '1'},
        )
        # All problems of one image, each with its remedy.
        self.assert_refused(
            ('hw_disk_bus', 'hw_cdrom_bus'),
            ENCRYPTED,
            {**Q35, 'hw_disk_bus': 'ide', 'hw_cdrom_bus': 'ide'},
        )
        assert self.all_slots() == 0
        # What is only a warning is left to nova.
        model_only = {'hw:mem_encryption_model': SEV}
        self.assert_active(self.boot(model_only))
        self.assert_active(self.boot({'hw:mem_encryption': 'false'}))

    def test_devices_are_refused_unless_the_operator_allows_them(self):
        gpu = '{"name": "gpu", "vendor_id": "8086", "product_id": "1515"}'
        self.flags(group='pci', alias=[gpu])
        self.add_host('alpha', {SEV: 5})
        extra_specs = {**ENCRYPTED, 'pci_passthrough:alias': 'gpu:1'}

        self.assert_refused('pci_passthrough:alias', extra_specs)

        self.restart_scheduler(allow_host_devices=True)
        # Nova's own filter rejects it: this host has no such device.
        fault = self.fault_of(self.boot(extra_specs))
        assert 'pci_passthrough' not in fault

    def test_what_is_not_there(self):
        self.add_host('plain')
        self.assert_refused(
            'No host offers amd-sev memory encryption.', ENCRYPTED
        )

        self.add_host('alpha', {SEV: 1})
        self.assert_refused(
            'No host with a free amd-sev slot has enough MEMORY_MB left.',
            ENCRYPTED,
            sizes={'memory_mb': 1 << 25},
        )
        self.assert_active(self.boot(ENCRYPTED))
        self.assert_refused('All amd-sev slots are taken now.', ENCRYPTED)
        if NESTED:
            self.assert_refused(
                'No host offers amd-sev-es memory encryption.',
                {**ENCRYPTED, 'hw:mem_encryption_model': ES},
            )

        # Without the look-up the fault is as empty as nova's.
        self.restart_scheduler(explain_no_candidates=False)
        fault = self.fault_of(self.boot(ENCRYPTED))
        assert fault == 'No valid host was found. '
        # Without the request filter the filter still guards hosts.
        self.restart_scheduler(request_filter=False)
        fault = self.fault_of(self.boot(ENCRYPTED))
        assert fault == 'No valid host was found. '

    def test_the_host_that_is_asked_for(self):
        self.add_host('alpha', {SEV: 1})
        self.add_host('beta', {SEV: 1})
        told = 'The host that was asked for has no free amd-sev slot now.'

        # Only administrators may: a host, and a node.
        self.api = self.admin_api
        for zone, host in (('nova:alpha', 'alpha'), ('nova::beta', 'beta')):
            server = self.boot(ENCRYPTED, availability_zone=zone)
            self.assert_active(server, host)
            if host == 'alpha':
                self.assert_refused(
                    told, ENCRYPTED, availability_zone='nova:alpha'
                )
                self.assert_refused(
                    told, ENCRYPTED, availability_zone='nova::alpha'
                )
        self.assert_refused(told, ENCRYPTED, availability_zone='nova:beta')

    @unittest.skipUnless(KNOWS_SNP, 'came with nova 34')
    def test_sev_snp_and_tdx(self):
        self.add_host('milan', {SEV: 3, SNP: 2})
        self.add_host('granite', {TDX: 2})
        snp = {**ENCRYPTED, 'hw:mem_encryption_model': SNP}
        tdx = {**ENCRYPTED, 'hw:mem_encryption_model': TDX}
        tdx_image = {**STATELESS, 'hw_video_model': 'none'}

        self.assert_active(self.boot(snp, STATELESS), 'milan')
        self.assert_active(self.boot(tdx, tdx_image), 'granite')
        self.assert_active(self.boot(ENCRYPTED), 'milan')
        assert self.slots_used('milan')['milan_amd_sev_snp'] == 1
        assert self.slots_used('granite') == {'granite_intel_tdx': 1}
        self.boot(snp, STATELESS)
        self.assert_refused(
            'All amd-sev-snp slots are taken now.', snp, STATELESS
        )

    @unittest.skipUnless(NESTED, 'nova 31 has no pools beside the root')
    def test_clouds_in_the_middle_of_an_upgrade(self):
        self.add_host('old', {SEV: 2}, flat=True)
        self.add_host('new', {SEV: 1, ES: 1})

        servers = [self.boot(ENCRYPTED) for _ in range(3)]

        for server in servers:
            self.assert_active(server)
        assert self.slots_used('old') == {'old': 2}
        assert self.slots_used('new') == {
            'new_amd_sev': 1,
            'new_amd_sev_es': 0,
        }
        self.assert_refused('All amd-sev slots are taken now.', ENCRYPTED)
        self.delete(*servers)
        self.assert_nothing_allocated()
        for server in self.boot_many(3, ENCRYPTED):
            self.assert_active(server)


class TestPortsAndVolumes(Cloud):
    def setUp(self):
        super().setUp()
        self.enable_plugin()

    def test_a_port_that_no_host_can_serve_is_named(self):
        self.add_host('alpha', {SEV: 5})
        port = self.neutron.port_with_resource_request
        body = {'networks': [{'port': port['id']}]}

        fault = self.fault_of(self.boot(ENCRYPTED, **body))

        assert f'port {port["id"]}' in fault
        assert '1000 kbit/s egress, 1000 kbit/s ingress' in fault
        assert 'Use another port' in fault

    def test_a_volume_is_changed_instead_of_an_image(self):
        self.add_host('alpha', {SEV: 5})
        volumes = self.useFixture(nova_fixtures.CinderFixture(self))
        found = cinder.API.get

        def get(api, *args, **kwargs):
            volume = found(*args, **kwargs)
            volume['volume_image_metadata'] = {**Q35, 'hw_disk_bus': 'ide'}
            return volume

        self.useFixture(
            fixtures.MonkeyPatch('nova.volume.cinder.API.get', get)
        )
        fault = self.fault_of(
            self.boot(
                ENCRYPTED,
                imageRef='',
                block_device_mapping_v2=[
                    {
                        'boot_index': 0,
                        'uuid': volumes.IMAGE_BACKED_VOL,
                        'source_type': 'volume',
                        'destination_type': 'volume',
                    }
                ],
            )
        )

        assert (
            'openstack volume set --image-property hw_disk_bus=virtio VOLUME'
        ) in fault

    def test_traits_that_nova_makes_of_properties_are_named_by_these(self):
        self.add_host('alpha', {SEV: 5})
        self.flags(image_metadata_prefilter=True, group='scheduler')

        fault = self.fault_of(
            self.boot(ENCRYPTED, {**Q35, 'hw_video_model': 'xen'})
        )

        assert 'supports property hw_video_model=xen of image' in fault


class TestForcedHosts(Cloud):
    """An administrator names the host: nova runs no filter."""

    def setUp(self):
        super().setUp()
        self.api = self.admin_api
        self.enable_plugin()

    def force(self, host='alpha', image=Q35, **more):
        return self.boot(
            ENCRYPTED, image, availability_zone=f'nova:{host}', **more
        )

    @unittest.skipUnless(NESTED, 'nova 31 has no pools beside the root')
    def test_no_guest_takes_a_slot_of_another_model(self):
        for name, stale in (
            ('alpha', ['HW_CPU_X86_AMD_SEV']),
            ('beta', ['HW_CPU_X86_AMD_SEV', 'HW_CPU_X86_AMD_SEV_ES']),
        ):
            root = self.add_host(name, {SEV: 6, ES: 6})
            self.add_traits(root, *stale)

            servers = [self.force(name) for _ in range(8)]

            active = [s for s in servers if s['status'] == 'ACTIVE']
            assert [self.host_of(server) for server in active] == [name] * 6
            assert self.slots_used(name) == {
                f'{name}_amd_sev': 6,
                f'{name}_amd_sev_es': 0,
            }

    def test_a_host_that_cannot_run_it_is_refused(self):
        self.add_host('alpha', {SEV: 6})
        self.aggregate('alpha', sev_scheduling__hw_machine_type='pc')
        assert 'hw_machine_type=q35' in self.fault_of(self.force(image=UEFI))
        assert self.spawns == 0
        self.assert_active(self.force(), 'alpha')


class TestSeveralGuests(Cloud):
    def test_all_fit_or_each_is_told_how_many_do(self):
        self.add_host('alpha', {SEV: 2})
        self.add_host('beta', {SEV: 1})
        self.enable_plugin()

        for server in self.boot_many(4, ENCRYPTED):
            assert '3 of 4 fit' in self.fault_of(server)
        assert self.spawns == 0
        self.assert_nothing_allocated()

        servers = self.boot_many(3, ENCRYPTED)
        for server in servers:
            self.assert_active(server)
        # One of them moves, whatever their number was.
        self.add_host('gamma', {SEV: 1})
        self.migrate(servers[0])
        assert self.host_of(servers[0]) == 'gamma'
