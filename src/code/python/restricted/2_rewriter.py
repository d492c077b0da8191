"""The rewriting: what is not in the small language is refused, the rest is given its guards."""

# Statements and expressions that need no rule of their own.
PLAIN_NODES = set("""
Module Expression Expr Pass Break Continue Return If While Assert Raise Try Load Store Del
Delete BoolOp And Or BinOp Add Sub Mult Div FloorDiv Mod Pow LShift RShift BitOr BitXor BitAnd
MatMult UnaryOp Invert Not UAdd USub Lambda IfExp Dict Set List Tuple ListComp SetComp DictComp
GeneratorExp comprehension Compare Eq NotEq Lt LtE Gt GtE Is IsNot In NotIn Call FormattedValue
JoinedStr Constant Attribute Subscript Starred Name Slice Index ExtSlice FunctionDef arguments
arg keyword For Assign AugAssign AnnAssign NamedExpr ExceptHandler
""".split())
WORDS = {
    "Import": "Import",
    "ImportFrom": "Import",
    "ClassDef": "Class",
    "With": "With",
    "AsyncFor": "Async for",
    "AsyncWith": "Async with",
    "AsyncFunctionDef": "Async def",
    "Await": "Await",
    "Yield": "Yield",
    "YieldFrom": "Yield",
    "Global": "Global",
    "Nonlocal": "Nonlocal",
    "Match": "Match",
    "TryStar": "Except*",
}
REFUSED_CALLS = (
    "eval",
    "exec",
    "compile",
    "open",
    "globals",
    "locals",
    "vars",
    "getattr",
    "setattr",
    "delattr",
    "breakpoint",
    "input",
    "type",
)
BINARY = {"Pow": "pow", "LShift": "lshift"}
IN_PLACE = {
    "Add": "iadd",
    "Sub": "isub",
    "Mult": "imul",
    "Div": "itruediv",
    "FloorDiv": "ifloordiv",
    "Mod": "imod",
    "Pow": "ipow",
    "LShift": "ilshift",
    "RShift": "irshift",
    "BitOr": "ior",
    "BitXor": "ixor",
    "BitAnd": "iand",
    "MatMult": "imatmul",
}


def shape_of(target):
    """The shape for guarded_unpack, as an expression; None for a plain target."""
    if not isinstance(target, (ast.Tuple, ast.List)):
        return None
    parts = []
    for each in target.elts:
        starred = isinstance(each, ast.Starred)
        nested = None if starred else shape_of(each)
        parts.append(nested or ast.Constant("*" if starred else None))
    return ast.Tuple(parts, ast.Load())


class Rewriter(ast.NodeTransformer):
    """Collects what is not allowed, and puts guards around the rest."""

    def __init__(self):
        self.errors = []

    def refuse(self, node, message):
        text = f"Line {getattr(node, 'lineno', 1)}: {message}"
        if text not in self.errors:
            self.errors.append(text)

    def guard(self, name, node, *arguments):
        call = ast.Call(ast.Name(name, ast.Load()), list(arguments), [])
        return ast.copy_location(call, node)

    def name(self, node, name):
        if name is not None and name.startswith("_") and name != "_":
            self.refuse(node, f'"{name}" is an invalid variable name because it starts with "_"')

    def visit(self, node):
        kind_name = type(node).__name__
        if kind_name not in PLAIN_NODES:
            self.refuse(node, f"{WORDS.get(kind_name, kind_name)} statements are not allowed.")
            return node
        return super().visit(node)

    def visit_Name(self, node):
        self.name(node, node.id)
        return node

    def visit_arg(self, node):
        self.name(node, node.arg)
        return self.generic_visit(node)

    def visit_keyword(self, node):
        self.name(node.value, node.arg)
        node = self.generic_visit(node)
        if node.arg is None:
            node.value = self.guard("_getmap_", node.value, node.value)
        return node

    def visit_ExceptHandler(self, node):
        self.name(node, node.name)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self.name(node, node.name)
        return self.generic_visit(node)

    def visit_Attribute(self, node):
        if node.attr.startswith("_"):
            self.refuse(
                node, f'"{node.attr}" is an invalid attribute name because it starts with "_".'
            )
        if not isinstance(node.ctx, ast.Load):
            self.refuse(node, "Attributes cannot be changed.")
        node = self.generic_visit(node)
        return self.guard("_getattr_", node, node.value, ast.Constant(node.attr))

    def visit_Subscript(self, node):
        node = self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            node.value = self.guard("_write_", node.value, node.value)
            return node
        return self.guard("_getitem_", node, node.value, self.index(node))

    def index(self, node):
        """The index of a subscript as an expression that can be an argument."""
        index = node.slice
        if isinstance(index, ast.Slice):
            parts = [part or ast.Constant(None) for part in (index.lower, index.upper, index.step)]
            return self.guard("_slice_", node, *parts)
        if not isinstance(index, ast.expr):  # Python 3.8 wraps it
            index = getattr(index, "value", ast.Constant(None))
        return index

    def visit_Starred(self, node):
        node = self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = self.guard("_getiter_", node.value, node.value)
        return node

    def visit_Dict(self, node):
        node = self.generic_visit(node)
        node.values = [
            value if key is not None else self.guard("_getmap_", value, value)
            for key, value in zip(node.keys, node.values)
        ]
        return node

    def visit_Call(self, node):
        if isinstance(node.func, ast.Name) and node.func.id in REFUSED_CALLS:
            self.refuse(node, f"{node.func.id.capitalize()} calls are not allowed.")
        return self.generic_visit(node)

    def visit_BinOp(self, node):
        node = self.generic_visit(node)
        name = BINARY.get(type(node.op).__name__)
        return (
            self.guard("_binary_", node, ast.Constant(name), node.left, node.right)
            if name
            else node
        )

    def visit_Assign(self, node):
        node = self.generic_visit(node)
        shapes = [shape_of(target) for target in node.targets]
        if any(shapes):
            if len(shapes) > 1:
                self.refuse(node, "Several targets with unpacking are not allowed.")
            node.value = self.guard("_unpack_", node.value, node.value, shapes[0])
        return node

    def visit_AnnAssign(self, node):
        node.annotation = ast.copy_location(ast.Constant(None), node.annotation)
        return self.generic_visit(node)

    def visit_AugAssign(self, node):
        name = ast.Constant(IN_PLACE[type(node.op).__name__])
        operand = self.visit(node.value)
        if isinstance(node.target, ast.Subscript):
            target = self.generic_visit(node.target)
            call = self.guard(
                "_inplaceitem_", node, name, target.value, self.index(target), operand
            )
            return ast.copy_location(ast.Expr(call), node)
        target = self.visit(node.target)
        left = ast.Name(getattr(target, "id", "x"), ast.Load())  # an attribute is refused already
        value = self.guard("_binary_", node, name, left, operand)
        return ast.copy_location(ast.Assign([target], value), node)

    def iteration(self, node):
        node = self.generic_visit(node)
        shape = shape_of(node.target)
        name, more = ("_iterunpack_", [shape]) if shape else ("_getiter_", [])
        node.iter = self.guard(name, node.iter, node.iter, *more)
        return node

    visit_For = visit_comprehension = iteration


def rewrite(text, mode):
    """(code object, None, []) or (None, what kind of error, reasons)."""
    if len(text) > CODE_CHARS_MAX:
        return None, "SyntaxError", [f"Line 1: Code too long (max {CODE_CHARS_MAX} chars)"]
    rewriter = Rewriter()
    try:
        tree = ast.parse(text, "<restricted>", mode)
        tree = rewriter.visit(tree)
        if rewriter.errors:
            return None, "SecurityError", rewriter.errors
        tree = ast.fix_missing_locations(tree)
        return compile(tree, "<restricted>", mode, dont_inherit=True), None, []
    except SyntaxError as error:
        return None, "SyntaxError", [f"Line {error.lineno or 1}: {error.msg}"]
    except (RecursionError, MemoryError):
        return None, "SyntaxError", ["Line 1: Code is nested too deeply"]
    except ValueError as error:
        return None, "SyntaxError", [f"Line 1: {error}"]
