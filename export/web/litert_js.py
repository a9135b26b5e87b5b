"""Where does LiteRT.js come from? Its npm packages, by their hashes.

They are downloaded once, into the cache; only what a browser loads is taken
out of them. Nothing of them is part of this project.
"""

import dataclasses
import pathlib
import tarfile

from bagnet_tf.downloads import fetch

VERSION = "2.5.3"


@dataclasses.dataclass(frozen=True)
class _Package:
    """A package in the npm registry, as `bagnet_tf.downloads` takes it.

    Attributes:
        name: Without the scope `@litertjs`.
        file_hash: The registry's integrity, hexadecimal.
        files: Its files that are needed, to where they go.
    """

    name: str
    file_hash: str
    files: dict[str, str]
    hash_algorithm: str = "sha512"

    @property
    def file(self) -> str:
        return f"{self.name}-{VERSION}.tgz"

    @property
    def url(self) -> str:
        return f"https://registry.npmjs.org/@litertjs/{self.name}/-/{self.file}"


# With relaxed SIMD, without it, and with threads; a browser loads one of them.
_BUILDS = ("", "_compat", "_threaded")
_MODULE = "core/index.js"
_UTILITIES = "wasm_utils/index.js"

_PACKAGES = (
    _Package(
        "core",
        "3e51a66cc3aaf568ad5fb14ed2385b749c3d1ad85ab6ccae0905e34edff0259a"
        "3414b6b0e3cab8b73f08c2a82a08892f8981abf4e1432f59029cde27cd6a3225",
        {
            "dist/index.js": _MODULE,
            "package.json": "core/package.json",
            **{
                f"wasm/litert_wasm{build}_internal.{ending}": (
                    f"wasm/litert_wasm{build}_internal.{ending}"
                )
                for build in _BUILDS
                for ending in ("js", "wasm")
            },
        },
    ),
    _Package(
        "wasm-utils",
        "e1f262c3ab4142722cfb48c7fce435ea760e89297cffecd99e7e61dae97c6932"
        "878b4e6c56a656e7cd139a4efca42da44f7f40f4e60155d15ac2d799fec23591",
        {
            "dist/index.js": _UTILITIES,
            "package.json": "wasm_utils/package.json",
        },
    ),
)

# The one name in it that a browser cannot resolve. An import map could, but
# only for a page's own scripts: they do not reach into its workers.
_BARE_IMPORT = b'from "@litertjs/wasm-utils"'
_RELATIVE_IMPORT = f'from "../{_UTILITIES}"'.encode()

_NOTICE = f"""\
LiteRT.js {VERSION}: the npm packages @litertjs/core and @litertjs/wasm-utils
Copyright Google LLC, Apache License 2.0 (LICENSE in this folder)
Source: https://github.com/google-ai-edge/LiteRT

Changed: in {_MODULE} the import of @litertjs/wasm-utils has been made a
relative one. All other files are as published.
"""


def fetch_litert_js() -> dict[pathlib.Path, dict[str, str]]:
    """Downloads LiteRT.js, unless it is in the cache.

    Returns:
        By archive, its members that are needed, to where they go.

    Raises:
        ValueError: If what was downloaded has another hash than the published
            package.
        OSError: If it cannot be downloaded.
    """
    return {fetch(one, "packages"): one.files for one in _PACKAGES}


def write_litert_js(folder: pathlib.Path) -> None:
    """Writes the files of LiteRT.js that a browser loads.

    Args:
        folder: Where to; may exist.

    Raises:
        ValueError: As `fetch_litert_js`.
        OSError: As `fetch_litert_js`.
    """
    for archive, files in fetch_litert_js().items():
        with tarfile.open(archive) as opened:
            for member, target in files.items():
                content = opened.extractfile(f"package/{member}").read()
                if target == _MODULE:
                    content = content.replace(_BARE_IMPORT, _RELATIVE_IMPORT)
                path = folder / target
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    (folder / "NOTICE").write_text(_NOTICE, encoding="utf-8")
