"""The options of ``[sev_scheduling]``, read at one moment."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from sev_scheduling import opts
from sev_scheduling.problems import Code


def log_start(log: Any, name: str, options: Options) -> None:
    """Log, once nova has made a class, its version and options.

    :param log: the logger of the class's module
    """
    try:
        version = importlib.metadata.version('sev-scheduling')
    except importlib.metadata.PackageNotFoundError:
        version = 'of an unknown version'
    log.info(
        'sev_scheduling %(version)s: %(name)s has started with %(options)s',
        {'version': version, 'name': name, 'options': options},
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One reading of the options; see :mod:`sev_scheduling.opts`.

    The filter and the weigher read them when nova makes them. None is
    ``mutable`` for oslo.config, so they hold until nova-scheduler restarts;
    to read all of them for each request took as long as nova's own check of
    it.
    """

    request_filter: bool = True
    explain_no_candidates: bool = True
    allow_host_devices: bool = False
    undo_refused_rebuild: bool = True
    default_machine_type: tuple[str, ...] = ()
    require_known_machine_type: bool = False
    max_guests: int | None = None
    max_guests_per_model: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType({}), hash=False
    )
    cache_seconds: float = 60.0
    slots_cache_seconds: float = 30.0
    placement_timeout: float = 10.0
    placement_answer_limit: int = 256
    on_placement_failure: str = opts.PROTECTED
    memory_encryption_weight_multiplier: float = 1.0
    memory_encryption_avoidance_weight_multiplier: float = 100.0

    @classmethod
    def read(cls, conf: Any) -> Options:
        """Read nova's configuration, which knows the options from now on."""
        opts.register_opts(conf)
        group = conf[opts.GROUP.name]
        values = {one.name: group[one.name] for one in fields(cls)}
        values['default_machine_type'] = tuple(values['default_machine_type'])
        return cls(**values)

    def __str__(self) -> str:
        """Return every option and its value, for a log."""
        return ', '.join(
            f'{one.name}={_plain(getattr(self, one.name))}'
            for one in fields(self)
        )

    @property
    def as_warnings(self) -> tuple[Code, ...]:
        """Codes of problems that do not refuse a request."""
        return (Code.HOST_DEVICE,) if self.allow_host_devices else ()

    @property
    def passes(self) -> bool:
        """Whether every guest passes where Placement does not answer."""
        return self.on_placement_failure == opts.PASS

    @property
    def refuses(self) -> bool:
        """Whether every encrypted guest is refused then."""
        return self.on_placement_failure == opts.REFUSE

    def limit(self, model: str) -> int | None:
        """Return how many guests of a model a host takes; None: no limit."""
        return self.max_guests_per_model.get(model, self.max_guests)
