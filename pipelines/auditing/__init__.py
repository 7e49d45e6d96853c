"""An auditor's questions of a sealed corpus, one a file, each answered offline from the store."""
