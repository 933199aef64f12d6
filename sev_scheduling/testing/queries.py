"""Queries as the in-memory Placement reads them, with its refusals."""

from __future__ import annotations

import re
import uuid as uuidlib
from collections.abc import Iterator
from urllib.parse import parse_qsl

from sev_scheduling.placement import search
from sev_scheduling.placement.world import Candidate, Group, Provider, Query
from sev_scheduling.testing.refusal import Refusal
from sev_scheduling.testing.store import Store

_GROUP_KEY = re.compile(
    r'(resources|required|member_of|in_tree)([a-zA-Z0-9_-]{1,64})?'
)
_LIMIT = re.compile(r'[1-9][0-9]*')

Params = list[tuple[str, str]]


def parse_params(query: str) -> Params:
    return parse_qsl(query, keep_blank_values=True)


def _last(params: Params, key: str) -> str | None:
    return next((v for k, v in reversed(params) if k == key), None)


def _amounts(text: str) -> dict[str, int]:
    amounts = {}
    for part in text.split(','):
        name, colon, number = part.partition(':')
        try:
            amount = int(number)
        except ValueError:
            amount = 0
        if not colon or ':' in number or amount < 1:
            raise Refusal(400, f'Badly formed resources parameter: {part}')
        amounts[name] = amount
    return amounts


def _traits(
    texts: list[str], minor: int
) -> tuple[tuple[frozenset[str], ...], frozenset[str]]:
    """Read ``required`` parameters: AND of ORs, and what is forbidden."""
    required: list[frozenset[str]] = []
    forbidden: set[str] = set()
    # Before 1.39 the last one counts.
    for text in texts if minor >= 39 else texts[-1:]:
        any_of = text.startswith('in:')
        names = [n.strip() for n in text.removeprefix('in:').split(',')]
        if (
            (any_of and minor < 39)
            or not all(name.lstrip('!') for name in names)
            or (any_of and any(name.startswith('!') for name in names))
        ):
            raise Refusal(400, f'Invalid query string parameters: {text}')
        if any_of:
            required.append(frozenset(names))
            continue
        required += (frozenset((n,)) for n in names if not n.startswith('!'))
        forbidden |= {n.lstrip('!') for n in names if n.startswith('!')}
    return tuple(required), frozenset(forbidden)


def _aggregates(
    texts: list[str],
) -> tuple[tuple[frozenset[str], ...], frozenset[str]]:
    required = []
    forbidden: set[str] = set()
    for text in texts:
        no = text.startswith('!')
        value = text.removeprefix('!')
        if ',' in value and not value.startswith('in:'):
            raise Refusal(400, f'member_of lacks in: before {text}')
        uuids = frozenset(value.removeprefix('in:').split(','))
        for uuid in uuids:
            _check_uuid(uuid, 'member_of')
        if no:
            forbidden |= uuids
        else:
            required.append(uuids)
    return tuple(required), frozenset(forbidden)


def _check_uuid(text: str, key: str) -> None:
    try:
        uuidlib.UUID(text)
    except ValueError:
        raise Refusal(400, f'{key} {text} is no uuid.') from None


def _group(suffix: str, params: Params, minor: int) -> Group:
    def values(key: str) -> list[str]:
        return [v for k, v in params if k == f'{key}{suffix}']

    required, forbidden = _traits(values('required'), minor)
    member_of, forbidden_aggregates = _aggregates(values('member_of'))
    resources = values('resources')
    in_tree = values('in_tree')
    if in_tree:
        _check_uuid(in_tree[-1].strip(), 'in_tree')
    if any(ors <= forbidden for ors in required):
        raise Refusal(400, 'Conflicting required and forbidden traits found')
    return Group(
        suffix,
        _amounts(resources[-1]) if resources else {},
        required,
        forbidden,
        member_of,
        forbidden_aggregates,
        in_tree[-1].strip() if in_tree else None,
    )


def read_query(params: Params, minor: int) -> tuple[Query, int | None]:
    """Read the query of ``GET /allocation_candidates``.

    :param minor: of the microversion
    :returns: the query and its limit
    :raises Refusal: 400
    """
    known = {'group_policy', 'limit'}
    if minor >= 35:
        known.add('root_required')
    if minor >= 36:
        known.add('same_subtree')
    suffixes: dict[str, None] = {}
    for key, _ in params:
        match = _GROUP_KEY.fullmatch(key)
        if match:
            suffixes[match[2] or ''] = None
        elif key not in known:
            raise Refusal(400, f'Invalid query string parameter {key}')
    limit = _last(params, 'limit')
    if limit is not None and not _LIMIT.fullmatch(limit):
        raise Refusal(400, f'limit {limit} is no whole number above 0.')
    policy = _last(params, 'group_policy')
    if policy not in (None, 'none', 'isolate'):
        raise Refusal(400, f'group_policy {policy} is not known.')
    subtrees = tuple(
        frozenset(part.strip() for part in value.split(','))
        for key, value in params
        if key == 'same_subtree'
    )
    roots = _last(params, 'root_required')
    if sum(key == 'root_required' for key, _ in params) > 1:
        raise Refusal(400, 'root_required may be specified only once.')
    required, forbidden = (
        _traits([roots], 0) if roots is not None else ((), frozenset())
    )
    query = Query(
        tuple(_group(suffix, params, minor) for suffix in suffixes),
        policy,
        frozenset().union(*required),
        forbidden,
        subtrees,
    )
    _check(query)
    return query, int(limit) if limit else None


def _check(query: Query) -> None:
    named = {s for suffixes in query.same_subtree for s in suffixes}
    if '' in named or named - {group.suffix for group in query.groups}:
        raise Refusal(400, 'same_subtree names no suffix of the request.')
    if not any(group.resources for group in query.groups):
        raise Refusal(400, 'There must be at least one resources parameter.')
    for group in query.groups:
        if not group.resources and group.suffix not in named:
            raise Refusal(400, 'All request groups must specify resources.')
    if query.root_required & query.root_forbidden:
        raise Refusal(400, 'Conflicting traits found in root_required')
    granular = [group for group in query.groups if group.suffix]
    if len(granular) > 1 and not query.group_policy:
        raise Refusal(400, 'The "group_policy" parameter is required')


def find(store: Store, query: Query) -> Iterator[Candidate]:
    """Yield candidates.

    :raises Refusal: 400, where a trait or a resource class is not known;
        like the real one, only as far as it gets before something has no
        provider
    """
    world = store.providers
    store.check_traits(query.root_required | query.root_forbidden)
    if not any(query.takes_root(p) for p in world.values() if not p.parent):
        return
    options = {}
    for group in query.groups:
        store.check_classes(group.resources)
        if not any(
            search.in_aggregates(provider, group.member_of)
            for provider in world.values()
        ):
            return
        store.check_traits(group.forbidden.union(*group.required))
        if group.in_tree and group.in_tree not in world:
            return
        options[group.suffix] = search.group_options(world, query, group)
        if not options[group.suffix]:
            return
    yield from search.merged(world, query, options)


def find_providers(store: Store, params: Params, minor: int) -> list[Provider]:
    """Answer ``GET /resource_providers``.

    :raises Refusal: 400
    """
    values: dict[str, str] = {}
    for key, value in params:
        if key not in _PROVIDER_KEYS:
            raise Refusal(400, f'Invalid query string parameter {key}')
        if key in ('uuid', 'in_tree'):
            _check_uuid(value, key)
        values[key] = value
    required, forbidden = _traits(
        [v for k, v in params if k == 'required'], minor
    )
    member_of, outside = _aggregates(
        [v for k, v in params if k == 'member_of']
    )
    amounts = _amounts(values['resources']) if 'resources' in values else {}
    tree = store.providers.get(values.get('in_tree', ''))
    if 'in_tree' in values and tree is None:
        return []
    store.check_traits(frozenset().union(*required))
    wanted = Group(required=required, member_of=member_of)
    having = [
        provider
        for provider in store.providers.values()
        if wanted.meets_traits(provider.traits)
    ]
    if not having:
        return []
    store.check_traits(forbidden)
    members = [p for p in having if search.in_aggregates(p, member_of)]
    if members:
        store.check_classes(amounts)
    return [
        provider
        for provider in members
        if values.get('name') in (None, provider.name)
        and values.get('uuid') in (None, provider.uuid)
        and (tree is None or provider.root == tree.root)
        and not forbidden & provider.traits
        and not outside & provider.aggregates
        and all(provider.takes(name, n) for name, n in amounts.items())
    ]


_PROVIDER_KEYS = frozenset(
    ('name', 'uuid', 'in_tree', 'member_of', 'required', 'resources')
)


def find_traits(store: Store, params: Params) -> set[str]:
    """Answer ``GET /traits``.

    :raises Refusal: 400
    """
    found = set(store.traits)
    for key, value in params:
        how, _, names = value.partition(':')
        if key == 'name' and how == 'in':
            found &= set(names.split(','))
        elif key == 'name' and how == 'startswith':
            found = {t for t in found if t.startswith(names)}
        elif key == 'associated' and value.lower() in ('true', 'false'):
            held = {t for p in store.providers.values() for t in p.traits}
            found = found & held if value.lower() == 'true' else found - held
        else:
            raise Refusal(400, f'Invalid query string parameter {key}')
    return found
