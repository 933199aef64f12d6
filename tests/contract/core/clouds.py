"""A cloud with every layout of slots, written by Placement's own API."""

import uuid

from sev_scheduling.models import BUILTIN_MODELS

SEV, SEV_ES, SNP, TDX = (model.trait for model in BUILTIN_MODELS)
STATELESS = 'COMPUTE_SECURITY_STATELESS_FIRMWARE'
GOLD, OLD, NIC = 'CUSTOM_GOLD', 'CUSTOM_OLD', 'CUSTOM_NIC'
VERSION = '1.36'
ROOM = {'VCPU': 16, 'MEMORY_MB': 65536, 'DISK_GB': 500}


def uuid_of(name):
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


class Cloud:
    """Providers in a real Placement, by name."""

    def __init__(self, adapter):
        self.adapter = adapter
        self.names = {}

    def call(self, method, path, json=None):
        answer = self.adapter.request(
            path, method, json=json, microversion=VERSION, raise_exc=False
        )
        assert answer.status_code < 300, answer.text
        return answer

    def provider(self, name, inventory, traits=(), parent=None, used=0):
        """Add a provider; ``used`` slots of it are taken."""
        own = uuid_of(name)
        self.names[own] = name
        self.call(
            'POST',
            '/resource_providers',
            {
                'uuid': own,
                'name': name,
                'parent_provider_uuid': parent and uuid_of(parent),
            },
        )
        self.call(
            'PUT',
            f'/resource_providers/{own}/inventories',
            {
                'resource_provider_generation': 0,
                'inventories': {
                    key: {'total': total} for key, total in inventory.items()
                },
            },
        )
        self.call(
            'PUT',
            f'/resource_providers/{own}/traits',
            {'resource_provider_generation': 1, 'traits': [*traits]},
        )
        if used:
            self.call(
                'PUT',
                f'/allocations/{uuid_of(name + " guest")}',
                {
                    'allocations': {
                        own: {'resources': {'MEM_ENCRYPTION_CONTEXT': used}}
                    },
                    **{'project_id': 'p', 'user_id': 'u'},
                    'consumer_generation': None,
                },
            )

    def pool(self, host, suffix, trait, *, used=0):
        slots = {'MEM_ENCRYPTION_CONTEXT': 2}
        self.provider(f'{host}_{suffix}', slots, [trait], host, used)

    def candidates(self, query):
        """Return the answer to a query, which must not be refused."""
        version = max(VERSION, query.microversion)
        answer = self.adapter.get(
            f'/allocation_candidates?{query.querystring()}',
            microversion=version,
            raise_exc=False,
        )
        assert answer.status_code == 200, (query, answer.text)
        return answer.json()

    def hosts(self, answer):
        """Return the names of the hosts that candidates are on."""
        summaries = answer['provider_summaries']
        return {
            self.names[summaries[provider]['root_provider_uuid']]
            for candidate in answer['allocation_requests']
            for provider in candidate['allocations']
        }

    def slot_providers(self, answer, suffix):
        return {
            self.names[provider]
            for candidate in answer['allocation_requests']
            for provider in candidate['mappings'][suffix]
        }


def build(cloud):
    slots = {'MEM_ENCRYPTION_CONTEXT': 2}
    for trait in (GOLD, OLD):
        cloud.call('PUT', f'/traits/{trait}')
    cloud.call('PUT', f'/resource_classes/{NIC}')

    cloud.provider('plain', ROOM)
    cloud.provider('flat', ROOM | slots, [SEV])
    cloud.provider('flat-full', ROOM | slots, [SEV], used=2)
    # One provider with slots that serve two models.
    cloud.provider('shared', ROOM | slots, [SEV, SEV_ES])

    cloud.provider('nested', ROOM)
    cloud.pool('nested', 'amd_sev', SEV, used=1)
    cloud.pool('nested', 'amd_sev_es', SEV_ES)

    # The root's trait is from before its slots moved into pools.
    cloud.provider('stale', ROOM, [SEV])
    cloud.pool('stale', 'amd_sev', SEV, used=2)
    cloud.pool('stale', 'amd_sev_es', SEV_ES)

    # In the midst of an upgrade: slots on the root, and in a pool.
    cloud.provider('both', ROOM | slots, [SEV], used=2)
    cloud.pool('both', 'amd_sev', SEV)

    cloud.provider('snp', ROOM, [STATELESS])
    cloud.pool('snp', 'amd_sev_snp', SNP)

    cloud.provider('gold', ROOM, [GOLD, STATELESS])
    cloud.pool('gold', 'amd_sev', SEV)
    for number in (1, 2):
        cloud.provider(f'gold_nic{number}', {NIC: 1}, [GOLD], 'gold')

    cloud.provider('old', ROOM | {NIC: 2}, [OLD])
    cloud.pool('old', 'amd_sev', SEV)

    cloud.provider('diskless', ROOM | {'DISK_GB': 1})
    cloud.pool('diskless', 'amd_sev', SEV)
