"""Which code of the site is never broken over two lines? Names and flags."""

import re

# What fits a phone; longer code may break.
_NAME = re.compile(r"<code>([^<>\s]{1,30})</code>")


def on_page_content(html: str, **_: object) -> str:
    """Marks short code without spaces for the style sheet, as MkDocs's hook.

    Args:
        html: A page.

    Returns:
        The page, such code being of the class `whole`.
    """
    return _NAME.sub(r'<code class="whole">\1</code>', html)
