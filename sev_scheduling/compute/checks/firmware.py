"""Whether the guests of a model get UEFI firmware that starts them.

Two answers are looked for: guests with and without Secure Boot.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.checks.versions import MINIMUM
from sev_scheduling.compute.detection import detectable_models
from sev_scheduling.compute.sources.firmware import (
    REQUIRES_SMM,
    SECURE_BOOT,
    Choice,
    Descriptor,
    Era,
    FirmwareSearch,
    Guest,
    chosen_by_libvirt,
    chosen_by_nova,
    eras,
    libvirt_problems,
    libvirt_refuses,
    nova_problems,
    nova_refuses,
    secure_boot_offered,
)
from sev_scheduling.compute.sources.libvirt import Version, least_version
from sev_scheduling.hosts.check import (
    CheckKind,
    Entry,
    Finding,
    Note,
    NoteCode,
    failure,
    success,
    warning,
)
from sev_scheduling.models import EncryptionModel, SecureBoot

#: From this release on nova leaves the choice to libvirt.
LIBVIRT_CHOOSES = 33

_Chooser = Callable[[Guest], Choice]


def descriptors(report: HostReport) -> Finding | None:
    """Whether each file among the descriptors is one that counts."""
    if not report.enabled:
        return None
    found = report.firmware
    if report.release < LIBVIRT_CHOOSES:
        problems = nova_problems(found)
        stops = [nova_refuses(found)]
    else:
        problems = libvirt_problems(found)
        stops = [libvirt_refuses(found, era) for era in _eras(report)]
    reasons = tuple(problems)
    stopping = next(filter(None, stops), None)
    if stopping and all(stops):
        return failure(
            NoteCode.DESCRIPTORS_STOP,
            reasons=(stopping,),
            release=report.release,
        )
    if stopping:
        return warning(NoteCode.DESCRIPTORS_MAY_STOP, reasons=reasons)
    if reasons:
        return warning(NoteCode.DESCRIPTORS_PASSED_OVER, reasons=reasons)
    return success(NoteCode.DESCRIPTORS_READ, count=len(found.files))


def firmware(report: HostReport, *, model: EncryptionModel) -> Finding | None:
    """Whether the guests of a model get firmware, from who chooses it."""
    if model.name not in report.enabled:
        return None
    found = report.firmware
    guest = Guest(model, _machine_type(report, model))
    if report.release < LIBVIRT_CHOOSES:
        choose = functools.partial(chosen_by_nova, found)
        return _judged(found, guest, choose)
    answers: list[tuple[Version, Finding]] = []
    for era in _eras(report, model):
        choose = functools.partial(_by_libvirt, found, era)
        finding = _judged(found, guest, choose)
        if not answers or finding != answers[-1][1]:
            since = max(era.since, _least(report, model))
            answers.append((since, finding))
    if len(answers) == 1:
        return answers[0][1]
    return warning(
        NoteCode.FIRMWARE_DISPUTED,
        answers=tuple(
            Note(
                NoteCode.FIRMWARE_ANSWER,
                {
                    'since': since,
                    'finding': Note(
                        finding.code, {**finding.values, 'model': model.name}
                    ),
                },
            )
            for since, finding in answers
        ),
    )


def _by_libvirt(found: FirmwareSearch, era: Era, guest: Guest) -> Choice:
    return chosen_by_libvirt(found, guest, era)


def _eras(
    report: HostReport, model: EncryptionModel | None = None
) -> tuple[Era, ...]:
    return eras(report.facts.libvirt_version, _least(report, model))


def _least(report: HostReport, model: EncryptionModel | None) -> Version:
    """Return what an unknown version of libvirt is not below."""
    return max(
        least_version(report.facts.capabilities),
        MINIMUM[report.release][0],
        model.first_libvirt if model else (0, 0, 0),
    )


def _judged(found: FirmwareSearch, guest: Guest, choose: _Chooser) -> Finding:
    """Return what becomes of a model's guests.

    What is chosen is taken, whether its files are there or not.
    """
    model = guest.model
    guest = replace(guest, stateless=model.stateless_firmware)
    plain = choose(guest)
    if plain.problem:
        return failure(NoteCode.FIRMWARE_STOPPED, reasons=(plain.problem,))
    offered = secure_boot_offered(found, guest)
    secure = choose(replace(guest, secure_boot=True)).descriptor
    if plain.descriptor:
        unfit = _unfit(plain.descriptor, model, found)
        if unfit:
            return unfit
        if secure and (not offered or _unfit(secure, model, found)):
            secure = None
        return _found(plain.descriptor, secure, model)
    if secure:
        unfit = _unfit(secure, model, found)
        if unfit:
            return unfit
        if not offered:
            return failure(
                NoteCode.FIRMWARE_SECURE_BOOT_HIDDEN, path=secure.path
            )
        return warning(NoteCode.FIRMWARE_SECURE_BOOT_ONLY, path=secure.path)
    return _none(found, guest, choose)


def _unfit(
    descriptor: Descriptor, model: EncryptionModel, found: FirmwareSearch
) -> Finding | None:
    """Return why firmware that is chosen starts no guest."""
    path = descriptor.path
    lost = tuple(f for f in descriptor.files if f not in found.present)
    if lost:
        return failure(NoteCode.FIRMWARE_FILE_MISSING, path=path, files=lost)
    if model.stateless_firmware and descriptor.device == 'flash':
        # QEMU loads the firmware of these models into guest_memfd.
        return failure(NoteCode.FIRMWARE_FLASH, path=path)
    if (
        REQUIRES_SMM in descriptor.features
        and model.secure_boot != SecureBoot.WITH_SMM
    ):
        return failure(NoteCode.FIRMWARE_SMM, path=path)
    return None


def _found(
    plain: Descriptor, secure: Descriptor | None, model: EncryptionModel
) -> Finding:
    values: Mapping[str, object] = {'path': plain.path}
    if model.firmware_feature not in plain.features:
        return warning(NoteCode.FIRMWARE_UNLISTED, **values)
    if model.secure_boot == SecureBoot.UNSUPPORTED:
        return success(NoteCode.FIRMWARE_FOUND, **values)
    if secure is None:
        return success(NoteCode.FIRMWARE_FOUND_PLAIN, **values)
    return success(
        NoteCode.FIRMWARE_FOUND_TWICE, **values, secure_path=secure.path
    )


def _none(found: FirmwareSearch, guest: Guest, choose: _Chooser) -> Finding:
    """Return why a guest gets no firmware: what the nearest one lacks."""
    model = guest.model
    other = choose(replace(guest, stateless=not guest.stateless)).descriptor
    if other and model.stateless_firmware:
        return failure(NoteCode.FIRMWARE_STATEFUL, path=other.path)
    if other:
        return _unfit(other, model, found) or warning(
            NoteCode.FIRMWARE_STATELESS_ONLY, path=other.path
        )
    # Nova never asks for it in this way for such a model.
    asking = replace(
        guest,
        model=replace(model, secure_boot=SecureBoot.WITHOUT_SMM),
        secure_boot=True,
    )
    listing = choose(asking).descriptor
    if listing:
        return failure(
            NoteCode.FIRMWARE_SECURE_BOOT_UNSUPPORTED,
            path=listing.path,
            feature=SECURE_BOOT,
        )
    return failure(NoteCode.FIRMWARE_NONE, machine_type=guest.machine)


def _machine_type(report: HostReport, model: EncryptionModel) -> str:
    """Return the concrete machine type, as descriptors name it.

    The alias of the model's where libvirt was not asked.
    """
    for capabilities in report.facts.capabilities:
        machine = capabilities.machine or ''
        if (
            capabilities.arch in model.architectures
            and model.machine_type in machine
        ):
            return machine
    return model.machine_type


def entries() -> Iterator[Entry[HostReport]]:
    yield Entry(CheckKind.DESCRIPTORS, descriptors)
    for model in detectable_models():
        if model.firmware_feature:
            yield Entry(
                CheckKind.FIRMWARE,
                functools.partial(firmware, model=model),
                {'model': model.name},
            )
