"""A stand-in for TensorFlow Serving: no test has the real server.

It answers on real sockets, REST with Python's own HTTP server and gRPC with
the official services, from exported SavedModels. Addresses, status codes and
the words of errors are those of TensorFlow Serving's source code. Left out:
batching, warm-up, labels of versions, new versions while it runs, compressed
requests, and all services but Predict, GetModelMetadata and GetModelStatus.
"""

import collections
import concurrent.futures
import http.server
import pathlib
import ssl
import threading
import time

import grpc
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.serving_stand_in_rest import Refused, RestHandler, changed

# A refusal instead of an answer, over both: a gRPC code, and words.
Refusal = collections.namedtuple("Refusal", "code words")
# Seconds to wait before the right answer.
Delay = collections.namedtuple("Delay", "seconds")


class _Version:
    """A SavedModel that is served."""

    def __init__(self, path):
        self.signatures = tf.saved_model.load(str(path)).signatures
        content = pathlib.Path(path, "saved_model.pb").read_bytes()
        [graph] = saved_model_pb2.SavedModel.FromString(content).meta_graphs
        self.definitions = graph.signature_def

    def run(self, signature, inputs, wanted=()):
        """Outputs by name, of inputs by name; as predict_util.cc checks it."""
        known = self.definitions[signature].inputs
        if set(inputs) != set(known):
            raise Refused(
                "INVALID_ARGUMENT",
                f"input size does not match signature: {len(inputs)}!="
                f"{len(known)} len({{{','.join(inputs)}}}) != "
                f"len({{{','.join(known)}}}).",
            )
        try:
            tensors = {name: tf.constant(v) for name, v in inputs.items()}
            outputs = self.signatures[signature](**tensors)
        except (tf.errors.InvalidArgumentError, TypeError, ValueError) as error:
            raise Refused("INVALID_ARGUMENT", str(error)) from error
        return {
            k: v.numpy()
            for k, v in outputs.items()
            if k in wanted or not wanted
        }


class StandIn:
    """A server of one model, until `close`.

    Args:
        name: The model's name.
        versions: SavedModel folders by version number.
        credentials: PEM files (key, certificate), to speak TLS only.

    Attributes:
        rest: Its address for REST.
        grpc: Its address for gRPC.
        requests: What was asked, a line each.
        faults: What goes wrong with the next requests, in this order: a `Raw`,
            `Refusal` or `Delay`, or a function that changes the outputs.
    """

    def __init__(self, name, versions, credentials=None):
        self.name = name
        self.versions = {n: _Version(path) for n, path in versions.items()}
        self.requests, self.faults = [], collections.deque()
        self._others = []
        self._http = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), RestHandler
        )
        self._http.stand_in = self
        self._rpc = self._services()
        if credentials is None:
            rpc_port = self._rpc.add_insecure_port("127.0.0.1:0")
        else:
            key, certificate = map(pathlib.Path, credentials)
            pair = key.read_bytes(), certificate.read_bytes()
            secure = grpc.ssl_server_credentials([pair])
            rpc_port = self._rpc.add_secure_port("127.0.0.1:0", secure)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._http.socket = context.wrap_socket(
                self._http.socket, server_side=True
            )
        tls = "s" if credentials else ""
        self.rest = f"http{tls}://localhost:{self._http.server_port}"
        self.grpc = f"grpc{tls}://localhost:{rpc_port}"
        self._rpc.start()
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def _services(self):
        services = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _PredictionService(self), services
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            _ModelService(self), services
        )
        return services

    def also_listen(self, port):
        """Answers gRPC on another port, too."""
        self._others.append(self._services())
        self._others[-1].add_insecure_port(f"127.0.0.1:{port}")
        self._others[-1].start()

    def close(self):
        """Stops listening."""
        self._http.shutdown()
        self._http.server_close()
        for services in (self._rpc, *self._others):
            services.stop(0).wait()

    def version(self, name, number):
        """The version that is asked for, by default the latest."""
        latest = number is None
        number = max(self.versions) if latest else number
        if name != self.name or number not in self.versions:
            asked = (
                f"Latest({name})" if latest else f"Specific({name}, {number})"
            )
            raise Refused(
                "NOT_FOUND", f"Servable not found for request: {asked}"
            )
        return self.versions[number]

    def status(self, name, number):
        """A GetModelStatusResponse."""
        found = [n for n in self.versions if number in (None, n)]
        if name != self.name or not found:
            raise Refused(
                "NOT_FOUND", f"Could not find any versions of model {name}"
            )
        answer = get_model_status_pb2.GetModelStatusResponse()
        for number in found:
            answer.model_version_status.add(version=number, state=30)
        return answer

    @staticmethod
    def signature_def_map(definitions):
        """A SignatureDefMap."""
        found = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in definitions.items():
            found.signature_def[name].CopyFrom(definition)
        return found

    def fault(self, request):
        """Notes a request; what shall go wrong with it."""
        self.requests.append(request)
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, Delay):
            time.sleep(fault.seconds)
        if isinstance(fault, Refusal):
            raise Refused(*fault)
        return fault


def _spec(request):
    spec = request.model_spec
    number = spec.version.value if spec.HasField("version") else None
    return spec.name, number


def _refusing(method):
    """A method of a service, whose errors become those of gRPC."""

    def guarded(self, request, context):
        try:
            return method(self, request)
        except Refused as error:
            context.abort(getattr(grpc.StatusCode, error.code), error.words)

    return guarded


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, stand_in):
        self._stand_in = stand_in

    @_refusing
    def Predict(self, request):
        fault = self._stand_in.fault(f"Predict {_spec(request)}")
        version = self._stand_in.version(*_spec(request))
        signature = request.model_spec.signature_name or "serving_default"
        if signature not in version.definitions:
            words = f'Serving signature key "{signature}" not found.'
            raise Refused("FAILED_PRECONDITION", words)
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        outputs = version.run(signature, inputs, request.output_filter)
        answer = predict_pb2.PredictResponse()
        for name, value in changed(outputs, fault).items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return answer

    @_refusing
    def GetModelMetadata(self, request):
        fault = self._stand_in.fault(f"GetModelMetadata {_spec(request)}")
        version = self._stand_in.version(*_spec(request))
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        found = self._stand_in.signature_def_map(version.definitions)
        answer.metadata["signature_def"].Pack(changed(found, fault))
        return answer


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, stand_in):
        self._stand_in = stand_in

    @_refusing
    def GetModelStatus(self, request):
        return self._stand_in.status(*_spec(request))
