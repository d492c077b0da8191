"""Says whether a text is Python, and which of its parts a policy does not like. Runs none of it.

This is a guard rail, not a boundary: it stops mistakes and lazy tricks, not a determined author.
What must not happen has to be made impossible around the kernel (user, container, network).

stdin   {"code": "...", "policy": {"profile": "strict", "rules": {"file-read": "allow"},
                                   "network": "warn", "max_chars": 1000000}}
stdout  {"valid": no syntax errors, "safe": valid and nothing denied, "errors": ["Line N: msg"],
         "issues": [{"severity": "deny|warn", "rule": "...", "line": N, "column": N,
                     "message": "..."}]}
No answer (a crash, a limit) is to be read as neither valid nor safe. Columns count from 0.
"""

import ast
import json
import re
import sys
import warnings

REQUEST_BYTES_MAX = 16 << 20
CODE_CHARS_MAX = 1_000_000
ISSUES_MAX = 200
MEMORY_BYTES_MAX = 2 << 30
CPU_SECONDS_MAX = 20

# A profile gives each rule its severity; "rules" and "network" of a policy override it.
RULES = {
    # rule: (strict, standard)
    "process": ("deny", "deny"),  # starting other programs
    "shell": ("deny", "warn"),  # !cmd, %%bash
    "destructive": ("deny", "deny"),  # shell text that wipes things out
    "package-install": ("warn", "allow"),
    "magic": ("deny", "warn"),  # IPython commands that are not known to be harmless
    "system-module": ("deny", "allow"),  # os, sys and their like
    "dynamic-code": ("deny", "deny"),  # text becomes code
    "dynamic-import": ("deny", "deny"),
    "introspection": ("deny", "warn"),  # ways around the other rules
    "deserialize": ("deny", "warn"),  # data that runs code when loaded
    "native": ("deny", "deny"),  # past Python altogether
    "network": ("deny", "warn"),
    "file-read": ("deny", "allow"),
    "file-write": ("deny", "warn"),
    "data-file": ("warn", "allow"),  # savefig, to_csv, zipfile
    "parallel": ("warn", "allow"),
}
PROFILES = ("strict", "standard")

WHY = {
    "process": "Starting processes is not allowed",
    "shell": "Shell commands are not allowed",
    "destructive": "Destructive shell command",
    "package-install": "Package installation",
    "magic": "IPython command not allowed",
    "system-module": "System module not allowed",
    "dynamic-code": "Running text as code is not allowed",
    "dynamic-import": "Dynamic imports are not allowed",
    "introspection": "Access to the interpreter's internals is not allowed",
    "deserialize": "Loading data that may run code is not allowed",
    "native": "Native code is not allowed",
    "network": "Network access not allowed",
    "file-read": "Opening files is not allowed",
    "file-write": "Changing files is not allowed",
    "data-file": "Data file",
    "parallel": "Parallel processes",
}


def _table(**names):
    return {name: rule.replace("_", "-") for rule, text in names.items() for name in text.split()}


MODULES = _table(
    system_module="os sys posix nt signal resource fcntl termios tty pwd grp psutil syslog",
    process="""
        subprocess pty pexpect sh plumbum invoke commands pydoc _posixsubprocess tkinter turtle
        jupyter_client nbclient nbconvert ipykernel papermill
    """,
    dynamic_code="""
        builtins code codeop runpy bdb pdb cProfile profile trace timeit doctest rlcompleter lib2to3
        distutils setuptools numexpr numpy.distutils
    """,
    dynamic_import="""
        importlib imp pkgutil zipimport site pip ensurepip venv sysconfig modulefinder pkg_resources
        logging.config
    """,
    introspection="inspect __main__ opcode dis tracemalloc faulthandler mock unittest.mock",
    deserialize="pickle cPickle marshal shelve dill cloudpickle joblib jsonpickle copyreg dbm",
    native="ctypes cffi mmap pyximport cython numpy.ctypeslib numpy.f2py",
    network="""
        requests urllib http socket urllib2 urllib3 httplib httpx aiohttp ftplib smtplib telnetlib
        poplib imaplib nntplib xmlrpc socketserver websocket websockets ssl webbrowser wsgiref
        pycurl httplib2 grpc boto3 botocore paramiko fabric twisted tornado scapy zmq select
        selectors antigravity nats redis pymongo requests_html requests_toolbelt selenium playwright
        wget feedparser openai anthropic huggingface_hub
    """,
    file_write="shutil tempfile fileinput readline",
    file_read="linecache",
    data_file="zipfile tarfile sqlite3",
    parallel="multiprocessing",
)
# What is harmless inside a module of the table.
HARMLESS_PARTS = {
    "os.path",
    "urllib.parse",
    "http.HTTPStatus",
    "importlib.metadata",
    "importlib.resources",
    "urllib.error",
    "sys.version",
    "sys.version_info",
    "sys.maxsize",
    "sys.exit",
    "sys.platform",
}

# Loaded as a plain name, called or not: `e = eval` and `map(eval, ...)` are no better.
NAMES = _table(
    dynamic_code="eval exec compile execfile",
    dynamic_import="__import__",
    introspection="__builtins__ __loader__ __spec__ globals locals vars breakpoint",
    file_read="open file",
    magic="get_ipython",
)

# Read from any object, and imported from any module.
ATTRIBUTES = _table(
    process="""
        system popen Popen popen2 popen3 popen4 spawnl spawnle spawnlp spawnlpe spawnv spawnve
        spawnvp spawnvpe execl execle execlp execlpe execv execve execvp execvpe fork forkpty
        fork_exec posix_spawn posix_spawnp startfile check_output check_call getoutput
        getstatusoutput create_subprocess_exec create_subprocess_shell subprocess_exec
        subprocess_shell spawnv_passfds pipepager ProcessPoolExecutor
    """,
    dynamic_code="""
        parse_expr sympify lambdify get_type_hints ForwardRef evaluate_forward_ref runsource runcode
        run_path run_module execfile exec_module
    """,
    dynamic_import="""
        import_module load_module load_source load_dynamic find_loader find_spec meta_path
        path_hooks dictConfig fileConfig
    """,
    introspection="""
        gi_frame gi_code cr_frame cr_code ag_frame ag_code f_globals f_locals f_builtins f_back
        f_code tb_frame tb_next func_globals func_code co_code co_consts _getframe _current_frames
        mro get_objects get_referrers get_referents settrace setprofile currentframe user_ns
        user_global_ns CodeType get_field vformat
    """,
    deserialize="read_pickle unsafe_load full_load Unpickler",
    native="ctypeslib f2py load_extension enable_load_extension CDLL LoadLibrary pythonapi",
    network="urlopen urlretrieve open_connection create_connection start_server create_server",
    file_write="""
        write_text write_bytes unlink rmdir rmtree symlink_to hardlink_to touch chmod lchmod chown
        truncate FileIO memmap FileHandler RotatingFileHandler WatchedFileHandler NamedTemporaryFile
        mkstemp mkdtemp copyfile copytree makedirs removedirs
    """,
    file_read="read_text read_bytes open_code fdopen",
    data_file="""
        to_csv to_excel to_parquet to_feather to_hdf to_sql to_pickle savefig savetxt savez tofile
    """,
    magic="run_line_magic run_cell_magic run_cell ev ex",
)

# Of one module only: lists are removed from, and texts replaced in, too.
FUNCTIONS = _table(
    file_write="os.remove os.rename os.renames os.replace os.link os.symlink os.mkdir shutil.move",
)

# The double-underscore names that ordinary classes and scripts use. All others are internals.
HARMLESS_DUNDERS = set("""
__init__ __new__ __del__ __repr__ __str__ __bytes__ __format__ __lt__ __le__ __eq__ __ne__ __gt__
__ge__ __hash__ __bool__ __len__ __length_hint__ __getitem__ __setitem__ __delitem__ __missing__
__iter__ __next__ __reversed__ __contains__ __add__ __sub__ __mul__ __matmul__ __truediv__
__floordiv__ __mod__ __divmod__ __pow__ __lshift__ __rshift__ __and__ __xor__ __or__ __neg__ __pos__
__abs__ __invert__ __int__ __float__ __complex__ __index__ __round__ __trunc__ __floor__ __ceil__
__enter__ __exit__ __aenter__ __aexit__ __await__ __aiter__ __anext__ __call__ __name__ __qualname__
__doc__ __version__ __all__ __main__ __post_init__ __slots__ __traceback__ __cause__ __context__
__set_name__ __get__ __set__ __delete__ __annotations__ __author__ __future__ __file__ __members__
""".split())
DUNDER = re.compile(r"__\w+__\Z")
# "{0.__class__}".format(x), "{0[__globals__]}"
FORMAT_INTERNALS = re.compile(r"\{[^{}]*[.\[]_\w*")
# Functions whose second (or first) argument is the name of an attribute.
NAME_GETTERS = {"getattr": 1, "setattr": 1, "delattr": 1, "attrgetter": 0, "methodcaller": 0}
WRITING_MODE = re.compile(r"[wax+]")
# df.query("@pd.io.common.os.system(...)")
QUERY_CALL = re.compile(r"@\w+\s*[.(]")
URL = re.compile(r"(?i)\s*(https?|ftps?|s3|gs|wss?)://")
COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")

# AG2's list for shells.
DESTRUCTIVE = re.compile(
    r"\brm\s+-\w*[rf]\w*|\bmv\b.*?\s+/dev/null|\bdd\b|>\s*/dev/sd[a-z][1-9]?|"
    r":\(\)\{\s*:\|:\&\s*\};:|\bmkfs\b"
)

MAGICS = _table(
    shell="""
        ! !! sx system bash sh script ksh zsh cmd perl ruby alias rehashx cat cp ls ll lf lk ldir lx
        mv rm rmdir mkdir ln man less more env set_env bg python python2 python3 pypy
    """,
    package_install="pip conda mamba uv",
    dynamic_code="run load loadpy macro rerun recall rep ed edit pdb debug",
    dynamic_import="load_ext reload_ext pylab",
    magic="config autocall automagic",
    file_write="writefile file save store logstart notebook cd pushd popd",
)
HARMLESS_MAGICS = set("""matplotlib who who_ls whos precision pwd pinfo pinfo2 pdoc psource pfile
quickref lsmagic magic xmode colors reset reset_selective xdel pprint page tb autoreload history
hist html HTML latex markdown svg SVG unload_ext pycat psearch dhist dirs""".split())
PYTHON_MAGICS = {"time", "timeit", "prun", "capture", "memit", "mprun", "lprun"}
# At the start of a line of its own these need no %; the ones a bare word can do harm with.
AUTOMAGIC = set("rm mv cp rmdir ln sx system run pip conda cat alias store".split())
ASSIGNED_MAGIC = re.compile(r"(\s*[A-Za-z_][\w.,\[\]'\" ]*=\s*)([!%])(.*)", re.S)
HELP = re.compile(r"\s*\?{0,2}%{0,2}[\w.*]+\?{0,2}\s*\Z")
QUIET_SHELL = re.compile(r"[\w\s.,=<>!\[\]~+@/:-]*\Z")
