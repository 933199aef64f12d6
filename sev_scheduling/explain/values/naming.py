"""How a number, a field and a guest are written in a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sev_scheduling.explain import catalogue
from sev_scheduling.problems import Field, Source
from sev_scheduling.request.request import EncryptionRequest

#: A key that can stand in a sentence as it is.
_PLAIN_KEY = re.compile(r'[A-Za-z0-9_.:-]{1,60}')


class Count(int):
    """A number that chooses words: ``{n:offers|offer}``."""

    def __format__(self, spec: str) -> str:
        one, bar, many = spec.partition('|')
        if not bar:
            return super().__format__(spec)
        return one if self == 1 else many


def sentence(text: str) -> str:
    """Return text with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def guest_name(request: EncryptionRequest) -> str:
    """Return such as ``amd-sev guest``."""
    if not request.encrypted:
        return 'unencrypted guest'
    return f'{request.model_name or "encrypted"} guest'


def owner(field: Field) -> str:
    """Return such as ``flavor m1`` or ``the image``."""
    if field.owner:
        return f'{field.source} {field.owner}'
    return f'the {field.source}'


def key(field: Field) -> str:
    return field.key if _PLAIN_KEY.fullmatch(field.key) else f"'{field.key}'"


def what(field: Field) -> str:
    """Return such as ``extra spec hw:mem_encryption``."""
    kind = 'extra spec' if field.source is Source.FLAVOR else 'property'
    return f'{kind} {key(field)}'


def asker(requesters: Sequence[Field]) -> str:
    """Return who asks for encryption."""
    return ' and '.join(f'{what(f)} of {owner(f)}' for f in requesters)


def caller(field: Field) -> str:
    """Return such as ``--required``, of what a caller asks for."""
    template = catalogue.placement.CALLER
    if field.source is Source.OPTION:
        template = catalogue.placement.OPTION
    return template.format(key=field.key)
