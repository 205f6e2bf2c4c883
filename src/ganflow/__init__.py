"""ganflow: reproducible GAN research, from the official archives to a report, under DVC or Snakemake."""
