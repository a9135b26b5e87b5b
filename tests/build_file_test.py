"""Does the BUILD file know every Python file and every test?"""

import ast
import functools
import pathlib

from absl.testing import absltest, parameterized

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_FOLDERS = ("bagnet_tf", "train", "export", "tests", "benchmarks")
_MAIN = "tests/run_pytest.py"


@functools.cache
def _targets():
    """Every rule of BUILD, which is Python syntax: its kind and attributes."""
    targets = []
    for statement in ast.parse((_ROOT / "BUILD").read_text()).body:
        call = getattr(statement, "value", None)
        if isinstance(call, ast.Call) and call.func.id.startswith("py_"):
            attributes = {
                keyword.arg: ast.literal_eval(keyword.value)
                for keyword in call.keywords
            }
            targets.append({"kind": call.func.id} | attributes)
    return targets


def _of_kind(kind):
    return [target for target in _targets() if target["kind"] == kind]


def _python_files():
    return {
        path.relative_to(_ROOT).as_posix()
        for folder in _FOLDERS
        for path in (_ROOT / folder).rglob("*.py")
    }


def _requirements():
    """Names of our requirements, and of what tests need, in a pip hub."""
    lines = (_ROOT / "requirements.txt").read_text().splitlines()
    names = [line.partition("#")[0].strip() for line in lines]
    bare = [n.split(">")[0].split("=")[0].split("<")[0] for n in names if n]
    return {name.lower().replace("-", "_") for name in bare} | {
        "grpcio",
        "hypothesis",
        "onnx",
        "onnxruntime",
        "protobuf",
        "pydicom",
        "pytest",
        "pyvips",
        "pyyaml",
        "tensorflow_hub",
        "tensorflow_serving_api",
        "tf2onnx",
        "tf_keras",
    }


class BuildFileTest(parameterized.TestCase):
    def test_every_python_file_is_in_a_target(self):
        sources = {s for t in _targets() for s in t.get("srcs", ())}
        self.assertEmpty(_python_files() - sources, "in no target of BUILD")
        self.assertEmpty(sources - _python_files(), "in BUILD, but not there")

    def test_every_file_of_the_library_is_in_one_target(self):
        sources = [s for t in _of_kind("py_library") for s in t["srcs"]]
        self.assertLen(sources, len(set(sources)))

    def test_every_test_file_has_a_test_of_its_name(self):
        files = {path.stem for path in (_ROOT / "tests").glob("*_test.py")}
        names = [target["name"] for target in _of_kind("py_test")]
        self.assertCountEqual(names, files)

    def test_every_test_runs_pytest_on_its_file(self):
        for target in _of_kind("py_test"):
            with self.subTest(target["name"]):
                file = f"tests/{target['name']}.py"
                self.assertCountEqual(target["srcs"], [file, _MAIN])
                self.assertEqual(target["args"], [file])
                self.assertEqual(target["main"], _MAIN)
                self.assertIn("@pypi//pytest", target["deps"])

    def test_no_binary_is_named_like_a_folder(self):
        names = {target["name"] for target in _of_kind("py_binary")}
        self.assertEmpty({n for n in names if (_ROOT / n).is_dir()})

    def test_every_binarys_module_exists(self):
        for target in _of_kind("py_binary"):
            module = target.get("main_module")
            main = target.get("main") or module.replace(".", "/") + ".py"
            self.assertIn(main, _python_files())

    def test_dependencies_exist(self):
        known = {f":{target['name']}" for target in _targets()}
        known |= {f"@pypi//{name}" for name in _requirements()}
        for target in _targets():
            unknown = set(target.get("deps", ())) - known
            self.assertEmpty(unknown, target["name"])


if __name__ == "__main__":
    absltest.main()
