"""The command line: noun-verb commands over the HTTP API, one file per noun.

main.py     the command tree, the one error boundary, exit codes     output.py    data on stdout, talk on stderr
options.py  flags that commands share                                failures.py  how an error is shown
address.py  which server is meant                                    prompt.py    the task text: argument, file, stdin
client.py   HTTP with the standard library alone                     waiting.py   staying with a task until it ends

Nothing heavy is imported before a command needs it: the nouns are loaded by name, `rich` only to draw on a terminal,
the orchestrator itself only by `serve` and `--local`.
"""
