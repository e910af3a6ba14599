"""Systems to beat where ratings of cold users are predicted; one file each."""
