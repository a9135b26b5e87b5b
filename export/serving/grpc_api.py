"""How is a model asked over TensorFlow Serving's gRPC API?

Needs the optional packages grpcio and tensorflow-serving-api; the latter
imports TensorFlow.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .addresses import Address
from .failures import ServerError, quoted
from .protos import serving_api

# gRPC's own limit of 4 MB is less than the patch logits of two photos and 1000
# classes; and its own retries would be counted by nobody.
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    # Not the minimum: that is also how long connecting may take.
    ("grpc.initial_reconnect_backoff_ms", 100),
)

# gRPC calls all of these unavailable too; what its message says of each.
_NOT_PASSING = {
    "does not speak TLS; is it grpc://?": ("WRONG_VERSION_NUMBER",),
    "has a certificate that is not trusted; GRPC_DEFAULT_SSL_ROOTS_FILE_PATH "
    "may name the file of one that is": ("CERTIFICATE_VERIFY", "handshake"),
    "cannot be found: there is no such host": ("DNS", "resolv", "lookup"),
    "does not speak gRPC; that is on another port than REST, by default 8500": (
        "parsing HTTP/2",
        "http1",
    ),
}


class GrpcModel:
    """A model on a server: the same as `rest_api.RestModel`.

    Args:
        address: Where the server is.
        name: The model's name.
        version: Of the model; None: the latest.
        timeout: Seconds to wait for one whole answer.

    Raises:
        ValueError: If a package is not installed.
    """

    def __init__(
        self, address: Address, name: str, version: int | None, timeout: float
    ):
        """Does not connect yet."""
        stubs = serving_api("prediction_service_pb2_grpc")
        # After the other package, which asks for this one.
        import grpc

        self._grpc = grpc
        self._address = address
        self._name, self._version, self._timeout = name, version, timeout
        if address.uses_tls:
            channel = grpc.secure_channel(
                address.target, grpc.ssl_channel_credentials(), _OPTIONS
            )
        else:
            channel = grpc.insecure_channel(address.target, _OPTIONS)
        self._service = stubs.PredictionServiceStub(channel)

    def signatures(self) -> dict:
        """The model's signatures as the server describes them.

        Returns:
            SignatureDefs by name, in the JSON form of that message.

        Raises:
            ServerError: If the server fails.
        """
        from google.protobuf import json_format, message

        messages = serving_api("get_model_metadata_pb2")
        request = messages.GetModelMetadataRequest(
            metadata_field=["signature_def"]
        )
        answer = self._ask(self._service.GetModelMetadata, request)
        found = messages.SignatureDefMap()
        try:
            answer.metadata["signature_def"].Unpack(found)
        except message.DecodeError as error:
            raise self._error("answered with no model metadata") from error
        return json_format.MessageToDict(
            found, preserving_proto_field_name=True
        ).get("signature_def", {})

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray | Sequence[bytes]],
        outputs: Sequence[str],
    ) -> dict[str, np.ndarray]:
        """Asks for an answer once.

        Args:
            signature: The signature's name.
            inputs: Arrays, or encoded files, by name; arrays become float32.
            outputs: The outputs that are wanted.

        Returns:
            They, by name.

        Raises:
            ServerError: If the server fails, or an output is missing or no
                array of numbers.
        """
        import tensorflow as tf

        request = serving_api("predict_pb2").PredictRequest(
            output_filter=outputs
        )
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            encoded = not isinstance(value, np.ndarray)
            value = list(value) if encoded else value.astype(np.float32)
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        answer = self._ask(self._service.Predict, request)
        found = {}
        for name in outputs:
            try:
                found[name] = tf.make_ndarray(answer.outputs[name])
            except (TypeError, ValueError) as error:
                raise self._error(
                    f"answered with {name} that is no array"
                ) from error
            if found[name].dtype.kind not in "uif":
                raise self._error(f"answered with {name} that is no array")
        return found

    def _ask(self, method, request):
        request.model_spec.name = self._name
        if self._version is not None:
            request.model_spec.version.value = self._version
        try:
            return method(request, timeout=self._timeout)
        except self._grpc.RpcError as error:
            raise self._failure(error.code(), error.details() or "") from error

    def _failure(self, code, said) -> ServerError:
        codes = self._grpc.StatusCode
        reason = f"({code.name}: {quoted(said)})"
        if code is codes.UNAVAILABLE:
            for meaning, signs in _NOT_PASSING.items():
                if any(sign in said for sign in signs):
                    return self._error(f"{meaning} {reason}")
            return self._error(f"is not available {reason}", passing=True)
        if code is codes.DEADLINE_EXCEEDED:
            return self._error(
                f"did not answer within {self._timeout:g} s", passing=True
            )
        if code is codes.NOT_FOUND:
            return self._error(f"knows no model {self._full_name} {reason}")
        if code in (codes.INVALID_ARGUMENT, codes.FAILED_PRECONDITION):
            return self._error(f"does not accept the request {reason}")
        if code is codes.UNIMPLEMENTED:
            return self._error(f"is no TensorFlow Serving {reason}")
        return self._error(f"failed {reason}")

    @property
    def _full_name(self) -> str:
        if self._version is None:
            return self._name
        return f"{self._name}, version {self._version}"

    def _error(self, what: str, passing: bool = False) -> ServerError:
        return ServerError(f"{self._address} {what}", passing)
