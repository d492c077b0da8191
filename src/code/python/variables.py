"""Lists, describes and sets variables of a Python kernel, and leaves nothing behind.

The gateway sends this text inside one user expression of a silent execute_request with code "" and
store_history false; TEXT and REQUEST are this text and the JSON request as string literals (a JSON
string without escaped surrogates is a Python literal of the same text):

    (lambda b, n, u: (b.exec(TEXT, n), n["answer"](u, REQUEST))[1])(
        __import__("builtins"), {"__name__": "perijove"}, (lambda: 0).__globals__)

Its names live in a dictionary of its own: the user's namespace, In, Out and `_` stay as they are,
and names that the user has given to builtins are not in the way. The value's repr is the answer,
one line of ASCII JSON: `user_expressions.<key>.data["text/plain"]` is parsed as it stands.

Requests (all but "op", and "name" where needed, have defaults):
    {"op": "list", "include": ["modules", "functions", "private"], "items_max": 200,
     "preview_max": 200, "bytes_max": 262144, "time_s": 2.0}
    {"op": "inspect", "name": "df", "rows": 10, "columns": 20, "preview_max": 4000}
    {"op": "set", "name": "x", "value": any JSON}
    {"op": "evaluate", "expressions": {"a name": "x + 1"}, "preview_max": 4000}
Answers: {"ok": true, "variables": [...], "total": N, "truncated": bool}, {"ok": true, "variable":
{...}}, {"ok": true, "results": {"a name": {"ok": ...}}} or {"ok": false, "error": {"type": "...",
"message": "..."}}.

Objects are not trusted: types are read without asking the object, containers are looked into only
as far as is shown, and a user's __repr__ runs against a clock. One that swallows every exception
for ever is left to the time limit of the request.
"""

import collections
import itertools
import json
import keyword
import signal
import sys
import threading
import time
import types

REPR_SECONDS_MAX = 0.3
ALARM_AGAIN_SECONDS = 0.05
SOURCE_CHARS_MAX = 20_000
CELL_CHARS_MAX = 200
JSON_ITEMS_MAX = 1000
JSON_CHARS_MAX = 65_536
DEPTH_MAX = 4

# Read through `type` itself: a metaclass may answer anything, or never.
_name_of = type.__dict__["__name__"].__get__
_module_of = type.__dict__["__module__"].__get__
_bases_of = type.__dict__["__mro__"].__get__
_fields_of = type.__dict__["__dict__"].__get__

# Libraries whose arrays tell their shape without work.
ARRAY_LIBRARIES = {
    "numpy",
    "pandas",
    "torch",
    "jax",
    "jaxlib",
    "polars",
    "pyarrow",
    "xarray",
    "scipy",
    "cupy",
    "tensorflow",
    "geopandas",
}
SEQUENCES = {list: "[]", tuple: "()", set: "{}", frozenset: "{}", collections.deque: "[]"}
PLAIN = (type(None), bool, float, complex, type(Ellipsis), type(NotImplemented))
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)


class TimeUp(BaseException):
    """Not an Exception, so that an ordinary handler in a user's __repr__ lets it through."""


class Answer:
    """What IPython, or any other kernel, shows as its text: the JSON."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text

    def _repr_pretty_(self, printer, _cycle):
        printer.text(self.text)


class Clock:
    """Stops what runs too long with TimeUp. Signals reach the main thread only: in another one
    there is just the check between two variables."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds
        self.alarmed = (
            hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        )

    def is_up(self):
        return time.monotonic() >= self.end

    def run(self, function, *arguments):
        """The function's value. Raises what it raises, or TimeUp."""
        seconds = min(REPR_SECONDS_MAX, self.end - time.monotonic())
        if seconds <= 0:
            raise TimeUp
        if not self.alarmed:
            return function(*arguments)

        armed = [True]

        def ring(*_):
            if armed:
                raise TimeUp

        began = time.monotonic()
        handler = signal.signal(signal.SIGALRM, ring)
        # Rings again and again, for those who catch it once.
        left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, ALARM_AGAIN_SECONDS)
        try:
            try:
                return function(*arguments)
            finally:
                armed.clear()
        finally:
            # Reached even by a ring at the very line above: the alarm must not outlive this call.
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
            if left:  # the user's own alarm goes on
                signal.setitimer(
                    signal.ITIMER_REAL, max(left - (time.monotonic() - began), 0.001), interval
                )


def kind_of(value):
    """(class, the first of our builtin classes it derives from)."""
    cls = type(value)
    for base in _bases_of(cls):
        if base in SEQUENCES or base in (dict, str, bytes, bytearray, int, range) or base in PLAIN:
            return cls, base
    return cls, None


def type_name(cls):
    module, name = _module_of(cls), _name_of(cls)
    if module in ("builtins", "__main__") or not isinstance(module, str):
        return name
    return f"{module}.{name}"


def library_of(cls):
    module = _module_of(cls)
    return module.partition(".")[0] if isinstance(module, str) else ""


def derives_from(cls, library, name):
    """Whether a class is, or derives from, `name` of a library; nothing is imported."""
    return any(_name_of(base) == name and library_of(base) == library for base in _bases_of(cls))


def cut(text, most):
    return text if len(text) <= most else text[: max(most - 1, 0)] + "\u2026"


class Preview:
    """A repr that looks at no more of a value than it can show."""

    def __init__(self, clock, most):
        self.clock = clock
        self.most = most
        self.items_max = max(3, min(most // 4, 200))

    def of(self, value, depth=0):
        try:
            return cut(self._of(value, depth), self.most)
        except TimeUp:
            return f"<{type_name(type(value))}: repr takes too long>"
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever a user's __repr__ comes up with
            return f"<{type_name(type(value))}: repr raises {type_name(type(error))}>"

    def _of(self, value, depth):
        cls, base = kind_of(value)
        author = next(each for each in _bases_of(cls) if "__repr__" in _fields_of(each))
        own = author is base or _module_of(author) == "collections"
        if base in (str, bytes, bytearray) and own:
            return base.__repr__(base.__getitem__(value, slice(0, self.most)))
        if base is int and own:
            bits = int.bit_length(value)
            return int.__repr__(value) if bits < 4000 else f"<int of {bits} bits>"
        if (base in PLAIN or base is range) and own:
            return base.__repr__(value)
        if base in SEQUENCES and own:
            return self._sequence(value, cls, base, depth)
        if base is dict and own:
            return self._mapping(value, cls, depth)
        if isinstance_safely(cls, type):
            return f"<class {type_name(value)}>"
        if cls is types.ModuleType:
            return f"<module {cut(str(value.__dict__.get('__name__')), 80)}>"
        if cls is types.FunctionType:
            return f"<function {value.__name__}>"
        if derives_from(cls, "pandas", "DataFrame") or derives_from(cls, "pandas", "Series"):
            return self.clock.run(lambda: repr(value.head(5)))
        if derives_from(cls, "numpy", "ndarray"):
            return self.clock.run(self._array, value)
        if "__dataclass_fields__" in _fields_of(cls):
            fields = _fields_of(cls)["__dataclass_fields__"]
            generated = "__wrapped__" in getattr(_fields_of(author)["__repr__"], "__dict__", {})
            if generated and type(fields) is dict:
                return self._dataclass(value, cls, fields, depth)
        text = self.clock.run(repr, value)
        return text if type(text) is str else str.__str__(text)

    def _sequence(self, value, cls, base, depth):
        opening, closing = SEQUENCES[base]
        name = "" if cls in (list, tuple, set) else _name_of(cls)
        size = base.__len__(value)
        if depth >= DEPTH_MAX:
            shown = ["..."] if size else []
        else:
            first = itertools.islice(base.__iter__(value), self.items_max)
            shown = self._within_budget(self.of(each, depth + 1) for each in first)
            if len(shown) < size:
                shown.append(f"... ({size} items)")
        if cls is tuple and size == 1:
            shown.append("")
            return "(" + shown[0] + ",)"
        text = opening + ", ".join(shown) + closing
        if cls is set and not size:
            return "set()"
        return f"{name}({text})" if name else text

    def _mapping(self, value, cls, depth):
        size = dict.__len__(value)
        if depth >= DEPTH_MAX:
            shown = ["..."] if size else []
        else:
            first = itertools.islice(dict.items(value), self.items_max)
            shown = self._within_budget(
                f"{self.of(key, depth + 1)}: {self.of(each, depth + 1)}" for key, each in first
            )
            if len(shown) < size:
                shown.append(f"... ({size} items)")
        text = "{" + ", ".join(shown) + "}"
        return text if cls is dict else f"{_name_of(cls)}({text})"

    def _dataclass(self, value, cls, fields, depth):
        kept = object.__getattribute__(value, "__dict__") if has_dict(cls) else {}
        shown = self._within_budget(
            f"{name}={self.of(kept[name], depth + 1)}" for name in fields if name in kept
        )
        return f"{_name_of(cls)}({', '.join(shown)})"

    def _within_budget(self, texts):
        shown, used = [], 0
        for text in texts:
            shown.append(text)
            used += len(text) + 2
            if used >= self.most or self.clock.is_up():
                break
        return shown

    def _array(self, value):
        part = value[tuple(slice(0, 6) for _ in value.shape)] if value.shape else value
        return repr(part) if part.size == value.size else repr(part)[:-1] + ", ...)"


def isinstance_safely(cls, base):
    return any(each is base for each in _bases_of(cls))


def has_dict(cls):
    return any("__dict__" in _fields_of(base) for base in _bases_of(cls))


def describe(name, value, clock, preview_max):
    cls, base = kind_of(value)
    entry = {
        "name": name,
        "type": type_name(cls),
        "shape": None,
        "dtype": None,
        "length": None,
        "size_bytes": None,
        "preview": "",
    }
    if base in SEQUENCES or base in (dict, str, bytes, bytearray):
        entry["length"] = base.__len__(value)
    try:
        if library_of(cls) in ARRAY_LIBRARIES:
            entry.update(clock.run(array_facts, value))
        else:  # of the object alone: what a container holds is not counted
            entry["size_bytes"] = (base or object).__sizeof__(value)
    except (Exception, TimeUp):  # an array that cannot tell is listed without its facts
        pass
    entry["preview"] = clean(Preview(clock, preview_max).of(value))
    return entry


def array_facts(value):
    facts = {}
    shape = getattr(value, "shape", None)
    if isinstance(shape, (tuple, list)):
        facts["shape"] = [int(each) for each in shape][:32]
        if shape:
            facts["length"] = int(shape[0])
    if getattr(value, "dtype", None) is not None:
        facts["dtype"] = cut(str(value.dtype), 80)
    elif hasattr(value, "dtypes") and facts.get("shape"):
        facts["dtype"] = cut(", ".join(sorted({str(each) for each in value.dtypes})), 200)
    size = getattr(value, "nbytes", None)
    if size is None and hasattr(value, "memory_usage"):
        size = value.memory_usage()
        size = size.sum() if hasattr(size, "sum") else size
    if size is not None:
        facts["size_bytes"] = int(size)
    return facts


def clean(value):
    """The same without lone surrogates, which are no JSON for others."""
    if type(value) is str:
        return value.encode("utf-8", "replace").decode("utf-8")
    if type(value) is list:
        return [clean(each) for each in value]
    if type(value) is dict:
        return {clean(key): clean(each) for key, each in value.items()}
    return value


def hidden_names():
    """What IPython itself has put into the namespace, by name."""
    try:
        hidden = sys.modules["IPython"].get_ipython().user_ns_hidden
        return dict(hidden) if isinstance(hidden, dict) else {}
    except (KeyError, AttributeError, TypeError):
        return {}


def wanted(name, value, include, hidden):
    if type(name) is not str or name.startswith("__"):
        return False
    if name in hidden and hidden[name] is value or name in ("In", "Out") and name in hidden:
        return False
    if name.startswith("_") and "private" not in include:
        return False
    cls = type(value)
    if isinstance_safely(cls, types.ModuleType):
        return "modules" in include
    if any(isinstance_safely(cls, each) for each in FUNCTIONS + (type,)):
        return "functions" in include
    return True


def list_variables(namespace, request, clock):
    include = request.get("include") or []
    hidden = hidden_names()
    pairs = [
        (name, value)
        for name, value in list(namespace.items())
        if wanted(name, value, include, hidden)
    ]
    bytes_left = request.get("bytes_max", 262_144)
    found = []
    for name, value in pairs[: request.get("items_max", 200)]:
        entry = describe(clean(name), value, clock, request.get("preview_max", 200))
        bytes_left -= len(json.dumps(entry))
        if bytes_left < 0:
            break
        found.append(entry)
        if clock.is_up():
            break
    return {"variables": found, "total": len(pairs), "truncated": len(found) < len(pairs)}


def inspect_variable(namespace, request, clock):
    name = request["name"]
    if name not in namespace:
        raise NameError(f"name '{name}' is not defined")
    value = namespace[name]
    entry = describe(name, value, clock, request.get("preview_max", 4000))
    cls = type(value)
    try:
        if derives_from(cls, "pandas", "DataFrame"):
            entry["table"] = clock.run(table_of, value, request)
        elif any(isinstance_safely(cls, each) for each in FUNCTIONS + (type,)):
            entry.update(clock.run(code_facts, value))
    except (Exception, TimeUp) as error:
        entry["incomplete"] = f"{type_name(type(error))} while looking closer"
    return {"variable": clean(entry)}


def table_of(frame, request):
    """The head of a DataFrame: {"columns", "index", "data"}, as pandas' own orient="split"."""
    head = frame.head(request.get("rows", 10)).iloc[:, : request.get("columns", 20)]
    table = json.loads(head.to_json(orient="split", date_format="iso", default_handler=str))
    table["data"] = [
        [cut(cell, CELL_CHARS_MAX) if isinstance(cell, str) else cell for cell in row]
        for row in table["data"]
    ]
    table["dtypes"] = [str(each) for each in head.dtypes]
    return table


def code_facts(value):
    import inspect  # heavy, and seldom needed

    facts = {}
    for fact, find in (
        ("signature", lambda: str(inspect.signature(value))),
        ("source", lambda: inspect.getsource(value)),
        ("doc", lambda: inspect.getdoc(value)),
    ):
        try:
            found = find()
            facts[fact] = None if found is None else cut(found, SOURCE_CHARS_MAX)
        except (TypeError, ValueError, OSError):
            facts[fact] = None
    return facts


def set_variable(namespace, request, clock):
    name = request["name"]
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"'{name}' is not a name that Python can use")
    if name.startswith("__"):
        raise ValueError(f"'{name}' belongs to Python")
    namespace[name] = request["value"]
    return {"variable": describe(name, namespace[name], clock, request.get("preview_max", 200))}


def evaluate_expressions(namespace, request, clock):
    """Each by itself: what one raises is its own. Their time is that of the request."""
    results = {}
    for key, expression in request["expressions"].items():
        try:
            value = eval(compile(expression.strip(), "<expression>", "eval"), namespace)
        except Exception as error:
            told = {"type": type_name(type(error)), "message": message_of(error)}
            results[key] = {"ok": False, "error": told}
            continue
        result = {"ok": True, **describe(key, value, clock, request.get("preview_max", 4000))}
        del result["name"]
        if result["length"] is None or result["length"] <= JSON_ITEMS_MAX:
            result.update(json_of(value))
        results[key] = result
    return {"results": results}


def message_of(error):
    try:
        return clean(cut(str(error), 400))
    except Exception:  # whatever a user's __str__ comes up with
        return ""


def json_of(value):
    """{"value": the value itself} when it is JSON as it stands, and small."""
    if type(value) not in (type(None), bool, int, float, str, list, dict):
        return {}
    try:
        text = json.dumps(value, allow_nan=False)
        if len(text) > JSON_CHARS_MAX or json.loads(text) != value:
            return {}
    except Exception:  # what is in it may be anything
        return {}
    return {"value": clean(value)}


OPERATIONS = {
    "list": list_variables,
    "inspect": inspect_variable,
    "set": set_variable,
    "evaluate": evaluate_expressions,
}


def answer(namespace, text):
    """Called by the expression above; never raises what a user's object raises."""
    try:
        request = json.loads(text)
        clock = Clock(request.get("time_s", 2.0))
        if request.get("op") not in OPERATIONS:
            raise ValueError(
                f"operation {request.get('op')!r} is not one of: {', '.join(OPERATIONS)}"
            )
        if request["op"] in ("inspect", "set") and type(request.get("name")) is not str:
            raise ValueError("'name' is missing")
        if request["op"] == "set" and "value" not in request:
            raise ValueError("'value' is missing")
        result = {"ok": True, **OPERATIONS[request["op"]](namespace, request, clock)}
    except (Exception, TimeUp) as error:
        message = cut(str(error), 400) if isinstance(error, (NameError, ValueError)) else ""
        result = {"ok": False, "error": {"type": type(error).__name__, "message": clean(message)}}
    return Answer(json.dumps(result))
