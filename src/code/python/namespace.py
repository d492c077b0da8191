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


# ---- pickling ----


def found_by_name(value, name):
    """Whether another process finds this very object where it says that it is."""
    module = getattr(value, "__module__", None)
    if not isinstance(module, str) or module == "__main__" or not isinstance(name, str):
        return False
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def global_names(code):
    names = set(code.co_names)
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            names |= global_names(each)
    return names


class Pickler(pickle.Pickler):
    def __init__(self, file, user, buffers):
        super().__init__(file, 5, buffer_callback=self.keep_buffer)
        self.user = user
        self.buffers = buffers
        self.lines = set()  # names of the files of code

    def keep_buffer(self, buffer):
        try:
            view = buffer.raw()
        except BufferError:
            return True
        if view.nbytes < BUFFER_BYTES_MIN:
            return True
        self.buffers.append(view)
        return False

    def reducer_override(self, value):
        cls = type(value)
        if isinstance(value, type):
            return self.reduce_class(value)
        if cls is types.FunctionType:
            return NotImplemented if found_by_name(value, value.__qualname__) else self.reduce_function(value)
        if cls is types.ModuleType:
            if value.__name__ == "__main__" or sys.modules.get(value.__name__) is not value:
                raise CannotCarry("a module that cannot be imported again")
            return importlib.import_module, (value.__name__,)
        if cls is types.CodeType:
            self.lines.add(value.co_filename)
            return new_code, (marshal.dumps(value),)
        if cls is types.CellType:
            return new_cell, ()
        if cls is property:
            return property, (value.fget, value.fset, value.fdel, value.__doc__)
        if cls in (staticmethod, classmethod):
            return cls, (value.__func__,)
        if cls is types.MappingProxyType:
            return types.MappingProxyType, (dict(value),)
        if cls is functools._lru_cache_wrapper and not found_by_name(value, value.__qualname__):
            parameters = getattr(value, "cache_parameters", lambda: {"maxsize": 128, "typed": False})()
            return new_lru_cache, (value.__wrapped__, parameters)
        if cls is getattr(functools, "cached_property", None):
            return new_cached_property, (value.func, value.attrname)
        if cls.__module__ == "dataclasses" and cls.__name__ == "_FIELD_BASE":
            return getattr, (sys.modules["dataclasses"], value.name)
        if cls.__module__.startswith(("IPython.core.", "ipykernel.")) and "shell" in cls.__module__ + cls.__name__:
            raise CannotCarry("the kernel itself")
        for each in cls.__mro__:
            reason = REASONS.get((each.__module__, each.__name__))
            if reason is not None:
                raise CannotCarry(reason)
        return NotImplemented

    def reduce_function(self, function):
        code = function.__code__
        self.lines.add(code.co_filename)
        cells = function.__closure__ or ()
        namespace, own = function.__globals__, {}
        module = namespace.get("__name__")
        if namespace is self.user:
            module = "__main__"
        elif getattr(sys.modules.get(module), "__dict__", None) is not namespace:
            module = None
            own = {name: namespace[name] for name in sorted(global_names(code)) if name in namespace}
        contents = []
        for cell in cells:
            try:
                contents.append((cell.cell_contents,))
            except ValueError:
                contents.append((EMPTY,))
        state = {"cells": contents, "own_globals": own, "defaults": function.__defaults__,
                 "kwdefaults": function.__kwdefaults__, "annotations": dict(function.__annotations__),
                 "doc": function.__doc__, "module": function.__module__,
                 "qualname": function.__qualname__, "dict": dict(function.__dict__)}
        # Its globals are made before the rest, so that functions may name one another.
        shell = {"__name__": namespace.get("__name__")} if module is None else None
        return (new_function, (code, module, shell, function.__name__, cells), state, None, None, fill_function)

    def reduce_class(self, cls):
        if found_by_name(cls, cls.__qualname__):
            return NotImplemented
        if cls.__module__ == "builtins":  # those that only the module types has a name for
            names = [name for name, each in vars(types).items() if each is cls]
            return (getattr, (types, names[0])) if names else NotImplemented
        state = {}
        members = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
        slots = cls.__dict__.get("__slots__", ())
        hidden = {"__dict__", "__weakref__", "__slots__", "_abc_impl", "_abc_registry", "_abc_cache"}
        hidden |= {slots} if isinstance(slots, str) else set(slots)
        if "__slots__" in cls.__dict__:
            members["__slots__"] = slots
        for name, value in cls.__dict__.items():
            if name not in hidden and name not in members:
                state[name] = value
        metaclass = type(cls)
        if "enum" in sys.modules and issubclass(metaclass, sys.modules["enum"].EnumMeta):
            return self.reduce_enum(cls, members)
        return new_class, (metaclass, cls.__name__, cls.__bases__, members), state, None, None, fill_class

    @staticmethod
    def reduce_enum(cls, members):
        values = {name: member.value for name, member in cls.__members__.items()}
        rest = {name: value for name, value in cls.__dict__.items()
                if name not in values and not name.startswith("_")
                and isinstance(value, (types.FunctionType, property, staticmethod, classmethod))}
        return new_enum, (type(cls), cls.__name__, cls.__bases__, values, {**members, **rest})


def reason_of(error):
    if isinstance(error, CannotCarry):
        text = str(error)
    elif isinstance(error, RecursionError):
        text = "it is nested too deeply"
    else:
        text = f"{type(error).__name__}: {error}"
    return text[:REASON_CHARS_MAX]


# ---- saving ----


def hidden_names():
    try:
        hidden = sys.modules["IPython"].get_ipython().user_ns_hidden
        return dict(hidden) if isinstance(hidden, dict) else {}
    except BaseException:
        return {}


def wanted(user):
    """The user's own names, in their order."""
    hidden = hidden_names()
    own = {}
    for name, value in list(user.items()):
        if type(name) is not str or name in hidden and (hidden[name] is value or name in ("In", "Out")):
            continue
        if name.startswith("__") and name.endswith("__") or name.strip("_") == "":
            continue
        if name[0] == "_" and (name.lstrip("_i").isdigit() or name in ("_i", "_ii", "_iii", "_ih", "_oh", "_dh", "_sh", "_exit_code")):
            continue
        if name in ("In", "Out", "get_ipython", "exit", "quit") and "_ih" in user:
            continue
        own[name] = value
    return own


class Sink:
    @staticmethod
    def write(data):
        return len(data)


# Objects that names may share without anybody noticing: what is in a tuple counts by itself.
UNSHARED = (str, bytes, int, float, complex, tuple, frozenset, types.BuiltinFunctionType,
            types.CodeType, types.ModuleType)


def is_shared(value):
    if type(value) in UNSHARED or "dtype" in type(value).__name__.lower():
        return False
    return not (isinstance(value, (type, types.FunctionType)) and found_by_name(value, value.__qualname__))


def try_out(user, value):
    """The pickler that has seen all objects which the value consists of, and keeps those alive that were
    made on the way: their identities must not be used again. Raises when it cannot be carried."""
    pickler = Pickler(Sink, user, [])
    pickler.dump(value)
    return pickler


def identities(pickler):
    return {id(each) for _, each in pickler.memo.copy().values() if is_shared(each)}


def grouped(picklers):
    """Names whose values share objects, together, in their order."""
    leader = {name: name for name in picklers}

    def lead(name):
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    first = {}
    for name, pickler in picklers.items():
        for each in identities(pickler):
            if each in first:
                leader[lead(name)] = lead(first[each])
            else:
                first[each] = name
    groups = {}
    for name in picklers:
        groups.setdefault(lead(name), []).append(name)
    return list(groups.values())


def pickled(user, value, lines):
    buffers, file = [], io.BytesIO()
    pickler = Pickler(file, user, buffers)
    pickler.dump(value)
    lines |= pickler.lines
    return file, buffers


def described(part):
    file, buffers = part
    return {"size": file.getbuffer().nbytes, "buffers": [[view.nbytes, view.readonly] for view in buffers]}


def random_states():
    states = {"random": random.getstate()}
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        states["numpy"] = numpy_random.get_state()
    return states


def text_of(names):
    """The text of blocks, so that tracebacks and inspect find it again."""
    return {name: "".join(linecache.cache[name][2]) for name in sorted(names)
            if name in linecache.cache and len(linecache.cache[name]) == 4 and not os.path.exists(name)}


def place_of_code(directory):
    try:
        below = os.path.relpath(os.getcwd(), directory)
    except (OSError, ValueError):
        return None
    return None if below.split(os.sep)[0] == ".." else below


def find(request, key):
    for directory in request["directories"]:
        path = os.path.join(directory, request[key])
        if os.path.isfile(path):
            return directory, path
    raise FileNotFoundError(
        "the kernel does not see the session's work directory: looked in " + ", ".join(request["directories"])
    )


def collect(user, lines):
    """(modules, groups of names with their pickles, what was skipped)."""
    modules, picklers, skipped = {}, {}, []
    for number, (name, value) in enumerate(wanted(user).items()):
        try:
            if number >= NAMES_MAX:
                raise CannotCarry(f"more than {NAMES_MAX} names")
            if value is user:
                raise CannotCarry("the namespace itself")
            if isinstance(value, types.ModuleType):
                if value.__name__ == "__main__" or sys.modules.get(value.__name__) is not value:
                    raise CannotCarry("a module that cannot be imported again")
                modules[name] = value.__name__
            else:
                picklers[name] = try_out(user, value)
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:
            skipped.append({"name": name, "reason": reason_of(error)})
    parts, groups = [], grouped(picklers)
    picklers.clear()
    for names in groups:
        for each in (names, *([name] for name in names if len(names) > 1)):
            try:
                parts.append((each, pickled(user, {name: user[name] for name in each}, lines)))
            except (KeyboardInterrupt, MemoryError):
                raise
            except BaseException as error:  # it was fine a moment ago: it has changed since
                if len(each) == 1:
                    skipped.append({"name": each[0], "reason": reason_of(error)})
                continue
            if each is names:
                break
    return modules, parts, skipped


def save(user, request):
    request = json.loads(request)
    directory, path = find(request, "file")
    lines = set()
    with Findable(user):
        modules, parts, skipped = collect(user, lines)
        chance = pickled(user, random_states(), lines)
    order = {name: number for number, name in enumerate(user)}
    saved = sorted([*modules, *(name for names, _ in parts for name in names)],
                   key=lambda name: order.get(name, len(order)))
    header = {"format": FORMAT, "python": sys.implementation.cache_tag, "saved": saved, "skipped": skipped,
              "modules": modules, "groups": [{"names": names, **described(part)} for names, part in parts],
              "random": described(chance), "cwd": place_of_code(directory), "lines": text_of(lines)}
    with open(os.open(path, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)), "wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        for pickle_file, buffers in (*(part for _, part in parts), chance):
            file.write(pickle_file.getbuffer())
            for view in buffers:
                file.write(view)


# ---- loading ----


class Checked:
    """Reads a file once, from its beginning to its end, and knows at the end whether it was the one that
    was meant."""

    def __init__(self, file):
        self.file = file
        self.digest = hashlib.sha256()

    def line(self):
        line = self.file.readline()
        self.digest.update(line)
        return line

    def take(self, size):
        data = bytearray(size)
        view = memoryview(data)
        while len(view):
            count = self.file.readinto(view)
            if not count:
                raise EOFError("the file of the variables ends too early")
            self.digest.update(view[:count])
            view = view[count:]
        return data

    def part(self, described):
        data = self.take(described["size"])
        buffers = []
        for size, read_only in described["buffers"]:
            view = memoryview(self.take(size))
            buffers.append(view.toreadonly() if read_only else view.obj)
        return data, buffers


def unpickled(part):
    data, buffers = part
    return pickle.Unpickler(io.BytesIO(data), buffers=buffers).load()


def read(path, sha256):
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
        checked = Checked(file)
        line = checked.line()
        try:
            header = json.loads(line)
            described = [*header["groups"], header["random"]]
            size = sum(each["size"] + sum(size for size, _ in each["buffers"]) for each in described)
            if len(line) + size != os.fstat(file.fileno()).st_size:
                raise EOFError("it has another size")
            parts = [checked.part(each) for each in header["groups"]]
            chance = checked.part(header["random"])
        except (ValueError, KeyError, TypeError, EOFError, OverflowError, RecursionError) as error:
            raise ValueError(f"the file of the variables was changed on its way: {error}") from None
        if checked.digest.hexdigest() != sha256 or file.read(1):
            raise ValueError("the file of the variables was changed on its way")
    return header, parts, chance


def bring_back_lines(lines):
    for name, text in lines.items():
        split = text.splitlines(True)
        linecache.cache.setdefault(name, (len(text), None, split, name))


def bring_back_randomness(part):
    states = unpickled(part)
    random.setstate(states["random"])
    if "numpy" in states:
        importlib.import_module("numpy.random").set_state(states["numpy"])


def load(user, request):
    request = json.loads(request)
    directory, path = find(request, "file")
    header, parts, chance = read(path, request["sha256"])
    if header["format"] != FORMAT:
        raise ValueError("these variables were saved by another version of Perijove")
    failed, found = [], {}
    if header["cwd"]:
        try:
            os.chdir(os.path.join(directory, header["cwd"]))
        except OSError as error:
            failed.append({"name": "the current directory", "reason": reason_of(error)})
    if directory not in sys.path and "" not in sys.path:
        sys.path.insert(0, directory)
    importlib.invalidate_caches()
    for name, module in header["modules"].items():
        try:
            found[name] = importlib.import_module(module)
        except Exception as error:
            failed.append({"name": name, "reason": reason_of(error)})
    same = header["python"] == sys.implementation.cache_tag
    with Findable(user):
        for each, part in zip(header["groups"], parts):
            try:
                found.update(unpickled(part))
            except (KeyboardInterrupt, MemoryError):
                raise
            except BaseException as error:
                reason = reason_of(error)
                if not same:
                    reason = f"saved by {header['python']}, and this is {sys.implementation.cache_tag}: {reason}"
                failed += [{"name": name, "reason": reason} for name in each["names"]]
        try:
            bring_back_randomness(chance)
        except Exception as error:
            failed.append({"name": "the state of the random numbers", "reason": reason_of(error)})
    bring_back_lines(header["lines"])
    restored = [name for name in header["saved"] if name in found]
    for name in restored:
        user[name] = found[name]
    _, report = find(request, "report")
    with open(os.open(report, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)), "w") as file:
        json.dump({"restored": restored, "failed": failed}, file)
