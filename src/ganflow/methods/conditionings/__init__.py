"""How classes enter generator and critic; one file each."""
