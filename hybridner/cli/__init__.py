"""The command `hybridner`: one file per subcommand, thin over the library."""
