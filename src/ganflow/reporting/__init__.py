"""Reporting: figures, tables, the page, and the view in MLflow."""
