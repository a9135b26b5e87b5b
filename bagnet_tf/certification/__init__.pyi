"""What type checkers see of names that are imported on first use."""

from bagnet_tf.certification.certificate import Certificate as Certificate
from bagnet_tf.certification.certificate import certify as certify
from bagnet_tf.certification.defenses import DEFENSES as DEFENSES
from bagnet_tf.certification.defenses import Defense as Defense
from bagnet_tf.certification.gauge import fit_gauge as fit_gauge
from bagnet_tf.certification.windows import box_sums as box_sums
from bagnet_tf.certification.windows import window_shape as window_shape
