"""What bodies of requests the in-memory Placement takes."""

from __future__ import annotations

import re
import uuid as uuidlib
from collections.abc import Collection, Mapping
from typing import Any

from sev_scheduling.placement.world import MAX_INT, Inventory
from sev_scheduling.testing.refusal import Refusal

_NAME = re.compile(r'[A-Z0-9_]+')
_CUSTOM = re.compile(r'CUSTOM_[A-Z0-9_]{1,248}')
_GENERATION = 'resource_provider_generation'
_MAX_RATIO = 3.40282e38
_INVENTORY_FIELDS = Inventory.__struct_fields__


def _object(
    body: Any,
    required: Collection[str],
    optional: Collection[str] = (),
    what: str = 'JSON',
) -> None:
    if not isinstance(body, dict):
        raise Refusal(400, f'{what} does not validate: no object')
    missing = sorted(set(required) - body.keys())
    extra = sorted(body.keys() - {*required, *optional})
    if missing or extra:
        raise Refusal(
            400, f'{what} does not validate: {missing} missing, {extra} extra'
        )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_uuid(value: Any) -> bool:
    try:
        uuidlib.UUID(value)
    except (AttributeError, TypeError, ValueError):
        return False
    return True


def _check(valid: bool, what: str) -> None:
    if not valid:
        raise Refusal(400, f'JSON does not validate: {what}')


def check_custom(name: str) -> None:
    _check(bool(_CUSTOM.fullmatch(name)), name)


def check_provider(body: Any) -> None:
    _object(body, ['name'], ['uuid', 'parent_provider_uuid'])
    name = body['name']
    _check(isinstance(name, str) and 0 < len(name) <= 200, 'name')
    _check('uuid' not in body or _is_uuid(body['uuid']), 'uuid')
    parent = body.get('parent_provider_uuid')
    _check(parent is None or _is_uuid(parent), 'parent_provider_uuid')


def check_list(body: Any, key: str, *, uuids: bool = False) -> None:
    _object(body, [key, _GENERATION])
    _check(_is_whole(body[_GENERATION]), _GENERATION)
    _check(isinstance(body[key], list), key)
    for value in body[key]:
        _check(isinstance(value, str) and bool(value), key)
        _check(not uuids or _is_uuid(value), key)
    _check(not uuids or len(set(body[key])) == len(body[key]), key)


def check_inventories(body: Any) -> None:
    """Check all but the numbers; see :func:`inventory_of`."""
    _object(body, ['inventories', _GENERATION])
    _check(_is_whole(body[_GENERATION]), _GENERATION)
    _check(isinstance(body['inventories'], dict), 'inventories')
    for inventory in body['inventories'].values():
        _check(isinstance(inventory, dict), 'inventories')


def inventory_of(name: str, facts: Mapping[str, Any]) -> Inventory:
    """:raises Refusal: where one of its numbers is not valid"""
    for key, value in facts.items():
        if key == 'allocation_ratio':
            valid = isinstance(value, int | float) and value <= _MAX_RATIO
        else:
            lowest = 0 if key == 'reserved' else 1
            valid = (
                key in _INVENTORY_FIELDS
                and isinstance(value, int)
                and lowest <= value <= MAX_INT
            )
        if not valid or isinstance(value, bool):
            raise Refusal(400, f'{key} {value!r} of {name} is not valid.')
    if 'total' not in facts:
        raise Refusal(400, f'The inventory of {name} has no total.')
    return Inventory(**{k: facts[k] for k in _INVENTORY_FIELDS if k in facts})


def check_allocations(body: Any, minor: int) -> None:
    """Check what one consumer is to hold."""
    required = ['allocations', 'project_id', 'user_id', 'consumer_generation']
    if minor >= 38:
        required.append('consumer_type')
    _object(body, required, ['mappings'] if minor >= 34 else [])
    generation = body['consumer_generation']
    _check(generation is None or _is_whole(generation), 'consumer_generation')
    for key in ('project_id', 'user_id'):
        value = body[key]
        _check(isinstance(value, str) and 0 < len(value) <= 255, key)
    _check(isinstance(body['allocations'], dict), 'allocations')
    for uuid, allocation in body['allocations'].items():
        _check(_is_uuid(uuid), uuid)
        _object(allocation, ['resources'], ['generation'])
        _check(_is_whole(allocation.get('generation', 0)), 'generation')
        resources = allocation['resources']
        _check(isinstance(resources, dict) and bool(resources), 'resources')
        for name, amount in resources.items():
            _check(bool(_NAME.fullmatch(name)), name)
            _check(_is_whole(amount) and amount > 0, name)
    _check_mappings(body.get('mappings', {'': []}))
    consumer_type = body.get('consumer_type', 'INSTANCE')
    _check(
        isinstance(consumer_type, str)
        and bool(_NAME.fullmatch(consumer_type))
        and len(consumer_type) <= 255,
        'consumer_type',
    )


def _check_mappings(mappings: Any) -> None:
    _check(isinstance(mappings, dict) and bool(mappings), 'mappings')
    for suffix, uuids in mappings.items():
        # Placement does not look at what serves the unsuffixed group.
        _check(
            not suffix
            or (
                isinstance(uuids, list)
                and bool(uuids)
                and all(map(_is_uuid, uuids))
            ),
            f'mappings {suffix}',
        )


def check_consumers(body: Any, minor: int) -> None:
    _check(isinstance(body, dict) and bool(body), 'allocations')
    for uuid, facts in body.items():
        _check(_is_uuid(uuid), uuid)
        check_allocations(facts, minor)
