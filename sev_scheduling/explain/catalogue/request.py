"""The words about a flavor and an image, and about all of them."""

from __future__ import annotations

from collections.abc import Mapping

from sev_scheduling.explain.catalogue.rows import ProblemRow
from sev_scheduling.problems import Case, Code, Source

#: Begins a sentence about a guest for which encryption is asked.
ASKED = 'Memory encryption is requested by {who}, but '

#: Ends what is wrong with an entry that nova passes over.
IGNORED = ', so nova ignores it'

PROBLEMS: Mapping[tuple[Code, Case], ProblemRow] = {
    (Code.INVALID_BOOLEAN, Case.ONLY): ProblemRow(
        '{what} of {owner} is {value}, which is neither true nor false',
        asked=False,
        line='{key} is {value}, which is neither true nor false',
    ),
    (Code.ENCRYPTION_CONFLICT, Case.ONLY): ProblemRow(
        '{what} of {owner} forbids it',
        line='{key} is {value}, and {other_key} of {other} is {other_value}',
    ),
    (Code.UNKNOWN_MODEL, Case.ONLY): ProblemRow(
        '{owner} names the model {value}, which is not known',
        line='{key} is {value}; known are {listed}',
    ),
    (Code.MODEL_CONFLICT, Case.ONLY): ProblemRow(
        '{other} names the model {other_value} and {owner} names {value}',
        line='{key} is {value}, and {other_key} of {other} is {other_value}',
    ),
    (Code.MODEL_WITHOUT_ENCRYPTION, Case.ONLY): ProblemRow(
        'the model {value} is named by {owner}, and memory encryption is not '
        'asked for, so the guest is not encrypted',
        asked=False,
        line='{key} is {value}, and memory encryption is not asked for',
    ),
    (Code.MODEL_WITHOUT_ENCRYPTION, Case.CALLER): ProblemRow(
        'the caller would take {name}, and memory encryption is not asked '
        'for, so the guest is not encrypted',
        asked=False,
        line='{name} would do, and memory encryption is not asked for',
    ),
    (Code.MISSPELT_KEY, Case.ONLY): ProblemRow(
        '{what} of {owner} is read by nobody; {other_key} seems to be meant',
        asked=False,
        line='{key} is read by nobody; {other_key} seems to be meant',
    ),
    (Code.FIRMWARE_NOT_UEFI, Case.ONLY): ProblemRow(
        '{owner} {has}', line='{key} {is_set}; {model} needs {needs}'
    ),
    (Code.FIRMWARE_NOT_STATELESS, Case.ONLY): ProblemRow(
        '{model} needs stateless firmware, which {owner} does not ask for',
        line='{key} is not true; {model} needs stateless firmware',
    ),
    (Code.SECURE_BOOT_UNSUPPORTED, Case.ONLY): ProblemRow(
        '{owner} {has}, which {model} guests cannot have'
    ),
    (Code.SECURE_BOOT_UNSUPPORTED, Case.OPTIONAL): ProblemRow(
        '{owner} {has}, and on hosts that offer it no {model} guest starts'
    ),
    (Code.SECURE_BOOT_UNSUPPORTED, Case.NOT_ASKED): ProblemRow(
        '{owner} {has}, and the {model} firmware of most distributions needs '
        '{needs}'
    ),
    (Code.MACHINE_TYPE_NOT_Q35, Case.ONLY): ProblemRow(
        '{owner} {has}; {model} needs {needs}',
        line='{key} {is_set}; {model} needs {needs}',
    ),
    (Code.MACHINE_TYPE_NOT_Q35, Case.HOST_DEFAULT): ProblemRow(
        '{owner} {has} and the host defaults to {other_value}; {model} needs '
        '{needs}',
        line='{key} {is_set}, and the host defaults to {other_value}; '
        '{model} needs {needs}',
    ),
    (Code.MACHINE_TYPE_UNSET, Case.ONLY): ProblemRow(
        '{owner} {has}, so each host decides, and only {needs} will do',
        line='{key} {is_set}; {model} needs {needs}, and hosts may default '
        'to pc',
    ),
    (Code.ARCHITECTURE_UNSUPPORTED, Case.ONLY): ProblemRow(
        '{owner} {has}; {model} runs on {needs}',
        line='{key} {is_set}; {model} runs on {needs}',
    ),
    (Code.DISK_BUS_UNSUPPORTED, Case.ONLY): ProblemRow(
        '{owner} {has}', line='{key} {is_set}; {model} needs {needs}'
    ),
    (Code.DISK_BUS_UNSUPPORTED, Case.CONTROLLER): ProblemRow(
        '{owner} has hw_disk_bus=scsi and {has}',
        line='{key} {is_set}; hw_disk_bus=scsi needs {needs}',
    ),
    (Code.DISK_BUS_UNSUPPORTED, Case.ATTACHED): ProblemRow(
        '{other_name} has no IDE controller for the volume'
    ),
    (Code.CDROM_BUS_UNSUPPORTED, Case.ONLY): ProblemRow(
        '{owner} {has}, and {other_name} has no IDE controller',
        line='{key} {is_set}; {other_name} has no IDE controller',
    ),
    (Code.VIDEO_DEVICE_PRESENT, Case.ONLY): ProblemRow(
        '{owner} {has}; {model} allows no video device',
        line='{key} {is_set}; {model} needs {needs}',
    ),
    (Code.HOST_DEVICE, Case.ONLY): ProblemRow(
        '{value} is a device of the host, which cannot reach encrypted memory'
    ),
    (Code.HOST_DEVICE, Case.ATTACHED): ProblemRow(
        'it is a device of the host, which cannot reach encrypted memory'
    ),
    (Code.HOST_DEVICE, Case.PORT): ProblemRow(
        'a port of type {value} is a device of the host, which cannot reach '
        'encrypted memory'
    ),
    (Code.TRAIT_CONFLICT, Case.ONLY): ProblemRow(
        '{owner} requires trait {name}, which contradicts {model}',
        line='{key} requires another model than {model}',
    ),
    (Code.TRAIT_CONFLICT, Case.FORBIDDEN): ProblemRow(
        '{owner} forbids trait {name}, which contradicts {model}',
        line='{key} forbids {model}',
    ),
    (Code.TRAIT_WITHOUT_ENCRYPTION, Case.ONLY): ProblemRow(
        '{owner} requires trait {name}, and memory encryption is not asked '
        'for, so the guest runs on such a host unencrypted',
        asked=False,
        line='{key} is required, and memory encryption is not asked for',
    ),
    (Code.EXPLICIT_SLOT, Case.ONLY): ProblemRow(
        '{owner} asks for a slot by {key} as well, which counts it twice',
        line='{key} asks for a slot as well, which counts it twice',
    ),
    (Code.EXPLICIT_SLOT, Case.UNENCRYPTED): ProblemRow(
        '{owner} holds a slot by {key}, and memory encryption is not asked '
        'for, so the guest is not encrypted',
        asked=False,
        line='{key} holds a slot, and memory encryption is not asked for',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.NOT_A_STATE): ProblemRow(
        '{what} of {owner} is {value}, so it is ignored',
        asked=False,
        line='{key} is {value}, so it is ignored',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.UNKNOWN_TRAIT): ProblemRow(
        '{what} of {owner} names a trait that os-traits does not know',
        asked=False,
        line='{key} names a trait that os-traits does not know',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.UNKNOWN_CLASS): ProblemRow(
        '{what} of {owner} names a resource class that does not exist'
        '{ignored}',
        asked=False,
        line='{key} names a resource class that does not exist{ignored}',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.NOT_AN_AMOUNT): ProblemRow(
        '{what} of {owner} is {value}, which is no amount{ignored}',
        asked=False,
        line='{key} is {value}, which is no amount{ignored}',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.NOT_IN_CAPITALS): ProblemRow(
        '{what} of {owner} names {value}, and Placement knows names in '
        'capitals alone{ignored}',
        asked=False,
        line='{key} is not in capitals, as Placement has names{ignored}',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.CAPITALS_MEANT): ProblemRow(
        '{what} of {owner} seems to mean {name}, which is not asked for',
        asked=False,
        line='{key} seems to mean {name}, which is not asked for',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.NOT_A_POLICY): ProblemRow(
        '{what} of {owner} is {value}; nova takes none and isolate alone, and '
        'finds no host for several request groups without',
        asked=False,
        line='{key} is {value}; nova takes none and isolate alone, and finds '
        'no host for several request groups without',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.NO_POLICY): ProblemRow(
        '{owner} has several request groups and no {key}, so nova finds no '
        'host',
        asked=False,
        line='{key} is not set; with several request groups nova finds no '
        'host without',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.NO_RESOURCES_IN_GROUP): ProblemRow(
        '{owner} has traits, and no resources, in request group {value}',
        asked=False,
        line='request group {value} has traits and no resources',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.REQUIRED_AND_FORBIDDEN): ProblemRow(
        'trait {name} is required by {what} of {owner} and forbidden by '
        '{other_what} of {other}',
        asked=False,
        line='{key} requires {name}, which {other_what} of {other} forbids',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.FORBIDDEN_AND_REQUIRED): ProblemRow(
        'trait {name} is forbidden by {what} of {owner} and required by '
        '{other_what} of {other}',
        asked=False,
        line='{key} forbids {name}, which {other_what} of {other} requires',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.NO_RESOURCES): ProblemRow(
        '{owner} asks for no resources at all', asked=False
    ),
    (Code.ACTION_UNSUPPORTED, Case.ONLY): ProblemRow(
        '{key} does not work with encrypted memory'
    ),
    (Code.REBUILD_NEEDS_SLOT, Case.ONLY): ProblemRow(
        'the server holds no slot, and a rebuild takes none'
    ),
    (Code.REBUILD_CHANGES_MODEL, Case.ONLY): ProblemRow(
        'the server holds a slot of {other_name}, not of {model}'
    ),
    (Code.REBUILD_NOT_UNDONE, Case.ONLY): ProblemRow(
        'the server may keep {key} of the refused image', asked=False
    ),
    (Code.RESCUE_DROPS_ENCRYPTION, Case.ONLY): ProblemRow(
        'the rescue image would boot the server unencrypted'
    ),
}


#: What a request asks for, and whether anything is against it: with errors,
#: and without.
ASKS: Mapping[bool, str] = {
    True: '{askers} {n:asks|ask} for {model}.',
    False: '{askers} {n:asks|ask} for {model}. Nothing in flavor and image is '
    'against encryption.',
}

NOT_ASKED: Mapping[bool, str] = {
    True: '',
    False: 'The guest will not be encrypted: {nobody} for it.',
}

NOBODY_OF_ONE = '{owner} does not ask'
NOBODY_OF_TWO = 'neither {owner} nor {other} asks'

#: Nothing is known but that there is no problem.
NO_PROBLEMS = 'Nothing is against encryption.'

#: What stands above the problems of one owner: with an error in an
#: encrypted guest, with an error in another, with warnings alone.
OWNERS: Mapping[str, str] = {
    'not-ready': '{owner} is not ready for it:',
    'unusable': '{owner} cannot be used as it is:',
    'warnings': '{owner} has {n:a warning|warnings}:',
}

OWNER_OF: Mapping[Source, str] = {
    Source.FLAVOR: 'flavor',
    Source.IMAGE: 'image',
    Source.REQUEST: 'the request',
    Source.ACTION: 'the server',
}

#: In place of the image, of what an image without properties would lack.
NO_IMAGE = 'no image is given; one without properties'

#: About all flavors with all images.
AUDIT: Mapping[str, str] = {
    'headline': (
        'Flavors: {flavors}; images and volumes: {images}. {never} of {pairs} '
        '{n:pair|pairs} can never run.'
    ),
    'nothing': (
        'There is nothing to audit. Flavors: {flavors}; images and volumes '
        'to boot from: {images}.'
    ),
    'plain': 'not encrypted',
    'no-model': 'no known model',
    'ready': 'ready',
    'warnings': 'with warnings',
    'errors': 'can never run',
    'left-out': '{n} not active or not bootable, and not looked at',
    'and-more': 'and {more} more',
    'problems': 'What is wrong, and for how many pairs:',
    'where': 'flavors {flavors}; images {images}',
    'values': '(also {values})',
    'more-problems': 'and {n} more {n:problem|problems}: see -f json',
    'fixes': 'What fixes most:',
    'mends': 'to fix {number} {n:pair|pairs}',
    'helps': 'to help {number} {n:pair|pairs}',
    'more-fixes': 'and {n} more {n:change|changes}: see --fix',
}
