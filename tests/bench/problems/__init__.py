"""Problems to replay a search on: synthetic ones, and tables of what was really measured."""
