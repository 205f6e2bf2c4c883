"""Networks: one family a file, each giving a generator and a critic."""
