"""Read a host's files within bounds, and write new ones in one step."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from sev_scheduling.documents import read_text
from sev_scheduling.exceptions import InputError
from sev_scheduling.text import printable

#: Larger than any file that is read here has a reason to be.
MAX_BYTES = 1 << 20
#: More names than this in one directory are not looked at.
MAX_NAMES = 1000
_MAX_LINKS = 40


def write_text(
    path: Path, text: str, *, force: bool = False, parents: bool = False
) -> None:
    """Write a file so that it is there whole or not at all.

    :param force: replace a file that exists
    :param parents: make the directories that are missing
    :raises InputError: where it exists already, is no regular file, or
        cannot be written
    """
    if path.is_dir():
        raise InputError(f'{path} is a directory; name a file in it.')
    if path.exists() and not path.is_file():
        # To replace /dev/null breaks a host.
        raise InputError(f'{path} is a pipe or a device; name a file.')
    # A link stays, and what it leads to is written.
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    temporary = None
    try:
        if parents:
            os.makedirs(folder, exist_ok=True)
        handle, temporary = tempfile.mkstemp(
            dir=folder, prefix=f'.{path.name}.'
        )
        with os.fdopen(handle, 'w', encoding='utf-8') as file:
            file.write(text)
            file.flush()
            # mkstemp keeps others out, yet nova and systemd have to read.
            os.fchmod(handle, 0o644)
            os.fsync(handle)
        if force:
            os.replace(temporary, target)
            temporary = None
        else:
            # Unlike a rename, a link never replaces.
            os.link(temporary, target)
    except FileExistsError as error:
        raise InputError(
            f'{path} exists; give --force to replace it.'
        ) from error
    except FileNotFoundError as error:
        raise InputError(
            f'{path} cannot be written: {folder} is missing; give --parents '
            'to make it.'
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or str(error)
        raise InputError(f'{path} cannot be written: {reason}.') from error
    finally:
        if temporary is not None:
            os.unlink(temporary)


@dataclass(frozen=True, slots=True, init=False)
class HostFilesystem:
    """The root of a host's files: ``/``, or that of a copy or a mount.

    Symbolic links lead to where they would lead on the host itself, never
    out of the root.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str] = '/') -> None:
        object.__setattr__(self, 'path', Path(path))

    def locate(self, name: str) -> Path:
        """Return where a file of the host is found.

        :param name: its absolute path on the host
        :raises InputError: where links lead in circles
        """
        parts = deque(name.split('/'))
        found: list[str] = []
        links = 0
        while parts:
            part = parts.popleft()
            if part in ('', '.'):
                continue
            if part == '..':
                del found[-1:]
                continue
            here = self.path.joinpath(*found, part)
            try:
                target = os.readlink(here)
            except (OSError, ValueError):
                found.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise InputError(
                    f'{self.path / name.lstrip("/")} cannot be read: '
                    'too many symbolic links.'
                )
            if target.startswith('/'):
                found.clear()
            parts.extendleft(reversed(target.split('/')))
        return self.path.joinpath(*found)

    def read(self, name: str, *, limit: int = MAX_BYTES) -> str | None:
        """Return a regular file's text, None where there is no such file.

        :raises InputError: if it is not readable, too large or not UTF-8
        """
        path = self.locate(name)
        if not os.path.lexists(path):
            return None
        return read_text(path, limit)

    def read_at(self, name: str, offset: int, size: int) -> bytes | None:
        """Return bytes of a file or device, None where it cannot be read."""
        try:
            handle = os.open(
                self.locate(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
            )
        except OSError:
            return None
        try:
            return os.pread(handle, size, offset)
        except OSError:
            return None
        finally:
            os.close(handle)

    def names(self, directory: str) -> list[str]:
        """Return the names in a directory, sorted; none where it is missing.

        :raises InputError: where it cannot be read or is too large
        """
        path = self.locate(directory)
        try:
            names = sorted(os.listdir(path))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            reason = getattr(error, 'strerror', None) or str(error)
            raise InputError(
                f'{printable(str(path))} cannot be read: '
                f'{printable(reason)}; give the right directory.'
            ) from error
        if len(names) > MAX_NAMES:
            raise InputError(
                f'{path} holds {len(names)} files; more than {MAX_NAMES} are '
                'not read.'
            )
        return names

    def has(self, name: str) -> bool:
        """Return whether the host has this file."""
        return os.path.isfile(self.locate(name))


#: The name of this class in version 0.1.
Root = HostFilesystem
