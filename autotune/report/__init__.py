"""The report of a study: one page that holds the answer, the plot, the pictures and how to do it again."""
