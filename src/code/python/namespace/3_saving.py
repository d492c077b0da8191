"""Saving: which names, what they share, and the file."""


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
UNSHARED = {str, bytes, int, float, complex, tuple, frozenset, types.BuiltinFunctionType, types.CodeType,
            types.ModuleType}


def is_shared(value):
    if type(value) in (list, dict, set):
        return True
    if "dtype" in type(value).__name__.lower():
        return False
    return not (isinstance(value, (type, types.FunctionType)) and found_by_name(value, value.__qualname__))


def try_out(user, value):
    """The pickler that has seen all objects which the value consists of, and keeps those alive that were
    made on the way: their identities must not be used again. Raises when it cannot be carried."""
    pickler = Pickler(Sink, user, [])
    pickler.dump(value)
    return pickler


def identities(pickler):
    found = {id(each): each for _, each in pickler.memo.copy().values() if type(each) not in UNSHARED}
    return [identity for identity, each in found.items() if is_shared(each)]


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
    with Findable(user), NoCollection():
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
