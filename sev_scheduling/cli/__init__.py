"""The command line ``sev-scheduling``, and the statuses that it exits with.

====  ======================================================================
0     yes
1     a clean no: an invalid request, no host fits
2     bad usage; a file, standard output or Placement that cannot be used
70    a defect of this program (``EX_SOFTWARE``); ``--debug`` shows where
129   ended by SIGHUP; 130 by SIGINT (Ctrl-C), 143 by SIGTERM
141   whoever read the output went away
====  ======================================================================
"""

NAME = 'sev-scheduling'

#: As the name of a file to write: standard output.
STDOUT = '-'

EXIT_NO = 1
EXIT_USAGE = 2
EXIT_DEFECT = 70
EXIT_BROKEN_PIPE = 141
