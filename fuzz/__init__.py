"""Malformed input by the thousand: small valid files of every format, mutated, and given to the commands that read them.

``make fuzz`` runs 10,000 cases; ``python -m fuzz --help`` says how to run fewer, one format, or one case again. A case holds if
the command ends with 0, or with 2 and one sentence; an escaped exception, a hang, or a file that is half written is a failure.
"""
