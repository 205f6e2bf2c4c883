"""Mutants of guards: which there are (`operators`), and the tests that judge each (`judge`). See docs/mutation.md."""
