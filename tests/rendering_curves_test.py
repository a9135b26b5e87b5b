"""Learning curves show every epoch."""

import numpy as np
from absl.testing import absltest

from bagnet_tf.rendering import render_curves


def _history(epochs):
    rng = np.random.default_rng(0)
    keys = "loss", "accuracy", "holdout_loss", "holdout_accuracy"
    return [
        {"epoch": epoch + 1, "learning_rate": 0.1, **dict.fromkeys(keys, 0.0)}
        | {key: float(rng.uniform()) for key in keys}
        for epoch in range(epochs)
    ]


class CurvesTest(absltest.TestCase):
    def test_every_number_is_drawn(self):
        history = _history(5)
        figure = render_curves(history, "run")
        drawn = [
            (axes.get_title("left"), line.get_xdata(), line.get_ydata())
            for axes in figure.axes
            for line in axes.lines
        ]
        keys = (
            ("loss (nats)", "loss"),
            ("loss (nats)", "holdout_loss"),
            ("accuracy", "accuracy"),
            ("accuracy", "holdout_accuracy"),
            ("learning rate", "learning_rate"),
        )
        self.assertLen(drawn, len(keys))
        for (title, epochs, values), (name, key) in zip(
            drawn, keys, strict=True
        ):
            self.assertEqual(title, name)
            self.assertEqual(list(epochs), [1, 2, 3, 4, 5])
            self.assertEqual(list(values), [entry[key] for entry in history])

    def test_areas_in_place_of_accuracies(self):
        history = _history(3)
        for entry, area in zip(history, (0.5, None, 0.75), strict=True):
            del entry["holdout_accuracy"]
            entry["holdout_mean_auroc"] = area
        figure = render_curves(history, "run")
        figure.canvas.draw()
        line = figure.axes[1].lines[1]
        np.testing.assert_array_equal(
            np.asarray(line.get_ydata(), float), (0.5, np.nan, 0.75)
        )
        self.assertIn("mean AUROC", line.get_label())

    def test_low_losses_are_told_apart_beside_a_large_one(self):
        history = _history(3)
        for entry, loss in zip(history, (900.0, 1.0, 0.25), strict=True):
            entry["loss"], entry["holdout_loss"] = 1.0, loss
        figure = render_curves(history, "run")
        figure.canvas.draw()
        axes = figure.axes[0]
        heights = [axes.transData.transform((0, v))[1] for v in (0.25, 1.0)]
        self.assertGreater(heights[1] - heights[0], 0.1 * axes.bbox.height)
        # Where it is not needed the axis is the usual one.
        history[0]["holdout_loss"] = 2.0
        self.assertEqual(
            render_curves(history, "run").axes[0].get_yscale(), "linear"
        )

    def test_one_epoch_is_seen(self):
        figure = render_curves(_history(1), "run")
        figure.canvas.draw()
        self.assertEqual(figure.axes[0].lines[0].get_marker(), "o")

    def test_no_epoch(self):
        with self.assertRaisesRegex(ValueError, "history must have an entry"):
            render_curves([], "run")


if __name__ == "__main__":
    absltest.main()
