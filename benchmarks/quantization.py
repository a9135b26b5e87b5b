"""What helps 8-bit files to show the evidence of their model?

    python benchmarks/quantization.py --data_dir=DIR

Writes LiteRT files of the preset whose 8-bit activations have ranges chosen in
different ways, all from the same photos of the training split, and compares
their evidence maps with the model's on photos held out of its training. Times
are medians on all cores, in turns; the ratio is that to float32.
"""

import argparse
import functools
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping

import measure
import numpy as np

# The preset was trained on the rest.
_HELD_OUT = "train[95%:]"
_CALIBRATION = "train[:95%]"
# Of the activations of a layer, in %, above its range and as many below.
_CLIPPED = (0, 0.01, 0.02, 0.03, 0.1)

_DISTILLED_RATE = 2e-5
_DISTILLED_BATCH = 16


def main() -> None:
    """Measures and reports."""
    from bagnet_tf.export.images import real_images
    from bagnet_tf.export.request import Request

    from bagnet_tf.loading import load_model

    options = _options()
    model, info = load_model("imagenette")
    held_out = real_images(
        options.dataset, _HELD_OUT, options.data_dir, options.num_images
    )
    calibration = real_images(
        options.dataset,
        _CALIBRATION,
        options.data_dir,
        options.num_calibration_images,
    )
    request = Request(model, info, calibration)
    images = np.concatenate(list(held_out(info.image_size)))
    wanted = _maps(request.graph.network, images)
    rows, runs = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name, write in _variants(request, options.steps).items():
            path = pathlib.Path(folder, f"{len(rows)}.tflite")
            write(path)
            run = _opened(path)
            rows.append({"what": name, **_fidelity(run, images, wanted)})
            rows[-1]["MB"] = path.stat().st_size / 1e6
            runs[name] = functools.partial(run, images[:1])
        seconds = measure.in_turns(runs, options.turns)
    peer = measure.median(seconds["float32"])
    for row in rows:
        own = measure.median(seconds[row["what"]])
        row.update({"ms": 1e3 * own, "ratio": peer / own})
    measure.report(
        f"8-bit files of the preset, {options.num_calibration_images} photos "
        f"to calibrate on, {options.num_images} to compare on",
        rows,
        "python benchmarks/quantization.py --data_dir=DIR "
        f"--num_images={options.num_images} --num_calibration_images="
        f"{options.num_calibration_images} --steps={options.steps}",
        options.output,
    )


def _variants(request, steps) -> Mapping[str, Callable]:
    """By name, what writes a file to a path."""
    from bagnet_tf.export.formats import FORMATS

    variants = {
        "float32": functools.partial(FORMATS["litert"].write, request),
        "dynamic range": functools.partial(
            FORMATS["litert_dynamic"].write, request
        ),
    }
    for equalized in (False, True):
        for clipped in _CLIPPED:
            name = f"int8, {clipped} % clipped" + ", equalized" * equalized
            variants[name] = functools.partial(
                _write, request=request, clipped=clipped, equalized=equalized
            )
    variants["int8 as exported, but the last stage float"] = functools.partial(
        _write, request=request, float_stage="stage4_"
    )
    if steps:
        name = f"int8 as exported, then {steps} steps of distillation"
        variants[name] = functools.partial(_write, request=request, steps=steps)
    return variants


def _write(
    path, *, request, clipped=None, equalized=True, float_stage=None, steps=0
) -> None:
    from bagnet_tf.export.calibration import (
        CLIPPED,
        activation_ranges,
        largest_activations,
    )
    from bagnet_tf.export.equalization import equalize
    from bagnet_tf.export.litert import convert_int8
    from bagnet_tf.export.quantization import rounding_network

    clipped = CLIPPED if clipped is None else clipped
    calibration = functools.partial(
        request.calibration, request.info.image_size
    )
    network = request.graph.network
    largest = largest_activations(network, calibration())
    if equalized:
        network, largest = equalize(network, largest)
    ranges = activation_ranges(network, calibration(), largest, clipped)
    if float_stage:
        ranges = {
            name: limits
            for name, limits in ranges.items()
            if not name.startswith(float_stage)
        }
    rounding = rounding_network(network, ranges)
    if steps:
        _distil(request, rounding, steps)
    path.write_bytes(convert_int8(request, rounding))


def _distil(request, rounding, steps) -> None:
    """Trains the rounding network to have the model's evidence maps.

    Gradients pass through the rounding as if it were not there, within its
    range ("quantisation-aware training" without labels).
    """
    import keras
    import tensorflow as tf

    images = np.concatenate(list(request.calibration(request.info.image_size)))
    generator = np.random.default_rng(0)
    variables = [
        v for v in rounding.trainable_variables if "classifier" not in v.path
    ]
    optimizer = keras.optimizers.Adam(_DISTILLED_RATE)
    optimizer.build(variables)

    @tf.function
    def step(batch):
        wanted = request.graph.network(batch)["patch_logits"]
        with tf.GradientTape() as tape:
            error = rounding(batch, training=True)["patch_logits"] - wanted
            # What all classes have in common changes nothing.
            error -= tf.reduce_mean(error, axis=-1, keepdims=True)
            loss = tf.reduce_mean(error**2)
        optimizer.apply(
            tape.gradient(loss, [v.value for v in variables]), variables
        )

    for _ in range(steps):
        chosen = generator.integers(0, len(images), _DISTILLED_BATCH)
        step(tf.constant(images[chosen], tf.float32))


def _opened(path) -> Callable[[np.ndarray], np.ndarray]:
    """A function of uint8 images that gives their patch logits."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=os.cpu_count())
    run = interpreter.get_signature_runner("patch_logits")

    def patch_logits(images):
        outputs = [run(image=one[None]) for one in images.astype(np.float32)]
        return np.concatenate([one["patch_logits"] for one in outputs])

    return patch_logits


def _maps(network, images) -> np.ndarray:
    outputs = network.predict(
        images.astype(np.float32), batch_size=16, verbose=0
    )
    return outputs["patch_logits"]


def _fidelity(run, images, wanted) -> dict[str, float]:
    from bagnet_tf.export.fidelity import (
        contrast_maps,
        map_correlations,
        patch_agreement,
    )

    maps = run(images)
    logits, wanted_logits = maps.mean(axis=(1, 2)), wanted.mean(axis=(1, 2))
    correlations = map_correlations(
        contrast_maps(maps, wanted_logits), contrast_maps(wanted, wanted_logits)
    )
    same = logits.argmax(axis=-1) == wanted_logits.argmax(axis=-1)
    return {
        "decisions": float(same.mean()),
        "patches": float(patch_agreement(maps, wanted, "softmax").mean()),
        "maps": float(np.median(correlations)),
        "worst 5 %": float(np.percentile(correlations, 5)),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--dataset", default="imagenette/320px-v2")
    parser.add_argument("--data_dir", help="folder of TFDS datasets")
    parser.add_argument("--num_images", type=int, default=473)
    parser.add_argument("--num_calibration_images", type=int, default=200)
    parser.add_argument(
        "--steps", type=int, default=0, help="of distillation, for one more row"
    )
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
