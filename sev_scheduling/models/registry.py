"""The models that there are, and how they compare.

Beside those built in, packages bring more: each names an
:class:`.EncryptionModel` in the entry point group ``sev_scheduling.models``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sev_scheduling.exceptions import ModelError
from sev_scheduling.models.checks import checked_model
from sev_scheduling.models.model import (
    BUILTIN_MODELS,
    EncryptionModel,
    parameter_name,
    parameters_of,
)

ENTRY_POINT_GROUP = 'sev_scheduling.models'

_SEPARATORS = re.compile(r'[-_. ]+')


@functools.cache
def registered_models() -> Mapping[str, EncryptionModel]:
    """Return every model, built in or from a plug-in, by its name.

    :raises ModelError: where a plug-in cannot be loaded, or its model is no
        model, has an unusable value, or takes the name, trait or provider
        suffix of another
    """
    # Most requests are unencrypted and never need this.
    from stevedore import ExtensionManager

    def fail(
        manager: object, entry_point: object, error: BaseException
    ) -> None:
        raise ModelError(
            f'Entry point {entry_point} of group {ENTRY_POINT_GROUP} cannot '
            f'be loaded: {error}; fix or remove the package.'
        ) from error

    models = {model.name: model for model in BUILTIN_MODELS}
    parameters = {
        parameter_name(parameter): parameter
        for model in BUILTIN_MODELS
        for parameter in parameters_of(model)
    }
    extensions: ExtensionManager[object] = ExtensionManager(
        ENTRY_POINT_GROUP, on_load_failure_callback=fail
    )
    for extension in sorted(extensions, key=lambda e: e.name):
        origin = f'Encryption model {extension.entry_point_target}'
        model = checked_model(extension.plugin, origin)
        for other in models.values():
            for name in ('name', 'trait', 'provider_suffix'):
                value = getattr(model, name)
                if value == getattr(other, name):
                    raise ModelError(
                        f'{origin} has {name}={value!r}, which is taken by '
                        f'{other.name}; choose another.'
                    )
        for parameter in parameters_of(model):
            name = parameter_name(parameter)
            if parameters.setdefault(name, parameter) != parameter:
                raise ModelError(
                    f'{origin} has the kernel parameter {parameter!r}, whose '
                    f'name is taken by {parameters[name]}; choose another.'
                )
        models[model.name] = model
    return MappingProxyType(models)


def find_model(name: str) -> EncryptionModel | None:
    """Return the model of this name, or None where it is not registered."""
    return registered_models().get(name)


@functools.cache
def model_traits() -> Mapping[str, EncryptionModel]:
    """Return every model by its trait."""
    return MappingProxyType(
        {model.trait: model for model in registered_models().values()}
    )


def excluding_models(
    model: EncryptionModel, offered: Iterable[str]
) -> tuple[str, ...]:
    """Return the models on a host that must not share it with a model.

    Every part that keeps a model off a host asks here.

    :param offered: names of the models that the host offers
    """
    if not model.excluded_by:
        return ()
    return tuple(name for name in offered if name in model.excluded_by)


def weaker_model(name: str, other: str) -> str | None:
    """Return which of two models protects less; None where neither does."""
    known = registered_models()
    for one, two in ((name, other), (other, name)):
        if one in known and two in known[one].stronger_than:
            return two
    return None


def nearest_model(name: str) -> str | None:
    """Return the registered model whose name is nearest; None for none.

    >>> nearest_model('sev-snp'), nearest_model('TDX'), nearest_model('x')
    ('amd-sev-snp', 'intel-tdx', None)
    """
    # Most requests name a model that is known.
    import difflib

    known = registered_models()
    wanted = _spelling(name)
    for model in known:
        spelling = _spelling(model)
        # 'snp' and 'sev-snp' for amd-sev-snp.
        if f'-{spelling}'.endswith(f'-{wanted}'):
            return model
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.8)
    return near[0] if near else None


def _spelling(name: str) -> str:
    return _SEPARATORS.sub('-', name.strip().lower()[:60])
