"""How fast, how large and how faithful is each exported file?

    python -m export.main --model=imagenette --output=exported \
        --formats=saved_model,litert,litert_fp16,litert_dynamic,litert_int8 \
        --calibration_dataset=imagenette/320px-v2 \
        --verification_dataset=imagenette/320px-v2 --data_dir=DIR
    python benchmarks/deployment.py --export=exported

Runs the signature `patch_logits` (logits and evidence in one pass) of every
file of an export in turns: the SavedModel on 1 and 8 images, LiteRT files with
1 and 2 threads, by the Interpreter and by the CompiledModel. Fidelity is what
the export found when it verified the files. Without --export: files of an
untrained network, for their speed and size.
"""

import argparse
import functools
import json
import pathlib
import tempfile
from collections.abc import Callable, Iterator

import measure
import numpy as np

from bagnet_tf.architecture import ARCHITECTURES
from bagnet_tf.files import num_bytes

_SIGNATURE = "patch_logits"
_FORMATS = (
    "saved_model",
    "litert",
    "litert_fp16",
    "litert_dynamic",
    "litert_int8",
)
_THREADS = (1, 2)
_BATCH_SIZES = (1, 8)

Run = Callable[[], object]


def main() -> None:
    """Measures and reports."""
    options = _options()
    with tempfile.TemporaryDirectory() as temporary:
        export = options.export
        if export is None:
            export = pathlib.Path(temporary)
            metadata = _untrained(options, export)
        else:
            metadata = json.loads((export / "metadata.json").read_text("utf-8"))
        makers = dict(_makers(export, metadata))
        memory = {
            name: measure.peak_memory(_run_once, export, metadata, name)
            for name in makers
        }
        seconds = measure.in_turns(
            {name: make() for name, (make, _, _) in makers.items()},
            options.turns,
        )
        rows = [
            _row(name, makers[name], seconds, memory[name], export, metadata)
            for name in makers
        ]
    size = "x".join(map(str, metadata["input"]["size"]))
    measure.report(
        f"Exported files of {metadata['model']}, {size} px, "
        f"{len(metadata['labels'])} classes, {options.turns} turns; ratio: "
        "against the float32 LiteRT file run alike",
        rows,
        _command(options),
        options.output,
    )


def _row(name, made, seconds, memory, export, metadata) -> dict:
    _, artefact, batch_size = made
    path = metadata["formats"][artefact]["path"]
    found = {v["artefact"]: v for v in metadata.get("verification", ())}
    fidelity = found.get(path, {})
    times = np.array(seconds[name])
    # The same runtime with as many threads, or the same as TensorFlow.
    runtime = name.partition(", ")[2]
    peer = seconds.get(f"litert, {runtime}", seconds[name])
    return {
        "what": name,
        "ms": 1e3 * float(np.median(times)),
        "p95 ms": 1e3 * float(np.percentile(times, 95)),
        "images/s": batch_size / float(np.median(times)),
        "ratio": float(np.median(peer) / np.median(times)),
        "MB": num_bytes(export / path) / 1e6,
        "peak MiB": memory,
        "decisions": fidelity.get("decision_agreement"),
        "maps": fidelity.get("contrast_correlation"),
        "worst 5 %": fidelity.get("contrast_correlation_p5"),
    }


def _makers(export, metadata) -> Iterator[tuple[str, tuple]]:
    """By name: what makes a run, its artefact, and its number of images."""
    size = metadata["input"]["size"]
    shape = (*size, metadata["input"]["channels"])
    for artefact in _FORMATS:
        record = metadata["formats"].get(artefact)
        if record is None:
            continue
        path = export / record["path"]
        if artefact == "saved_model":
            for batch_size in _BATCH_SIZES:
                images = _images((batch_size, *shape), "float32")
                make = functools.partial(_saved_model, path, images)
                name = f"{artefact}, images: {batch_size}"
                yield name, (make, artefact, batch_size)
            continue
        image = _images((1, *shape), record["input_dtype"])
        for threads in _THREADS:
            for runtime in (_interpreter, _compiled_model):
                make = functools.partial(runtime, path, image, threads)
                kind = runtime.__name__.strip("_").replace("_", " ")
                name = f"{artefact}, {kind}, threads: {threads}"
                yield name, (make, artefact, 1)


def _run_once(export, metadata, name) -> None:
    make, _, _ = dict(_makers(export, metadata))[name]
    make()()


def _saved_model(path, images) -> Run:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    run = loaded.signatures[_SIGNATURE]
    images = tf.constant(images)
    # Signatures do not keep the object alive that holds their weights.
    return lambda keep=loaded: run(image=images)["patch_logits"].numpy()


def _interpreter(path, image, threads) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    run = interpreter.get_signature_runner(_SIGNATURE)
    return lambda: run(image=image)


def _compiled_model(path, image, threads) -> Run:
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.cpu_options import CpuOptions
    from ai_edge_litert.options import Options

    model = CompiledModel.from_file(
        str(path), options=Options(cpu_options=CpuOptions(num_threads=threads))
    )
    details = model.get_output_tensor_details(_SIGNATURE)
    inputs = {"image": model.create_input_buffer_by_name(_SIGNATURE, "image")}
    outputs = {
        name: model.create_output_buffer_by_name(_SIGNATURE, name)
        for name in details
    }
    lengths = {name: int(np.prod(d["shape"])) for name, d in details.items()}

    def run():
        inputs["image"].write(image)
        model.run_by_name(_SIGNATURE, inputs, outputs)
        return {
            name: buffer.read(lengths[name], np.float32)
            for name, buffer in outputs.items()
        }

    return run


def _untrained(options, folder) -> dict:
    """Writes files of a network of random weights, and what they are."""
    from bagnet_tf.export.formats import artefacts
    from bagnet_tf.export.metadata import describe
    from bagnet_tf.export.request import Request

    from bagnet_tf.model_info import ModelInfo, numbered_labels
    from bagnet_tf.models import BagNet

    model = BagNet(ARCHITECTURES[options.architecture], classes=options.classes)
    size = options.image_size, options.image_size
    noise = _images((8, *size, 3), "uint8")
    request = Request(
        model,
        ModelInfo(size, numbered_labels(options.classes)),
        lambda size: [noise],
    )
    wanted = artefacts(_FORMATS, size)
    for artefact in wanted:
        artefact.format.write(request, folder / artefact.path)
    return describe(request, wanted, ())


def _images(shape, dtype) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, shape, np.uint8).astype(dtype)


def _command(options) -> str:
    what = (
        f"--export={options.export}"
        if options.export
        else f"--architecture={options.architecture} "
        f"--image_size={options.image_size} --classes={options.classes}"
    )
    return f"python benchmarks/deployment.py {what} --turns={options.turns}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--export", type=pathlib.Path, help="what export wrote")
    parser.add_argument(
        "--architecture", default="bagnet33", choices=ARCHITECTURES
    )
    parser.add_argument("--image_size", type=int, default=224, help="pixels")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
