"""Private cars: stock, turnover, the wish to hold one, plates, powertrains."""
