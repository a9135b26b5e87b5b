"""Which files and packages does a Python file of this project import?

Read from the syntax, nothing is imported. Imports inside functions count, those
for type checkers do not.
"""

import ast
import functools
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
_FOLDERS = ("bagnet_tf", "train", "export", "tests", "benchmarks")
# The installed package has these two under other names.
_INSTALLED = {"bagnet_tf.train": "train", "bagnet_tf.export": "export"}
# Packages of pip that are not named like what they are imported as.
_PIP_NAME_OF = {
    "PIL": "pillow",
    "absl": "absl_py",
    "google": "protobuf",
    "grpc": "grpcio",
    "tensorflow_serving": "tensorflow_serving_api",
    "yaml": "pyyaml",
}


def python_files() -> set[str]:
    """Every Python file of the project, as a path from its root."""
    return {
        path.relative_to(ROOT).as_posix()
        for folder in _FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if "node_modules" not in path.parts
    }


@functools.cache
def tree_of(file: str) -> ast.Module:
    """The syntax of a file."""
    return ast.parse((ROOT / file).read_text())


def runs_as_a_program(file: str) -> bool:
    """Whether a file asks `__name__ == "__main__"`."""
    tests = [node.test for node in tree_of(file).body if hasattr(node, "test")]
    return any("__main__" in ast.unparse(test) for test in tests)


@functools.cache
def used_by(file: str) -> tuple[frozenset[str], frozenset[str]]:
    """What a file imports.

    Args:
      file: A Python file, as a path from the root.

    Returns:
      The project's own files, and the names of packages in a pip hub.
    """
    own, third_party = set(), set()
    for name in _imported_names(file):
        found = file_of(name, file)
        top = name.partition(".")[0]
        if found:
            own.add(found)
        elif top not in sys.stdlib_module_names and top not in _FOLDERS:
            third_party.add(_PIP_NAME_OF.get(top, top))
    return frozenset(own), frozenset(third_party)


@functools.cache
def named_in(file: str) -> frozenset[str]:
    """The own files whose module a string names, as `python -m` needs it."""
    texts = {
        node.value
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return frozenset({_as_module(_in_tree(text)) for text in texts} - {None})


@functools.cache
def file_of(name: str, importer: str = "") -> str | None:
    """The own file that an imported name is in, as a path from the root.

    Args:
      name: A module's full name, or that of something in it.
      importer: The file that imports it; a benchmark finds its neighbours.

    Returns:
      The file; for what a package imports on first use, the file behind it.
      None if it is none of ours.
    """
    name = _in_tree(name)
    neighbour = f"benchmarks.{name.partition('.')[0]}"
    if importer.startswith("benchmarks/") and _as_module(neighbour):
        return _as_module(neighbour)
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        found = _as_module(".".join(parts[:length]))
        if found:
            lazy = _lazy_modules(found) if length < len(parts) else {}
            if parts[-1] in lazy and length == len(parts) - 1:
                module = ".".join([*parts[:length], lazy[parts[-1]]])
                return file_of(f"{module}.{parts[-1]}")
            return found
    return None


def _in_tree(name):
    for installed, folder in _INSTALLED.items():
        if name == installed or name.startswith(installed + "."):
            return folder + name.removeprefix(installed)
    return name


@functools.cache
def _as_module(name):
    path = name.replace(".", "/")
    for file in (f"{path}.py", f"{path}/__init__.py"):
        if file.split("/")[0] in _FOLDERS and (ROOT / file).is_file():
            return file
    return None


@functools.cache
def _lazy_modules(file):
    """A package's table of names that it imports on first use (PEP 562)."""
    for node in tree_of(file).body:
        if isinstance(node, ast.Assign):
            if ast.unparse(node.targets[0]) == "_MODULE_OF":
                return ast.literal_eval(node.value)
    return {}


def _imported_names(file):
    nodes = list(_at_run_time(tree_of(file)))
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = file.split("/")[: -node.level] if node.level else []
            start = ".".join([*start, node.module] if node.module else start)
            names |= {f"{start}.{alias.name}" for alias in node.names}
    # `bagnet_tf.certify` needs what it is in; `import bagnet_tf` does not.
    attributes = {
        ast.unparse(node)
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in names & {"bagnet_tf"}
    }
    return names - {"bagnet_tf"} | attributes if attributes else names


def _at_run_time(node):
    """All nodes but what is inside `if TYPE_CHECKING`."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    for child in ast.iter_child_nodes(node):
        yield from _at_run_time(child)
