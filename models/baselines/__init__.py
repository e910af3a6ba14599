"""Systems to beat, one file each."""
