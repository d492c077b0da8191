"""Imports IPython without its terminal.

`import IPython` imports its terminal application, and prompt_toolkit for it: most of the time that
the import takes, and nothing that a kernel needs. What takes its place loads the real one as soon
as somebody asks for anything of it.
"""

import importlib
import sys
import types

NAME = "IPython.terminal.embed"


class StandIn(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_load(), name)


def _load():
    if isinstance(sys.modules.get(NAME), StandIn):
        del sys.modules[NAME]
    return importlib.import_module(NAME)


def _embed(*arguments, **options):
    return _load().embed(*arguments, **options)


def install():
    """To be called before IPython is imported for the first time."""
    if "IPython" in sys.modules:
        return
    stand_in = StandIn(NAME)
    stand_in.embed = _embed
    sys.modules[NAME] = stand_in
