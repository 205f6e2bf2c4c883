"""Studies: what the papers prove or draw about distances and objectives, computed; one file each."""
