"""Which configuration trains in seconds, in a command's own process?

    python -m train.main --config=tests/shallow_glyphs.py --workdir=...

That of the glyphs, but a name of an architecture stands for a quarter of its
blocks: `shallow_networks`.
"""

from tests.training_helpers import shallow_networks
from train.configs.glyphs import get_config as get_config

shallow_networks().start()
