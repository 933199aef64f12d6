"""The commands, one class each, and how they are listed."""

#: Command -> the first line of its class's docstring: a list of commands
#: that imported each would take longer than most of them run.
SUMMARIES = {
    'audit': 'Validate every flavor with every image, of a cloud or of files',
    'capacity': 'Show the slots of each host and model, full ones included',
    'check': (
        'Say whether a flavor and an image can run encrypted, and '
        'what to change'
    ),
    'complete': (
        'Print a script that completes commands and options in a shell'
    ),
    'demo': 'Place guests on a cloud of some forty hosts, and tell the story',
    'explain': 'Say what each host says to a request, and what to change',
    'export': 'Write a Placement as a cloud file, to replay a case elsewhere',
    'exporter': 'Serve the slots of each host and model to Prometheus',
    'help': 'Print help for a command',
    'host drain plan': 'Plan how to empty hosts of their encrypted guests',
    'host list': 'List the hosts, and what each is to an encrypted guest',
    'host show': 'Show what Placement says of a host',
    'node check': 'Check whether this host is ready for encrypted guests',
    'node detect': (
        'Show which encryption models this host offers, and with how '
        'many slots'
    ),
    'node provider-config': (
        'Print a provider.yaml that publishes the default machine type'
    ),
    'node reserve': 'Show how much memory to keep back from encrypted guests',
    'reconcile': (
        'Show the claims of an owner that is dead, and free them with --yes'
    ),
    'release': 'Give back what guests hold in Placement',
    'schedule': 'Place guests and claim their slots in Placement, all or none',
    'scheduler check': 'Check what nova-scheduler needs for encrypted guests',
    'server check': 'List servers whose encryption and slot disagree',
    'server repair': 'Set servers right whose encryption and slot disagree',
    'translate': (
        'Show the query for allocation candidates that Placement is sent'
    ),
}
