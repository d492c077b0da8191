"""Makes the module of functions that an agent may call: its source, its stubs, its packages.

What autogen_core's FunctionWithRequirements, build_python_functions_file, to_stub and
format_functions_for_prompt (0.7.5) do with function objects, done with source text: nothing is
imported or run, so that annotations stand in stubs as they were written.

stdin   {"functions": [{"source": "def f(): ...", "python_packages": ["pandas>=2"],
                        "global_imports": ["os", {"name": "numpy", "alias": "np"},
                                           {"module": "math", "imports": ["pi", {...}]}]}],
         "module": "functions", "template": "... $module_name ... $functions"}
stdout  {"module": "functions", "names": [...], "module_source": "...", "stubs": "...",
         "prompt": "...", "packages": [...]}
     or {"errors": [{"type": "ValueError", "function": index or null, "message": "..."}]}
Whoever writes the module runs it once: failing imports show only then.
"""

import ast
import json
import keyword
import string
import sys
import textwrap
import warnings

REQUEST_BYTES_MAX = 16 << 20

PROMPT = """You have access to the following user defined functions. They can be accessed from the \
module called `$module_name` by their function names.

For example, if there was a function called `foo` you could import it by writing \
`from $module_name import foo`

$functions"""


def parse_function(source):
    """(source without its with_requirements decorator, the function's node)."""
    source = textwrap.dedent(source).strip("\n") + "\n"
    try:
        tree = ast.parse(source)
        compile(source, "<function>", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise ValueError(f"Could not compile function: {error.msg} (line {error.lineno})") from None
    except (RecursionError, MemoryError, ValueError) as error:
        raise ValueError(f"Could not compile function: {error or type(error).__name__}") from None
    found = [
        node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    if len(found) != 1:
        raise ValueError("The string must contain exactly one function")
    function = found[0]
    lines = source.split("\n")
    for decorator in reversed(function.decorator_list):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if getattr(called, "id", getattr(called, "attr", "")) == "with_requirements":
            # It belongs to whoever sends the function; the module does without it.
            del lines[decorator.lineno - 1 : decorator.end_lineno]
    return "\n".join(lines).rstrip("\n") + "\n", function, source


def expression_text(node, source):
    """An expression as source. `ast.unparse` came with Python 3.9."""
    if isinstance(node, ast.Constant) and node.value is not Ellipsis:
        return repr(node.value)
    if hasattr(ast, "unparse"):
        return ast.unparse(node)
    return " ".join((ast.get_source_segment(source, node) or "...").split())


def signature_text(function, source):
    """As str(inspect.signature(function)) writes it: `(a: int, b: str = 'x', *, c=1) -> int`."""
    arguments = function.args

    def one(argument, default=None, prefix=""):
        text = prefix + argument.arg
        if argument.annotation:
            text += ": " + expression_text(argument.annotation, source)
        if default is not None:
            text += (" = " if argument.annotation else "=") + expression_text(default, source)
        return text

    plain = arguments.posonlyargs + arguments.args
    defaults = [None] * (len(plain) - len(arguments.defaults)) + arguments.defaults
    parts = [one(argument, default) for argument, default in zip(plain, defaults)]
    if arguments.posonlyargs:
        parts.insert(len(arguments.posonlyargs), "/")
    if arguments.vararg:
        parts.append(one(arguments.vararg, prefix="*"))
    elif arguments.kwonlyargs:
        parts.append("*")
    parts += [
        one(argument, default)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults)
    ]
    if arguments.kwarg:
        parts.append(one(arguments.kwarg, prefix="**"))
    returns = f" -> {expression_text(function.returns, source)}" if function.returns else ""
    return f"({', '.join(parts)}){returns}"


def to_stub(function, source):
    """Signature and docstring, and `...` for the body."""
    kind = "async def" if isinstance(function, ast.AsyncFunctionDef) else "def"
    stub = f"{kind} {function.name}{signature_text(function, source)}:\n"
    doc = ast.get_docstring(function, clean=False)
    if doc:
        doc = textwrap.dedent(doc).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
        stub += textwrap.indent(f'"""{doc}"""', "    ") + "\n"
    return stub + "    ..."


def dotted_name(name):
    if not isinstance(name, str) or not all(is_name(part) for part in name.split(".")):
        raise ValueError(f"Import is not a dotted name: {name!r}")
    return name


def is_name(text):
    return isinstance(text, str) and text.isidentifier() and not keyword.iskeyword(text)


def import_text(wanted):
    """One line for a global import: a name, a name with an alias, or names from a module."""

    def named(each):
        if isinstance(each, dict):
            if not is_name(each.get("alias")):
                raise ValueError(f"Import alias is not a name: {each.get('alias')!r}")
            return f"{dotted_name(each.get('name'))} as {each['alias']}"
        return dotted_name(each)

    if isinstance(wanted, dict) and "module" in wanted:
        names = wanted.get("imports") or []
        if not names:
            raise ValueError(f"Nothing to import from {wanted['module']!r}")
        return f"from {dotted_name(wanted['module'])} import {', '.join(map(named, names))}"
    return f"import {named(wanted)}"


def check_package(requirement):
    if (
        not isinstance(requirement, str)
        or not requirement.strip()
        or requirement.lstrip()[0] == "-"
    ):
        # pip would read it as an option.
        raise ValueError(f"Package is not a requirement: {requirement!r}")
    return requirement.strip()


def build(request):
    module = request.get("module", "functions")
    if not is_name(module):
        return refusal("Module name must be a valid Python identifier")
    imports, packages, sources, stubs, names = [], [], [], [], []
    errors = []
    for index, wanted in enumerate(request.get("functions") or []):
        try:
            code, function, source = parse_function(wanted["source"])
            if function.name in names:
                raise ValueError(f"Function '{function.name}' is defined twice")
            names.append(function.name)
            sources.append(code)
            stubs.append(to_stub(function, source))
            imports += [import_text(each) for each in wanted.get("global_imports") or []]
            packages += [check_package(each) for each in wanted.get("python_packages") or []]
        except ValueError as error:
            errors.append({"type": "ValueError", "function": index, "message": str(error)})
        except (AttributeError, KeyError, TypeError):
            message = "A function needs 'source', and lists of packages and imports"
            errors.append({"type": "ValueError", "function": index, "message": message})
    if errors:
        return {"errors": errors}
    # In the order of their first mention, so that the same functions make the same file.
    content = "\n".join(dict.fromkeys(imports)) + "\n\n"
    content += "".join(code + "\n\n" for code in sources)
    stubs_text = "\n\n".join(stubs)
    try:
        prompt = string.Template(request.get("template") or PROMPT).substitute(
            module_name=module, functions=stubs_text
        )
    except KeyError as error:
        return refusal(f"Prompt template has an unknown name: ${error.args[0]}")
    except ValueError as error:
        return refusal(f"Prompt template: {error}")
    return {
        "module": module,
        "names": names,
        "module_source": content,
        "stubs": stubs_text,
        "prompt": prompt,
        "packages": list(dict.fromkeys(packages)),
    }


def refusal(message):
    return {"errors": [{"type": "ValueError", "function": None, "message": message}]}


def main():
    warnings.simplefilter("ignore")  # of the parser, about the functions
    text = sys.stdin.buffer.read(REQUEST_BYTES_MAX + 1)
    try:
        if len(text) > REQUEST_BYTES_MAX:
            raise ValueError(f"longer than {REQUEST_BYTES_MAX} bytes")
        answer = build(json.loads(text))
    except (AttributeError, TypeError, ValueError, RecursionError, MemoryError) as error:
        answer = refusal(f"Request cannot be read: {type(error).__name__}: {error}")
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
