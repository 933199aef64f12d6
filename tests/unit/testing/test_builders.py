"""What the builders build is what the core and Placement take."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from sev_scheduling import (
    filter_hosts,
    judge,
    parse,
    testing,
    validate,
)
from sev_scheduling.hosts import host as hosts
from sev_scheduling.testing import (
    make_flavor,
    make_host,
    make_image,
)


def test_the_defaults_fit_each_other() -> None:
    request = parse(make_flavor(), make_image())
    assert request.encrypted
    assert validate(request) == ()
    assert judge(request, make_host()).fits


def test_extra_specs_and_properties_take_the_place_of_the_defaults() -> None:
    flavor = make_flavor('m1.plain', vcpus=8, extra_specs={})
    image = make_image('plain', hw_machine_type='pc')
    request = parse(flavor, image)
    assert not request.encrypted
    assert request.groups[0].resources['VCPU'] == 8
    assert request.machine_type == 'pc'


@pytest.mark.parametrize(
    ('facts', 'code'),
    [
        ({'pools': {}}, 'no-pool'),
        ({'pools': {'amd-sev': hosts.SlotPool(5, used=5)}}, 'no-free-slot'),
        ({'machine_type': 'pc'}, 'machine-type-not-q35'),
        ({'ram_allocation_ratio': 1.5}, 'memory-overcommitted'),
        ({'hypervisor_type': 'ironic'}, 'hypervisor-unsupported'),
    ],
)
def test_a_host_can_be_one_that_does_not_fit(
    facts: dict[str, Any], code: str
) -> None:
    request = parse(make_flavor(), make_image(hw_machine_type=None))
    result = filter_hosts(request, [make_host('a'), make_host('b', **facts)])
    assert [host.name for host in result.accepted] == ['a']
    assert [verdict.code for verdict in result.rejected] == [code]


def test_the_names_of_the_package_are_all_there() -> None:
    for name in testing.__all__:
        assert callable(getattr(testing, name))
    with pytest.raises(AttributeError, match='FakeNova'):
        _ = testing.FakeNova  # type: ignore[attr-defined]


def test_hosts_flavors_and_images_need_neither_pytest_nor_http() -> None:
    code = (
        'import sys\n'
        'from sev_scheduling.testing import make_flavor, make_host\n'
        'make_host(), make_flavor()\n'
        'print({"pytest", "requests", "keystoneauth1", "yaml"}'
        ' & set(sys.modules))'
    )
    run = subprocess.run(
        [sys.executable, '-c', code],
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == 'set()'


def test_the_placement_in_memory_needs_no_yaml_and_no_placement() -> None:
    code = (
        'import sys\n'
        'sys.modules["yaml"] = sys.modules["placement"] = None\n'
        'from sev_scheduling.testing import FakePlacement, add_host\n'
        'placement = FakePlacement()\n'
        'add_host(placement, "epyc")\n'
        'print(len(placement.client().hosts()), "pytest" in sys.modules)'
    )
    run = subprocess.run(
        [sys.executable, '-c', code],
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == '1 False'
