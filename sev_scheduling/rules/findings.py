"""The words and shapes that the rules share."""

from __future__ import annotations

from collections.abc import Iterator

from sev_scheduling.problems import Code, Problem, Severity
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.text import quoted

Problems = Iterator[Problem]

#: How a message about an encrypted guest begins.
ASKED = 'Memory encryption is requested by'


def error(code: Code, where: str, message: str, fix: str) -> Problem:
    return Problem(code, Severity.ERROR, where, message, fix)


def warning(code: Code, where: str, message: str, fix: str) -> Problem:
    return Problem(code, Severity.WARNING, where, message, fix)


def asked(request: EncryptionRequest) -> str:
    """Return the words that begin a message about an encrypted guest."""
    who = ' and '.join(request.requesters)
    return f'{ASKED} {who}, but'


def has(name: str, value: str | None) -> str:
    """Return such as ``has no hw_firmware_type``."""
    return f'has no {name}' if value is None else f'has {name}={quoted(value)}'


def owner(request: EncryptionRequest, where: str) -> str:
    """Return who a problem's ``where`` belongs to, such as ``flavor m1``."""
    if where.startswith('flavor'):
        return request.flavor_label
    return request.image_label


def named(request: EncryptionRequest, where: str) -> str:
    """Return such as ``Extra spec 'trait:GOLD' of flavor m1``."""
    source, _, key = where.partition(':')
    kind = 'Extra spec' if source == 'flavor' else 'Property'
    return f'{kind} {quoted(key)} of {owner(request, where)}'


def sentence(text: str) -> str:
    """Return text with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]
