"""Is `import bagnet_tf` quick, quiet and complete?"""

import ast
import importlib
import pathlib
import subprocess
import sys
import types

from absl.testing import absltest, parameterized

import bagnet_tf
from tests import import_graph

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_NAMES = tuple((name, name) for name in bagnet_tf.__all__)


def _python(code):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=_ROOT,
        capture_output=True,
        text=True,
    )


def _public_functions(node, name):
    """Functions that others call, with their full names."""
    for child in node.body:
        full_name = f"{name}.{getattr(child, 'name', '')}"
        if isinstance(child, ast.ClassDef):
            if not child.name.startswith("_"):
                yield from _public_functions(child, full_name)
        elif isinstance(child, ast.FunctionDef):
            if child.name in ("__init__", "__call__") or child.name[0] != "_":
                yield full_name, child


def _has_types(function):
    arguments = function.args
    named = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    named += filter(None, (arguments.vararg, arguments.kwarg))
    return (function.returns or function.name == "__init__") and all(
        argument.annotation or argument.arg in ("self", "cls")
        for argument in named
    )


class PackageTest(parameterized.TestCase):
    def test_import_is_quiet_and_needs_no_tensorflow(self):
        result = _python(
            "import sys; import bagnet_tf; bagnet_tf.__version__; "
            "bagnet_tf.BAGNET33; bagnet_tf.PatchGeometry; "
            "heavy = {'tensorflow', 'keras', 'matplotlib', 'numpy'}; "
            "sys.exit(str(sorted(heavy & sys.modules.keys())) "
            "if heavy & sys.modules.keys() else 0)"
        )
        self.assertEqual((result.stdout, result.stderr), ("", ""))
        self.assertEqual(result.returncode, 0)

    @parameterized.named_parameters(*_NAMES)
    def test_name_resolves(self, name):
        value = getattr(bagnet_tf, name)
        self.assertNotIsInstance(value, types.ModuleType)

    @parameterized.parameters(
        "bagnet_tf", "bagnet_tf.certification", "bagnet_tf.datasets"
    )
    def test_type_checkers_see_all_names(self, package):
        module = importlib.import_module(package)
        stub = pathlib.Path(module.__file__).with_suffix(".pyi")
        modules = {
            alias.asname: statement.module
            for statement in ast.parse(stub.read_text()).body
            if isinstance(statement, ast.ImportFrom)
            for alias in statement.names
        }
        self.assertCountEqual(modules, module.__all__)
        for name, defined_in in modules.items():
            found = getattr(importlib.import_module(defined_in), name)
            self.assertIs(getattr(module, name), found)

    @parameterized.parameters("bagnet_tf", "train", "export")
    def test_public_functions_have_types(self, folder):
        # The package is typed (py.typed); `Any` is a type, nothing is none.
        files = [
            file
            for file in import_graph.python_files()
            if file.startswith(f"{folder}/")
        ]
        self.assertNotEmpty(files)
        untyped = [
            name
            for file in sorted(files)
            for name, function in _public_functions(
                import_graph.tree_of(file), file
            )
            if not _has_types(function)
        ]
        self.assertEmpty(untyped)

    def test_dir_lists_all_names(self):
        self.assertContainsSubset(bagnet_tf.__all__, dir(bagnet_tf))

    def test_unknown_name(self):
        with self.assertRaisesRegex(AttributeError, "'BagNet8'"):
            _ = bagnet_tf.BagNet8


if __name__ == "__main__":
    absltest.main()
