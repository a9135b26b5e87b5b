"""Is a forked command what a Python process of its own would be?"""

import os
import pathlib
import resource
import signal
import subprocess
import tempfile

from absl.testing import absltest, parameterized

from tests.forked_python import forked_python

_PROGRAM = """
import os, pathlib, signal, sys, time
# Whoever started the tests, in the background maybe, may have had it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print(*sys.argv[1:], os.getcwd(), os.environ.get("A_NAME"), flush=True)
    if sys.argv[1] == "waits":
        time.sleep(60)
except KeyboardInterrupt:
    sys.exit(3)
pathlib.Path("written").write_bytes(bytes(100))
print(sys.stdin.read(), file=sys.stderr)
sys.exit(5)
"""


class ForkedPythonTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder).resolve()
        (self.folder / "program.py").write_text(_PROGRAM)

    def _start(self, *arguments, **options):
        return subprocess.Popen(
            [*forked_python(), *arguments],
            cwd=self.folder,
            env={**os.environ, "A_NAME": "value"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    @parameterized.parameters((("program.py",),), (("-m", "program"),))
    def test_streams_arguments_surroundings_and_status(self, program):
        process = self._start(*program, "a b", "c")
        printed, said = process.communicate("typed")
        self.assertEqual(printed, f"a b c {self.folder} value\n")
        self.assertEqual((said, process.returncode), ("typed\n", 5))

    def test_several_at_once(self):
        processes = [self._start("program.py", name) for name in "ab"]
        for name, process in reversed([*zip("ab", processes, strict=True)]):
            printed, _ = process.communicate("")
            self.assertStartsWith(printed, f"{name} ")

    @parameterized.parameters(
        (signal.SIGINT, 3), (signal.SIGTERM, -15), (signal.SIGKILL, -9)
    )
    def test_signals(self, number, status):
        process = self._start("program.py", "waits")
        process.stdout.readline()
        process.send_signal(number)
        _, said = process.communicate()  # Ends with the last of the writers.
        self.assertEqual((said, process.returncode), ("", status))

    def test_limit_of_a_files_size(self):
        process = self._start(
            *("program.py", "a"),
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_FSIZE, (10, 10)
            ),
        )
        _, said = process.communicate("")
        self.assertIn("File too large", said)
        self.assertEqual(process.returncode, 1)


if __name__ == "__main__":
    absltest.main()
