"""The command `hybridner`: one module for each subcommand in `commands`, thin over the library."""
