"""Loading: the file, checked before anything of it is unpickled, and the names."""


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
    with Findable(user), NoCollection():
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
