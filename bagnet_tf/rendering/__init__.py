"""What does evidence look like? Pictures; the only importer of matplotlib.

Nothing of pyplot's global state is used: a figure is made and drawn by Agg,
on any machine and in any thread.
"""

from bagnet_tf.colours import colour_limit
from bagnet_tf.rendering.canvas import save_picture
from bagnet_tf.rendering.charts import render_chart
from bagnet_tf.rendering.curves import render_curves
from bagnet_tf.rendering.decision import DenseMaps, render_explanation
from bagnet_tf.rendering.figure import render_figure
from bagnet_tf.rendering.gallery import render_gallery
from bagnet_tf.rendering.heatmap import plot_heatmap
from bagnet_tf.rendering.overlay import overlay_on_photo
from bagnet_tf.rendering.sheet import SheetEntry, render_contact_sheet

__all__ = [
    "DenseMaps",
    "SheetEntry",
    "colour_limit",
    "overlay_on_photo",
    "plot_heatmap",
    "render_chart",
    "render_contact_sheet",
    "render_curves",
    "render_explanation",
    "render_figure",
    "render_gallery",
    "save_picture",
]
