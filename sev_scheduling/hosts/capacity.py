"""How many more equal guests fit, and which limit binds first.

Pure functions over allocation candidates: each is one way to place a guest,
what it takes of which provider. Hosts may share providers (storage), so the
number in all is a packing of all candidates at once, not a sum over hosts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sev_scheduling.hosts.verdict import NO_CANDIDATE, Verdict, VerdictCode
from sev_scheduling.request.request import EncryptionRequest

#: Resource provider's uuid and resource class.
Key = tuple[str, str]
Left = Mapping[Key, int]

#: Steps of the search for a better packing, in one group of hosts that
#: share providers. Only odd clouds need more than a handful.
MAX_STEPS = 5_000

#: Of more options than these at once, no better packing is searched for.
MAX_OPTIONS = 200


@dataclass(frozen=True, slots=True)
class Option:
    """One way to place one guest.

    :ivar root: uuid of the host's root provider
    :ivar amounts: what it takes, none of it 0
    """

    root: str
    amounts: Mapping[Key, int] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Packing:
    """Guests that fit at once.

    :ivar counts: how many guests take each option, in their order
    :ivar exact: whether no packing has more guests
    """

    counts: tuple[int, ...]
    exact: bool = True

    @property
    def guests(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCapacity:
    """How many more guests fit on one host, were it the only one.

    :ivar verdict: what the host says
    :ivar guests: how many more fit
    :ivar limits: resource class -> how many guests would fit by this class
        alone; without classes of which nothing is known
    :ivar binding: the resource classes that keep one more guest off; several
        that bind at once, or none where what is left is spread so that no
        class alone would help, or where there is a code
    """

    verdict: Verdict
    guests: int = 0
    limits: Mapping[str, int] = field(default_factory=dict, hash=False)
    binding: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.verdict.host.name

    @property
    def code(self) -> str | None:
        """Why it takes no guest whatever is free; None where it is amounts.

        :data:`.NO_CANDIDATE` where Placement does not offer the host for a
        reason that amounts do not show (traits, aggregates, limits of one
        allocation).
        """
        if self.guests or self.binding:
            return None
        if self.verdict.fits or self.verdict.code is VerdictCode.NO_FREE_SLOT:
            return NO_CANDIDATE
        return self.verdict.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How many more equal guests fit in all.

    :ivar guests: as many as can be placed at once; at least so many where
        it is not exact
    :ivar limits: as :attr:`HostCapacity.limits`, of all hosts at once
    :ivar binding: as :attr:`HostCapacity.binding`; of hosts with different
        limits, the one that would help most first
    :ivar hosts: by name; of an encrypted guest, those that offer its model
    :ivar without_pool: hosts that are left out, as they do not
    :ivar overcommit_known: whether hosts that overcommit memory are told
        from the others, where the model pins it; they take none
    """

    request: EncryptionRequest
    guests: int
    exact: bool
    limits: Mapping[str, int] = field(hash=False)
    binding: tuple[str, ...]
    hosts: tuple[HostCapacity, ...]
    without_pool: int = 0
    overcommit_known: bool = True


def pack(left: Left, options: Sequence[Option]) -> Packing:
    """Return how many equal guests fit at once, and in which way.

    :param left: what is left; a key that is not there has nothing
    """
    counts = [0] * len(options)
    exact = True
    for members in _components(options):
        found, proven = _pack_together(left, [options[i] for i in members])
        exact = exact and proven
        for index, count in zip(members, found, strict=True):
            counts[index] = count
    return Packing(tuple(counts), exact)


def limits_of(left: Left, options: Sequence[Option]) -> dict[str, int]:
    """Return resource class -> guests that fit by this class alone."""
    return {
        name: pack(left, _only(options, {name})).guests
        for name in _classes(options)
    }


def binding(
    left: Left,
    options: Sequence[Option],
    guests: int,
    limits: Mapping[str, int],
) -> tuple[str, ...]:
    """Return the resource classes that keep one more guest off.

    :param guests: how many fit, as :func:`pack` found
    :param limits: as :func:`limits_of` returned
    """
    alone = tuple(name for name, most in limits.items() if most <= guests)
    if alone or len(limits) < 2:
        return alone
    names = set(limits)
    gains = {
        name: pack(left, _only(options, names - {name})).guests - guests
        for name in limits
    }
    helping = [name for name, gain in gains.items() if gain > 0]
    return tuple(sorted(helping, key=lambda name: -gains[name]))


def _classes(options: Iterable[Option]) -> list[str]:
    """Return the classes that every option takes: equal guests, all."""
    taken = [{name for _, name in option.amounts} for option in options]
    return sorted(set.intersection(*taken)) if taken else []


def _only(options: Iterable[Option], names: Collection[str]) -> list[Option]:
    """Return the options with these classes alone, none of them twice."""
    found: dict[tuple[str, frozenset[tuple[Key, int]]], Option] = {}
    for option in options:
        amounts = {k: n for k, n in option.amounts.items() if k[1] in names}
        key = option.root, frozenset(amounts.items())
        found.setdefault(key, Option(option.root, amounts))
    return [*found.values()]


def _components(options: Sequence[Option]) -> list[list[int]]:
    """Return the indices of options that share something, directly or not."""
    parent = list(range(len(options)))

    def top(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[Key, int] = {}
    for index, option in enumerate(options):
        for key in option.amounts:
            parent[top(index)] = top(first.setdefault(key, index))
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(options)):
        groups[top(index)].append(index)
    return [*groups.values()]


def _most(left: Left, option: Option) -> int:
    return min(
        max(0, left.get(key, 0)) // amount
        for key, amount in option.amounts.items()
    )


def _pack_together(
    left: Left, options: Sequence[Option]
) -> tuple[list[int], bool]:
    """Pack options that share something.

    Greedy, what is least shared first, which is the best in ordinary clouds
    and proven by a bound; a search where it is not.

    :returns: the count of each option, and whether no packing has more
    """
    if len(options) == 1:
        return [_most(left, options[0])], True
    users: defaultdict[Key, set[str]] = defaultdict(set)
    ways: defaultdict[str, int] = defaultdict(int)
    for option in options:
        ways[option.root] += 1
        for key in option.amounts:
            users[key].add(option.root)
    order = sorted(
        range(len(options)),
        key=lambda i: (
            max(len(users[key]) for key in options[i].amounts),
            ways[options[i].root],
        ),
    )
    ordered = [options[i] for i in order]
    search = _Search(left, ordered)
    found = search.run()
    counts = [0] * len(options)
    for index, count in zip(order, found, strict=True):
        counts[index] = count
    return counts, search.exact


class _Search:
    """Branch and bound, the greedy packing first."""

    def __init__(self, left: Left, options: Sequence[Option]) -> None:
        self._options = options
        self._left = {
            key: max(0, left.get(key, 0))
            for option in options
            for key in option.amounts
        }
        self._steps = 0
        self._best = [0] * len(options)
        self.exact = True

    def run(self) -> list[int]:
        self._best = self._greedy()
        if sum(self._best) < _bound(self._left, self._options):
            if len(self._options) > MAX_OPTIONS:
                self.exact = False
            else:
                self._branch(0, [])
        return self._best

    def _greedy(self) -> list[int]:
        left = dict(self._left)
        counts = []
        for option in self._options:
            count = _most(left, option)
            _take(left, option, count)
            counts.append(count)
        return counts

    def _branch(self, index: int, counts: list[int]) -> None:
        if index == len(self._options):
            if sum(counts) > sum(self._best):
                self._best = list(counts)
            return
        self._steps += 1
        if self._steps > MAX_STEPS:
            self.exact = False
            return
        rest = self._options[index:]
        if sum(counts) + _bound(self._left, rest) <= sum(self._best):
            return
        option = rest[0]
        for count in range(_most(self._left, option), -1, -1):
            _take(self._left, option, count)
            self._branch(index + 1, [*counts, count])
            _take(self._left, option, -count)


def _take(left: dict[Key, int], option: Option, count: int) -> None:
    for key, amount in option.amounts.items():
        left[key] -= amount * count


def _bound(left: Left, options: Sequence[Option]) -> int:
    """Return a number of guests that no packing exceeds."""
    by_root: defaultdict[str, list[Option]] = defaultdict(list)
    for option in options:
        by_root[option.root].append(option)
    tops = {root: _bound_alone(left, own) for root, own in by_root.items()}
    bound = sum(tops.values())
    if len(by_root) < 2:
        return bound
    users: defaultdict[Key, set[str]] = defaultdict(set)
    least: dict[Key, int] = {}
    for option in options:
        for key, amount in option.amounts.items():
            users[key].add(option.root)
            least[key] = min(least.get(key, amount), amount)
    for name in _classes(options):
        own: defaultdict[str, int] = defaultdict(int)
        shared = 0
        for key, roots in users.items():
            if key[1] == name:
                room = left[key] // least[key]
                if len(roots) == 1:
                    own[min(roots)] += room
                else:
                    shared += room
        # What a host has to itself helps no other.
        held = sum(min(top, own[root]) for root, top in tops.items())
        bound = min(bound, held + shared)
    return bound


def _bound_alone(left: Left, options: Sequence[Option]) -> int:
    """Return the same for one host."""
    bound = sum(_most(left, option) for option in options)
    for name in _classes(options):
        least: dict[Key, int] = {}
        needs = []
        for option in options:
            need = 0
            for key, amount in option.amounts.items():
                if key[1] == name:
                    least[key] = min(least.get(key, amount), amount)
                    need += amount
            needs.append(need)
        bound = min(
            bound,
            sum(left[key] for key in least) // min(needs),
            sum(left[key] // amount for key, amount in least.items()),
        )
    return bound
