"""One raw format a file: from the bytes of a blob to records."""
