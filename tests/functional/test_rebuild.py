"""Rebuilds that are refused, by the plug-in or by others, and hard reboots."""

from __future__ import annotations

import unittest

from tests.functional.cloud import ENCRYPTED, Q35, Cloud
from tests.functional.hosts import ES, NESTED, SEV

BY_IMAGE = {**Q35, 'hw_mem_encryption': 'true'}
SEV_BY_FLAVOR = {**ENCRYPTED, 'hw:mem_encryption_model': SEV}


class TestRefusedRebuild(Cloud):
    def encryption_of(self, server):
        return {
            key: value
            for key, value in self.system_metadata_of(server).items()
            if 'mem_encryption' in key
        }

    def reboot(self, server):
        return self._reboot_server(server, hard=True)

    @unittest.skipUnless(NESTED, 'nova 31 knows one model')
    def test_a_rebuild_that_changes_nothing_passes_with_another_model_s_slot(
        self,
    ):
        root = self.add_host('alpha', {SEV: 1, ES: 5})
        self.add_traits(root, 'HW_CPU_X86_AMD_SEV')
        for extra_specs, image in (
            (ENCRYPTED, Q35),
            (SEV_BY_FLAVOR, Q35),
            ({}, BY_IMAGE),
        ):
            self.disable_plugin()
            while True:
                server = self.boot(extra_specs, image)
                if self.slots_used('alpha')['alpha_amd_sev_es']:
                    break
            before = self.encryption_of(server)
            self.enable_plugin()
            self.assert_active(self.rebuild(server, self.image(image)))
            assert self.encryption_of(server) == before
            # One that is refused for another reason writes nothing.
            wrong = self.image(image, hw_disk_bus='ide')
            assert 'hw_disk_bus' in self.fault_of(self.rebuild(server, wrong))
            assert self.encryption_of(server) == before
            self.delete(*self.api.get_servers())

    @unittest.skipUnless(NESTED, 'nova 31 knows one model')
    def test_a_hard_reboot_meets_no_conflict_with_the_flavor(self):
        root = self.add_host('alpha', {SEV: 0, ES: 5})
        self.add_traits(root, 'HW_CPU_X86_AMD_SEV')
        server = self.boot(SEV_BY_FLAVOR)
        self.assert_active(server)
        self.enable_plugin()
        refused = self.rebuild(server, self.image(Q35, hw_disk_bus='ide'))
        assert 'hw_disk_bus' in self.fault_of(refused)
        self.assert_active(self.reboot(server))
        assert self.is_encrypted(server)
        assert self.encryption_of(server) == {}

    @unittest.skipUnless(NESTED, 'nova 31 knows one model')
    def test_another_model_s_image_is_taken_back(self):
        self.add_host('alpha', {SEV: 5, ES: 5})
        self.enable_plugin()
        server = self.boot({}, BY_IMAGE)
        refused = self.rebuild(
            server, self.image(BY_IMAGE, hw_mem_encryption_model=ES)
        )
        assert 'amd-sev-es' in self.fault_of(refused)
        assert self.encryption_of(server) == {
            'image_hw_mem_encryption': 'true'
        }
        self.assert_active(self.reboot(server))
        assert self.is_encrypted(server)

    def test_with_the_option_off_nothing_is_written_and_the_fault_says_so(
        self,
    ):
        self.add_host('alpha', {SEV: 5})
        self.enable_plugin(undo_refused_rebuild=False)
        plain = self.boot()
        refused = self.rebuild(plain, self.image(BY_IMAGE))
        assert 'before a hard reboot' in self.fault_of(refused)
        assert self.encryption_of(plain)
