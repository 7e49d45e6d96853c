"""What a corpus is: pure functions and file formats. Knows no engine and no torch."""
