"""Cities: tables read, checked, built from files and written."""
