"""Make the changes of a plan to flavors, images and volumes of a cloud."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from sev_scheduling.audit.results import Change, Outcome
from sev_scheduling.audit.side import properties_of
from sev_scheduling.cli.openstack.cloud import OpenStackCloud, extra_specs_path
from sev_scheduling.cli.openstack.services import CINDER, GLANCE, NOVA, Facts
from sev_scheduling.exceptions import CloudError
from sev_scheduling.problems import Target
from sev_scheduling.request.sources import flavor_view, image_view
from sev_scheduling.text import quoted

#: With the format of 2.0, Glance refuses to add a property that is there, by
#: which 2.1 would replace it. Neither can test a value.
_JSON_PATCH = 'application/openstack-images-v2.0-json-patch'

Properties = Mapping[str, str]


def make_changes(
    cloud: OpenStackCloud,
    changes: Sequence[Change],
    tried: Callable[[Change], None] = lambda _: None,
) -> None:
    """Make changes in their order, until one is not made.

    Each thing is read again before: what is as wanted is left alone, and so
    is what somebody else has changed since the plan was made. It is read once
    more after, as no service can be asked to write only where a value is
    still the one that was read (Glance 33, Nova 34, Cinder 28):

    * Glance refuses to add a property that is there by now, and to replace or
      remove one that is gone; a value that was changed meanwhile is replaced.
      It writes back all properties of an image, so that of two writes at one
      moment the later may undo the other.
    * Nova and Cinder replace what they hold.

    :param changes: of fixes that know the id of what they change; what
        becomes of each is written into it as soon as it is known, so that it
        is true however this ends
    :param tried: is called with each after it was tried
    """
    for change in changes:
        try:
            _make(cloud, change)
        except CloudError as error:
            change.outcome, change.error = Outcome.REFUSED, str(error)
        tried(change)
        if not change.outcome.is_well:
            return


def _make(cloud: OpenStackCloud, change: Change) -> None:
    fix = change.fix
    ident = fix.item.id or ''
    held = _read(cloud, fix.item.target, ident)
    wanted = fix.after
    keys = [key for key in wanted if held.get(key) != wanted[key]]
    if not keys:
        change.outcome = Outcome.NOT_NEEDED
        return
    if any(held.get(key) != fix.before.get(key) for key in keys):
        change.outcome = Outcome.CHANGED_MEANWHILE
        return
    put = {key: value for key in keys if (value := wanted[key]) is not None}
    drop = [key for key in keys if wanted[key] is None]
    change.outcome = Outcome.UNKNOWN
    try:
        _WRITE[fix.item.target](cloud, ident, put, drop, held)
    except CloudError as error:
        change.error = str(error)
        change.outcome = Outcome.UNKNOWN if error.unclear else Outcome.REFUSED
        change.keys = error.changed
    else:
        change.outcome, change.keys = Outcome.DONE, tuple(keys)
    with contextlib.suppress(CloudError):
        held = _read(cloud, fix.item.target, ident)
        change.keys = tuple(k for k in keys if held.get(k) == wanted[k])
        if len(change.keys) == len(keys):
            # An answer may have been lost, or be that to a second sending.
            change.outcome, change.error = Outcome.DONE, ''
        elif any(
            held.get(k) not in (wanted[k], fix.before.get(k)) for k in keys
        ):
            change.outcome = Outcome.CHANGED_MEANWHILE
        elif change.outcome is Outcome.DONE:
            # It is as it was before.
            change.outcome = Outcome.CHANGED_MEANWHILE


def _read(cloud: OpenStackCloud, target: Target, ident: str) -> Properties:
    """Return extra specs or image properties as they are now."""
    if target is Target.FLAVOR:
        found = cloud.show(NOVA, 'flavor', 'flavor', ident)
        if found is not None:
            return flavor_view(cloud.with_extra_specs(found)).extra_specs
    else:
        found = (
            cloud.show(GLANCE, 'image', '', ident)
            if target is Target.IMAGE
            else cloud.show(CINDER, 'volume', 'volume', ident)
        )
        if found is not None:
            return properties_of(image_view(found))
    raise CloudError(f'There is no {target} {quoted(ident)} any more.')


def _write_flavor(
    cloud: OpenStackCloud,
    flavor: str,
    put: Properties,
    drop: Sequence[str],
    _: Properties,
) -> None:
    path = extra_specs_path(flavor)
    what = f'change the extra specs of flavor {quoted(flavor)}'
    if put:
        cloud.call(NOVA, 'POST', path, what, json={'extra_specs': put})
    _drop_each(
        put,
        drop,
        lambda key: cloud.call(
            *(NOVA, 'DELETE', f'{path}/{quote(key, safe="")}', what)
        ),
    )


def _write_image(
    cloud: OpenStackCloud,
    image: str,
    put: Properties,
    drop: Sequence[str],
    held: Properties,
) -> None:
    changes: list[dict[str, str]] = [
        {'replace' if key in held else 'add': _pointer(key), 'value': value}
        for key, value in put.items()
    ]
    changes += [{'remove': _pointer(key)} for key in drop]
    cloud.call(
        *(GLANCE, 'PATCH', f'/images/{image}', f'change image {image}'),
        json=changes,
        headers={'Content-Type': _JSON_PATCH},
    )


def _write_volume(
    cloud: OpenStackCloud,
    volume: str,
    put: Properties,
    drop: Sequence[str],
    _: Properties,
) -> None:
    path = f'/volumes/{volume}/action'
    what = f'change the image properties of volume {volume}'
    if put:
        body: Any = {'os-set_image_metadata': {'metadata': dict(put)}}
        cloud.call(CINDER, 'POST', path, what, json=body)
    _drop_each(
        put,
        drop,
        lambda key: cloud.call(
            *(CINDER, 'POST', path, what),
            json={'os-unset_image_metadata': {'key': key}},
        ),
    )


def _drop_each(
    put: Iterable[str], drop: Iterable[str], call: Callable[[str], Facts]
) -> None:
    """Remove one key after the other; an error tells what was changed."""
    changed = list(put)
    for key in drop:
        try:
            call(key)
        except CloudError as error:
            error.changed = tuple(changed)
            raise
        changed.append(key)


def _pointer(key: str) -> str:
    """Return a JSON pointer to an image property."""
    return '/' + key.replace('~', '~0').replace('/', '~1')


_WRITE: Mapping[Target, Callable[..., None]] = {
    Target.FLAVOR: _write_flavor,
    Target.IMAGE: _write_image,
    Target.VOLUME: _write_volume,
}
