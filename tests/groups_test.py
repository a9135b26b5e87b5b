"""Do images of one group stay together, whatever slice is asked for?"""

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.datasets import base, image_source
from tests.dataset_helpers import ManifestTestCase, read_ids


class GroupsTest(ManifestTestCase):
    def _source(self, with_split=True, num_groups=60, seed=0):
        """Groups of 1 to 9 images, in random order, some without a group."""
        rng = np.random.default_rng(seed)
        self.groups = {}
        for group in range(num_groups):
            for number in range(rng.integers(1, 10)):
                self.groups[f"{group}_{number}.png"] = f"patient {group}"
        for number in range(20):
            self.groups[f"alone_{number}.png"] = ""
        files = list(self.groups)
        rng.shuffle(files)
        rows = [
            f"{f},{'ab'[i % 2]},{self.groups[f]}" + ",train" * with_split
            for i, f in enumerate(files)
        ]
        header = "path,label,group" + ",split" * with_split
        self.write(header, *rows, images=files)
        return image_source(self.name)

    def _groups_of(self, ids):
        return {self.groups[file] or file for file in ids}

    def test_groups_stay_together_without_a_split(self):
        source = self._source(with_split=False)
        train, rest = read_ids(source, "train"), read_ids(source, "validation")
        self.assertCountEqual(train + rest, self.groups)
        self.assertEmpty(self._groups_of(train) & self._groups_of(rest))
        self.assertNotEmpty(rest)
        share = len(train) / len(self.groups)
        self.assertBetween(share, 0.65, 0.95)

    def test_groups_are_contiguous(self):
        source = self._source()
        groups = [self.groups[f] or f for f in read_ids(source, "train")]
        changes = sum(a != b for a, b in zip(groups, groups[1:], strict=False))
        self.assertEqual(changes + 1, len(set(groups)))

    @parameterized.parameters(
        "50%", "5%", "95%", "99%", "17", "100", "-5%", "-1"
    )
    def test_slices_cut_no_group_and_meet(self, place):
        source = self._source()
        below, above = f"train[:{place}]", f"train[{place}:]"
        whole = read_ids(source, "train")
        try:
            parts = [read_ids(source, below), read_ids(source, above)]
        except ValueError as error:  # The last group is the whole slice.
            self.assertIn("which slices do not cut", str(error))
            self.assertIn(place, ("-1", "99%"))
            return
        self.assertEqual(parts[0] + parts[1], whole)
        self.assertEmpty(self._groups_of(parts[0]) & self._groups_of(parts[1]))
        sizes = [source.num_examples(below), source.num_examples(above)]
        self.assertEqual(sizes, [len(part) for part in parts])
        wanted = base.read_ranges(below, {"train": len(whole)})[0].stop
        # The nearest border is at most half the largest group away.
        self.assertLessEqual(abs(len(parts[0]) - wanted), 4)
        counts = [source.label_counts(s).sum() for s in (below, above)]
        self.assertEqual(counts, sizes)

    def test_folds_are_a_partition(self):
        source = self._source()
        folds = [f"train[{10 * i}%:{10 * i + 10}%]" for i in range(10)]
        ids = [read_ids(source, fold) for fold in folds]
        self.assertEqual(sum(ids, []), read_ids(source, "train"))
        self.assertEqual(
            read_ids(source, "+".join(folds[3:5])), ids[3] + ids[4]
        )
        groups = [self._groups_of(part) for part in ids]
        self.assertLen(set().union(*groups), sum(map(len, groups)))

    def test_slice_without_a_whole_group(self):
        source = self._source()
        sizes = {}
        for file in read_ids(source, "train"):
            group = self.groups[file] or file
            sizes[group] = sizes.get(group, 0) + 1
        starts = np.cumsum([0, *sizes.values()])
        start = next(
            s for s, n in zip(starts, sizes.values(), strict=False) if n > 4
        )
        with self.assertRaisesRegex(
            ValueError, r"80 groups, which slices do not cut.*train\["
        ):
            source.dataset(f"train[{start}:{start + 1}]")

    def test_a_corrupt_image_moves_no_border(self):
        source = self._source()
        ids = read_ids(source, "train")
        (self.root / ids[7]).write_bytes(b"no image")
        readable = image_source(self.name, skip_corrupt=True)
        for split in ("train[:20%]", "train[20%:]"):
            self.assertEqual(readable.ranges(split), source.ranges(split))
            left = [i for i in read_ids(source, split) if i != ids[7]]
            self.assertEqual(read_ids(readable, split), left)

    def test_order_does_not_depend_on_the_file(self):
        ids = read_ids(self._source(), "train")
        header, *rows = self.path.read_text().splitlines()
        self.path.write_text("\n".join([header, *sorted(rows)]))
        self.assertEqual(read_ids(image_source(self.name), "train"), ids)


class BordersTest(parameterized.TestCase):
    def test_every_slice_moves_to_the_nearest_borders(self):
        borders = [0, 1, 5, 6, 12, 20]
        nearest = [
            min(borders, key=lambda b: (abs(b - n), b)) for n in range(21)
        ]
        for start in range(21):
            for stop in range(start + 1, 21):
                expected = (nearest[start], nearest[stop])
                split = f"a[{start}:{stop}]"
                if expected[0] == expected[1]:
                    with self.assertRaisesRegex(ValueError, "5 groups"):
                        base.read_ranges(split, {"a": 20}, {"a": borders})
                    continue
                ranges = base.read_ranges(split, {"a": 20}, {"a": borders})
                self.assertEqual(ranges, [("a", *expected)])


if __name__ == "__main__":
    absltest.main()
