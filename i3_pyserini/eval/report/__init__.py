"""A page about runs, to send: tables, figures and the numbers behind them in one file."""
