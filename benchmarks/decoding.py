"""How long it takes to decode and check Placement's answer for a large cloud.

Run it from the top of the repository::

    python -m benchmarks.decoding --hosts 5000

Both ways read the same bytes: ``json.loads`` alone, without any check, and
the types of :mod:`sev_scheduling.placement.answers`, which are checked.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence

import msgspec

from sev_scheduling.placement.answers import Candidates
from tests.unit.placement.fake_transport import candidates_answer

#: Traits of a compute host of today.
TRAITS = tuple(f'COMPUTE_TRAIT_{n}' for n in range(60))


def answer(hosts: int) -> bytes:
    """Return one candidate a host, with a nested pool each."""
    body = candidates_answer(*range(1, hosts + 1), traits=TRAITS)
    return json.dumps(body).encode()


def median(run: Callable[[], object], repeat: int) -> float:
    """Return the seconds that it takes, what it returns thrown away too."""
    took = []
    for _ in range(repeat):
        started = time.perf_counter()
        run()
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='python -m benchmarks.decoding')
    parser.add_argument('--hosts', type=int, default=5000)
    parser.add_argument('--repeat', type=int, default=9)
    args = parser.parse_args(arguments)
    content = answer(args.hosts)
    decoder = msgspec.json.Decoder(Candidates)
    print(f'{args.hosts} hosts, {len(content) / 1e6:.1f} MB')
    for name, run in {
        'json.loads, unchecked': lambda: json.loads(content),
        'answers.Candidates': lambda: decoder.decode(content),
    }.items():
        print(f'{name:24}{median(run, args.repeat) * 1e3:8.1f} ms')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
