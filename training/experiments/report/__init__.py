"""One HTML page that shows what was done: the report's figures and tables regenerated, ours beside them, and what theirs lack."""
