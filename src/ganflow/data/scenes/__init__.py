"""Scenes: renderers of synthetic images, one module for each official image set that they replace offline."""
