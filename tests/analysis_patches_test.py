"""Informative patches, worst errors, histograms: against brute force."""

import numpy as np
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.analysis import (
    informative_patches,
    logit_histogram,
    misclassified,
)
from tests.analysis_helpers import classifier_of, noise_source, request_of
from tests.small_models import compute, tiny_model


class PatchesTestCase(parameterized.TestCase):
    """Has a source of noise, and what the tiny model says of it."""

    def setUp(self):
        super().setUp()
        self.source = noise_source(14)
        self.images = self.source._arrays["image"]
        self.labels = self.source._arrays["label"]
        outputs = compute(
            bagnet_tf.patch_logits_model(tiny_model()),
            self.images.astype(np.float32),
        )
        self.logits = outputs["logits"].astype(np.float64)
        self.patch_logits = outputs["patch_logits"].astype(np.float64)

    def _request(self, experiment, **options):
        classifier = classifier_of(tiny_model())
        return request_of(
            self, [classifier], self.source, experiment, **options
        )


class InformativePatchesTest(PatchesTestCase):
    def test_equals_a_search_over_all_patches(self):
        result = informative_patches.run(
            self._request("informative-patches", patches_per_class=3)
        )
        for class_id in range(4):
            for origin in ("its photos", "other photos"):
                rows = [
                    row
                    for row in result.rows
                    if row["class_id"] == class_id and row["from"] == origin
                ]
                wanted = self._best(class_id, origin == "its photos")[:3]
                self.assertLen(rows, len(wanted))
                for row, (value, index, r, c) in zip(rows, wanted, strict=True):
                    self.assertEqual(row["index"], index)
                    self.assertEqual(row["image"], str(index))
                    self.assertAlmostEqual(row["evidence"], value, places=4)
                    self.assertAlmostEqual(
                        row["patch_logit"],
                        self.patch_logits[index, r, c, class_id],
                        places=4,
                    )
                    box = [row[k] for k in ("top", "left", "bottom", "right")]
                    self.assertEqual(box, [2 * r, 2 * c, 2 * r + 5, 2 * c + 5])

    def test_a_sigmoid_head_has_no_gauge(self):
        classifier = classifier_of(tiny_model(), head="sigmoid")
        request = request_of(
            self, [classifier], self.source, "informative-patches"
        )
        for row in informative_patches.run(request).rows:
            best = self.patch_logits[row["index"], ..., row["class_id"]].max()
            self.assertAlmostEqual(row["evidence"], best, places=4)
            self.assertEqual(row["evidence"], row["patch_logit"])

    def _best(self, class_id, own):
        """(value, image, row, col) of each image's best patch, by a loop."""
        best = []
        for index, maps in enumerate(self.patch_logits):
            if (self.labels[index] == class_id) == own:
                cells = [
                    (maps[r, c, class_id] - maps[r, c].mean(), index, r, c)
                    for r in range(maps.shape[0])
                    for c in range(maps.shape[1])
                ]
                best.append(max(cells))
        return sorted(best, reverse=True)

    def test_crops_are_exact(self):
        request = self._request(
            "informative-patches", patches_per_class=2, class_ids=[2]
        )
        result = informative_patches.run(request)
        rows = [row for row in result.rows if row["class_id"] == 2]
        tiles = [tile for _, row in result.figures[""].rows for tile in row]
        self.assertLen(tiles, len(rows))
        for row, tile in zip(rows, tiles, strict=True):
            image = self.images[row["index"]]
            expected = image[
                row["top"] : row["top"] + 5, row["left"] : row["left"] + 5
            ]
            np.testing.assert_array_equal(tile.image, expected)


class MisclassifiedTest(PatchesTestCase):
    def test_worst_errors_first(self):
        result = misclassified.run(self._request("misclassified", num_shown=2))
        decisions = self.logits.argmax(axis=-1)
        differences = [
            row[decision] - row[label]
            for row, decision, label in zip(
                self.logits, decisions, self.labels, strict=True
            )
        ]
        wrong = [i for i in range(14) if decisions[i] != self.labels[i]]
        wrong.sort(key=lambda i: -differences[i])
        self.assertEqual([row["index"] for row in result.rows], wrong)
        for row in result.rows:
            index = row["index"]
            self.assertAlmostEqual(
                row["logit_difference"], differences[index], places=4
            )
            names = [f"kind {c[index]}" for c in (decisions, self.labels)]
            self.assertEqual([row["decision"], row["label"]], names)
        self.assertEqual(result.summary["num_errors"], len(wrong))
        gallery = result.figures[""]
        self.assertLen(gallery.rows, 2)

    def test_the_difference_of_maps_is_exact(self):
        result = misclassified.run(self._request("misclassified", num_shown=3))
        for row, (_, tiles) in zip(
            result.rows, result.figures[""].rows, strict=False
        ):
            _, decided, true, difference = (tile.evidence for tile in tiles)
            np.testing.assert_allclose(difference, decided - true, atol=1e-5)
            self.assertAlmostEqual(
                float(difference.mean()), row["logit_difference"], places=4
            )

    def test_no_errors(self):
        self.source._arrays["label"][:] = self.logits.argmax(axis=-1)
        with self.assertRaisesRegex(ValueError, "must make an error"):
            misclassified.run(self._request("misclassified"))


class LogitHistogramTest(PatchesTestCase):
    def test_counts_every_patch_once(self):
        request = self._request("logit-histogram")
        logit_histogram.run(request)
        found = request.partial.values("patch logits")
        edges = logit_histogram._EDGES
        own = [
            value
            for maps, label in zip(self.patch_logits, self.labels, strict=True)
            for value in maps[..., label].ravel()
        ]
        counted = {}
        for row in found:
            for place, count in row["own"].items():
                counted[int(place)] = counted.get(int(place), 0) + count
        expected, _ = np.histogram(own, edges)
        for place, count in enumerate(expected):
            # A logit may lie on an edge, within rounding.
            self.assertAlmostEqual(counted.get(place, 0), count, delta=1)
        others = sum(sum(row["other"].values()) for row in found)
        self.assertEqual(sum(counted.values()), len(own))
        self.assertEqual(others, 3 * len(own))

    def test_concentration_by_hand(self):
        evidence = np.array([[4.0, -9, 0, 1], [2, 1, -1, 2]])
        found = logit_histogram.concentration(evidence)
        self.assertAlmostEqual(found["positive"], 5 / 8)
        # Of eight patches, 1 %, 5 % and 10 % are one patch.
        for percent in (1, 5, 10):
            self.assertAlmostEqual(found[f"top_{percent}_percent"], 0.4)
        values = np.maximum(evidence, 0).ravel()
        differences = sum(abs(a - b) for a in values for b in values)
        self.assertAlmostEqual(
            found["gini"], differences / (2 * 64 * values.mean())
        )

    def test_more_patches(self):
        evidence = np.arange(1, 201).reshape(10, 20)
        found = logit_histogram.concentration(evidence)
        total = 200 * 201 / 2
        self.assertAlmostEqual(found["top_1_percent"], (200 + 199) / total)
        top = sum(range(181, 201))
        self.assertAlmostEqual(found["top_10_percent"], top / total)

    def test_nothing_positive(self):
        found = logit_histogram.concentration(-np.ones((2, 2)))
        self.assertEqual(set(found.values()), {0.0})

    def test_percentiles_of_bins(self):
        values = np.random.default_rng(0).normal(1, 2, 20000)
        counts, _ = np.histogram(values, logit_histogram._EDGES)
        for percent in (5, 50, 95):
            self.assertAlmostEqual(
                logit_histogram._percentile(counts, percent),
                np.percentile(values, percent),
                delta=0.05,
            )


if __name__ == "__main__":
    absltest.main()
