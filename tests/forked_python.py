"""How does a test run a command without waiting for TensorFlow's import?

`[*forked_python(), "-m", "train.main", ...]` is for `subprocess` what
`[sys.executable, "-m", "train.main", ...]` is, seconds sooner: one process of
the test's has imported TensorFlow and does nothing else, and forks for each
command. Exit status, streams, working directory, environment, signals and the
limit of a file's size are the command's own.

Not for a test of what is imported, or of what TensorFlow prints meanwhile.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import resource
import runpy
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

_STREAMS = (0, 1, 2)
_FORWARDED = (signal.SIGINT, signal.SIGTERM)
# What nearly every command imports, and takes long to.
_IMPORTED = ("tensorflow", "keras", "matplotlib.pyplot", "PIL.Image")


def forked_python() -> list[str]:
    """How a command line begins that is run by a fork."""
    folder, _ = _server()
    return [sys.executable, "-IS", __file__, f"{folder.name}/socket"]


@functools.cache
def _server() -> tuple[tempfile.TemporaryDirectory, subprocess.Popen]:
    """Starts the server; it ends with this process."""
    folder = tempfile.TemporaryDirectory()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder.name}/socket")
        listener.listen()
        server = subprocess.Popen(
            [sys.executable, "-P", __file__, "serve", str(listener.fileno())],
            stdin=subprocess.PIPE,  # The server sees its end.
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
    return folder, server


# === The command's process, as the test sees it ===


def _ask(path: str, arguments: list[str]) -> None:
    """Has a command run, and ends as it does."""
    request = {
        "arguments": arguments,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "largest_file": resource.getrlimit(resource.RLIMIT_FSIZE),
    }
    text = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as server:
        for number in _FORWARDED:
            signal.signal(
                number, lambda number, _: server.send(bytes([number]))
            )
        server.connect(path)
        header = struct.pack("!I", len(text))
        socket.send_fds(server, [header], _STREAMS)
        server.sendall(text)
        status = int(server.makefile().read())
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


# === The server ===


def _serve(listener: socket.socket) -> None:
    """Forks for each command, until the test's process has ended."""
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # Children need not look through what they share.
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        if not os.fork():
            listener.close()
            return _keep(connection)
        connection.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _keep(connection: socket.socket) -> None:
    """Starts a command, passes signals on and says how it ended."""
    header, streams, _, _ = socket.recv_fds(connection, 4, len(_STREAMS))
    request = json.loads(
        connection.recv(struct.unpack("!I", header)[0], socket.MSG_WAITALL)
    )
    child = os.fork()
    if not child:
        connection.close()
        return _become(request, streams)
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(child)
    while True:
        ready, _, _ = select.select([connection, ended], [], [])
        if ended in ready:
            break
        # One who was killed cannot say so.
        number = connection.recv(1) or bytes([signal.SIGKILL])
        os.kill(child, number[0])
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(str(status).encode())
    os._exit(0)


def _become(request: dict, streams: list[int]) -> None:
    """Runs the command as Python would."""
    atexit.unregister(shutil.rmtree)  # Of matplotlib's folder, the server's.
    for stream, number in zip(streams, _STREAMS, strict=True):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    resource.setrlimit(resource.RLIMIT_FSIZE, request["largest_file"])
    searched = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [request["folder"], *filter(None, searched)]
    what, *arguments = request["arguments"]
    if what == "-m":
        sys.argv = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [what, *arguments]
        runpy.run_path(what, run_name="__main__")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve(socket.socket(fileno=int(sys.argv[2])))
    else:
        _ask(sys.argv[1], sys.argv[2:])
