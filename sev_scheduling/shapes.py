"""The names and values of an object of another library, as a mapping.

nova's and openstacksdk's objects are recognised by what they can do, so
that neither library is imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# What `openstack … show` prints where properties come as one string.
_PAIR = re.compile(
    r"([^\s='\",]+)=(?:'(.*?)')?(?:, (?=[^\s='\",]+=)|\Z)", re.DOTALL
)


def stored_as(*names: str) -> dict[str, str]:
    """Return where a nova object keeps its fields -> their names."""
    return {f'_obj_{name}': name for name in names}


#: What is read of a ``nova.objects.Flavor`` or ``ImageMeta``.
_NOVA_FIELDS = stored_as(
    'ephemeral_gb',
    'extra_specs',
    'flavorid',
    'id',
    'memory_mb',
    'name',
    'properties',
    'root_gb',
    'swap',
    'vcpus',
)


def facts_of(source: Any) -> Mapping[str, Any] | None:
    """Return the top-level names of any shape; None where it has none."""
    if is_nova_object(source):
        return nova_facts(source, _NOVA_FIELDS)
    if hasattr(source, '_body_mapping'):
        # An openstacksdk resource: a dict whose items are not its facts.
        facts: Mapping[str, Any] = source.to_dict(
            computed=False, original_names=True
        )
        return facts
    if not isinstance(source, Mapping):
        return None
    data = source.get('nova_object.data')
    return _unwrapped(data) if isinstance(data, Mapping) else source


def is_nova_object(source: Any) -> bool:
    return hasattr(source, 'obj_attr_is_set')


def nova_facts(source: Any, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return fields that are set.

    An unset one would be loaded from the database, or raise. To ask the
    object field by field takes most of the time of parsing, so that is for
    objects that do not keep them as oslo.versionedobjects does.

    :param fields: what :func:`stored_as` returns
    """
    held = getattr(source, '__dict__', {})
    found = {name: held[key] for key, name in fields.items() if key in held}
    return found or {
        name: getattr(source, name)
        for name in fields.values()
        if name in source.fields and source.obj_attr_is_set(name)
    }


def _unwrapped(data: Mapping[str, Any]) -> dict[str, Any]:
    """Take nova's object primitives apart."""
    facts = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            inner = value.get('nova_object.data')
            if isinstance(inner, Mapping):
                value = _unwrapped(inner)
        facts[key] = value
    return facts


def split_pairs(source: str) -> Iterator[tuple[str, str]]:
    """Read such as ``a='1', b=, c='it is'``; what is empty is left out.

    :raises ValueError: with the text from where it cannot be read
    """
    text = source.strip()
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        if match is None:
            raise ValueError(text[position:])
        if match[2] is not None:
            yield match[1], match[2]
        position = match.end()
