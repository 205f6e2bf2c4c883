"""Evaluation: metrics of generated samples, with their extractors, protocols and checks."""
