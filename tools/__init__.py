"""Tools for those who work on mailcrm; the program itself needs none of them."""
