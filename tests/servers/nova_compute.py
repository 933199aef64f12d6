"""nova-compute with nova's FakeDriver, taken for QEMU.

The driver calls itself ``fake``, which runs no encrypted guests, and
nova-compute loads no driver that is not nova's.
"""

import sys
from typing import Any

from nova.cmd import compute
from nova.virt import fake

_resources = fake.FakeDriver.get_available_resource


def _of_qemu(self: fake.FakeDriver, nodename: str) -> dict[str, Any]:
    return {**_resources(self, nodename), 'hypervisor_type': 'QEMU'}


if __name__ == '__main__':
    fake.FakeDriver.get_available_resource = _of_qemu
    sys.exit(compute.main())
