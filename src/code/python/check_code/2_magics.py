"""Syntax: Python's own parser, and what IPython adds to the language."""

CELL_MAGICS_MAX = 8  # of one cell: %%time before %%capture before ...


def parse(code):
    """(syntax tree, None) or (None, (line, message)). A top-level await is allowed."""
    top_level_await = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        tree = compile(code, "<code>", "exec", ast.PyCF_ONLY_AST | top_level_await, True)
        # The compiler proper finds what the grammar lets through: a return outside a function.
        compile(tree, "<code>", "exec", top_level_await, True)
        return tree, None
    except SyntaxError as error:
        return None, (error.lineno or 1, error.msg)
    except (RecursionError, MemoryError):
        return None, (1, "Code is nested too deeply")
    except (ValueError, OverflowError) as error:
        return None, (1, str(error))


def statement_starts(lines):
    """For each line, whether a statement can begin there: not within a string or brackets."""
    starts = []
    quote, depth, continued = "", 0, False
    token = re.compile(r"\\.|'''|\"\"\"|['\"#()\[\]{}]", re.S)
    for line in lines:
        fresh = not quote and depth == 0 and not continued
        starts.append(fresh)
        stripped = line.lstrip()
        if fresh and stripped[:1] in ("%", "!", "?", ",", ";", "/"):
            continued = False  # not Python: its quotes need not balance
            continue
        if fresh and ASSIGNED_MAGIC.match(line):
            continue
        for found in token.finditer(line):
            text = found.group()
            if quote:
                if text in (quote, quote * 3):  # 'a''' ends one string and adds an empty one
                    quote = ""
            elif text == "#":
                break
            elif text[0] in "'\"":
                quote = text
            elif text in "([{":
                depth += 1
            elif text in ")]}":
                depth = max(0, depth - 1)
        continued = line.endswith("\\")
        if len(quote) == 1 and not continued:
            quote = ""  # an unfinished string ends with its line; the parser complains
    return starts


def python_argument(options):
    """The statement in `%timeit -n 10 statement`."""
    while True:
        option = re.match(r"-(?:[nrtpsTDl]\s*\S+|\w+)\s*", options)
        if not option:
            return options or "pass"
        options = options[option.end() :]


class MagicReader:
    """Judges IPython's commands and puts plain Python in their place. A Checker is built on it."""

    def check_automagic(self, code):
        """Whether the cell is one bare command, such as `rm -f x`: IPython wants no % before it,
        and prefers the command where Python could read the line too."""
        words = code.split(None, 1)
        if len(words) == 2 and "\n" not in code.strip() and words[0] in AUTOMAGIC:
            if not re.match(r"[=.,(\[:]|in\b|is\b|[-+*/%&|^<>]=", words[1]):
                self.magic(words[0], words[1], 1)
                return True
        return False

    def translate(self, code, depth=0):
        """Judges magics, and returns the code with plain Python of as many lines in their place.
        None: the whole is not Python (a cell magic)."""
        body = code.lstrip("\n")
        skipped = len(code) - len(body)
        if body.lstrip().startswith("%%"):
            head, _, rest = body.lstrip().partition("\n")
            name, _, options = head[2:].strip().partition(" ")
            line = skipped + 1
            if name in PYTHON_MAGICS and depth < CELL_MAGICS_MAX:
                # The body is a cell like any other; the options of %%timeit are set-up code.
                lines = (self.translate("\n" * line + rest, depth + 1) or "").split("\n")
                lines[skipped] = python_argument(options)
                return "\n".join(lines)
            self.magic(name, options, line, rest)
            return "\n" * (skipped + 1)
        lines = code.split("\n")
        indent = re.match(r"[ \t]*", lines[skipped] if skipped < len(lines) else "").group()
        if indent:
            lines = [text[len(indent) :] if text.startswith(indent) else text for text in lines]
        if re.match(r"(>>> |In \[\d+\]: )", lines[skipped] if skipped < len(lines) else ""):
            lines = [
                re.sub(r"^(>>>|\.\.\.|In \[\d+\]:|\s*\.{3,}:)( |$)", "", text) for text in lines
            ]
        starts = statement_starts(lines)
        number = 0
        while number < len(lines):
            last = number
            if starts[number]:
                while last + 1 < len(lines) and lines[last].endswith("\\"):
                    last += 1
                text = "\n".join(lines[number : last + 1]).replace("\\\n", " ")
                plain = self.translate_line(text, number + 1)
                if plain is None:
                    last = number
                else:
                    lines[number : last + 1] = [plain] + [""] * (last - number)
                    for each in range(number, last + 1):
                        starts[each] = True
            number = last + 1
        return "\n".join(lines)

    def translate_line(self, text, number):
        stripped = text.lstrip()
        indent = text[: len(text) - len(stripped)]
        first = stripped[:1]
        if first == "!":
            self.magic("!", stripped.lstrip("!"), number)
        elif first == "%":
            name, _, options = stripped.lstrip("%").strip().partition(" ")
            if name in PYTHON_MAGICS:
                return indent + python_argument(options)
            if HELP.match(stripped) and stripped.rstrip().endswith("?"):
                return indent + "pass"
            self.magic(name, options, number)
        elif first in (",", ";", "/") and len(stripped) > 1 and stripped[1].isalpha():
            # IPython's forced calls: the function's name is what matters.
            name, _, rest = stripped[1:].partition(" ")
            return indent + (f"{name}({rest})" if first == "/" else f"{name}({rest!r})")
        elif "?" in (first, stripped.rstrip()[-1:]) and HELP.match(stripped):
            pass
        else:
            assigned = ASSIGNED_MAGIC.match(text)
            if not assigned:
                return None
            target, escape, rest = assigned.groups()
            if escape == "!":
                self.magic("!", rest, number)
            else:
                name, _, options = rest.strip().partition(" ")
                if name in PYTHON_MAGICS:
                    return target + python_argument(options)
                self.magic(name, options, number)
            return target + "None"
        return indent + "pass"

    def magic(self, name, options, line, body=""):
        """One magic or shell command: `!` stands for the shell itself."""
        what = f"!{options.strip()}" if name == "!" else f"%{name} {options}".strip()
        words = options.split()
        installs = (
            name == "!"
            and words[:1]
            and words[0] in ("pip", "pip3", "conda", "uv")
            or words[:2] == ["-m", "pip"]
            or MAGICS.get(name) == "package-install"
        )
        if installs and QUIET_SHELL.match(options):
            self.issue("package-install", what, line)
            return
        if name in HARMLESS_MAGICS or name == "config" and options.startswith("InlineBackend"):
            if "{" in options:  # IPython evaluates what stands in braces
                self.issue("dynamic-code", what, line)
            return
        rule = "shell" if installs else MAGICS.get(name.rstrip("?"), "magic")
        self.issue(rule, what, line)
        if rule == "shell":
            for offset, text in enumerate([options] + body.split("\n")):
                if DESTRUCTIVE.search(text):
                    self.issue("destructive", text.strip(), line + offset)
        if name.startswith("py") and body:
            tree, failure = parse("\n" * line + body)
            if failure:
                self.error(*failure)
            else:
                self.walk(tree)
