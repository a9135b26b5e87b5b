"""Each way in which a server can fail: said in one line, asked again or not."""

import time
from unittest import mock

from absl.testing import absltest, parameterized

from export.serving import failures
from export.serving.addresses import parse_address
from export.serving.failures import ServerError, with_retries
from tests.export_helpers import SIZE, random_images
from tests.serving_helpers import (
    ServedModelTestCase,
    with_protocols,
)
from tests.serving_stand_in import Delay, Refusal
from tests.serving_stand_in_rest import Raw

_IMAGES = random_images(1, SIZE)


class AddressTest(parameterized.TestCase):
    @parameterized.parameters(
        ("http://a:1", "http", "a", 1, "a:1", ""),
        ("http://a", "http", "a", 8501, "a:8501", ""),
        ("https://a/b/c/", "https", "a", 443, "a:443", "/b/c"),
        ("grpc://a", "grpc", "a", 8500, "a:8500", ""),
        ("grpcs://a:9/", "grpcs", "a", 9, "a:9", ""),
        ("http://[::1]:80", "http", "::1", 80, "[::1]:80", ""),
    )
    def test_parts(self, url, scheme, host, port, target, path):
        address = parse_address(url)
        self.assertEqual(address.scheme, scheme)
        self.assertEqual(address.host, host)
        self.assertEqual(address.port, port)
        self.assertEqual(address.target, target)
        self.assertEqual(address.path, path)
        self.assertEqual(address.uses_grpc, scheme in ("grpc", "grpcs"))
        self.assertEqual(address.uses_tls, scheme in ("https", "grpcs"))

    @parameterized.parameters(
        "",
        "localhost:8501",
        "ftp://a",
        "http://",
        "http://:80",
        "http://a:99999",
        "http://a:b",
        "http://a?b=c",
        "http://me:secret@a",
        "grpc://a/b",
        "http://a..b:80",
        "http://[::1",
    )
    def test_what_is_none(self, url):
        with self.assertRaisesRegex(ValueError, "url must be http://HOST:PORT"):
            parse_address(url)


class RetriesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.waits = []
        for module, name, replacement in (
            (failures.time, "sleep", self.waits.append),
            (failures.random, "uniform", lambda low, high: 1.0),
        ):
            self.enterContext(mock.patch.object(module, name, replacement))

    def _asker(self, *outcomes):
        outcomes = iter(outcomes)

        def ask():
            outcome = next(outcomes)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return ask

    def test_waits_twice_as_long_each_time_up_to_a_limit(self):
        busy = [ServerError("busy", passing=True)] * 7
        self.assertEqual(with_retries(self._asker(*busy, 5), 7, 0.5), 5)
        self.assertEqual(self.waits, [0.5, 1, 2, 4, 8, 8, 8])

    def test_gives_up(self):
        busy = [ServerError("busy", passing=True)] * 4
        with self.assertRaisesRegex(ServerError, r"^busy \(asked 4 times\)$"):
            with_retries(self._asker(*busy), 3, 0.5)
        self.assertLen(self.waits, 3)

    def test_without_retries(self):
        with self.assertRaisesRegex(ServerError, "^busy$"):
            with_retries(self._asker(ServerError("busy", passing=True)), 0, 0.5)

    def test_does_not_ask_again_where_it_is_no_use(self):
        with self.assertRaisesRegex(ServerError, "^wrong$"):
            with_retries(self._asker(ServerError("wrong")), 3, 0.5)
        self.assertEmpty(self.waits)


class RefusalsTest(ServedModelTestCase):
    @with_protocols(
        ("unavailable", "UNAVAILABLE"), ("deadline", "DEADLINE_EXCEEDED")
    )
    def test_what_passes_is_asked_again(self, protocol, code):
        self.server.faults += [Refusal(code, "busy")] * 2
        self.assertLen(self.served(protocol, retries=2).predict(_IMAGES), 1)
        self.assertLen(self.server.requests, 3)

    @parameterized.parameters(429, 502, 503, 504)
    def test_statuses_that_pass_are_asked_again(self, status):
        self.server.faults.append(Raw(status, "text/html", b"<html>busy"))
        self.assertLen(self.served("rest").predict(_IMAGES), 1)
        self.assertLen(self.server.requests, 2)

    @with_protocols(
        ("unavailable", "UNAVAILABLE", "busy today"),
        ("deadline", "DEADLINE_EXCEEDED", "busy today|did not answer within"),
    )
    def test_gives_up_in_the_end(self, protocol, code, pattern):
        self.server.faults += [Refusal(code, "busy today")] * 9
        client = self.served(protocol, retries=2)
        self.assert_fails(
            rf"({pattern}).*\(asked 3 times\)$", client.predict, _IMAGES
        )
        self.assertLen(self.server.requests, 3)

    @with_protocols(
        ("internal", "INTERNAL", "failed.*(HTTP 500|INTERNAL): broken"),
        (
            "invalid",
            "INVALID_ARGUMENT",
            "does not accept the request.*(HTTP 400|INVALID_ARG.*): broken",
        ),
    )
    def test_what_does_not_pass_is_asked_once(self, protocol, code, pattern):
        self.server.faults.append(Refusal(code, "broken\nfor good"))
        client = self.served(protocol)
        self.assert_fails(pattern + " for good", client.predict, _IMAGES)
        self.assertLen(self.server.requests, 1)

    @with_protocols(
        ("model", {"model_name": "no/one"}, "knows no model no/one"),
        ("version", {"version": 7}, "knows no model tiny, version 7"),
    )
    def test_unknown(self, protocol, changes, pattern):
        client = self.served(protocol, **changes)
        self.assert_fails(pattern + ".*Servable not found", client.check)
        self.assertLen(self.server.requests, 1)
        self.assert_fails(pattern, client.predict, _IMAGES)

    def test_long_words_are_cut(self):
        self.server.faults.append(Refusal("INTERNAL", "x" * 9999))
        with self.assertRaises(ServerError) as raised:
            self.served("rest").predict(_IMAGES)
        self.assertLess(len(str(raised.exception)), 400)

    @with_protocols(("", ""))
    def test_slow_server(self, protocol, _):
        self.server.faults += [Delay(1.5), None]
        client = self.served(protocol, timeout=0.5, retries=0)
        self.assert_fails(
            "did not answer within 0.5 s$", client.predict, _IMAGES
        )
        time.sleep(1.2)  # Until that request is done with.

    @with_protocols(("", ""))
    def test_slow_server_is_asked_again(self, protocol, _):
        self.server.faults += [Delay(1.0)]
        client = self.served(protocol, timeout=0.5, retries=3)
        self.assertLen(client.predict(_IMAGES), 1)
        self.assertGreater(len(self.server.requests), 1)


if __name__ == "__main__":
    absltest.main()
