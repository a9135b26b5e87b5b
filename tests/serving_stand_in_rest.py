"""The REST half of the stand-in for TensorFlow Serving.

Written after http_rest_api_handler.cc, http_server.cc and json_tensor.cc.
"""

import base64
import collections
import http.server
import json
import re

import numpy as np
from google.protobuf import json_format

# HTTP status by gRPC code.
_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_DTYPES = {1: np.float32, 3: np.int32, 7: object}

# A reply over REST instead of the right one: status, type and body.
Raw = collections.namedtuple("Raw", "status kind body")


class Refused(Exception):
    """An error as TensorFlow Serving has it."""

    def __init__(self, code, words):
        super().__init__(words)
        self.code, self.words = code, words


class RestHandler(http.server.BaseHTTPRequestHandler):
    """The REST API: http_rest_api_handler.cc and json_tensor.cc."""

    def log_message(self, *args):
        """Says nothing."""

    def do_GET(self):
        self._reply(
            r"/v1/models/([^/:]+)(?:/versions/(\d+))?(/metadata)?", self._get
        )

    def do_POST(self):
        self._reply(
            r"/v1/models/([^/:]+)(?:/versions/(\d+))?:(predict)", self._predict
        )

    def _reply(self, pattern, answer):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.path.startswith("/v1/"):
            self._send(404, "text/html", b"<html><h1>Not Found</h1></html>")
            return
        stand_in = self.server.stand_in
        try:
            fault = stand_in.fault(f"{self.command} {self.path}")
            if isinstance(fault, Raw):
                self._send(*fault)
                return
            match = re.fullmatch(pattern, self.path)
            if match is None:
                words = f"Malformed request: {self.command} {self.path}"
                raise Refused("INVALID_ARGUMENT", words)
            name, number, method = match.groups()
            number = None if number is None else int(number)
            content = answer(name, number, method, body, fault)
        except Refused as error:
            content = json.dumps({"error": error.words}).encode()
            self._send(_STATUS[error.code], "application/json", content)
            return
        self._send(200, "application/json", content.encode())

    def _send(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _get(self, name, number, method, body, fault):
        stand_in = self.server.stand_in
        options = {"always_print_fields_with_no_presence": True}
        if method is None:
            status = stand_in.status(name, number)
            # C++ prints names of fields in camel case here, Python too.
            return json_format.MessageToJson(status, **options)
        definitions = stand_in.version(name, number).definitions
        found = self.server.stand_in.signature_def_map(definitions)
        answer = json_format.MessageToDict(
            found, preserving_proto_field_name=True, **options
        )
        spec = {
            "name": name,
            "signature_name": "",
            "version": str(number or ""),
        }
        answer = {"model_spec": spec, "metadata": {"signature_def": answer}}
        return json.dumps(changed(answer, fault))

    def _predict(self, name, number, method, body, fault):
        try:
            content = json.loads(body)
        except ValueError as error:
            words = f"JSON Parse error: {error}"
            raise Refused("INVALID_ARGUMENT", words) from error
        version = self.server.stand_in.version(name, number)
        signature = content.get("signature_name", "serving_default")
        if signature not in version.definitions:
            words = (
                f'Serving signature name: "{signature}" not found in '
                "signature def"
            )
            raise Refused("INVALID_ARGUMENT", words)
        known = version.definitions[signature].inputs
        rows = "instances" in content
        inputs = _columns(content, known)
        outputs = changed(version.run(signature, inputs), fault)
        outputs = {k: np.asarray(v).tolist() for k, v in outputs.items()}
        if not rows:
            return json.dumps({"outputs": outputs})
        names = list(outputs)
        predictions = [
            dict(zip(names, row, strict=True))
            for row in zip(*outputs.values(), strict=True)
        ]
        return json.dumps({"predictions": predictions})


def _columns(content, known):
    """Inputs by name of a request in columns, or in rows."""
    if "inputs" in content:
        inputs = content["inputs"]
        if not isinstance(inputs, dict) or "b64" in inputs:
            inputs = {next(iter(known)): inputs}
    elif content.get("instances"):
        rows = content["instances"]
        if not isinstance(rows[0], dict) or "b64" in rows[0]:
            rows = [{next(iter(known)): row} for row in rows]
        inputs = {name: [row[name] for row in rows] for name in rows[0]}
    else:
        raise Refused("INVALID_ARGUMENT", "Missing 'inputs' or 'instances' key")
    try:
        return {
            name: np.array(_without_base64(value), _DTYPES[known[name].dtype])
            for name, value in inputs.items()
        }
    except KeyError as error:
        words = f"JSON object: does not have named input: {error}"
        raise Refused("INVALID_ARGUMENT", words) from error


def _without_base64(value):
    if isinstance(value, list):
        return [_without_base64(part) for part in value]
    if isinstance(value, dict):
        return base64.b64decode(value["b64"], validate=True)
    return value


def changed(answer, fault):
    return fault(answer) if callable(fault) else answer
