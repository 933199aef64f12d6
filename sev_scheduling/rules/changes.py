"""Fixes, made: what flavors and images say after them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from sev_scheduling.problems import Fix
from sev_scheduling.request.sources import FlavorView, ImageView

_View = TypeVar('_View', FlavorView, ImageView)


def changed(view: _View, fixes: Collection[Fix]) -> _View:
    """Return a flavor, or an image or volume, as fixes leave it."""
    if isinstance(view, FlavorView):
        return replace(view, extra_specs=_held(view.extra_specs, fixes))
    return replace(
        view,
        properties=_held(view.properties, fixes),
        unread={
            key: value
            for key, value in view.unread.items()
            if not any(key in fix.unset for fix in fixes)
        },
    )


def _held(
    before: Mapping[str, str], fixes: Iterable[Fix]
) -> Mapping[str, str]:
    held = dict(before)
    for fix in fixes:
        held.update(fix.set)
        for key in fix.unset:
            held.pop(key, None)
    return held
