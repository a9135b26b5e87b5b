"""How is a model asked over TensorFlow Serving's REST API?

With Python's own HTTP client: no TensorFlow, and no proxy that environment
variables name.
"""

import base64
import contextlib
import http.client
import json
import socket
import ssl
import time
import urllib.parse
from collections.abc import Mapping, Sequence

import numpy as np

from .addresses import Address
from .failures import ServerError, quoted

# The largest answer that is read, bytes; patch logits of a photo and 1000
# classes take about 7 MB of JSON.
_LARGEST_ANSWER = 2**28
_CHUNK = 2**16

# Of these, the server or a proxy before it says that it is busy.
_PASSING = (429, 502, 503, 504)


class RestModel:
    """A model on a server.

    Args:
        address: Where the server is.
        name: The model's name.
        version: Of the model; None: the latest.
        timeout: Seconds to wait for one whole answer.
    """

    def __init__(
        self, address: Address, name: str, version: int | None, timeout: float
    ):
        """Does not connect yet."""
        self._address = address
        self._timeout = timeout
        self._name = name if version is None else f"{name}, version {version}"
        prefix = urllib.parse.quote(address.path, safe="/%")
        model = urllib.parse.quote(name, safe="")
        self._path = f"{prefix}/v1/models/{model}"
        if version is not None:
            self._path += f"/versions/{version}"

    def signatures(self) -> dict:
        """The model's signatures as the server describes them.

        Returns:
            SignatureDefs by name, in the JSON form of that message.

        Raises:
            ServerError: If the server fails.
        """
        answer = self._ask("GET", f"{self._path}/metadata")
        try:
            return dict(answer["metadata"]["signature_def"]["signature_def"])
        except (LookupError, TypeError, ValueError) as error:
            raise self._error(
                "answered with JSON that is no model metadata"
            ) from error

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray | Sequence[bytes]],
        outputs: Sequence[str],
    ) -> dict[str, np.ndarray]:
        """Asks for an answer once.

        Args:
            signature: The signature's name.
            inputs: Arrays, or encoded files, by name.
            outputs: The outputs that are wanted.

        Returns:
            They, by name; whole numbers as int64, others as float32.

        Raises:
            ServerError: If the server fails, or an output is missing or no
                array of numbers.
        """
        content = {
            "signature_name": signature,
            "inputs": {name: _json_of(value) for name, value in inputs.items()},
        }
        answer = self._ask(
            "POST", f"{self._path}:predict", json.dumps(content).encode()
        )
        found = answer.get("outputs")
        if not isinstance(found, dict):
            raise self._error("answered with JSON without 'outputs'")
        return {name: self._array(name, found.get(name)) for name in outputs}

    def _array(self, name, value) -> np.ndarray:
        try:
            array = np.array(value)  # Refuses lists of unequal lengths.
        except ValueError:
            array = np.array(None)
        if array.dtype.kind not in "if":
            raise self._error(f"answered with {name} that is no array")
        whole = array.dtype.kind == "i"
        return array if whole else array.astype(np.float32)

    def _ask(self, method, path, body=None) -> dict:
        with self._failures_in_words():
            status, kind, content = self._exchange(method, path, body)
        if status != http.client.OK:
            raise self._refusal(status, content)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise self._error(
                f"answered with {kind or 'something'} that is no whole JSON, "
                f"beginning {_beginning(content)}"
            ) from error
        if not isinstance(answer, dict):
            raise self._error("answered with JSON that is no object")
        return answer

    def _exchange(self, method, path, body) -> tuple[int, str | None, bytes]:
        deadline = time.monotonic() + self._timeout
        connection = self._connection()
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, path, body, headers)
            # Kept: `getresponse` forgets it where the server closes.
            stream = connection.sock
            stream.settimeout(_remaining(deadline))
            response = connection.getresponse()
            chunks, size = [], 0
            while size <= _LARGEST_ANSWER:
                stream.settimeout(_remaining(deadline))
                chunk = response.read1(_CHUNK)
                if not chunk:
                    break
                chunks.append(chunk)
                size += len(chunk)
            else:
                raise self._error("answered with more than 256 MiB")
            if response.length:  # What the header promised beyond.
                raise http.client.IncompleteRead(b"", response.length)
            kind = response.getheader("Content-Type")
            return response.status, kind, b"".join(chunks)

    def _connection(self) -> http.client.HTTPConnection:
        address, timeout = self._address, self._timeout
        if address.uses_tls:
            return http.client.HTTPSConnection(
                address.host,
                address.port,
                timeout=timeout,
                context=ssl.create_default_context(),
            )
        return http.client.HTTPConnection(
            address.host, address.port, timeout=timeout
        )

    def _refusal(self, status, content) -> ServerError:
        try:
            said = json.loads(content)["error"]
            reason = f"HTTP {status}: {quoted(str(said))}"
        except (ValueError, LookupError, TypeError, RecursionError):
            # No words of TensorFlow Serving: of a proxy, or another server.
            reason = f"HTTP {status} and {_beginning(content)}"
        passing = status in _PASSING
        if status == http.client.NOT_FOUND:
            return self._error(f"knows no model {self._name} ({reason})")
        if status == http.client.BAD_REQUEST:
            return self._error(f"does not accept the request ({reason})")
        return self._error(f"failed ({reason})", passing)

    @contextlib.contextmanager
    def _failures_in_words(self):
        try:
            yield
        except socket.gaierror as error:
            raise self._error(
                f"cannot be found: there is no host {self._address.host!r}"
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise self._error(
                f"has a certificate that is not trusted ({error.verify_message}"
                "; SSL_CERT_FILE may name the file of one that is)"
            ) from error
        except ssl.SSLError as error:
            raise self._error(
                f"does not speak TLS; is it http://? ({error.reason})"
            ) from error
        except TimeoutError as error:
            raise self._error(
                f"did not answer within {self._timeout:g} s", passing=True
            ) from error
        except ConnectionRefusedError as error:
            raise self._error(
                "refuses connections: nothing listens there", passing=True
            ) from error
        except (ConnectionError, http.client.IncompleteRead) as error:
            raise self._error(
                "broke off in the middle of an answer", passing=True
            ) from error
        except http.client.HTTPException as error:
            raise self._error(
                "does not speak HTTP; REST is on another port than gRPC, "
                "by default 8501"
            ) from error
        except OSError as error:
            raise self._error(f"cannot be reached ({error})") from error

    def _error(self, what: str, passing: bool = False) -> ServerError:
        return ServerError(f"{self._address} {what}", passing)


def _remaining(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _json_of(value):
    """What JSON can hold of an input."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [{"b64": base64.b64encode(file).decode()} for file in value]


def _beginning(content: bytes) -> str:
    return repr(content[:40].decode("utf-8", "replace"))
