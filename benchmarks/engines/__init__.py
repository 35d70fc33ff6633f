"""Where jobs run: processes of this machine, Slurm, Dask; and on which device."""
