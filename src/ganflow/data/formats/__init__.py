"""Formats: how official archives are laid out; one file each."""
