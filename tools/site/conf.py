"""Settings of Sphinx, and formulas as MathML: browsers draw it, so no page asks for anything elsewhere."""

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

project = "videoformer_edu"
author = "The videoformer_edu authors"
project_copyright = "The videoformer_edu authors; text and pictures CC BY 4.0, code MIT"
extensions = ["myst_nb"]
nb_execution_mode = "off"  # the outputs are those that the repository holds, and tests hold them to the code
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "dollarmath", "html_image"]
myst_heading_anchors = 3
html_theme = "sphinx_book_theme"
html_title = "videoformer_edu"
html_theme_options = {"use_download_button": False, "use_fullscreen_button": False, "show_toc_level": 2,
                      "navbar_persistent": []}
html_sourcelink_suffix, html_show_sourcelink, html_copy_source, html_show_sphinx = "", False, False, False
html_static_path, html_css_files, html_js_files = ["_static"], ["course.css"], ["course.js"]
html_scaled_image_link = False
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]


KNOWN = {r"\dots": r"\ldots"}  # docutils' word for it


def visit_formula(translator, node, block=False):
    """A formula as MathML; one that docutils does not know stops the build, and the message names it."""
    text = node.astext()
    for command, known in KNOWN.items():
        text = text.replace(command, known)
    formula = tex2mathml(text, as_block=block)
    translator.body.append(f'<div class="formula">{formula}</div>' if block else formula)
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer(
        "mathml", inline_renderers=(visit_formula, None),
        block_renderers=(lambda translator, node: visit_formula(translator, node, block=True), None))
    app.config.html_math_renderer_name = "mathml"


html_math_renderer = "mathml"
