"""``complete``: the words that a shell completes."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping

from cliff import complete

from sev_scheduling.cli import NAME

_BASH = 'bash'

#: A script finds the words that may follow those on the line: it goes from a
#: key to the next as long as there is one, like ``node`` and ``node_check``.
_FISH = """\
function __{function}_words
    switch "$argv"
{cases}
    end
end
function __{function}
    set -l path
    for word in (commandline -opc)[2..-1]
        string length -q -- (__{function}_words $path $word); or break
        set -a path $word
    end
    string split ' ' -- (__{function}_words $path)
end
complete -c {name} -a '(__{function})'
complete -c {name} -f -n 'not string match -q -- "-*" (__{function})[1]'
"""

_ZSH = """\
#compdef {name}
_{function}() {{
  local -A table=(
{cases}
  )
  local path_ word
  for word in ${{words[2,CURRENT-1]}}; do
    (( ${{+table[${{path_:+$path_ }}$word]}} )) || break
    path_="${{path_:+$path_ }}$word"
  done
  local following=${{table[${{path_:- }}]}}
  compadd -- ${{=following}}
  [[ $following != -* ]] || _files
}}
compdef _{function} {name}
"""


def _fish(words: Mapping[str, str]) -> str:
    cases = '\n'.join(
        f'        case {shlex.quote(path)}\n'
        f'            echo {shlex.quote(following)}'
        for path, following in words.items()
    )
    return _FISH.format(name=NAME, function=_FUNCTION, cases=cases)


def _zsh(words: Mapping[str, str]) -> str:
    cases = '\n'.join(
        f'    {shlex.quote(path or " ")} {shlex.quote(following)}'
        for path, following in words.items()
    )
    return _ZSH.format(name=NAME, function=_FUNCTION, cases=cases)


_FUNCTION = NAME.replace('-', '_')
_SCRIPTS = {'fish': _fish, 'zsh': _zsh}


class Complete(complete.CompleteCommand):
    """Print a script that completes commands and options in a shell."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            prog=prog_name, description=self.get_description()
        )
        parser.add_argument(
            '--shell',
            default=_BASH,
            choices=sorted([_BASH, *_SCRIPTS]),
            help='the shell that reads the script (default: %(default)s)',
        )
        return parser

    def get_actions(self, command: list[str]) -> list[argparse.Action]:
        """Return a command's options, without those that are not shown."""
        return [
            action
            for action in super().get_actions(command)
            if action.help is not argparse.SUPPRESS
        ]

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.shell == _BASH:
            parsed_args.name = NAME
            return super().take_action(parsed_args)
        words = self._words()
        self.app.stdout.write(_SCRIPTS[parsed_args.shell](words))
        return 0

    def _words(self) -> dict[str, str]:
        """Return what may follow: words of a command -> the next ones."""
        found: dict[tuple[str, ...], set[str]] = {}
        for name, _ in self.app.command_manager:
            path = tuple(name.split())
            for length in range(len(path)):
                found.setdefault(path[:length], set()).add(path[length])
            found[path] = {
                option
                for action in self.get_actions(list(path))
                for option in action.option_strings
            }
        return {
            ' '.join(path): ' '.join(sorted(following))
            for path, following in sorted(found.items())
        }
