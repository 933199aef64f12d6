"""What it takes to read, check and translate one request."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from nova import context
from nova.scheduler import request_filter
from nova.scheduler.utils import ResourceRequest
from nova.virt import hardware

from benchmarks.nova_objects import CONF, MODEL, spec
from benchmarks.rows import Row, turns
from sev_scheduling import parse, translate, validate
from sev_scheduling.nova import MemoryEncryptionFilter
from sev_scheduling.nova.request_filter import RequestFilter

FLAVOR = {
    'id': 'b3f7a3c1',
    'name': 'm1.sev',
    'vcpus': 1,
    'ram': 1024,
    'disk': 1,
    'OS-FLV-EXT-DATA:ephemeral': 0,
    'swap': '',
    'os-flavor-access:is_public': True,
    'extra_specs': {
        'hw:mem_encryption': 'true',
        'hw:mem_encryption_model': MODEL,
    },
}
IMAGE = {
    'id': '00000000-0000-0000-0000-000000000001',
    'name': 'image',
    'visibility': 'public',
    'status': 'active',
    'disk_format': 'qcow2',
    'container_format': 'bare',
    'min_disk': 0,
    'min_ram': 0,
    'hw_firmware_type': 'uefi',
    'hw_machine_type': 'q35',
}


#: What keeps one request from its goals.
READS = (
    'All that a flavor and an image may ask for is read and checked, of which '
    'nova reads a part; no single step leads.'
)


def translated(flavor: Any, image: Any) -> object:
    return translate(validate(parse(flavor, image)))


def endless(some: list[Any]) -> tuple[Callable[[], Any], Callable[[], None]]:
    """Return what gives one after the other, and what renews specs.

    No request comes twice to nova-scheduler as the same object.
    """
    specs = [one for one in some if hasattr(one, 'obj_attr_is_set')]
    fields = [set(vars(one)) for one in specs]
    cycle = itertools.cycle(some)

    def renew() -> None:
        for one, before in zip(specs, fields, strict=True):
            for added in set(vars(one)) - before:
                delattr(one, added)

    return lambda: next(cycle), renew


def rows(quick: bool) -> Iterator[Row]:
    number = 3 if quick else 500
    asked = spec()
    said = [_saying(n) for n in range(number)]
    for shape, same, others, goal in (
        ('JSON', [(FLAVOR, IMAGE)], [_json(n) for n in range(number)], 0.10),
        (
            'nova objects',
            [(asked.flavor, asked.image)],
            [(one.flavor, one.image) for one in said],
            0.20,
        ),
    ):
        for what, pairs in (
            ('seen before', same),
            ('saying what none has', others),
        ):
            some, _ = endless(pairs)
            yield Row(
                name=f'parse, validate, translate, from {shape}, {what}',
                beside='ResourceRequest.from_request_spec',
                measure=turns(
                    lambda some=some: translated(*some()),  # type: ignore[misc]
                    lambda: ResourceRequest.from_request_spec(asked),
                ),
                goal=goal,
                limit=READS,
            )
    CONF.set_override('explain_no_candidates', False, 'sev_scheduling')
    MemoryEncryptionFilter()
    ours = request_filter.ALL_REQUEST_FILTERS[-1]
    assert isinstance(ours, RequestFilter)
    # There is no Placement; once in a minute there is something to ask.
    ours._lookups.ask_ahead = lambda: None  # type: ignore[method-assign]
    admin = context.get_admin_context()
    for name, specs, goal in (
        # More flavors and images than anything caches; what they say is that
        # of all others, and then that of no other.
        ('never seen', [_named(n) for n in range(number)], 1.0),
        ('saying what none has', said, 1.0),
        ('seen before', [spec() for _ in range(number)], 0.3),
        ('not encrypted', [spec(None) for _ in range(number)], 0.1),
    ):
        some, renew = endless(specs)
        yield Row(
            name=f'request filter, {name}',
            beside='get_mem_encryption_constraint',
            measure=turns(
                lambda some=some: ours(admin, some()),  # type: ignore[misc]
                lambda: hardware.get_mem_encryption_constraint(
                    asked.flavor, asked.image
                ),
                before=renew,
                limit=number,
            ),
            goal=goal,
            limit=READS,
        )


def _named(number: int) -> Any:
    """Return a request with a flavor and an image of its own."""
    made = spec()
    made.flavor.flavorid = made.flavor.name = f'flavor-{number}'
    made.image.name = f'image-{number}'
    return made


def _saying(number: int) -> Any:
    """Return a request whose flavor and image say what no others do."""
    made = _named(number)
    made.flavor.extra_specs = {
        **made.flavor.extra_specs,
        'quota:cpu_shares': str(number),
    }
    made.image.properties.hw_machine_type = f'pc-q35-{number}.0'
    return made


def _json(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a flavor and an image that say what no others do, as JSON."""
    flavor, image = dict(FLAVOR), dict(IMAGE)
    flavor['extra_specs'] = {
        'hw:mem_encryption': 'true',
        'hw:mem_encryption_model': MODEL,
        'quota:cpu_shares': str(number),
    }
    image['hw_machine_type'] = f'pc-q35-{number}.0'
    return flavor, image
