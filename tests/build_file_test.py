"""Does the BUILD file know every Python file, every test and every import?"""

import ast
import functools
import tomllib

from absl.testing import absltest, parameterized

from tests import import_graph
from tests.import_graph import ROOT

_MAIN = "tests/run_pytest.py"
# Imported only where a feature needs them: who uses it has the dependency.
_LAZY = {
    "without_tensorflow": {"keras", "pydicom", "tensorflow"},
    "command_entry": {"tensorflow"},
    "bagnet_tf": {"pyvips"},
}
# In no pip hub: what reads published .pth files asks for it itself, and so does
# what is guided by coverage.
_NOT_LOCKED = {"atheris", "torch"}


@functools.cache
def _targets():
    """Every rule of BUILD, which is Python syntax: its kind and attributes.

    A dependency with the comment `# keep: why` stays although nothing imports
    it, as in Gazelle.
    """
    text = (ROOT / "BUILD").read_text()
    lines = text.splitlines()
    targets = []
    for statement in ast.parse(text).body:
        call = getattr(statement, "value", None)
        if isinstance(call, ast.Call) and call.func.id.startswith("py_"):
            attributes = {
                keyword.arg: ast.literal_eval(keyword.value)
                for keyword in call.keywords
            }
            kept = {
                node.value
                for node in ast.walk(call)
                if isinstance(node, ast.Constant)
                and "# keep: " in lines[node.lineno - 1]
            }
            targets.append({"kind": call.func.id, "kept": kept} | attributes)
    return targets


def _of_kind(kind):
    return [target for target in _targets() if target["kind"] == kind]


@functools.cache
def _owners():
    """The libraries' files: the target each is in."""
    return {
        file: f":{target['name']}"
        for target in _of_kind("py_library")
        for file in target["srcs"]
    }


def _program(target):
    """The file that a py_binary runs, as a path from the root."""
    module = target.get("main_module")
    return target.get("main") or module.replace(".", "/") + ".py"


def _imports(target):
    """Labels that a target's files import, and those that they only name."""
    sources = target.get("srcs", ())
    needed, named = set(), set()
    for file in sources:
        own, third_party = import_graph.used_by(file)
        needed |= {_owners().get(f, f) for f in own if f not in sources}
        needed |= {f"@pypi//{name}" for name in third_party - _NOT_LOCKED}
        named |= import_graph.named_in(file)
    if target["kind"] == "py_binary" and not sources:
        needed.add(_owners()[_program(target)])
    return needed, {_owners().get(file, file) for file in named}


def _pip_hub():
    """The names that a pip hub of the lock file has."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    names = [line.partition("==")[0] for line in lines]
    return {name.lower().replace("-", "_").replace(".", "_") for name in names}


class BuildFileTest(parameterized.TestCase):
    def test_every_python_file_is_in_a_target(self):
        sources = {s for t in _targets() for s in t.get("srcs", ())}
        files = import_graph.python_files()
        self.assertEmpty(files - sources, "in no target of BUILD")
        self.assertEmpty(sources - files, "in BUILD, but not there")

    def test_every_file_of_the_library_is_in_one_target(self):
        sources = [s for t in _of_kind("py_library") for s in t["srcs"]]
        self.assertLen(sources, len(set(sources)))

    def test_every_test_file_has_a_test_of_its_name(self):
        files = {path.stem for path in (ROOT / "tests").glob("*_test.py")}
        names = [target["name"] for target in _of_kind("py_test")]
        self.assertCountEqual(names, files)

    def test_every_test_runs_pytest_on_its_file(self):
        for target in _of_kind("py_test"):
            with self.subTest(target["name"]):
                file = f"tests/{target['name']}.py"
                self.assertCountEqual(target["srcs"], [file, _MAIN])
                self.assertEqual(target["args"], [file])
                self.assertEqual(target["main"], _MAIN)

    def test_no_binary_is_named_like_a_folder(self):
        names = {target["name"] for target in _of_kind("py_binary")}
        self.assertEmpty({n for n in names if (ROOT / n).is_dir()})

    def test_benchmarks_import_what_is_installed(self):
        """A script has its own folder on the path, not the checkout's."""
        for file in import_graph.python_files():
            if file.startswith("benchmarks/"):
                modules = {
                    node.module.partition(".")[0]
                    for node in ast.walk(import_graph.tree_of(file))
                    if isinstance(node, ast.ImportFrom)
                }
                self.assertNoCommonElements(modules, {"train", "export"}, file)

    def test_every_program_has_a_binary(self):
        programs = {
            file
            for file in import_graph.python_files()
            if import_graph.runs_as_a_program(file)
        }
        binaries = {_program(target) for target in _of_kind("py_binary")}
        self.assertEmpty(binaries - programs)
        # Tests are programs too, and some run a helper of theirs.
        others = {f for f in programs if not f.startswith("tests/")}
        self.assertEmpty(others - binaries)

    def test_every_installed_command_has_a_binary(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        entries = project["project"]["scripts"].values()
        commands = {import_graph.file_of(e.split(":")[0]) for e in entries}
        binaries = {_program(target) for target in _of_kind("py_binary")}
        self.assertEmpty(commands - binaries)

    def test_dependencies_exist(self):
        known = {f":{target['name']}" for target in _targets()}
        known |= {f"@pypi//{name}" for name in _pip_hub()}
        for target in _targets():
            unknown = set(target.get("deps", ())) - known
            self.assertEmpty(unknown, target["name"])

    def test_what_is_imported_is_a_dependency(self):
        for target in _targets():
            with self.subTest(target["name"]):
                needed, _ = _imports(target)
                lazy = _LAZY.get(target["name"], ())
                needed -= {f"@pypi//{name}" for name in lazy}
                self.assertEmpty(needed - set(target.get("deps", ())))

    def test_what_is_a_dependency_is_imported(self):
        for target in _targets():
            with self.subTest(target["name"]):
                used = set.union(*_imports(target), target["kept"])
                self.assertEmpty(set(target.get("deps", ())) - used)


if __name__ == "__main__":
    absltest.main()
