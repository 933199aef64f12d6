"""Explanations for the fault of a server, which is short.

Nova keeps 255 bytes of a fault's message, its own words included; the rest
is lost. What does not fit at length is said in brief.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from sev_scheduling.explain.explanation import Explanation
from sev_scheduling.explain.reasons import Reason
from sev_scheduling.rules.findings import ASKED, sentence

_FAULT_BYTES = 255
_PREFIX = 'No valid host was found. '
_REQUEST_FILTER_PREFIX = f'{_PREFIX}Scheduling failed: '

_MORE = ' …'
_OPTIONS = ('--property', '--image-property')


def host_fault(explanation: Explanation) -> str:
    """Return the reason of a ``NoValidHost``, for tenants."""
    return _fit(explanation.reasons, _FAULT_BYTES - len(_PREFIX))


def request_fault(explanation: Explanation) -> str:
    """Return the reason of a ``RequestFilterFailed``, for tenants."""
    return _fit(
        explanation.reasons, _FAULT_BYTES - len(_REQUEST_FILTER_PREFIX)
    )


def _fit(reasons: Iterable[Reason], limit: int) -> str:
    """Return the fullest of several wordings that fits, else a part."""
    told = [reason for reason in reasons if reason.tenant_text]
    brief = list(_brief(told))
    for parts in (
        [_sentences(reason.tenant_text, reason) for reason in told],
        [_sentences(_without_asker(reason), reason) for reason in told],
        [_without_asker(reason) for reason in told[:1]] + brief,
        brief,
    ):
        text = ' '.join(parts)
        if len(text.encode()) <= limit:
            return text
    return _cut(' '.join(brief), limit)


def _sentences(text: str, reason: Reason) -> str:
    return f'{text} {reason.tenant_fix}'.rstrip()


def _without_asker(reason: Reason) -> str:
    """Leave out who asked for encryption: long names, and known to him."""
    asker, but, rest = reason.tenant_text.partition(', but ')
    if but and asker.startswith(ASKED):
        return sentence(rest)
    return reason.tenant_text


def _brief(reasons: Iterable[Reason]) -> Iterator[str]:
    """Yield the fixes, those to one flavor or image in one sentence."""
    changes: dict[tuple[str, str], list[str]] = {}
    others: list[str] = []
    for reason in reasons:
        change = _change(reason.tenant_fix)
        if change is None:
            others.append(reason.tenant_fix or reason.tenant_text)
            continue
        verb, target, values = change
        known = changes.setdefault((verb, target), [])
        known.extend(value for value in values if value not in known)
    for (verb, target), values in changes.items():
        yield f'{verb} {", ".join(values)} {target}.'
    yield from dict.fromkeys(others)


def _change(fix: str) -> tuple[str, str, list[str]] | None:
    """Take a fix that is one ``openstack … set`` command apart.

    :returns: verb, target, values; None where it is something else
    """
    try:
        words = shlex.split(fix)
    except ValueError:
        return None
    if len(words) < 6 or words[0] != 'openstack':
        return None
    kind, verb, *arguments, name = words[1:]
    if verb not in ('set', 'unset') or len(arguments) % 2:
        return None
    if any(option not in _OPTIONS for option in arguments[::2]):
        return None
    if verb == 'set':
        return 'Set', f'on {kind} {name}', arguments[1::2]
    return 'Remove', f'from {kind} {name}', arguments[1::2]


def _cut(text: str, limit: int) -> str:
    """Return as many words as fit."""
    while len(text.encode()) + len(_MORE.encode()) > limit:
        shorter = text.rpartition(' ')[0]
        # One word alone can be too long: a name of 255 characters.
        text = shorter or text[:-1]
    return text + _MORE
