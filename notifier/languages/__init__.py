"""In which languages clients are written to. It knows neither clients nor what is said to them."""
