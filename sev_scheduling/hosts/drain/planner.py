"""Where each guest goes when hosts are emptied, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from sev_scheduling.hosts.capacity import Key, Left, Option
from sev_scheduling.hosts.drain.facts import (
    DrainCode,
    DrainPlan,
    Guest,
    Outcome,
    Step,
)

#: Placements that the search tries before it gives up.
MAX_STEPS = 50_000
#: Of more guests, only the first order that suggests itself is tried.
MOST = 400


def plan(
    hosts: Sequence[str],
    guests: Sequence[Guest],
    left: Left,
    *,
    occupied: Iterable[tuple[str, str]] = (),
    steps: int = MAX_STEPS,
) -> DrainPlan:
    """Return where each guest goes, and in which order.

    One host is emptied after the other. Where not all guests fit, as many
    move as fit in their order.

    :param hosts: root uuids, none of which takes a guest
    :param left: what each provider has left of each resource class
    :param occupied: server group and root uuid, of members elsewhere
    :param steps: placements that the search tries at most
    """
    able = [guest for guest in guests if guest.code is DrainCode.MOVE]
    search = _Search(hosts, able, left, occupied, steps)
    found = search.all()
    outcome = Outcome.ALL
    if found is None or len(able) < len(guests):
        proven = len(able) < len(guests) or search.exhausted
        outcome = Outcome.NONE if proven else Outcome.NOT_FOUND
    if found is None:
        found = search.some()
    chosen = {guest.instance for guest, _ in found}
    room = _Room(left, occupied)
    for guest, option in found:
        room.take(guest, option)
    stays = [
        _stay(guest, room) for guest in guests if guest.instance not in chosen
    ]
    moves = [Step(guest, DrainCode.MOVE, one.root) for guest, one in found]
    if outcome is Outcome.ALL and not all(step.certain for step in moves):
        outcome = Outcome.UNKNOWN
    position = {host: number for number, host in enumerate(hosts)}
    return DrainPlan(
        tuple(hosts),
        tuple(
            sorted(
                (*moves, *stays), key=lambda step: position[step.guest.host]
            )
        ),
        outcome,
        search.tried,
    )


def _stay(guest: Guest, room: _Room) -> Step:
    """Return why a guest stays, once all others have moved."""
    if guest.code is not DrainCode.MOVE:
        return Step(guest, guest.code)
    if not guest.options:
        return Step(guest, DrainCode.NO_HOST)
    short: dict[str, set[str]] = {}
    for option in guest.options:
        for (provider, name), amount in option.amounts.items():
            if amount > room.left.get((provider, name), 0):
                short.setdefault(name, set()).add(option.root)
    if not short:
        return Step(guest, DrainCode.GROUP)
    counts = {name: len(hosts) for name, hosts in sorted(short.items())}
    return Step(guest, DrainCode.TAKEN, short=counts)


class _Room:
    """What hosts have left in the midst of a plan."""

    def __init__(
        self, left: Left, occupied: Iterable[tuple[str, str]]
    ) -> None:
        self.left = dict(left)
        self._occupied = Counter(occupied)

    def has(self, guest: Guest, option: Option) -> bool:
        left = self.left
        return all(
            amount <= left.get(key, 0)
            for key, amount in option.amounts.items()
        ) and not any(self._occupied[g, option.root] for g in guest.apart)

    def take(self, guest: Guest, option: Option, sign: int = 1) -> None:
        """Move a guest: it holds both places, then the new one alone.

        :param sign: -1 to undo that
        """
        for key, amount in option.amounts.items():
            self.left[key] -= sign * amount
        for key, amount in guest.held.items():
            if key in self.left:
                self.left[key] += sign * amount
        for group in guest.apart:
            self._occupied[group, option.root] += sign

    def groups(self, host: str) -> frozenset[str]:
        """Return the server groups that have a member on a host."""
        return frozenset(
            group
            for (group, root), members in self._occupied.items()
            if root == host and members
        )


class _Search:
    """Looks for an order and targets that suit all guests; exact, bounded."""

    def __init__(
        self,
        hosts: Sequence[str],
        guests: Sequence[Guest],
        left: Left,
        occupied: Iterable[tuple[str, str]],
        steps: int,
    ) -> None:
        self._hosts = hosts
        self._guests = guests
        self._first = left, list(occupied)
        self._room = _Room(*self._first)
        self._steps = steps
        self.tried = 0
        #: Whether all was tried in vain.
        self.exhausted = False
        used = {
            key for g in guests for one in g.options for key in one.amounts
        }
        # What is given back may be what a later one needs: a share of common
        # storage. Else the order does not matter.
        self._ordered = any(used & guest.held.keys() for guest in guests)
        # Guests are many, and few kinds of them.
        kinds: dict[object, Guest] = {}
        self._kind: dict[str, str] = {}
        for guest in guests:
            key = (
                tuple(
                    (one.root, frozenset(one.amounts.items()))
                    for one in guest.options
                ),
                guest.apart,
                frozenset(guest.held.items()) if self._ordered else None,
                guest.host if self._ordered else None,
            )
            kind = kinds.setdefault(key, guest)
            self._kind[guest.instance] = kind.instance
        self._samples = list(kinds.values())
        self._least = {one.instance: _least(one) for one in self._samples}
        self._labels: dict[tuple[str, str], str] = {}
        self._kinds = self._structure()

    def _structure(self) -> dict[str, list[tuple[tuple[object, ...], Key]]]:
        """Return root -> what each kind of guest could take there, of what.

        A provider is named by its number on the host, one that serves
        several hosts by its uuid.
        """
        roots: dict[str, set[str]] = {}
        for guest in self._samples:
            for option in guest.options:
                for provider, _ in option.amounts:
                    roots.setdefault(provider, set()).add(option.root)
        numbers: Counter[str] = Counter()
        found: dict[str, list[tuple[tuple[object, ...], Key]]] = {}
        for guest in self._samples:
            for option in guest.options:
                root = option.root
                for key, amount in sorted(option.amounts.items()):
                    provider, name = key
                    if (root, provider) not in self._labels:
                        numbers[root] += 1
                        self._labels[root, provider] = (
                            provider
                            if len(roots[provider]) > 1
                            else str(numbers[root])
                        )
                    label = self._labels[root, provider]
                    kind = guest.instance, label, name, amount
                    found.setdefault(root, []).append((kind, key))
        return found

    def all(self) -> list[tuple[Guest, Option]] | None:
        """Return the moves of all guests; None where there are none."""
        if any(not guest.options for guest in self._guests):
            self.exhausted = True
            return None
        found = self.some()
        if len(found) == len(self._guests):
            return found
        if len(self._guests) > MOST:
            return None
        order = self._extend(list(self._guests), [])
        self.exhausted = order is None and self.tried < self._steps
        return order

    def some(self) -> list[tuple[Guest, Option]]:
        """Return moves of guests that fit, host by host, the rarest first."""
        room = _Room(*self._first)
        found = []
        for guest in sorted(
            self._guests,
            key=lambda g: (self._hosts.index(g.host), len(g.options)),
        ):
            for option in guest.options:
                if room.has(guest, option):
                    room.take(guest, option)
                    found.append((guest, option))
                    break
        return found

    def _extend(
        self, remaining: list[Guest], moves: list[tuple[Guest, Option]]
    ) -> list[tuple[Guest, Option]] | None:
        if not remaining:
            return moves
        if not self._ordered and self._short(remaining):
            return None
        for guest, options in self._next(remaining):
            rest = [other for other in remaining if other is not guest]
            tried: set[object] = set()
            for option in options:
                alike = self._alike(option)
                if alike in tried:
                    continue
                tried.add(alike)
                if self.tried >= self._steps:
                    return None
                self.tried += 1
                self._room.take(guest, option)
                found = self._extend(rest, [*moves, (guest, option)])
                if found is not None:
                    return found
                self._room.take(guest, option, -1)
        return None

    def _alike(self, option: Option) -> object:
        """Return what options have in common of which one stands for all.

        These are options of hosts that could take the same guests, by
        providers that are shared in the same way, with as much left.
        """
        left = self._room.left
        return (
            tuple(
                (*kind, left.get(key, 0))
                for kind, key in self._kinds[option.root]
            ),
            self._room.groups(option.root),
            tuple(
                sorted(
                    (self._labels[option.root, provider], name, amount)
                    for (provider, name), amount in option.amounts.items()
                )
            ),
        )

    def _next(
        self, remaining: Sequence[Guest]
    ) -> Iterator[tuple[Guest, list[Option]]]:
        """Yield the guests that may be next, with the room they have.

        Where the order does not matter, that is the one with the least.
        """
        if self._ordered:
            host = min((g.host for g in remaining), key=self._hosts.index)
            remaining = [g for g in remaining if g.host == host]
        first = {self._kind[g.instance]: g for g in reversed(remaining)}
        found = [
            (g, [one for one in g.options if self._room.has(g, one)])
            for g in first.values()
        ]
        found.sort(key=lambda pair: len(pair[1]))
        yield from found if self._ordered else found[:1]

    def _short(self, remaining: Sequence[Guest]) -> bool:
        """Report whether guests need more than all their hosts have."""
        needed: Counter[tuple[str, frozenset[str]]] = Counter()
        for guest in remaining:
            needed.update(self._least[self._kind[guest.instance]])
        return any(
            amount > sum(self._room.left.get((p, name), 0) for p in providers)
            for (name, providers), amount in needed.items()
        )


def _least(guest: Guest) -> dict[tuple[str, frozenset[str]], int]:
    """Return resource class and its providers -> what a guest takes at least.

    Of classes that every option has.
    """
    found = {}
    for name in {name for one in guest.options for _, name in one.amounts}:
        amounts = [
            sum(n for (_, other), n in one.amounts.items() if other == name)
            for one in guest.options
        ]
        providers = frozenset(
            provider
            for one in guest.options
            for provider, other in one.amounts
            if other == name
        )
        found[name, providers] = min(amounts)
    return found
