"""Scenes: drawn pictures that stand in for the official image sets where those can't be fetched, one set a module."""
