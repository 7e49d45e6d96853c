"""How a corpus is computed: stages, engines and the command lines."""
