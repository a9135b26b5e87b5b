"""Do all commands speak with one voice: help, flags, mistakes, --json?"""

import functools
import importlib
import os
import pathlib
import re
import subprocess
import tempfile
import tomllib

from absl import flags
from absl.testing import absltest, parameterized

from tests.forked_python import forked_python

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_SCRIPTS = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"][
    "scripts"
]
# By the name of the installed command, the module in a checkout.
_MODULES = {
    name.removeprefix("bagnet-"): re.sub(
        r"^bagnet_tf\.(train|export)\.", r"\1.", entry.removesuffix(":run")
    )
    for name, entry in _SCRIPTS.items()
}
_SHARED = "bagnet_tf.commands.shared_flags"

# What makes a command line whole; no file of these exists.
_WHOLE = {
    "train": ("--config=glyphs", "--workdir=run"),
    "evaluate": ("--model=no.keras", "--dataset=glyphs"),
    "explain": ("--model=imagenette", "--image=no.jpg", "--output=out"),
    "analyze": (
        *("logit-histogram", "--model=no.keras", "--dataset=glyphs"),
        "--output=out",
    ),
    "certify": ("--model=no.keras", "--dataset=glyphs", "--patch_size=4"),
    "convert": (
        *("--weights=no.pth", "--architecture=bagnet9"),
        "--output=new.weights.h5",
    ),
    "export": ("--model=no.keras", "--output=out"),
    "verify-export": ("--model=imagenette", "--export=no"),
    "client": ("--url=http://localhost:1", "--image=no.jpg", "--output=out"),
    "explain-litert": (
        *("--model=no.tflite", "--image=no.jpg", "--output=out.png"),
    ),
}
_MISSING_FILE = _WHOLE | {"train": ("--config=no.py", "--workdir=run")}
_WRONG_DATASET = {
    "train": (*_WHOLE["train"], "--config.dataset=no_such_dataset"),
    "evaluate": ("--model=imagenette", "--dataset=no_such_dataset"),
    "analyze": (
        *("logit-histogram", "--model=imagenette", "--output=out"),
        "--dataset=no_such_dataset",
    ),
    "certify": (
        *("--model=imagenette", "--patch_size=4"),
        "--dataset=no_such_dataset",
    ),
    "export": (
        *("--model=imagenette", "--output=out"),
        "--verification_dataset=no_such_dataset",
    ),
}

_IMAGE = {
    "explain": ("--model=imagenette", "--output=out"),
    "client": ("--url=http://localhost:1", "--output=out"),
    "explain-litert": ("--model=no.tflite", "--output=out.png"),
}
# Mistakes that several commands know, and what all say of them.
_SAME_WORDS = {
    "empty_image": (
        {name: (*rest, "--image=") for name, rest in _IMAGE.items()},
        "--image must be given; --help says how. Received: none",
    ),
    "wrong_size": (
        {
            name: (*_WHOLE[name], "--image_size=0")
            for name in ("evaluate", "explain", "certify", "export")
        },
        "image_size must be a positive integer. Received: image_size='0'",
    ),
    "too_few_images": (
        {
            name: (*_WHOLE[name], "--num_verification_images=0")
            for name in ("export", "verify-export")
        },
        "num_verification_images must be a positive integer. "
        "Received: num_verification_images='0'",
    ),
    "missing_folder": (
        {
            "evaluate": (*_WHOLE["evaluate"], "--output=no/a.json"),
            "certify": (*_WHOLE["certify"], "--output=no/a.json"),
            "convert": (*_WHOLE["convert"], "--output=no/a.weights.h5"),
        },
        "output must be a file in an existing folder. Received: output='no/a",
    ),
    "wrong_choice": (
        {
            name: (*_WHOLE[name], "--strategy=x")
            for name in ("train", "evaluate")
        },
        "strategy must be one of auto, one_device, mirrored, multi_worker, "
        "tpu. Received: strategy='x'",
    ),
    "no_key": (
        {"train": (*_WHOLE["train"], "--config.epoch=1")},
        "config must be changed at one of its own keys "
        "(close: --config.epochs). Received: --config.epoch",
    ),
    "wrong_seed": (
        {"analyze": (*_WHOLE["analyze"], "--seed=-1")},
        "seed must be an integer in the range [0, 4294967295]. "
        "Received: seed='-1'",
    ),
}
_KINDS = {
    "help": {name: ("--help",) for name in _MODULES},
    "unknown_flag": {
        name: (*flags, "--overwrit") for name, flags in _WHOLE.items()
    },
    "missing_flag": {name: () for name in _MODULES},
    "missing_file": _MISSING_FILE,
    "wrong_dataset": _WRONG_DATASET,
    **{kind: names for kind, (names, _) in _SAME_WORDS.items()},
}


@functools.cache
def _result(kind, name):
    """Status, stdout and stderr of a command line; it may leave no file."""
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder, f"bagnet-{name}")
        here = pathlib.Path(folder, "here")
        script.write_text(f"from {_MODULES[name]} import run\nrun()\n")
        here.mkdir()
        done = subprocess.run(
            [*forked_python(), script, *_KINDS[kind][name]],
            capture_output=True,
            text=True,
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )
        left = sorted(path.name for path in here.iterdir())
    return done.returncode, done.stdout, done.stderr + " ".join(left)


def _flags_of(module):
    """The flags of a command, by name."""
    module = importlib.import_module(module)
    if hasattr(module, "_FLAGS"):
        return {name: module._FLAGS[name] for name in module._FLAGS}
    own = flags.FLAGS.get_key_flags_for_module(module.__name__)
    return {flag.name: flag for flag in own}


def _shared():
    """Help texts and defaults of the shared flags, by the flag's name."""
    module, found = importlib.import_module(_SHARED), {}
    for name, function in vars(module).items():
        if getattr(function, "__module__", "") == _SHARED:
            values = flags.FlagValues()
            function(values)
            [flag] = [values[n] for n in values]
            found.setdefault(flag.name, {})[flag.help] = name
    return found


class CommandsTest(parameterized.TestCase):
    @parameterized.parameters(*_MODULES)
    def test_help_shows_examples_and_own_flags(self, name):
        status, printed, said = _result("help", name)
        self.assertEqual((status, said), (0, ""))
        purpose, _, examples = printed.partition("\n\nExamples:\n")
        self.assertLen(purpose.splitlines(), 1)
        self.assertStartsWith(examples, f"    bagnet-{name} ")
        self.assertNotIn("python -m", printed)
        self.assertIn("Exit status: 0", " ".join(printed.split()))
        listed = re.findall(r"^  --(?:\[no\])?(\w+):", printed, re.M)
        self.assertCountEqual(listed, _flags_of(_MODULES[name]))

    @parameterized.parameters(*_MODULES)
    def test_reports_numbers_for_programs(self, name):
        self.assertIn("json", _flags_of(_MODULES[name]))

    @parameterized.parameters(*_MODULES)
    def test_shared_flags_are_the_same(self, name):
        shared = _shared()
        # A different thing of the same name, as each says.
        others = {
            ("analyze", "class_ids"),  # Of some experiments.
            ("convert", "output"),
            ("explain-litert", "image"),  # One.
            ("explain-litert", "model"),  # A .tflite file.
            ("explain-litert", "output"),
        }
        for flag in _flags_of(_MODULES[name]).values():
            if flag.name in shared and (name, flag.name) not in others:
                self.assertIn(flag.help, shared[flag.name], flag.name)

    @parameterized.parameters(
        (kind, name)
        for kind, names in _KINDS.items()
        if kind != "help"
        for name in names
    )
    def test_a_mistake_is_one_line_and_status_2(self, kind, name):
        status, printed, said = _result(kind, name)
        self.assertEqual((status, printed), (2, ""), said)
        lines = [
            line
            for line in said.splitlines()
            if not line.startswith("INFO: ")  # LiteRT's own.
        ]
        self.assertLen(lines, 1, said)
        self.assertStartsWith(lines[0], f"{name}: ")

    @parameterized.parameters(
        (kind, name)
        for kind, (names, _) in _SAME_WORDS.items()
        for name in names
    )
    def test_a_mistake_has_the_same_words_everywhere(self, kind, name):
        _, _, said = _result(kind, name)
        self.assertIn(f"{name}: {_SAME_WORDS[kind][1]}", said)

    @parameterized.parameters(*_WRONG_DATASET)
    def test_a_wrong_dataset_is_called_so(self, name):
        _, _, said = _result("wrong_dataset", name)
        self.assertIn("dataset must be a TFDS dataset", said)
        self.assertIn("Received: dataset='no_such_dataset'", said)

    @parameterized.parameters(
        *(n for n in _MODULES if n not in ("train", "verify-export"))
    )
    def test_an_unknown_flag_suggests_a_close_one(self, name):
        _, _, said = _result("unknown_flag", name)
        self.assertIn("(close: --overwrite). Received: --overwrit", said)

    def test_the_documentation_names_all_commands_and_true_flags(self):
        text = (_ROOT / "docs/commands.md").read_text()
        for name, module in _MODULES.items():
            self.assertIn(f"| `bagnet-{name}` | `python -m {module}` |", text)
        known = {"help", "verbosity"}.union(*map(_flags_of, _MODULES.values()))
        named = set(re.findall(r"--(\w+)", text))
        self.assertContainsSubset(named, known)
        self.assertContainsSubset(_shared(), named)


if __name__ == "__main__":
    absltest.main()
