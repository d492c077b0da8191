"""The run, and the program itself."""


class Output:
    """What the code prints. The process's own standard output is never touched."""

    def __init__(self, chars_max):
        self.parts = []
        self.left = chars_max

    def write(self, text):
        if len(text) > self.left:
            text = text[: self.left] + ("...(truncated)" if self.left else "")
            self.left = 0
        else:
            self.left -= len(text)
        self.parts.append(text)

    def printer(self):
        def print_guarded(*values, sep=" ", end="\n", flush=False):
            for part in (sep, end):
                if part is not None and type(part) is not str:
                    raise TypeError("sep and end must be None or a string")
            separator = " " if sep is None else sep
            if self.left:
                self.write(separator.join(map(str, values)) + ("\n" if end is None else end))

        return print_guarded

    def text(self):
        return "".join(self.parts)


def names_for(output, request):
    builtins = {each.__name__: each for each in BUILTINS + EXCEPTIONS}
    builtins.update(print=output.printer(), range=range)
    names = {"__builtins__": builtins, "__name__": "restricted", "_slice_": slice, **GUARDS}
    if "expression" in request:
        names.update(
            {name: value for name, value in vars(math).items() if not name.startswith("_")}
        )
    for name, value in (request.get("variables") or {}).items():
        if not name.isidentifier() or name.startswith("_"):
            raise ValueError(f"'{name}' cannot be the name of a variable")
        names[name] = value
    return names


def run(request):
    output = Output(int(request.get("output_max", 10_000)))
    answer = {"success": False, "output": "", "error": None, "line": None, "isolation": "advisory"}
    calculates = "expression" in request
    text = request["expression"].strip() if calculates else request["code"]
    code, error_type, reasons = rewrite(text, "eval" if calculates else "exec")
    if reasons:
        answer["output"] = "\n".join(reasons)
        answer["error"] = f"{error_type}: {reasons[0]}"
        answer["line"] = int(re.match(r"Line (\d+)", reasons[0]).group(1))
        return answer
    names = names_for(output, request)
    try:
        if calculates:
            output.write(str(eval(code, names)))
        else:
            exec(code, names)
        answer["success"] = True
    except BaseException as error:  # the answer is due whatever the code raises
        answer["error"] = f"{type(error).__name__}: {error}"[:4000].rstrip(": ")
        trace = error.__traceback__
        while trace:
            if trace.tb_frame.f_code.co_filename == "<restricted>":
                answer["line"] = trace.tb_lineno
            trace = trace.tb_next
    answer["output"] = output.text()
    return answer


def limit_resources(request):
    """A second line behind the caller's clock."""
    try:
        import resource
    except ImportError:
        return
    seconds = int(request.get("timeout", 5)) + 1
    limits = [
        (resource.RLIMIT_AS, int(request.get("memory_mb", 256)) << 20),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ]
    for limit, most in limits:
        _, hard = resource.getrlimit(limit)
        if hard == resource.RLIM_INFINITY or hard > most:
            resource.setrlimit(limit, (most, most))


def main():
    warnings.simplefilter("ignore")  # of the parser, about the code
    result_fd = 1
    try:
        text = sys.stdin.buffer.read(REQUEST_BYTES_MAX + 1)
        if len(text) > REQUEST_BYTES_MAX:
            raise ValueError(f"request is longer than {REQUEST_BYTES_MAX} bytes")
        request = json.loads(text)
        result_fd = int(request.get("result_fd", 1))
        limit_resources(request)
        answer = run(request)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        answer = {
            "success": False,
            "output": "",
            "error": f"{type(error).__name__}: {error}",
            "line": None,
            "isolation": "advisory",
        }
    with os.fdopen(result_fd, "w", encoding="ascii", closefd=False) as file:
        file.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
