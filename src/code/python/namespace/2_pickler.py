"""Pickling: what goes by value, and what is refused."""


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
        if cls.__module__ == "typing" and cls.__name__ == "TypeVar":
            return functools.partial(cls, value.__name__, *value.__constraints__, bound=value.__bound__,
                                     covariant=value.__covariant__, contravariant=value.__contravariant__), ()
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
        if "__orig_bases__" in cls.__dict__:  # Generic looks at them while the class is made
            members["__orig_bases__"] = cls.__orig_bases__
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
