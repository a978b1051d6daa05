"""The subcommands of `hybridner`, one module each; only `run` and what it calls import what is heavy."""
