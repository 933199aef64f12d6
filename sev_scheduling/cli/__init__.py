"""The command line: its name, and the statuses that it exits with."""

NAME = 'sev-scheduling'

#: A clean no: an invalid request, no host fits.
EXIT_NO = 1
#: Bad usage; a file, standard output or Placement that cannot be used.
EXIT_USAGE = 2
#: A defect of this program (``EX_SOFTWARE``).
EXIT_DEFECT = 70
#: Whoever read the output went away.
EXIT_BROKEN_PIPE = 141
