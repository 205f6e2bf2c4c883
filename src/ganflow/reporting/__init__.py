"""Reporting: figures, tables, the HTML page, and publishing to MLflow."""
