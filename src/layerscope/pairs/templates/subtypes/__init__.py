"""One file per subtype: its frames, or how it is made of other pairs. A new file here is a new subtype; nothing else changes.

A file holds ``SOURCE``: ``FromFrames`` with a ``Subtype`` and at least 40 frames, one a line, or ``FromPairs`` with a function.
"""
