"""Symbiont: a self-healing AI orchestrator in one supervised Python process.

domain/    words and rules, no I/O          service/  what leaves the process: views, queries, commands
config/    schema and layered loading       http/     the API: parse, authorise, call service, encode
ports.py   what we need from outside        boot/     the only place that wires everything
adapters/  one file per outside system      cli/      one file per noun
actors/    one stateful process per file; `tree.py` is the supervision tree on one screen
"""
