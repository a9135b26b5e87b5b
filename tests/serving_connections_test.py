"""Connections to a server that fail in each way are told apart."""

import contextlib
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from unittest import mock

from absl.testing import absltest, parameterized

from export.serving.failures import ServerError
from tests.export_helpers import SIZE, random_images
from tests.serving_helpers import (
    ServedModelTestCase,
    exported,
    served,
    with_protocols,
)
from tests.serving_stand_in import Refusal, StandIn

_IMAGES = random_images(1, SIZE)


class _Socket:
    """A server that sends what it likes to whoever connects, then closes."""

    def __init__(self, *pieces, pause=0.0):
        self._pieces, self._pause = pieces, pause
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(1)
                    connection.recv(2**16)
                    for piece in self._pieces:
                        connection.sendall(piece)
                        time.sleep(self._pause)

    def close(self):
        self._listening.close()


class ConnectionsTest(ServedModelTestCase):
    def _serving(self, *pieces, pause=0.0):
        server = _Socket(*pieces, pause=pause)
        self.addCleanup(server.close)
        return server

    @with_protocols(("", "refuses connections|Connection refused"))
    def test_nothing_listens(self, protocol, pattern):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        scheme = {"rest": "http", "grpc": "grpc"}[protocol]
        client = served(f"{scheme}://localhost:{port}")
        self.assert_fails(rf"({pattern}).*asked 3 times\)$", client.check)

    def test_grpc_server_that_is_just_starting(self):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        client = served(f"grpc://localhost:{port}", retries=8, first_wait=0.2)
        starting = threading.Timer(1.0, self.server.also_listen, [port])
        starting.start()
        self.addCleanup(starting.join)
        client.check()

    def test_no_such_host_over_rest(self):
        unknown = socket.gaierror(socket.EAI_NONAME, "Name not known")
        client = served("http://no-such-host:80")
        with mock.patch.object(socket, "getaddrinfo", side_effect=unknown):
            with self.assertRaisesRegex(ServerError, "no host 'no-such-host'"):
                client.check()

    # What gRPC was seen to say; asking a real name server can take long.
    @parameterized.parameters(
        "errors resolving a:80: [field:hostname lookup error:address lookup "
        "failed for a:80: Domain name not found]",
        "DNS resolution failed for a:80: C-ares status is not ARES_SUCCESS",
    )
    def test_no_such_host_over_grpc(self, words):
        self.server.faults.append(Refusal("UNAVAILABLE", words))
        client = self.served("grpc")
        self.assert_fails("cannot be found: there is no such", client.check)
        self.assertLen(self.server.requests, 1)

    def test_closes_without_a_word(self):
        server = self._serving()
        client = served(f"http://localhost:{server.port}", retries=1)
        self.assert_fails(r"broke off.*\(asked 2 times\)$", client.check)
        self.assertEqual(server.connections, 2)

    @parameterized.parameters(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
    )
    def test_breaks_off(self, reply):
        server = self._serving(reply)
        client = served(f"http://localhost:{server.port}", retries=1)
        self.assert_fails(r"broke off.*\(asked 2 times\)$", client.check)
        self.assertEqual(server.connections, 2)

    def test_whole_answer_must_come_in_time(self):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
        server = self._serving(head, *[b" "] * 30, pause=0.1)
        client = served(
            f"http://localhost:{server.port}", timeout=0.6, retries=0
        )
        started = time.monotonic()
        self.assert_fails("did not answer within 0.6 s", client.check)
        self.assertLess(time.monotonic() - started, 2)

    def test_answer_is_too_long(self):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
        server = self._serving(head, b" " * 9999)
        client = served(f"http://localhost:{server.port}")
        largest = "export.serving.rest_api._LARGEST_ANSWER"
        with mock.patch(largest, 1000):
            self.assert_fails("answered with more than", client.check)

    def test_no_http(self):
        server = self._serving(b"220 mail.example.com ESMTP\r\n")
        client = served(f"http://localhost:{server.port}")
        self.assert_fails("does not speak HTTP; REST is on", client.check)

    def test_ports_are_mistaken(self):
        rest = self.server.rest.replace("http:", "grpc:")
        self.assert_fails("does not speak gRPC", served(rest).check)
        rpc = self.server.grpc.replace("grpc:", "http:")
        self.assert_fails("does not speak HTTP", served(rpc).check)

    def test_path_of_a_proxy(self):
        client = served(f"{self.server.rest}/a b", retries=0)
        self.assert_fails("knows no model tiny.*404 and '<html>", client.check)


class TLSTest(ServedModelTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.credentials = [pathlib.Path(folder, n) for n in ("key", "cert")]
        key, certificate = cls.credentials
        command = ["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048"]
        command += ["-keyout", key, "-out", certificate, "-subj"]
        command += ["/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except FileNotFoundError as error:
            raise unittest.SkipTest("This test needs openssl.") from error
        versions = {1: exported() / "saved_model" / "1"}
        cls.secure = StandIn("tiny", versions, cls.credentials)
        cls.addClassCleanup(cls.secure.close)

    @parameterized.parameters(
        ("rest", "SSL_CERT_FILE"), ("grpc", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
    )
    def test_certificate(self, protocol, variable):
        url = getattr(self.secure, protocol)
        self.assertIn("s://", url)
        with mock.patch.dict(os.environ):
            os.environ.pop(variable, None)
            self.assert_fails(
                f"certificate that is not trusted.*{variable}",
                served(url).check,
            )

    def test_trusted_certificate(self):
        trusted = {"SSL_CERT_FILE": str(self.credentials[1])}
        with mock.patch.dict(os.environ, trusted):
            client = served(self.secure.rest)
            client.check()
            self.assertLen(client.predict(_IMAGES), 1)

    @with_protocols(("", "does not speak TLS; is it (http|grpc)://"))
    def test_server_without_tls(self, protocol, pattern):
        url = getattr(self.server, protocol).replace("://", "s://")
        self.assert_fails(pattern, served(url).check)

    @with_protocols(("", "broke off|is not available"))
    def test_server_with_tls_only(self, protocol, pattern):
        url = getattr(self.secure, protocol).replace("s://", "://")
        self.assert_fails(pattern, served(url, retries=0).check)


if __name__ == "__main__":
    absltest.main()
