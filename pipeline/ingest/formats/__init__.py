"""One module for each raw format, and what they share: blocks of lines, rows, rejected ones."""
