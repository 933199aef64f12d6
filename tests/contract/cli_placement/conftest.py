import pytest

from tests.unit.cli.conftest import flavor, image, run, terminal, write

__all__ = ['flavor', 'image', 'run', 'terminal', 'write']

#: Small, and quick to load: one host of each kind.
CLOUD = {
    'hosts': [
        {
            'name': 'epyc', 'count': 2, 'vcpus': 64, 'memory_mb': 257024,
            'disk_gb': 1000, 'machine_types': {'x86_64': 'q35'},
            'traits': ['COMPUTE_SECURITY_STATELESS_FIRMWARE'],
            'pools': {'amd-sev': {'total': 15, 'used': 12, 'reserved': 1}},
        },
        {
            'name': 'default', 'vcpus': 64, 'memory_mb': 257024,
            'disk_gb': 1000, 'machine_types': {'x86_64': 'pc'},
            'layout': 'flat', 'pools': {'amd-sev': {'total': 15, 'used': 5}},
        },
        {
            'name': 'full', 'vcpus': 64, 'memory_mb': 257024,
            'disk_gb': 1000, 'machine_types': {'x86_64': 'q35'},
            'pools': {'amd-sev': {'total': 4, 'used': 4}},
        },
        {
            'name': 'genoa', 'vcpus': 64, 'memory_mb': 257024,
            'disk_gb': 1000, 'machine_types': {'x86_64': 'q35'},
            'traits': ['COMPUTE_SECURITY_STATELESS_FIRMWARE'],
            'pools': {'amd-sev-snp': {'total': 1}},
        },
        {'name': 'plain', 'vcpus': 8, 'memory_mb': 64256, 'disk_gb': 500},
    ]
}  # fmt: skip


@pytest.fixture
def cloud(write):
    return write(CLOUD, 'cloud.json')


@pytest.fixture
def sev(flavor, image):
    """A valid request whose image leaves the machine type to the hosts."""
    return [
        *('--flavor', flavor('m1.sev')),
        *('--image', image('debian-13-uefi')),
    ]


@pytest.fixture
def state(tmp_path):
    return tmp_path / 'state.db'
