"""``python -m layerscope``: the command, where no script of that name is on the path."""

from layerscope.cli.main import main

main()
