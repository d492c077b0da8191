"""The checker of the syntax tree, and the program itself."""


class Checker(MagicReader):
    """Collects errors and issues of one code text."""

    def __init__(self, policy):
        profile = policy.get("profile", "strict")
        if profile not in PROFILES:
            raise ValueError(f"policy profile '{profile}' is not one of: {', '.join(PROFILES)}")
        column = PROFILES.index(profile)
        self.severities = {rule: levels[column] for rule, levels in RULES.items()}
        overrides = dict(policy.get("rules") or {})
        if policy.get("network") is not None:
            overrides["network"] = policy["network"]
        for rule, severity in overrides.items():
            if rule not in RULES:
                raise ValueError(f"policy rule '{rule}' is not one of: {', '.join(RULES)}")
            if severity not in ("allow", "warn", "deny"):
                raise ValueError(
                    f"severity '{severity}' of rule '{rule}' is not allow, warn or deny"
                )
            self.severities[rule] = severity
        self.chars_max = int(policy.get("max_chars") or CODE_CHARS_MAX)
        self.errors = []
        self.issues = []
        self._seen = set()

    def answer(self):
        self.issues.sort(key=lambda issue: (issue["line"], issue["column"]))
        denied = any(issue["severity"] == "deny" for issue in self.issues)
        return {
            "valid": not self.errors,
            "safe": not self.errors and not denied,
            "errors": self.errors,
            "issues": self.issues,
        }

    def issue(self, rule, what, line, column=0):
        severity = self.severities[rule]
        key = (rule, what, line)
        if severity == "allow" or key in self._seen:
            return
        if len(self.issues) >= ISSUES_MAX:
            # The list is cut, the verdict is not: one denial outweighs any warning.
            spare = [i for i, known in enumerate(self.issues) if known["severity"] == "warn"]
            if severity != "deny" or not spare:
                return
            del self.issues[spare[-1]]
        self._seen.add(key)
        self.issues.append(
            {
                "severity": severity,
                "rule": rule,
                "line": line,
                "column": column,
                "message": f"{WHY[rule]}: {what[:120]}",
            }
        )

    def error(self, line, message):
        self.errors.append(f"Line {line}: {message}")

    # ---- syntax ----

    def check(self, code):
        if len(code) > self.chars_max:
            return self.error(1, f"Code too long (max {self.chars_max} chars)")
        code = code.replace("\r\n", "\n").replace("\r", "\n")
        if "\0" in code:
            return self.error(
                code.count("\n", 0, code.index("\0")) + 1, "Invalid characters in code"
            )
        for number, line in enumerate(code.split("\n", 2)[:2], 1):
            cookie = COOKIE.match(line)
            if cookie and cookie.group(1).lower().replace("_", "-") not in (
                "utf-8",
                "ascii",
                "us-ascii",
            ):
                self.issue("dynamic-code", f"source encoding {cookie.group(1)}", number)
        if self.check_automagic(code):
            return None
        tree, failure = parse(code)
        if failure:
            translated = self.translate(code)
            if translated is not None and translated != code:
                tree, failure = parse(translated)
        if failure:
            return self.error(*failure)
        return self.walk(tree)

    # ---- what the code names ----

    def walk(self, tree):
        """Visits every node, without recursion: the depth is the author's choice."""
        self.rebound = rebound_names(tree)
        self.platform_names = set()
        self.module_names = {}  # local name -> the module that it stands for
        pending = [(tree, None)]
        while pending:
            node, parent = pending.pop()
            visit = getattr(self, "on_" + type(node).__name__, None)
            if visit:
                visit(node, parent)
            children = [(child, node) for child in ast.iter_child_nodes(node)]
            pending.extend(reversed(children))

    def at(self, rule, what, node):
        self.issue(rule, what, node.lineno, node.col_offset)

    def module(self, name, node):
        """An imported module, by its dotted name; whether all of it is told."""
        if name in HARMLESS_PARTS:
            return False
        top = name.partition(".")[0]
        parts = name.split(".")
        prefixes = (".".join(parts[:count]) for count in range(1, min(len(parts), 8) + 1))
        rule = next((MODULES[each] for each in prefixes if each in MODULES), None)
        rule = rule or MODULES.get(top.lstrip("_"))
        if rule is None and (name == "IPython" or name.startswith("IPython.")):
            rule = None if name.startswith(("IPython.display", "IPython.core.display")) else "magic"
        if rule is None and top.startswith("_") and top not in ("__future__", "_"):
            rule = "introspection"
        if rule:
            self.at(rule, name if rule != "network" else top, node)
        return rule is not None and self.severities[rule] != "allow"

    def on_Import(self, node, _):
        for alias in node.names:
            # `import os.path` binds os.
            bound = alias.name if alias.asname else alias.name.partition(".")[0]
            known = alias.name in HARMLESS_PARTS and MODULES.get(bound) == "network"
            if not known:
                self.module(bound if bound in MODULES else alias.name, node)
            self.module_names[alias.asname or bound] = bound
            if alias.name == "platform":
                self.platform_names.add(alias.asname or alias.name)

    def on_ImportFrom(self, node, _):
        module = node.module or ""
        for alias in node.names:
            if node.level:
                pass  # a neighbour in a package
            elif module not in HARMLESS_PARTS and f"{module}.{alias.name}" not in HARMLESS_PARTS:
                if self.module(module, node):
                    continue
            if module == "platform" and alias.name == "system":
                continue
            rule = MODULES.get(alias.name.lstrip("_")) if module != "__future__" else None
            if alias.name in NAME_GETTERS and NAME_GETTERS[alias.name] == 0:
                rule = None  # judged where it is called
            rule = rule or ATTRIBUTES.get(alias.name) or NAMES.get(alias.name)
            rule = rule or FUNCTIONS.get(f"{module}.{alias.name}")
            if rule:
                self.at(rule, f"{module}.{alias.name}", node)
            elif f"{module}.{alias.name}" in MODULES:
                self.module(f"{module}.{alias.name}", node)
            elif is_internal(alias.name) or is_private(alias.name):
                self.at("introspection", f"{module}.{alias.name}", node)

    def on_Name(self, node, parent):
        name = node.id
        if not isinstance(node.ctx, ast.Load):
            if name in ("__builtins__", "__import__", "__loader__"):
                self.at("introspection", name, node)
            return
        if node.lineno > self.rebound.get(name, node.lineno):
            return
        called = isinstance(parent, ast.Call) and parent.func is node
        if name == "open" and called:
            rule, what = open_rule(parent, 1)
            return self.at(rule, what, node)
        if name in NAMES:
            self.at(NAMES[name], name, node)
        elif (
            name in ATTRIBUTES
            and ATTRIBUTES[name] in ("process", "native", "dynamic-code")
            and called
        ):
            self.at(ATTRIBUTES[name], name, node)
        elif name in NAME_GETTERS and not called:
            self.at("introspection", f"{name} under another name", node)
        elif is_internal(name):
            self.at("introspection", name, node)

    def on_Attribute(self, node, parent):
        name = node.attr
        called = isinstance(parent, ast.Call) and parent.func is node
        base = node.value.id if isinstance(node.value, ast.Name) else ""
        if (
            name == "__class__"
            and isinstance(parent, ast.Attribute)
            and parent.attr in ("__name__", "__qualname__")
        ):
            return
        if name == "system" and base in self.platform_names:
            return
        if name == "open" and called:
            # Path.open has the mode first; elsewhere the file is first.
            rules = [open_rule(parent, 0), open_rule(parent, 1)]
            rule, what = min(rules, key=lambda each: each[0] != "file-write")
            return self.at(rule, what, node)
        if name == "eval" and (not called or parent.args or parent.keywords):
            return self.at("dynamic-code", "eval", node)
        if name == "exec" and called:
            return self.at("dynamic-code", "exec", node)
        if name == "modules" and not called:
            return self.at("introspection", "modules", node)
        if base in self.module_names and is_private(name):
            return self.at("introspection", f"{base}.{name}", node)
        if base == "urllib" and name not in ("parse", "error"):
            return self.at("network", f"urllib.{name}", node)
        if base in ("yaml", "torch") and name in ("load", "load_all"):
            if not any("Safe" in ast.dump(each.value) for each in parent_keywords(parent)):
                return self.at("deserialize", f"{base}.{name}", node)
        plain = name.lstrip("_")
        if isinstance(node.ctx, ast.Load) and base not in ("self", "cls") and not called:
            # shutil.os, random._os: a module is reached through another one.
            rule = MODULES.get(name) or MODULES.get(plain)
            if rule in (
                "system-module",
                "process",
                "dynamic-code",
                "dynamic-import",
                "native",
            ) and (
                plain not in ("code", "profile", "site", "trace", "signal", "resource", "invoke")
            ):
                return self.at(rule, name, node)
        qualified = f"{self.module_names.get(base, base)}.{name}"
        if qualified in FUNCTIONS:
            return self.at(FUNCTIONS[qualified], qualified, node)
        self.attribute(name, node)

    def attribute(self, name, node):
        """The name of an attribute, however it is read."""
        if name in ATTRIBUTES:
            self.at(ATTRIBUTES[name], name, node)
        elif is_internal(name):
            self.at("introspection", name, node)

    def on_MatchClass(self, node, _):
        for name in node.kwd_attrs:
            self.attribute(name, node)

    def on_Constant(self, node, parent):
        if isinstance(node.value, str) and not isinstance(parent, ast.Expr):
            self.text(node.value, node)

    def text(self, text, node):
        """A string that only serves to reach internals by name."""
        if DUNDER.match(text) and text not in HARMLESS_DUNDERS:
            self.at("introspection", text, node)
        elif FORMAT_INTERNALS.search(text):
            self.at("introspection", "format string that reads private attributes", node)

    def on_BinOp(self, node, parent):
        if not isinstance(parent, ast.BinOp):
            text = folded(node)
            if text is not None:
                self.text(text, node)

    def on_Call(self, node, _):
        function = node.func
        name = getattr(function, "id", getattr(function, "attr", ""))
        position = NAME_GETTERS.get(name)
        if position is not None:
            names = (
                node.args[position:] if name == "attrgetter" else node.args[position : position + 1]
            )
            for argument in names:
                text = folded(argument)
                if text is None:
                    self.at("introspection", f"{name} with a computed name", node)
                    continue
                for part in text.split("."):
                    self.attribute(part, node)
                    if part in NAMES:
                        self.at(NAMES[part], part, node)
        for keyword in node.keywords:
            if keyword.arg == "allow_pickle" and getattr(keyword.value, "value", True):
                self.at("deserialize", "allow_pickle", node)
        if (
            name == "query"
            or name.startswith("read_")
            or name in ("genfromtxt", "loadtxt", "imread")
        ):
            for argument in node.args[:1] + [keyword.value for keyword in node.keywords]:
                text = folded(argument)
                if text and name == "query" and QUERY_CALL.search(text):
                    self.at("dynamic-code", "query that calls or looks into a variable", node)
                elif text and name != "query" and URL.match(text):
                    self.at("network", text, node)


def rebound_names(tree):
    """Names of builtins that the module itself binds for good, with the line after which they are
    not the builtins any more: `open, close = prices`."""
    bound = {}
    for statement in tree.body:
        names = []
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
                names += [part.id for part in parts if isinstance(part, ast.Name)]
        elif isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            names = [statement.name]
        for name in names:
            if name in NAMES and name not in bound and not name.startswith("_"):
                bound[name] = statement.end_lineno
    for node in ast.walk(tree) if bound else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
            bound.pop(node.id, None)
    return bound


def is_internal(name):
    return bool(DUNDER.match(name)) and name not in HARMLESS_DUNDERS


def is_private(name):
    return name.startswith("_") and not DUNDER.match(name) and name.strip("_") != ""


def parent_keywords(parent):
    return parent.keywords if isinstance(parent, ast.Call) else []


def folded(node):
    """The value of a string expression without variables; None when it is not one."""
    pieces, pending = [], [node]
    while pending:
        part = pending.pop()
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            pieces.append(part.value)
        elif isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add):
            pending += [part.right, part.left]
        elif isinstance(part, ast.JoinedStr):
            pending += reversed(part.values)
        elif isinstance(part, ast.FormattedValue) and part.format_spec is None:
            pending.append(part.value)
        else:
            return None
    return "".join(pieces)


def open_rule(call, position):
    """What a call of some open() does, when its mode is argument `position`."""
    mode = call.args[position] if len(call.args) > position else None
    for keyword in call.keywords:
        if keyword.arg == "mode":
            mode = keyword.value
    if mode is None:
        starred = any(isinstance(each, ast.Starred) for each in call.args)
        starred = starred or any(keyword.arg is None for keyword in call.keywords)
        return ("file-write", "open with a computed mode") if starred else ("file-read", "open")
    text = folded(mode)
    if text is None:
        return ("file-write", "open with a computed mode") if position else ("file-read", "open")
    writes = len(text) <= 4 and WRITING_MODE.search(text)
    return ("file-write", f"open in mode '{text}'") if writes else ("file-read", "open")


def limit_resources():
    try:
        import resource
    except ImportError:
        return
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES_MAX),
        (resource.RLIMIT_CPU, CPU_SECONDS_MAX),
    ):
        _, hard = resource.getrlimit(limit)
        if hard == resource.RLIM_INFINITY or hard > most:
            resource.setrlimit(limit, (most, hard))


def main():
    limit_resources()
    warnings.simplefilter("ignore")  # of the parser, about the code
    text = sys.stdin.buffer.read(REQUEST_BYTES_MAX + 1)
    try:
        if len(text) > REQUEST_BYTES_MAX:
            raise ValueError(f"request is longer than {REQUEST_BYTES_MAX} bytes")
        request = json.loads(text)
        policy = request.get("policy") or {}
        checker = Checker({"profile": policy} if isinstance(policy, str) else policy)
        checker.check(request["code"])
        answer = checker.answer()
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, MemoryError) as error:
        message = f"Line 1: cannot be checked: {type(error).__name__}: {error}"
        answer = {"valid": False, "safe": False, "errors": [message], "issues": []}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
