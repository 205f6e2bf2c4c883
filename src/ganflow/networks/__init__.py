"""Networks: families of a generator and a critic, one file each."""
