"""The explain command's certificates, in JSON and picture."""

import json

import numpy as np
from absl.testing import absltest, parameterized
from matplotlib.text import Text
from PIL import Image

from bagnet_tf.commands import explain_writer
from bagnet_tf.evidence import patch_logits_model
from bagnet_tf.rendering import render_explanation
from tests.certification_helpers import decision, is_certified
from tests.explain_helpers import LABELS, ExplainCommandTestCase


class CertificatesTest(ExplainCommandTestCase):
    def test_certificates(self):
        self.run_command("--certify_patch_size=1,6x40,48")
        content = json.loads((self.output / "photo.json").read_text())
        small, wide, all_of_it = content["certificates"]
        self.assertEqual(wide["patch_size"], [6, 40])
        # Nothing is left of the photo: any class may win.
        self.assertFalse(all_of_it["certified"])
        self.assertIn("is not proven", all_of_it["statement"])
        image = np.asarray(Image.open(self.photo), np.float32)[None]
        patch_logits = patch_logits_model(self.model)(image)["patch_logits"]
        logits = np.asarray(patch_logits)[0]
        for found, size in ((small, (1, 1)), (wide, (6, 40))):
            window = [-(-(side + 8) // 8) for side in size]  # Of BagNet-9.
            window = np.minimum(window, logits.shape[:2])
            decided = decision(logits, window, "double_masking")
            self.assertEqual(found["prediction"]["class_id"], decided)
            self.assertEqual(found["prediction"]["label"], LABELS[decided])
            self.assertEqual(
                found["certified"],
                is_certified(logits, decided, window, "double_masking"),
            )
            plain = logits.mean(axis=(0, 1)).argmax()
            self.assertEqual(found["is_plain_decision"], decided == plain)

    def test_certificates_are_told_in_the_picture(self):
        shown = []

        def render(*arguments):
            figure = render_explanation(*arguments)
            texts = [text.get_text() for text in figure.findobj(Text)]
            shown.append(" ".join(" ".join(texts).split()))
            return figure

        with absltest.mock.patch.object(
            explain_writer, "render_explanation", render
        ):
            self.run_command("--certify_patch_size=2,3")
            content = json.loads((self.output / "photo.json").read_text())
            self.run_command("--overwrite")
        for certificate in content["certificates"]:
            self.assertIn(certificate["statement"], shown[0])
        self.assertNotIn("masking", shown[1])
        content = json.loads((self.output / "photo.json").read_text())
        self.assertNotIn("certificates", content)

    @parameterized.parameters(
        ("49", "^certify_patch_size: patch_size must fit .* 48x48"),
        ("3x", "certify_patch_size must be pixels"),
    )
    def test_certify_patch_of_no_use(self, size, message):
        with self.assertRaisesRegex(ValueError, message):
            self.run_command(f"--certify_patch_size={size}")
        self.assertFalse(self.output.exists())


if __name__ == "__main__":
    absltest.main()
