"""Studies that reproduce results and figures of papers about distances and objectives; one file each."""
