"""Flavors and images as the tests of the core write them down."""

import pytest

from sev_scheduling import parse, validate

#: An image that meets the demands of every model.
READY = {
    'hw_firmware_type': 'uefi',
    'hw_firmware_stateless': 'true',
    'hw_machine_type': 'q35',
    'hw_video_model': 'none',
}
ON = {'hw:mem_encryption': 'true'}

SET_FLAVOR = 'openstack flavor set --property '
SET_IMAGE = 'openstack image set --property '
UNSET_FLAVOR = 'openstack flavor unset --property '
UNSET_IMAGE = 'openstack image unset --property '


def flavor(extra_specs=None, **fields):
    """Return a flavor as Nova's API shows it."""
    return {
        'name': 'm1',
        'vcpus': 4,
        'ram': 8192,
        'disk': 40,
        'extra_specs': {} if extra_specs is None else extra_specs,
        **fields,
    }


def image(properties=None, **fields):
    """Return an image as Glance's API shows it."""
    return {'name': 'ubuntu', 'id': 'cafe', **(properties or {}), **fields}


def encrypted(extra_specs=None, properties=None, *, model=None, **kwargs):
    """Return a request for an encrypted guest that breaks no rule."""
    specs = {**ON, **(extra_specs or {})}
    ready = READY
    if model:
        specs['hw:mem_encryption_model'] = model
    if model == 'intel-tdx':
        ready = {**READY, 'os_secure_boot': 'required'}
    return parse(
        flavor(specs), image({**ready, **(properties or {})}), **kwargs
    )


def plain(extra_specs=None, properties=None, **kwargs):
    """Return a request for a guest that is not encrypted."""
    return parse(flavor(extra_specs), image(properties), **kwargs)


def fix_of(problem):
    """Return a problem's command; where none does it, the advice's code."""
    return problem.fix.command() or str(problem.fix.advice)


def found_rows(extra_specs, properties, code):
    """Return severity, field and fix of what one rule finds.

    :param properties: of an image that meets all demands otherwise
    """
    return [
        (str(p.severity), p.where, fix_of(p))
        for p in validate(plain(extra_specs, {**READY, **properties}))
        if p.code == code
    ]


def rule_cases(tables):
    """Parametrize a test of ``found_rows()``.

    :param tables: code -> cases of extra specs and properties, with the
        severity, field and fix of what is found where it is anything
    """
    return pytest.mark.parametrize(
        ('code', 'extra_specs', 'properties', 'rows'),
        [
            pytest.param(
                code,
                *case.values[:2],
                [row] if (row := case.values[2:]) else [],
                id=f'{code}: {case.id}',
            )
            for code, table in tables.items()
            for case in table
        ],
    )
