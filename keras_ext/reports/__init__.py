"""What a run leaves: words in the terminal, a page, figures and JSON.

This room reads records and computes nothing new. The fields of ``result.json`` are described in
``SCHEMA.md`` beside this file. jinja2 and matplotlib are imported when a page is made.
"""

from keras_ext.reports.article_page import render_article, write_article
from keras_ext.reports.folder import write_json, write_result_folder
from keras_ext.reports.html import render, write_report
from keras_ext.reports.sweep_folder import write_sweep_folder
from keras_ext.reports.sweep_page import render_sweep, write_sweep_report
from keras_ext.reports.sweep_terminal import print_sweep
from keras_ext.reports.terminal import print_report

__all__ = [
    "print_report",
    "print_sweep",
    "render",
    "render_article",
    "render_sweep",
    "write_article",
    "write_json",
    "write_report",
    "write_result_folder",
    "write_sweep_folder",
    "write_sweep_report",
]
