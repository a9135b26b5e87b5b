"""How is a described figure drawn? By the function of its kind."""

from matplotlib.figure import Figure

from bagnet_tf.figures import Chart, Gallery
from bagnet_tf.rendering.charts import render_chart
from bagnet_tf.rendering.gallery import render_gallery


def render_figure(description: Chart | Gallery) -> Figure:
    """Draws a figure of any kind that `bagnet_tf.figures` describes."""
    if isinstance(description, Gallery):
        return render_gallery(description)
    return render_chart(description)
