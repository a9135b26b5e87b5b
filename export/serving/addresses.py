"""Where is a server, and which protocol does it speak?"""

import dataclasses
import urllib.parse

_DEFAULT_PORTS = {"http": 8501, "https": 443, "grpc": 8500, "grpcs": 443}


@dataclasses.dataclass(frozen=True)
class Address:
    """A server.

    Attributes:
        scheme: `"http"` or `"grpc"`; with TLS `"https"` or `"grpcs"`.
        host: Name or number of the machine.
        port: Where it listens.
        path: What precedes `/v1/models` behind a proxy, such as `"/serving"`.
    """

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def uses_grpc(self) -> bool:
        """Whether it speaks gRPC, not REST."""
        return self.scheme.startswith("grpc")

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme.endswith("s")

    @property
    def target(self) -> str:
        """Host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        """The address as one would type it."""
        return f"{self.scheme}://{self.target}{self.path}"


def parse_address(url: str) -> Address:
    """Reads an address.

    Args:
        url: `http://HOST:PORT` or `grpc://HOST:PORT`, with TLS `https://` or
            `grpcs://`; REST may have a path. Ports by default are 8501 and
            8500, with TLS 443.

    Returns:
        An `Address`.

    Raises:
        ValueError: If `url` is none.

    Example:
        >>> parse_address("http://localhost:8501").port
        8501
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:  # Such as a port above 65535.
        raise _invalid(url, str(error)) from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise _invalid(url, "it begins otherwise")
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise _invalid(url, "it has no host, or more than host, port and path")
    path = parts.path.rstrip("/")
    address = Address(
        parts.scheme,
        parts.hostname,
        port or _DEFAULT_PORTS[parts.scheme],
        path,
    )
    if path and address.uses_grpc:
        raise _invalid(url, "gRPC has no path")
    return address


def _invalid(url, reason) -> ValueError:
    return ValueError(
        "url must be http://HOST:PORT, https://..., grpc://HOST:PORT or "
        f"grpcs://... ({reason}). Received: url={url!r}"
    )
