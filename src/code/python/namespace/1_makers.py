"""Writes the variables of a Python kernel to a file, and reads them back into a fresh one.

The gateway sends this text as it sends variables.py, and calls save(user, REQUEST) or
load(user, REQUEST) with the user's namespace and a JSON request:
    {"file": "relative path", "directories": [where it may be], "sha256": of the file, to load,
     "report": "relative path"}
The files are there already and belong to the gateway, which keeps them open: nothing that happens
to their names in the work directory reaches it. What is loaded is checked in memory, before any of
it is unpickled.

A saved file is one line of JSON, the header, and then bytes:
    {"format": 1, "python": "cpython-311", "saved": [names], "skipped": [{"name", "reason"}],
     "modules": {name: module}, "groups": [{"names", "size", "buffers": [[size, read_only]]}],
     "random": {"size", "buffers"}, "cwd": path below the work directory or null,
     "lines": {file name of a block: its text}}
Names that share objects are one group, one pickle of protocol 5: they share them afterwards, too.
Groups are independent, so that one that cannot be read takes no other along. Large buffers (arrays)
stand behind their pickle and are neither copied when they are written nor when they are read.

Functions and classes that were defined in the kernel go by value: functions as code that uses the
new kernel's own globals, classes with their attributes. What other modules define is imported again.
Neither dill nor cloudpickle is needed. The report of a load: {"restored": [names], "failed":
[{"name", "reason"}]}.
"""

import builtins
import functools
import gc
import hashlib
import importlib
import io
import json
import linecache
import marshal
import os
import pickle
import random
import sys
import types

FORMAT = 1
MODULE = "_perijove_namespace"  # that pickles find the functions below in, while they are made or read
BUFFER_BYTES_MIN = 65_536  # smaller ones stay in their pickle
REASON_CHARS_MAX = 300
NAMES_MAX = 100_000
EMPTY = "_perijove_empty_cell"

# What a reader is told instead of the words of the pickle module.
OWN_WORDS = (
    ("_io", ("TextIOWrapper", "BufferedReader", "BufferedWriter", "BufferedRandom", "FileIO"),
     "an open file belongs to its process"),
    ("socket", ("socket",), "a socket belongs to its process"),
    ("ssl", ("SSLSocket", "SSLContext"), "a socket belongs to its process"),
    ("builtins", ("generator", "coroutine", "async_generator"), "a generator that runs cannot be copied"),
    ("threading", ("Thread", "Timer"), "a thread belongs to its process"),
    ("_thread", ("lock", "RLock"), "a lock belongs to its process"),
    ("threading", ("Condition", "Event", "Semaphore", "BoundedSemaphore", "Barrier"),
     "a lock belongs to its process"),
    ("_asyncio", ("Task", "Future"), "a task belongs to its event loop"),
    ("subprocess", ("Popen",), "a running program belongs to its process"),
    ("sqlite3", ("Connection", "Cursor"), "a connection belongs to its process"),
    ("concurrent.futures.thread", ("ThreadPoolExecutor",), "a thread belongs to its process"),
)
REASONS = {(module, name): reason for module, names, reason in OWN_WORDS for name in names}


class CannotCarry(Exception):
    pass


# ---- what pickles call to make functions and classes ----


def new_cell():
    cell = types.CellType()
    cell.cell_contents = EMPTY
    return cell


def new_function(code, module, own_globals, name, cells):
    if module == "__main__":
        namespace = USER[0]
    elif module is not None:
        namespace = importlib.import_module(module).__dict__
    else:
        namespace = own_globals
        namespace.setdefault("__builtins__", builtins)
    return types.FunctionType(code, namespace, name, None, tuple(cells) if cells else None)


def fill_function(function, state):
    for cell, contents in zip(function.__closure__ or (), state.pop("cells")):
        if contents == (EMPTY,):
            del cell.cell_contents
        else:
            cell.cell_contents = contents[0]
    if state["own_globals"]:
        function.__globals__.update(state["own_globals"])
    function.__defaults__, function.__kwdefaults__ = state["defaults"], state["kwdefaults"]
    function.__annotations__, function.__doc__ = state["annotations"], state["doc"]
    function.__module__, function.__qualname__ = state["module"], state["qualname"]
    function.__dict__.update(state["dict"])


def new_code(text):
    return marshal.loads(text)


def new_class(metaclass, name, bases, members):
    return types.new_class(name, bases, {"metaclass": metaclass}, lambda body: body.update(members))


def fill_class(cls, state):
    for name, value in state.items():
        try:
            setattr(cls, name, value)
        except (AttributeError, TypeError):
            if name not in ("__dict__", "__weakref__", "__doc__"):
                raise


def new_enum(metaclass, name, bases, members, rest):
    body = metaclass.__prepare__(name, bases)
    for each, value in {**members, **rest}.items():
        body[each] = value
    return metaclass(name, bases, body)


def new_lru_cache(function, parameters):
    return functools.lru_cache(**parameters)(function)


def new_cached_property(function, name):
    made = functools.cached_property(function)
    made.attrname = name
    return made


MAKERS = (new_cell, new_function, fill_function, new_code, new_class, fill_class, new_enum,
          new_lru_cache, new_cached_property)
USER = [None]


class Findable:
    """While it lasts, pickles can name the functions above."""

    def __init__(self, user):
        self.user = user

    def __enter__(self):
        module = types.ModuleType(MODULE)
        for each in MAKERS:
            each.__module__ = MODULE
            setattr(module, each.__name__, each)
        sys.modules[MODULE] = module
        USER[0] = self.user

    def __exit__(self, *error):
        sys.modules.pop(MODULE, None)
        USER[0] = None


class NoCollection:
    """Millions of objects come about here, and none is garbage: looking for it costs as much again."""

    def __enter__(self):
        self.was_on = gc.isenabled()
        gc.disable()

    def __exit__(self, *error):
        if self.was_on:
            gc.enable()
