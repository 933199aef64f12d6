"""validate(): which rules a request breaks, all of them at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sev_scheduling.models import EncryptionModel
from sev_scheduling.problems import (
    Advice,
    Caveat,
    Code,
    Fix,
    Problem,
    Severity,
)
from sev_scheduling.request.contents import Known, unnamed_key_of, views
from sev_scheduling.request.parsing import combine
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules import encryption, image, resources
from sev_scheduling.rules.rule import Rule

#: For every request, encrypted or not.
REQUEST_RULES = (*encryption.REQUEST_RULES, *resources.REQUEST_RULES)
#: For a guest that is not to be encrypted.
PLAIN_RULES = encryption.PLAIN_RULES
#: For a guest that is to be encrypted, for each of its models.
MODEL_RULES = (*image.MODEL_RULES, *resources.MODEL_RULES)

_ORDER = {code: position for position, code in enumerate(Code)}


class Validation(tuple[Problem, ...]):
    """The problems of a request, and what is left of its models.

    A tuple of problems, errors first. Steps that follow take it in place of
    the request, so that each rule runs once.

    :ivar request: what was validated
    :ivar models: the request's models whose rules it keeps, the best first
    """

    request: EncryptionRequest
    models: tuple[EncryptionModel, ...]

    def __new__(
        cls,
        request: EncryptionRequest,
        problems: Iterable[Problem] = (),
        models: tuple[EncryptionModel, ...] = (),
    ) -> Validation:
        self = tuple.__new__(cls, problems)
        self.request = request
        self.models = models
        return self

    def __getnewargs__(self) -> tuple[object, ...]:
        return self.request, tuple(self), self.models

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that refuse the request."""
        return tuple(problem for problem in self if problem.is_error)

    def of_left_out_models(self) -> Validation:
        """Return only what keeps some of several models out."""
        problems = (
            problem
            for problem in self
            if problem.fix.advice is Advice.LEAVE_TO_OTHER_MODEL
        )
        return Validation(self.request, problems, self.models)


_KNOWN: Known[Validation] = Known()
_UNNAMED: Known[Validation] = Known()


def validate(
    request: EncryptionRequest,
    machine_type: str | None = None,
    *,
    as_warnings: Collection[str] = (),
) -> Validation:
    """Return every problem of a request, errors first, in a fixed order.

    Where several models would do: the problems of the best one without
    errors, and as warnings what keeps others out; where all have errors,
    those of the best one.

    :param machine_type: the host's default, where the caller knows it
    :param as_warnings: codes to report as warnings instead of errors
    """
    codes = tuple(as_warnings)
    # As long as its validation is known, no other request has its id.
    return _KNOWN.get(
        (id(request), machine_type, codes),
        _validate,
        request,
        machine_type,
        codes,
    )


def validate_unnamed(
    flavor: Any,
    image: Any,
    boot_from_volume: bool,
    host_devices: tuple[str, ...],
    as_warnings: tuple[str, ...],
) -> Validation:
    """Parse and validate, whatever flavor and image are called.

    Those that say what others have said are neither read nor judged again.

    :param flavor: a ``nova.objects.Flavor``; the image is one's ``ImageMeta``
    :raises SpecError: where an input has no flavor's or image's shape
    """
    said = unnamed_key_of(flavor, image)
    return _UNNAMED.get(
        said and (said, boot_from_volume, host_devices, as_warnings),
        _read_unnamed,
        flavor,
        image,
        boot_from_volume,
        host_devices,
        as_warnings,
    )


def _read_unnamed(
    flavor: Any,
    image: Any,
    boot_from_volume: bool,
    host_devices: tuple[str, ...],
    as_warnings: tuple[str, ...],
) -> Validation:
    request = combine(
        *views(flavor, image, named=False),
        boot_from_volume=boot_from_volume,
        host_devices=host_devices,
    )
    return _validate(request, None, as_warnings)


def _validate(
    request: EncryptionRequest,
    machine_type: str | None,
    as_warnings: tuple[str, ...],
) -> Validation:
    if request.encrypted and not request.models:
        # Without a model there is no slot, whatever the caller lets pass.
        as_warnings = tuple(
            [code for code in as_warnings if code != Code.UNKNOWN_MODEL]
        )
    rules: tuple[Rule[[EncryptionRequest]], ...] = REQUEST_RULES
    if not request.encrypted:
        rules = (*REQUEST_RULES, *PLAIN_RULES)
    own = [
        problem
        for rule in rules
        if getattr(request, rule.reads)
        for problem in rule.check(request)
    ]
    if not request.models:
        return Validation(request, _ordered(own, as_warnings))
    best: list[Problem] | None = None
    usable: list[EncryptionModel] = []
    of_others: list[Problem] = []
    for model in request.models:
        problems = _ordered(
            own
            + [
                problem
                for rule in MODEL_RULES
                if getattr(request, rule.reads)
                for problem in rule.check(request, model, machine_type)
            ],
            as_warnings,
        )
        fits = not problems or not any([p.is_error for p in problems])
        if best is None or (fits and not usable):
            best = problems
        if fits:
            usable.append(model)
        else:
            of_others += [problem for problem in problems if problem.is_error]
    found = best or []
    if usable:
        found = [*found, *(_left_out(p, usable[0]) for p in of_others)]
    return Validation(request, found, tuple(usable))


def _left_out(problem: Problem, best: EncryptionModel) -> Problem:
    """Return what keeps a model out, where another one will do."""
    fix = problem.fix
    way = replace(
        fix,
        caveats=(Caveat.MODEL_WANTED, *fix.caveats),
        values=(problem.model,),
        alternatives=(),
    )
    leave = Fix(
        advice=Advice.LEAVE_TO_OTHER_MODEL,
        values=(best.name,),
        alternatives=(way,) if way.argv() else (),
    )
    return replace(problem, severity=Severity.WARNING, fix=leave)


def validated(
    request: EncryptionRequest | Validation,
    *,
    as_warnings: Collection[str] = (),
) -> Validation:
    """Return a request's validation, made now unless it was before."""
    if isinstance(request, Validation):
        return request
    return validate(request, as_warnings=as_warnings)


def _ordered(
    problems: Sequence[Problem], as_warnings: Collection[str]
) -> list[Problem]:
    if not problems:
        return []
    found = [
        replace(problem, severity=Severity.WARNING)
        if problem.code in as_warnings
        else problem
        for problem in problems
    ]
    found.sort(key=lambda p: (not p.is_error, _ORDER[p.code]))
    return found
