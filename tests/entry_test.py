"""Commands end with one line and an exit status, not with a traceback."""

import os
import pathlib
import subprocess
import sys

from absl.testing import absltest, parameterized

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_COMMAND = '''
"""What the probe is for."""
from absl import flags
from bagnet_tf.commands.entry import run_command

OWN = flags.FlagValues()
MODEL = flags.DEFINE_string(
    "model", None, "The file.", required=True, flag_values=OWN
)
flags.DEFINE_integer("size", 1, "Pixels.", lower_bound=1, flag_values=OWN)
flags.DEFINE_enum("kind", "a", ["a", "b"], "Which.", flag_values=OWN)

def main(*names):
    if MODEL.value == "value":
        raise ValueError("model must be good.\\nReceived: model='value'")
    if MODEL.value == "missing":
        open("/no/such/file")
    if MODEL.value == "exists":
        raise FileExistsError("output exists")
    if MODEL.value == "bug":
        raise TypeError("a bug")
    if MODEL.value == "interrupt":
        raise KeyboardInterrupt
    if MODEL.value == "wait":
        import time
        print("ready", flush=True)
        time.sleep(60)
    if MODEL.value == "lines":
        for number in range(100_000):
            print(number)
    if MODEL.value == "tensorflow":
        import tensorflow as tf
        from absl import logging
        tf.zeros(1)
        for level in ("info('saved')", "warning('x is deprecated')"):
            source = f"logging.{level}"
            exec(compile(source, "/lib/tensorflow/save.py", "exec"))
        logging.info("our own")
    if MODEL.value == "mismatch":
        return 1
    print("ran", MODEL.value, *names)

run_command(main, "probe", OWN, positional=POSITIONAL, uses_tensorflow=TF)
'''


def _start(*arguments, positional=(), uses_tensorflow=False):
    source = _COMMAND.replace("POSITIONAL", repr(positional))
    source = source.replace("TF)", f"{uses_tensorflow})")
    return subprocess.Popen(
        [sys.executable, "-c", source, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )


def _run(*arguments, **options):
    process = _start(*arguments, **options)
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(
        arguments, process.returncode, stdout, stderr
    )


class RunCommandTest(parameterized.TestCase):
    def test_success_is_status_0(self):
        result = _run("--model=good")
        self.assertEqual(
            (result.returncode, result.stdout, result.stderr),
            (0, "ran good\n", ""),
        )

    def test_the_status_of_main_is_the_exit_status(self):
        self.assertEqual(_run("--model=mismatch").returncode, 1)

    @parameterized.named_parameters(
        ("value", "--model=value", "Received: model='value'"),
        ("missing_file", "--model=missing", "/no/such/file"),
        ("existing_file", "--model=exists", "output exists"),
        (
            "unknown_flag",
            "--modle=x",
            "flags must be among those of --help (close: --model). "
            "Received: --modle",
        ),
        ("required_flag", "--verbosity=0", "--model must be given"),
        ("empty_flag", "--model=", "--model must be given"),
        ("flag_at_the_end", "--model", "--model must be given"),
        (
            "no_number",
            "--size=1:2",
            "size must be a positive integer. Received: size='1:2'",
        ),
        (
            "unknown_choice",
            "--kind=c",
            "kind must be one of a, b. Received: kind='c'",
        ),
    )
    def test_a_mistake_is_one_line_and_status_2(self, argument, expected):
        result = _run(argument)
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertStartsWith(result.stderr, "probe: ")
        self.assertIn(expected, result.stderr)
        self.assertLen(result.stderr.splitlines(), 1)

    def test_verbosity_1_adds_the_traceback(self):
        result = _run("--model=value", "--verbosity=1")
        self.assertEqual(result.returncode, 2)
        self.assertIn("Traceback", result.stderr)

    def test_a_bug_keeps_its_traceback(self):
        result = _run("--model=bug")
        self.assertIn("TypeError: a bug", result.stderr)
        self.assertIn("Traceback", result.stderr)
        self.assertEqual(result.returncode, 1)

    def test_interrupt_is_status_130(self):
        result = _run("--model=interrupt")
        self.assertEqual(result.returncode, 130)
        self.assertEqual(result.stderr, "probe: interrupted\n")

    def test_sigterm_ends_it_as_ctrl_c_does(self):
        process = _start("--model=wait")
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.terminate()
        _, said = process.communicate(timeout=30)
        self.assertEqual(
            (process.returncode, said), (130, "probe: interrupted\n")
        )

    @parameterized.parameters("--model=lines", "--help")
    def test_a_reader_that_goes_is_no_mistake(self, argument):
        process = _start(argument)
        process.stdout.close()
        said = process.stderr.read()
        process.stderr.close()
        self.assertEqual((process.wait(30), said), (141, ""))

    def test_positional_arguments_reach_main(self):
        result = _run("hits", "--model=good", positional=("experiment",))
        self.assertEqual(result.stdout, "ran good hits\n")

    @parameterized.named_parameters(
        ("unexpected", (), ("--model=good", "extra"), "extra"),
        ("missing", ("experiment",), ("--model=good",), "EXPERIMENT"),
    )
    def test_wrong_positional_arguments(self, positional, arguments, expected):
        result = _run(*arguments, positional=positional)
        self.assertEqual(result.returncode, 2)
        self.assertIn(expected, result.stderr)

    def test_tensorflow_is_quiet(self):
        result = _run("--model=tensorflow", uses_tensorflow=True)
        self.assertEqual(result.returncode, 0)
        self.assertLen(result.stderr.splitlines(), 1, result.stderr)
        self.assertIn("our own", result.stderr)

    def test_help_names_purpose_and_flags(self):
        result = _run("--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("What the probe is for.", result.stdout)
        self.assertIn("--model", result.stdout)


if __name__ == "__main__":
    absltest.main()
